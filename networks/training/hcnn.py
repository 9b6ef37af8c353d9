"""Training of HCNN on human faces (ExprGen, section 4.1).

Targets are the distributions of people's votes, the loss is their cross-entropy. The `quick` recipe
begins with small pictures and ends at 256 pixels; `paper` is the published one (SGD, momentum 0.9,
weight decay 0.0005, batch 50, rate 0.001 divided by 10 every 10 epochs, 256 pixels throughout).
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..models.perceptual import hcnn, standardise
from ..models.weights_io import ModelCard, WeightsInfo, load_network, save_network, write_card
from ..records import number_of
from ..vocabulary import EXPRESSIONS, REGISTERED_SIZE
from .shared.augment import AugmentSettings, augment
from .shared.classifying import HUMAN_LICENCE, classify, measures, shrink, soft_cross_entropy
from .shared.datasets import open_faces
from .shared.distributed import start
from .shared.folds import cross_validate, in_fold, test_faces, without_folds
from .shared.keeping import mean_of
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.mixing import CARRIED, HUMANS, PEOPLE, Pool, draw, held_out, pools, prior
from .shared.options import changed_options, fixed, option, run_command
from .shared.prepared import checkpoint_folder, place_to_prepare, validates
from .shared.report import confusion_matrix, write_report
from .shared.sets import VALIDATION
from .shared.teaching import taught

HUMAN_DATA = "the human expression set (FER+ votes and mux)"
SYNTHETIC_DATA = "synthetic people (rendered, CC0)"
CARRIED_DATA = "photographs of that set carried to held-in expressions"
_PURPOSE = "Tells the seven expressions from a registered human face (ExprGen, Table 1)."
CHECK_FACES = 1200  # validation faces looked at while training; the closing measure takes them all


@dataclass(frozen=True)
class HcnnSettings:
    """What one training of the HCNN needs; each option's help says what it is."""

    data: str = option(MISSING, "folder of the prepared faces, or drawn:N for N drawn ones")
    out: str = option(MISSING)
    checkpoints: str = option("")
    resume: bool = option(False)
    init: str = option("", "HCNN weights to start from; or a mean of some: FILE:SHARE,FILE:SHARE")
    recipe: str = option("quick", "quick or the paper's", ("quick", "paper"))
    minutes: float | None = option(None)
    epochs: float = option(1.0, "factor on the length of every stage")
    sizes: str = option("", "stages as size:images:rate,...; the last size is the network's input")
    batch: int = option(50, "pictures a step")
    balance: float = option(0.5)
    changes: float = option(1.0)
    people: str = option("")
    people_share: float = option(0.15)
    teacher: str = option("")
    teacher_share: float = option(0.5)
    seed: int = option(0)
    threads: int = option(0)
    folds: int = option(0)
    fold: int = option(-1)


QUICK_SIZE = 64
"""Side of the faces that the quick recipe learns from, and so of the network's input, in pixels.

Most labelled faces are 48 pixels wide, so 64 lose nothing of them, cost a sixteenth of 256 and make
sharp footage as coarse as what was learned from. Going on at 128 and 256 was tried: with 18,000
pictures more, accuracy fell from 78% to 74% and 58%, since the layers know the size of what they
look for.
"""


def quick_stages(images: int, s: HcnnSettings) -> tuple[Stage, ...]:
    """Twelve epochs of small pictures; `images` is the size of the training part."""
    return (Stage(QUICK_SIZE, max(1, int(12 * images * s.epochs)), s.batch, 3e-3),)


def paper_stages(images: int, s: HcnnSettings) -> tuple[Stage, ...]:
    """Thirty epochs at 256 pixels (the paper says "until convergence")."""
    return (Stage(REGISTERED_SIZE, max(1, int(30 * images * s.epochs)), s.batch, 1e-3),)


def given_stages(s: HcnnSettings) -> tuple[Stage, ...]:
    """Stages from the option `sizes`.

    Raises:
        UsageError: it names none.
    """
    return tuple(_given_stage(part, s.batch) for part in s.sizes.split(","))


def _given_stage(text: str, batch: int) -> Stage:
    size, _, rest = text.partition(":")
    images, _, rate = rest.partition(":")
    try:
        stage = Stage(int(size), int(images), batch, number_of(rate))
    except ValueError:
        stage = None
    if stage is None or not (16 <= stage.size <= 1024 and stage.images > 0 and stage.rate > 0):
        fix = "give --sizes SIDE:IMAGES:RATE,..., a side of 16 to 1024, such as 64:9000:1e-3"
        raise UsageError(f"--sizes {text[:40]!r} is no stage of a training", fix=fix)
    return stage


class ExpressionTask:
    """Learning to tell the seven expressions from faces.

    Args:
        parts: what batches are drawn from; the first one's validation faces are checked on.
        targets: for each part (len(rows), 7) what its faces are to be taken for; by default what
            people said.
    """

    def __init__(
        self,
        model: nn.Module,
        parts: tuple[Pool, ...],
        changes: AugmentSettings,
        targets: list[np.ndarray] | None = None,
    ):
        self.model, self.parts, self.changes = model, parts, changes
        self.learned = targets or [part.data.targets[part.rows] for part in parts]
        self.data = parts[0].data
        self.check_rows = self.data.rows(VALIDATION)
        self.targets = np.asarray(self.data.targets, np.float32)
        # Never the whole set while training: the same faces each time, all classes in proportion.
        step = max(1, len(self.check_rows) // CHECK_FACES)
        self.quick_rows = self.check_rows[::step]
        self._shrunk = lru_cache(maxsize=1)(self._shrink)

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        chosen = draw(self.parts, stage.batch, rng)
        shrunk = self._shrunk(stage.size)
        faces = np.concatenate([shrunk[k][rows] for k, rows in enumerate(chosen)])
        targets = [learned[rows] for learned, rows in zip(self.learned, chosen, strict=True)]
        x, _ = augment(faces, stage.size, self.changes, rng)
        logits = self.model(standardise(x), folded=True).float()
        return soft_cross_entropy(logits, np.concatenate(targets))

    def evaluate(self, model: nn.Module, stage: Stage) -> dict[str, float]:
        answers = classify(model, self.data.faces, self.quick_rows, stage.size)
        return measures(answers, self.targets[self.quick_rows])

    def _shrink(self, size: int) -> list[np.ndarray]:
        return [shrink(part.data.faces, part.rows, size) for part in self.parts]


def train(s: HcnnSettings) -> Outcome:
    """Train, write weights, model card and report; returns the outcome."""
    if s.folds and s.init:
        raise UsageError("weights to start from have seen every fold", fix="leave out --init")
    if validates(s):
        return cross_validate(s, "hcnn", train, test_faces)
    here = start()
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    data = in_fold(open_faces(s), s)
    paper = s.recipe == "paper"
    model = starting_network(s.init) if s.init else hcnn()
    parts = pools(data, s.balance, s.people, s.people_share)
    folder = checkpoint_folder(s)
    task = ExpressionTask(
        model.to(memory_format=torch.channels_last),
        parts,
        (AugmentSettings.paper() if paper else AugmentSettings()).scaled(s.changes),
        taught(parts, s.teacher, s.teacher_share, place_to_prepare(s)) if s.teacher else None,
    )
    images = len(task.parts[0].rows)
    stages = (paper_stages if paper else quick_stages)(images, s)
    stages = given_stages(s) if s.sizes else stages
    loop = LoopSettings(minutes=s.minutes, seed=s.seed, evaluate_every=_evaluate_every(stages))
    if paper:
        loop = replace(
            loop,
            optimiser="sgd",
            weight_decay=5e-4,
            schedule="drop",
            drop_images=10 * images,
            average=0.0,
        )
    say(f"HCNN: {images} faces to learn from, {len(task.check_rows)} to check on")
    outcome = run(task, stages, folder, loop, without_folds(fixed(s)), s.resume)
    if here.main:
        card = Card("hcnn", "HCNN", _PURPOSE, command=_command(s))
        finish(s, card, task, outcome, stages[-1].size)
    return outcome


def _evaluate_every(stages: tuple[Stage, ...]) -> int:
    """Steps. The rate of a long training falls late, and the network gets better then: patience
    counted in short intervals would end it before."""
    return max(LoopSettings.evaluate_every, stages[-1].steps // LoopSettings.patience)


def starting_network(init: str, network: str = "hcnn") -> nn.Module:
    """The network of a weight file, or the mean of several: "a.safetensors:0.4,b.safetensors:0.6".

    Raises:
        UsageError: a share is missing, no number, or they don't sum to 1. ModelError: a file is
            missing, damaged or of another network.
    """
    if "," not in init:
        return load_network(init, network)[0]
    parts = [part.rpartition(":") for part in init.split(",")]
    try:
        shares = [float(share) for _, _, share in parts]
    except ValueError as error:
        raise UsageError(f"{init!r} is no mean", fix="write FILE:SHARE,FILE:SHARE") from error
    if abs(sum(shares) - 1) > 1e-6:
        raise UsageError(f"the shares sum to {sum(shares):g}", fix="give shares that sum to 1")
    networks = [load_network(file, network)[0] for file, _, _ in parts]
    return mean_of(networks, shares)


@dataclass(frozen=True)
class Card:
    """What the model card of a reader of human faces says that its training does not: the network's
    name, title and purpose, the command, and what else there is to say of the data's licence."""

    network: str
    title: str
    purpose: str
    command: str
    licence: str = ""


def finish(s, words: Card, task: ExpressionTask, outcome: Outcome, size: int) -> None:
    """Measure on all validation faces; write weights, card and report.

    Args:
        s: settings of the training, with `out` and `seed`.
        size: side of the faces that the network looks at.
    """
    answers = classify(outcome.model, task.data.faces, task.check_rows, size)
    targets = task.targets[task.check_rows]
    outcome.metrics = measures(answers, targets) | _posed(task, outcome, size)
    matrix = confusion_matrix(targets.argmax(1), answers.argmax(1), len(EXPRESSIONS))
    recall = matrix.diagonal() / np.maximum(matrix.sum(1), 1)
    by_class = {f"recall {n}": float(r) for n, r in zip(EXPRESSIONS, recall, strict=True)}
    settings = without_folds(fixed(s))
    training = {"settings": settings, "metrics": outcome.metrics, "steps": outcome.steps}
    training["prior"] = [round(float(p), 4) for p in prior(task.parts)]
    info = replace(WeightsInfo.of_classifier(words.network, training), input_size=size)
    save_network(s.out, outcome.model, info)
    card = ModelCard(
        title=words.title,
        purpose=words.purpose,
        data=named(task.parts),
        licence_of_data=f"{HUMAN_LICENCE} {words.licence}".strip(),
        split="as the set's own table says (train / val; no person of mux in both)",
        metrics=outcome.metrics | by_class,
        seed=s.seed,
        command=words.command,
        limits="Fear and disgust are rare in the data. Mostly web and press photographs.",
    )
    write_card(s.out, card, info)
    write_report(
        Path(s.out).with_suffix(".report.html"),
        words.title,
        asdict(s),
        outcome.history,
        outcome.metrics | by_class,
        matrix,
        EXPRESSIONS,
    )
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in outcome.metrics.items()))


def named(parts: tuple[Pool, ...]) -> str:
    """What was learned from, for the model card."""
    names = {HUMANS: HUMAN_DATA, PEOPLE: SYNTHETIC_DATA, CARRIED: CARRIED_DATA}
    return " and ".join(f"{len(part.rows)} faces of {names[part.of]}" for part in parts) + "."


def _posed(task: ExpressionTask, outcome: Outcome, size: int) -> dict[str, float]:
    """Measures on synthetic people of whom no picture was learned; empty without any."""
    kept = held_out(task.parts)
    if kept is None:
        return {}
    people, rows = kept
    found = measures(classify(outcome.model, people.faces, rows, size), people.targets[rows])
    return {f"posed {name}": value for name, value in found.items()}


def _command(s: HcnnSettings) -> str:
    """The command line that trains this again."""
    init = ",".join(Path(part).name for part in s.init.split(","))
    start = f" --init {init}" if init else ""
    return f"exprgen train hcnn --data HED --out {Path(s.out).name}{start}" + changed_options(
        s, "init"
    )


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("hcnn", __doc__.partition("\n")[0], HcnnSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
