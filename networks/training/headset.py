"""Training of the headset network: three near cameras to coefficients, over many people."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, UsageError
from ..models.headset import HeadsetNetwork, headset, headset_codes, prepare_views
from ..models.weights_io import ModelCard, WeightsInfo, load_network, save_network, write_card
from ..vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, HEADSET_SIZE, mirror_name
from .shared.headset_augment import (
    AugmentStrengths,
    Move,
    draw_background,
    draw_move,
    seen_anew,
)
from .shared.headset_set import CHANGES, MAKE_AGAIN, REGIONS, HeadsetPerson, load_people
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.options import changed_options, fixed, option, run_command
from .shared.prepared import checkpoint_folder
from .shared.sets import TRAIN, VALIDATION

TOGETHER = 4
"""Frames of one capture in a step, beside a neutral of it."""
UNKNOWN = 0.25
"""Share of them whose neutral is not told."""
SHAPE = 0.3
"""What a square millimetre counts beside a squared coefficient (the paper's lambda_S)."""
SEEN = 0.12
"""Millimetres by which a channel at 1 must move what the cameras see, on average, to be learned."""
OWN = 0.3
"""Share of a capture's move that each of its frames has for itself."""
CHECKED = 0.2
"""Share of the first capture of a person who is learned alone that is kept to check on."""
LOOKS = 10
"""At least so many measurements within a training."""
MIRRORED = np.array([ARKIT_INDEX[mirror_name(name)] for name in ARKIT_CHANNELS])
"""Each channel's partner on the other side."""


@dataclass(frozen=True)
class HeadsetSettings:
    """What one training of the headset network needs; each option's help says what it is."""

    data: str = option(MISSING, "folder of simulated captures")
    out: str = option(MISSING)
    checkpoints: str = option("")
    resume: bool = option(False)
    people: int = option(0, "people to learn from, 0: all")
    person: int = option(
        -1, "learn from this one alone (the person-specific network), -1: from all"
    )
    stranger: bool = option(False, "--person counts the people to check on")
    backbone: str = option("", "weight file whose backbone is kept as it is: only F is learned")
    augment: bool = option(True, "the 3D augmentation layer: turn, shift, lens and background")
    images: int = option(400_000, "frames to learn from, counted each time they are seen")
    batch: int = option(128, "frames a step")
    rate: float = option(5e-3)
    minutes: float | None = option(None)
    seed: int = option(0)
    threads: int = option(1)


class HeadsetTask:
    """Equation 6 of MIA, with coefficients for its z: squared differences of those that are seen,
    and of the shape they make of each person (equation 2)."""

    def __init__(self, model: HeadsetNetwork, people: list[HeadsetPerson], s: HeadsetSettings):
        self.model, self.s = model, s
        others = [p for p in people if p.split == VALIDATION]
        if not others:
            raise InputError("holds nobody to check on", file=s.data, fix=MAKE_AGAIN)
        self.people = _chosen(others if s.stranger else [p for p in people if p.split == TRAIN], s)
        self.checked, self.tested = parted(others)
        self.rows = [first_rows(p, s.person >= 0) for p in self.people]
        self.mask = torch.from_numpy(seen_channels(self.people))
        self.grams = torch.from_numpy(np.stack([p.gram() for p in self.people]))

    def train_mode(self) -> None:
        self.model.train()
        if self.s.backbone:
            self.model.eye.eval()
            self.model.mouth.eval()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        count = max(1, stage.batch // TOGETHER)
        drawn = [self._group(rng) for _ in range(count)]
        views, truth, who, swapped = (np.concatenate(part) for part in zip(*drawn, strict=True))
        codes = self.model.code(prepare_views(views)).view(count, TOGETHER + 1, -1)
        told = torch.from_numpy(rng.random((count, TOGETHER, 1)) >= UNKNOWN)
        neutral = torch.where(told, codes[:, :1], self.model.adaptation.nobody)
        answer = self.model.adapted(codes[:, 1:].flatten(0, 1), neutral.flatten(0, 1))
        off = (answer.float() - torch.from_numpy(truth)) * self.mask
        # How points move is known of the face as it is, not of the mirrored one.
        own = torch.where(torch.from_numpy(swapped)[:, None], off[:, MIRRORED], off)
        shape = torch.einsum("be,bef,bf->b", own, self.grams[who], own)
        return (off.square().sum(1) + SHAPE * shape).mean()

    def _group(self, rng: np.random.Generator) -> tuple:
        """A neutral and TOGETHER frames of one capture: views, truth of the frames, whose, whether
        all are mirrored."""
        who = int(rng.integers(len(self.people)))
        person, (rows, _) = self.people[who], self.rows[who]
        neutral = rng.choice(np.flatnonzero(person.neutral & (person.change == 0)))
        chosen = np.array([neutral, *rng.choice(rows, TOGETHER)])
        views, truth = person.pictures[chosen], person.truth[chosen[1:]]
        if self.s.augment:
            views = changed(person, chosen, rng)
        swapped = self.s.augment and rng.random() < 0.5
        if swapped:
            views, truth = mirrored(views, truth)
        views = views.astype(np.float32)
        views = 255.0 * (views / 255.0) ** np.exp(rng.normal(0, 0.15, (len(views), 3, 1, 1)))
        return views, truth, np.full(TOGETHER, who), np.full(TOGETHER, swapped)

    def evaluate(self, model: HeadsetNetwork, stage: Stage) -> dict[str, float]:
        model.eval()
        alone = [(p, rows[1]) for p, rows in zip(self.people, self.rows, strict=True)]
        held = alone if self.s.person >= 0 else first_captures(self.checked)
        found = measured(model, first_captures(self.tested), self.mask.numpy())
        return found | {"score": -float(np.mean(millimetres(answers(model, held))))}


def mirrored(views: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Views (R, 3, S, S) and truth (N, 52) of the face seen in a mirror."""
    return views[:, (1, 0, 2), :, ::-1], truth[:, MIRRORED]


def parted(others: list[HeadsetPerson]) -> tuple[list[HeadsetPerson], list[HeadsetPerson]]:
    """People of whom nothing is learned: those by whom a checkpoint is chosen, and those on whom it
    is measured; a single one is both."""
    return others[::2], others[1::2] or others


def _chosen(people: list[HeadsetPerson], s: HeadsetSettings) -> list[HeadsetPerson]:
    if s.person >= len(people):
        raise UsageError(f"there is no person {s.person}", fix=f"use 0 to {len(people) - 1}")
    chosen = [people[s.person]] if s.person >= 0 else people[: s.people or None]
    if not chosen:
        raise InputError("holds nobody to learn from", file=s.data, fix=MAKE_AGAIN)
    return chosen


def first_rows(person: HeadsetPerson, held: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a person's first capture: to learn from, and to check on if some are held back."""
    rows = np.flatnonzero((person.change == 0) & (person.neutral == 0))
    cut = max(1, round(len(rows) * (1 - CHECKED))) if held else len(rows)
    return rows[:cut], rows[cut:]


def seen_channels(people: list[HeadsetPerson]) -> np.ndarray:
    """(52,) float32, 1 for channels that cameras in a headset can tell: those that move the skin
    that they see, and the gaze."""
    moved = np.mean([np.linalg.norm(p.moves, axis=-1).mean(1) for p in people], axis=0)
    looking = np.array(["Look" in name for name in ARKIT_CHANNELS])
    return ((moved > SEEN) | looking).astype(np.float32)


def changed(person: HeadsetPerson, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(R, 3, S, S) the frames of some rows as another headset would have seen them."""
    s = AugmentStrengths()
    shared, out = draw_move(rng, s), []
    for row in rows:
        own = draw_move(rng, s)
        move = Move(shared.turn + OWN * own.turn, shared.shift + OWN * own.shift, shared.focal)
        background = None
        if rng.random() < s.background:
            background = draw_background(rng, len(shared.focal), person.pictures.shape[-1])
        cameras = person.cameras[person.change[row]]
        out.append(seen_anew(person.pictures[row], person.depth[row], cameras, move, background))
    return np.stack(out)


# --- measures ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a network says of some rows of a person's: coefficients (R, 52)."""

    person: HeadsetPerson
    rows: np.ndarray
    coefficients: np.ndarray


Groups = list[tuple[HeadsetPerson, np.ndarray]]
"""People, and of each the rows of one capture that are measured."""


def first_captures(people: list[HeadsetPerson]) -> Groups:
    """Everybody's first capture."""
    return captures(people, CHANGES[0])


def captures(people: list[HeadsetPerson], change: str) -> Groups:
    """The captures under a change, of those who have one; neutral frames are left out."""
    kind = CHANGES.index(change)
    found = [(p, np.flatnonzero((p.change == kind) & (p.neutral == 0))) for p in people]
    return [(p, rows) for p, rows in found if len(rows)]


def answered(
    model: HeadsetNetwork,
    person: HeadsetPerson,
    rows: np.ndarray,
    told: bool = True,
    low: float = 0.0,
) -> np.ndarray:
    """(R, 52) coefficients, or controls from `low` up, of some rows of one capture; told: its
    neutral frames are known."""
    still = np.flatnonzero((person.change == person.change[rows[0]]) & (person.neutral == 1))
    codes = headset_codes(model, person.pictures[np.concatenate([still, rows])])
    neutral = codes[: len(still)].mean(0, keepdim=True)
    codes = codes[len(still) :]
    with torch.inference_mode():
        answer = model.adapted(codes, neutral.expand_as(codes) if told else None)
    return answer.clamp(low, 1.0).numpy()


def answers(model: HeadsetNetwork | None, groups: Groups, told: bool = True) -> list[Answer]:
    """A network's of groups; without one, of faces that do not move."""
    if model is None:
        return [Answer(p, rows, np.zeros_like(p.truth[rows])) for p, rows in groups]
    return [Answer(p, rows, answered(model, p, rows, told)) for p, rows in groups]


def millimetres(given: list[Answer], region: str = "face") -> list[float]:
    """Mean over frames and points of each answer."""
    bit = REGIONS.index(region)
    return [
        float(a.person.errors(a.coefficients, a.rows)[:, (a.person.region >> bit) & 1 == 1].mean())
        for a in given
    ]


def correlations(given: list[Answer]) -> np.ndarray:
    """(52,) of each channel's answer and truth over all frames of all people; 0 where an answer
    never changes, NaN where the truth doesn't."""
    answer = np.concatenate([a.coefficients for a in given]).T
    truth = np.concatenate([a.person.truth[a.rows] for a in given]).T
    out = np.full(len(truth), np.nan)
    for channel, (own, true) in enumerate(zip(answer, truth, strict=True)):
        if np.std(true) > 1e-4:
            out[channel] = np.corrcoef(own, true)[0, 1] if np.std(own) > 1e-4 else 0.0
    return out


def measured(model: HeadsetNetwork, groups: Groups, mask: np.ndarray) -> dict[str, float]:
    """Millimetres by region, without their neutral, and where nothing moves; the mean correlation
    of the channels that are seen (52,)."""
    own = answers(model, groups)
    out = {f"mm {name}": float(np.mean(millimetres(own, name))) for name in REGIONS}
    out["mm untold"] = float(np.mean(millimetres(answers(model, groups, told=False))))
    out["mm still"] = float(np.mean(millimetres(answers(None, groups))))
    return out | {"r": float(np.nanmean(correlations(own)[mask > 0]))}


def train(s: HeadsetSettings) -> Outcome:
    """Train, write weights and model card; returns the outcome."""
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    return train_on(load_people(s.data), s)


def train_on(people: list[HeadsetPerson], s: HeadsetSettings) -> Outcome:
    """`train` with captures that are loaded."""
    task = HeadsetTask(_begun(s), people, s)
    say(f"headset network: {len(task.people)} to learn from, {len(task.checked)} to check on")
    settings = fixed(s)
    stages = (Stage(HEADSET_SIZE, s.images, s.batch, s.rate),)
    every = max(50, stages[0].steps // LOOKS)
    # The rate sinks to the end, and the last are the best: nothing ends early.
    loop = LoopSettings(
        minutes=s.minutes, seed=s.seed, average=0.995, evaluate_every=every, patience=10 * LOOKS
    )
    folder = checkpoint_folder(s)
    outcome = run(task, stages, folder, loop, settings, s.resume)
    _finish(s, task, outcome, settings)
    return outcome


def _begun(s: HeadsetSettings) -> HeadsetNetwork:
    """The network with which learning begins."""
    model = headset()
    if s.backbone:
        known, _ = load_network(s.backbone, "headset")
        model.load_state_dict(known.state_dict())
        for part in (model.eye, model.mouth):
            part.requires_grad_(False)
    return model


def _finish(s: HeadsetSettings, task: HeadsetTask, outcome: Outcome, settings: dict) -> None:
    training = {"settings": settings, "metrics": outcome.metrics, "steps": outcome.steps}
    info = WeightsInfo("headset", labels=ARKIT_CHANNELS, input_size=HEADSET_SIZE, training=training)
    save_network(s.out, outcome.model, info)
    frames = sum(len(rows) for rows, _ in task.rows)
    card = ModelCard(
        title="Headset network",
        purpose="Three near cameras in a headset (two eyes, the mouth) to 52 ARKit coefficients.",
        data=f"{frames} simulated frames of {len(task.people)} people, "
        f"{len(task.checked)} others to check on, {len(task.tested)} to measure.",
        licence_of_data="Made by ExprGen from its bilinear face (a CC0 base mesh).",
        split="by person; measured on people of whom nothing was learned, and by whom no "
        "checkpoint was chosen",
        metrics=outcome.metrics,
        seed=s.seed,
        command=f"exprgen train headset --data HEADSET --out {Path(s.out).name}"
        + changed_options(s),
        limits="Simulated pictures alone were learned; no real headset was ever seen. Tongues are "
        "not simulated; dimples, a jaw that comes forward, lips closed over an open jaw, rolled "
        "lips and eyes that look down under their lids are hardly told.",
    )
    write_card(s.out, card, info)
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in outcome.metrics.items()))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("headset", __doc__.partition("\n")[0], HeadsetSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
