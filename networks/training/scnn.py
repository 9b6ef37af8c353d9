"""Training of SCNN on character pictures by transfer from HCNN (ExprGen, section 4.1).

Convolutions start as HCNN's, the FC layers anew. The first layers stay HCNN's (`frozen-layers`);
with 11 only the FC layers learn, which is the paper's fine-tuning of the last layer. An SCNN may be
gone on from too, whole, where characters were built anew: fewer pictures will do then.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError, UsageError
from ..models.perceptual import PerceptualNetwork, pool, probabilities, scnn
from ..models.weights_io import ModelCard, WeightsInfo, load_network, save_network, write_card
from ..vocabulary import EXPRESSIONS
from .shared.classifying import measures, soft_cross_entropy
from .shared.datasets import characters, load_ced_to_train
from .shared.features import (
    Features,
    check_frozen,
    compute_features,
    freeze,
    start_from,
    train_mode,
)
from .shared.folds import (
    BY_CHARACTER,
    BY_PICTURE,
    cross_validate,
    sets_in_fold,
    test_characters,
    without_folds,
)
from .shared.keeping import check_kept, kept_in
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.mixing import balanced_chances
from .shared.options import changed_options, fixed, option, run_command
from .shared.prepared import checkpoint_folder, place_to_prepare, validates
from .shared.report import confusion_matrix, write_report
from .shared.sets import TRAIN, VALIDATION, pose_targets

SURE = 0.9
"""Share of what viewers would say in a picture's target; the rest is spread over all classes."""


@dataclass(frozen=True)
class ScnnSettings:
    """What one training of the SCNN needs; each option's help says what it is."""

    ced: str = option(MISSING)
    init: str = option(MISSING, "HCNN's weights to start from, or an SCNN's to go on from")
    out: str = option(MISSING)
    checkpoints: str = option("", "folder of checkpoints and kept layers; by default beside it")
    resume: bool = option(False)
    frozen_layers: int = option(4)
    variants: int = option(8)
    keep: float = option(0.0, "share that the SCNN which is gone on from has in the weights")
    epochs: float = option(40.0, "times each picture is seen")
    batch: int = option(50, "pictures a step")
    rate: float = option(1e-3, "learning rate (the paper's is 0.0001 with SGD)")
    minutes: float | None = option(None)
    seed: int = option(0)
    threads: int = option(0)
    folds: int = option(0)
    fold: int = option(-1)
    fold_by: str = option(BY_PICTURE, "what a part is", (BY_PICTURE, BY_CHARACTER))


@dataclass(frozen=True)
class LabelledFeatures:
    """Kept layers of one character's labelled pictures with their targets (N, 7) and split (N,)."""

    features: Features
    targets: np.ndarray
    split: np.ndarray


class TransferTask:
    """Expressions of character pictures whose first layers are kept; every character alike."""

    def __init__(self, model: PerceptualNetwork, sets: dict[str, LabelledFeatures], frozen: int):
        self.model, self.sets, self.frozen = model, sets, frozen
        self.rows = {n: np.flatnonzero(d.split == TRAIN) for n, d in sets.items()}
        self.chances = {
            n: balanced_chances(d.targets[self.rows[n]].argmax(1), 0.5) for n, d in sets.items()
        }

    def train_mode(self) -> None:
        train_mode(self.model, self.frozen)

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        names = list(self.sets)
        counts = np.bincount(rng.integers(len(names), size=stage.batch), minlength=len(names))
        maps, targets = [], []
        for name, count in zip(names, counts, strict=True):
            if not count:
                continue
            data = self.sets[name]
            rows = rng.choice(self.rows[name], count, p=self.chances[name])
            variants = rng.integers(len(data.features.flipped), size=count)
            maps.append(data.features.take(variants, rows))
            targets.append(data.targets[rows])
        return soft_cross_entropy(
            self._logits(self.model, torch.cat(maps)).float(), np.concatenate(targets)
        )

    def _logits(self, model: PerceptualNetwork, maps: Tensor) -> Tensor:
        maps = maps.contiguous(memory_format=torch.channels_last)
        return model.head(pool(model.maps(maps, self.frozen, folded=True)))

    @torch.inference_mode()
    def answers(self, model: nn.Module, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and targets (N, 7) of one character's validation pictures."""
        model.eval()
        data = self.sets[name]
        rows = np.flatnonzero(data.split == VALIDATION)
        parts = [
            probabilities(self._logits(model, data.features.take(np.zeros(len(p), int), p)))
            for p in np.array_split(rows, max(1, len(rows) // 64))
        ]
        return np.concatenate(parts), data.targets[rows]

    def evaluate(self, model: nn.Module, stage: Stage) -> dict[str, float]:
        answers, targets = zip(*(self.answers(model, name) for name in self.sets), strict=True)
        return measures(np.concatenate(answers), np.concatenate(targets))


def load_parent(s: ScnnSettings) -> tuple[PerceptualNetwork, WeightsInfo]:
    """The HCNN or SCNN that a training starts from.

    Raises:
        ModelError: missing, damaged. UsageError: another network, or nothing that could be kept.
    """
    parent, info = load_network(s.init)
    if info.network not in ("hcnn", "scnn"):
        raise UsageError(f"{s.init} holds a {info.network}", fix="give an HCNN's or SCNN's weights")
    check_kept(s.keep, info.network == "scnn", f"an {info.network}", "an SCNN")
    return parent, info


def load_sets(s: ScnnSettings, parent: PerceptualNetwork, size: int, folder: Path) -> dict:
    """Kept layers of every character's labelled pictures.

    Raises:
        InputError: the folder holds no character.
    """
    sets = {}
    for name in characters(Path(s.ced)):
        posed = load_ced_to_train(s.ced, name)
        rows = np.flatnonzero(posed.labels >= 0)
        features = compute_features(
            folder / f"{name}.npy", parent, posed.faces, rows, s.frozen_layers, s.variants, size,
            s.seed,
        )  # fmt: skip
        said = pose_targets(posed.labels[rows], posed.intensity[rows])
        targets = SURE * said + (1 - SURE) / len(EXPRESSIONS)
        sets[name] = LabelledFeatures(features, targets, posed.split[rows])
    if not sets:
        raise InputError("holds no captured character", file=s.ced, fix="run the capture first")
    return sets


def train(s: ScnnSettings) -> Outcome:
    """Train, write weights, model card and report; returns the outcome."""
    check_frozen(s.frozen_layers)
    if validates(s):
        return cross_validate(s, "scnn", train, test_characters)
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    parent, parent_info = load_parent(s)
    folder = checkpoint_folder(s)
    model = scnn()
    if parent_info.network == "scnn":
        model.load_state_dict(parent.state_dict())
    else:
        start_from(model, parent)
    freeze(model, s.frozen_layers)
    sets = load_sets(s, parent, parent_info.input_size, place_to_prepare(s))
    sets = sets_in_fold(sets, s)
    task = TransferTask(model, sets, s.frozen_layers)
    count = sum(len(rows) for rows in task.rows.values())
    say(f"SCNN: {count} pictures of {', '.join(sets)}")
    stages = (Stage(parent_info.input_size, int(s.epochs * count), s.batch, s.rate),)
    loop = LoopSettings(minutes=s.minutes, seed=s.seed, average=0.99, evaluate_every=100)
    settings = without_folds(fixed(s))
    outcome = run(task, stages, folder, loop, without_folds(fixed(s, "keep")), s.resume)
    if s.keep:
        outcome.model = kept_in(outcome.model, parent, s.keep)
        outcome.metrics = task.evaluate(outcome.model, stages[-1])
    _finish(s, task, outcome, settings, count, parent_info.input_size)
    return outcome


def _finish(s: ScnnSettings, task: TransferTask, outcome: Outcome, settings, count, size) -> None:
    answers = {name: task.answers(outcome.model, name) for name in task.sets}
    both = [np.concatenate(column) for column in zip(*answers.values(), strict=True)]
    matrix = confusion_matrix(both[1].argmax(1), both[0].argmax(1), len(EXPRESSIONS))
    for name, (given, targets) in answers.items():
        outcome.metrics[f"accuracy {name}"] = measures(given, targets)["accuracy"]
    training = {"settings": settings, "metrics": outcome.metrics, "steps": outcome.steps}
    info = WeightsInfo("scnn", labels=EXPRESSIONS, input_size=size, training=training)
    save_network(s.out, outcome.model, info)
    card = ModelCard(
        title="SCNN",
        purpose="Tells the seven expressions from a registered picture of a character.",
        data=f"{count} rendered pictures of {', '.join(task.sets)}; HCNN's data through its "
        "weights.",
        licence_of_data="As the characters'; HCNN's for its part.",
        split="of each character every tenth block of ten pictures is for validation",
        metrics=outcome.metrics,
        seed=s.seed,
        command=f"exprgen train scnn --ced CED --init {Path(s.init).name} --out {Path(s.out).name}"
        + changed_options(s),
        limits="Knows these characters only; labels are those of the poses, the weaker a pose the "
        "more of it neutral, as viewers name it.",
    )
    write_card(s.out, card, info)
    write_report(
        Path(s.out).with_suffix(".report.html"), "SCNN", asdict(s), outcome.history,
        outcome.metrics, matrix, EXPRESSIONS,
    )  # fmt: skip
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in outcome.metrics.items()))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("scnn", __doc__.partition("\n")[0], ScnnSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
