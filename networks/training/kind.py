"""Training of the kind network: registered people against registered characters."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError
from ..models.kind import character_chance, kind
from ..models.layouts import KIND_SIZE, KINDS
from ..models.perceptual import standardise
from ..models.weights_io import ModelCard, WeightsInfo, save_network, write_card
from .shared.augment import AugmentSettings, augment, plain
from .shared.classifying import HUMAN_LICENCE, shrink
from .shared.datasets import characters, load_ced, load_ced_to_train, load_faces
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.options import fixed, option, run_command
from .shared.prepared import checkpoint_folder
from .shared.sets import TRAIN, VALIDATION

CHANGES = AugmentSettings(blur=0.6, noise=0.5, jpeg=0.3, contrast=0.5)
"""Strong, so that no trace of how a picture was made decides."""


@dataclass(frozen=True)
class KindSettings:
    """What one training of the kind network needs; each option's help says what it is."""

    data: str = option(MISSING)
    ced: str = option(MISSING)
    out: str = option(MISSING)
    without: str = option("")
    checkpoints: str = option("")
    resume: bool = option(False)
    humans: int = option(8000)
    images: int = option(60000)
    batch: int = option(50)
    rate: float = option(2e-3)
    minutes: float | None = option(None)
    seed: int = option(0)
    threads: int = option(0)


@dataclass(frozen=True)
class Group:
    """Faces of people, or of one character: uint8 (N, 64, 64), split (N,), index into KINDS."""

    name: str
    faces: np.ndarray
    split: np.ndarray
    kind: int


class KindTask:
    """Half people, half characters, every character as often."""

    def __init__(self, model: nn.Module, groups: list[Group], unseen: Group | None):
        self.model, self.groups, self.unseen = model, groups, unseen
        self.rows = [np.flatnonzero(g.split == TRAIN) for g in groups]
        people = np.array([g.kind == 0 for g in groups])
        self.chances = np.where(people, 0.5 / people.sum(), 0.5 / (~people).sum())

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        chosen = rng.choice(len(self.groups), stage.batch, p=self.chances)
        faces = np.stack([self.groups[g].faces[rng.choice(self.rows[g])] for g in chosen])
        x, _ = augment(faces, stage.size, CHANGES, rng)
        truth = torch.tensor([self.groups[g].kind for g in chosen])
        return nn.functional.cross_entropy(self.model(standardise(x)), truth)

    def evaluate(self, model: nn.Module, stage: Stage) -> dict[str, float]:
        measured = {}
        for group in self.groups:
            faces = group.faces[group.split == VALIDATION]
            measured[f"right {group.name}"] = share_right(model, faces, group.kind)
        score = float(np.mean(list(measured.values())))
        if self.unseen is not None:
            name = f"right {self.unseen.name} (unseen)"
            measured[name] = share_right(model, self.unseen.faces, self.unseen.kind)
        return {**measured, "score": score}


def share_right(model: nn.Module, faces: np.ndarray, truth: int) -> float:
    """Share of faces uint8 (N, 64, 64) taken for what they are."""
    chance = character_chance(model, standardise(plain(faces, KIND_SIZE)))
    return float(((chance > 0.5) == bool(truth)).float().mean())


def load_groups(s: KindSettings) -> tuple[list[Group], Group | None]:
    """People and characters to learn from, and the character that is kept out.

    Raises:
        InputError: no captured characters, or no faces, to learn from or to check on.
    """
    people = load_faces(s.data).having(TRAIN, VALIDATION)
    rows = np.sort(np.random.default_rng(s.seed).permutation(len(people))[: s.humans])
    groups = [Group("people", shrink(people.faces, rows, KIND_SIZE), people.split[rows], 0)]
    unseen = None
    for name in characters(Path(s.ced)):
        posed = (load_ced if name == s.without else load_ced_to_train)(s.ced, name)
        faces = shrink(posed.faces, np.arange(len(posed)), KIND_SIZE)
        group = Group(name, faces, posed.split, 1)
        if name == s.without:
            unseen = group
        else:
            groups.append(group)
    if len(groups) < 2:
        raise InputError("holds no captured character", file=s.ced, fix="run the capture first")
    return groups, unseen


def train(s: KindSettings) -> Outcome:
    """Train, write weights and model card; returns the outcome."""
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    groups, unseen = load_groups(s)
    task = KindTask(kind(), groups, unseen)
    say("kind network: " + ", ".join(f"{len(g.faces)} of {g.name}" for g in groups))
    settings = fixed(s)
    folder = checkpoint_folder(s)
    stages = (Stage(KIND_SIZE, s.images, s.batch, s.rate),)
    loop = LoopSettings(minutes=s.minutes, seed=s.seed, average=0.99, evaluate_every=200)
    outcome = run(task, stages, folder, loop, settings, s.resume)
    _finish(s, groups, outcome, settings)
    return outcome


def _finish(s: KindSettings, groups: list[Group], outcome: Outcome, settings: dict) -> None:
    training = {"settings": settings, "metrics": outcome.metrics, "steps": outcome.steps}
    info = WeightsInfo("kind", labels=KINDS, input_size=KIND_SIZE, training=training)
    save_network(s.out, outcome.model, info)
    card = ModelCard(
        title="Kind network",
        purpose="Tells a person's face from a character's, to choose HCNN or SCNN for it.",
        data=", ".join(f"{len(g.faces)} faces of {g.name}" for g in groups) + ".",
        licence_of_data=f"{HUMAN_LICENCE} Characters: as theirs.",
        split="people as their table says; of each character every tenth block of ten pictures",
        metrics=outcome.metrics,
        seed=s.seed,
        command=f"exprgen train kind --data HED --ced CED --out {Path(s.out).name}",
        limits="Characters drawn or rendered in other styles were not seen.",
    )
    write_card(s.out, card, info)
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in outcome.metrics.items()))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("kind", __doc__.partition("\n")[0], KindSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
