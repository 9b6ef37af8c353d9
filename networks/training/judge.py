"""Training of a judge of people and characters, from pictures that nobody else learned from.

People: one half (by name) of the validation pictures, which HCNN was never trained on, and the
training pictures in which no face was found, which HCNN leaves out. Characters: a capture of its
own, drawn with another seed than the one SCNN learns from. There are two judges, one a half, so
that every validation picture can be judged by one that has not seen it.

What the judge shares with the networks it judges: the label of a character's picture is that of the
key pose it was drawn from, not a viewer's word.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError, UsageError
from ..models.judge import JUDGE_SIZE, judge
from ..models.perceptual import standardise
from ..models.weights_io import ModelCard, WeightsInfo, save_network, write_card
from ..vocabulary import EXPRESSIONS
from .shared.augment import AugmentSettings, augment
from .shared.classifying import HUMAN_LICENCE, classify, measures, shrink, soft_cross_entropy
from .shared.datasets import characters, load_ced, load_ced_to_train
from .shared.hed_cache import NO_FACE, load_hed, load_table
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.mixing import balanced_chances
from .shared.options import fixed, option, run_command
from .shared.prepared import checkpoint_folder
from .shared.report import confusion_matrix, write_report
from .shared.sets import TRAIN, VALIDATION, half_of

SURE = 0.9
"""Share of the label in a character picture's target; the rest is spread over all classes."""
CHECK_SHARE = 8
"""Of the judge's own human pictures every eighth is kept to choose the best checkpoint by."""
CHANGES = AugmentSettings(blur=0.4, noise=0.4, jpeg=0.2)


@dataclass(frozen=True)
class JudgeSettings:
    """What one training of the judge needs; each option's help says what it is."""

    data: str = option(MISSING)
    ced: str = option(MISSING, "prepared character pictures of a seed that SCNN does not know")
    out: str = option(MISSING)
    half: int = option(0, "half of the validation pictures to learn from: 0 or 1")
    without: str = option("")
    other_ced: str = option("", "the capture of SCNN, only to measure on its validation part")
    checkpoints: str = option("")
    resume: bool = option(False)
    images: int = option(75000)
    batch: int = option(50)
    rate: float = option(3e-3)
    minutes: float | None = option(None)
    seed: int = option(77)
    threads: int = option(0)


@dataclass(frozen=True)
class Group:
    """Labelled faces of people or of one character: uint8 (N, 64, 64), targets (N, 7), split."""

    name: str
    faces: np.ndarray
    targets: np.ndarray
    split: np.ndarray

    def rows(self, split: str) -> np.ndarray:
        return np.flatnonzero(self.split == split)


class JudgeTask:
    """Half people, half characters, every character as often."""

    def __init__(self, model: nn.Module, groups: list[Group]):
        self.model, self.groups = model, groups
        self.learned = [g.rows(TRAIN) for g in groups]
        self.chances = [
            balanced_chances(g.targets[rows].argmax(1), 0.6)
            for g, rows in zip(groups, self.learned, strict=True)
        ]
        people = np.array([g.name == "people" for g in groups])
        if people.all() or not people.any():
            self.shares = np.full(len(groups), 1 / len(groups))
        else:
            self.shares = np.where(people, 0.5 / people.sum(), 0.5 / (~people).sum())

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        counts = rng.multinomial(stage.batch, self.shares)
        faces, targets = [], []
        for i, group in enumerate(self.groups):
            if counts[i]:
                rows = rng.choice(self.learned[i], counts[i], p=self.chances[i])
                faces.append(group.faces[rows])
                targets.append(group.targets[rows])
        x, _ = augment(np.concatenate(faces), stage.size, CHANGES, rng)
        x = standardise(x).contiguous(memory_format=torch.channels_last)
        return soft_cross_entropy(self.model(x).float(), np.concatenate(targets))

    def evaluate(self, model: nn.Module, stage: Stage) -> dict[str, float]:
        measured = {}
        for group in self.groups:
            rows = group.rows(VALIDATION)
            if len(rows):
                answers = classify(model, group.faces, rows, stage.size)
                measured[f"mean_recall {group.name}"] = measures(answers, group.targets[rows])[
                    "mean_recall"
                ]
        return {**measured, "score": float(np.mean([*measured.values()]))}


def people(s: JudgeSettings) -> tuple[Group, Group]:
    """(what this judge may learn from and be chosen by, the other half of the validation part).

    Raises:
        InputError: no prepared faces, or none in this half.
    """
    data = load_hed(s.data)
    table = load_table(s.data)
    halves = np.array([half_of(source) for source in table["source"]])
    checked = data.split == VALIDATION
    # Training pictures without a face: HCNN's training leaves them out.
    spare = (data.split == NO_FACE) & (table["split"] == TRAIN)
    groups = []
    for name, wanted in (
        ("people", (checked & (halves == s.half)) | spare),
        ("other half", checked & (halves != s.half)),
    ):
        rows = np.flatnonzero(wanted)
        number = np.arange(len(rows))
        keep = checked[rows] & (number % CHECK_SHARE == 0)
        split = np.where(keep | (name != "people"), VALIDATION, TRAIN)
        faces = shrink(data.faces, rows, JUDGE_SIZE)
        groups.append(Group(name, faces, np.asarray(data.targets[rows], np.float32), split))
    if not len(groups[0].rows(TRAIN)):
        raise InputError("holds no validation pictures of this half", file=s.data, fix="add some")
    return groups[0], groups[1]


def posed(folder: str | Path, name: str, load=load_ced) -> Group:
    """One character's labelled pictures, "<name>"."""
    data = load(folder, name)
    rows = np.flatnonzero(data.labels >= 0)
    eye = np.eye(len(EXPRESSIONS), dtype=np.float32)[data.labels[rows]]
    targets = SURE * eye + (1 - SURE) / len(EXPRESSIONS)
    return Group(name, shrink(data.faces, rows, JUDGE_SIZE), targets, data.split[rows])


def train(s: JudgeSettings) -> Outcome:
    """Train, write weights, model card and report; returns the outcome."""
    if s.half not in (0, 1):
        raise UsageError(f"there is no half {s.half}", fix="give 0 or 1")
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed + s.half)
    own, other = people(s)
    names = [n for n in characters(Path(s.ced)) if n != s.without]
    if not names:
        raise InputError("holds no captured character", file=s.ced, fix="run the capture first")
    groups = [own, *(posed(s.ced, n, load_ced_to_train) for n in names)]
    task = JudgeTask(judge().to(memory_format=torch.channels_last), groups)
    say("judge: " + ", ".join(f"{len(g.rows(TRAIN))} of {g.name}" for g in groups))
    settings = fixed(s, "other_ced")
    folder = checkpoint_folder(s)
    stages = (Stage(JUDGE_SIZE, s.images, s.batch, s.rate),)
    loop = LoopSettings(minutes=s.minutes, seed=s.seed + s.half, average=0.995, evaluate_every=150)
    outcome = run(task, stages, folder, loop, settings, s.resume)
    _finish(s, groups, other, outcome, settings)
    return outcome


def _finish(s: JudgeSettings, groups, other: Group, outcome: Outcome, settings: dict) -> None:
    answers = classify(outcome.model, other.faces, np.arange(len(other.faces)), JUDGE_SIZE)
    for name, value in measures(answers, other.targets).items():
        if name in ("accuracy", "mean_recall"):
            outcome.metrics[f"{name} other half"] = value
    for name, folder in _unseen(s):
        group = posed(folder, name)
        rows = group.rows(VALIDATION) if folder == s.other_ced else np.arange(len(group.faces))
        told = classify(outcome.model, group.faces, rows, JUDGE_SIZE)
        word = "never seen" if name == s.without else "other seed"
        key = f"accuracy {name} ({word})"
        outcome.metrics[key] = measures(told, group.targets[rows])["accuracy"]
    training = {
        "settings": settings,
        "metrics": outcome.metrics,
        "steps": outcome.steps,
        "half": s.half,
        "characters": [g.name for g in groups[1:]],
    }
    info = WeightsInfo("judge", labels=EXPRESSIONS, input_size=JUDGE_SIZE, training=training)
    save_network(s.out, outcome.model, info)
    count = ", ".join(f"{len(g.rows(TRAIN))} of {g.name}" for g in groups)
    card = ModelCard(
        title=f"Judge {s.half}",
        purpose="Stands in for a viewer when transfers are measured: names the expression of "
        "people and of characters. No part of the retargeting.",
        data=f"Pictures that neither HCNN nor SCNN learned from: {count}. People: half {s.half} of "
        "the validation part and training pictures in which no face was found. Characters: a "
        "capture with another seed than SCNN's.",
        licence_of_data=f"{HUMAN_LICENCE} Characters: as theirs.",
        split="by the file's name into halves; this judge judges pictures of the other half",
        metrics=outcome.metrics,
        seed=s.seed + s.half,
        command=f"exprgen train judge --data HED --ced CED2 --half {s.half} "
        f"--out {Path(s.out).name}",
        limits="Few human pictures of fear and disgust, so of people it is a weak judge; people's "
        "own votes are the better truth. The labels of characters are those of their poses. It "
        "has seen these characters (in other pictures), so it is milder than a stranger.",
    )
    write_card(s.out, card, info)
    matrix = confusion_matrix(other.targets.argmax(1), answers.argmax(1), len(EXPRESSIONS))
    report = Path(s.out).with_suffix(".report.html")
    write_report(
        report, card.title, asdict(s), outcome.history, outcome.metrics, matrix, EXPRESSIONS
    )
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in outcome.metrics.items()))


def _unseen(s: JudgeSettings):
    """(character, capture) that the judge is measured on once it is done."""
    if s.without:
        yield s.without, s.ced
    if s.other_ced:
        yield from ((name, s.other_ced) for name in characters(Path(s.other_ced)))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("judge", __doc__.partition("\n")[0], JudgeSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
