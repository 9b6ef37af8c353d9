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
from ..models.weights_io import ModelCard, WeightsInfo, save_network, write_card
from ..vocabulary import ARKIT_CHANNELS, HEADSET_SIZE
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
"""Share of a person's first capture that is kept to check on."""


@dataclass(frozen=True)
class HeadsetSettings:
    """What one training of the headset network needs; each option's help says what it is."""

    data: str = option(MISSING, "folder of simulated captures")
    out: str = option(MISSING, "weight file to write")
    checkpoints: str = option("", "folder of checkpoints; by default beside the weight file")
    resume: bool = option(False, "go on from the last checkpoint")
    people: int = option(0, "people to learn from, 0: all")
    person: int = option(
        -1, "learn from this one alone (the person-specific network), -1: from all"
    )
    augment: bool = option(True, "the 3D augmentation layer: turn, shift, lens and background")
    images: int = option(120_000, "frames to learn from, counted each time they are seen")
    batch: int = option(64, "frames a step")
    rate: float = option(3e-3, "learning rate")
    minutes: float | None = option(None, "shorten the training to this time")
    seed: int = option(0, "seed of everything random")
    threads: int = option(1, "processor threads, 0: all")


class HeadsetTask:
    """Equation 6 of MIA, with coefficients for its z: squared differences of those that are seen,
    and of the shape they make of each person (equation 2)."""

    def __init__(self, model: HeadsetNetwork, people: list[HeadsetPerson], s: HeadsetSettings):
        self.model, self.s = model, s
        self.people = _chosen([p for p in people if p.split == TRAIN], s)
        self.others = [p for p in people if p.split == VALIDATION]
        if not self.others:
            raise InputError("holds nobody to check on", file=s.data, fix=MAKE_AGAIN)
        self.rows = [_first(p) for p in self.people]
        self.mask = torch.from_numpy(seen_channels(self.people))
        self.grams = torch.from_numpy(np.stack([p.gram() for p in self.people]))

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        count = max(1, stage.batch // TOGETHER)
        drawn = [self._group(rng) for _ in range(count)]
        views, truth, who = (np.concatenate(part) for part in zip(*drawn, strict=True))
        codes = self.model.code(prepare_views(views)).view(count, TOGETHER + 1, -1)
        told = torch.from_numpy(rng.random((count, TOGETHER, 1)) >= UNKNOWN)
        neutral = torch.where(told, codes[:, :1], self.model.nobody)
        answer = self.model.adapted(codes[:, 1:].flatten(0, 1), neutral.flatten(0, 1))
        off = (answer.float() - torch.from_numpy(truth)) * self.mask
        shape = torch.einsum("be,bef,bf->b", off, self.grams[who], off)
        return (off.square().sum(1) + SHAPE * shape).mean()

    def _group(self, rng: np.random.Generator) -> tuple:
        """A neutral and TOGETHER frames of one capture: views, truth of the frames, whose."""
        who = int(rng.integers(len(self.people)))
        person, (rows, _) = self.people[who], self.rows[who]
        neutral = rng.choice(np.flatnonzero(person.neutral & (person.change == 0)))
        chosen = np.array([neutral, *rng.choice(rows, TOGETHER)])
        views = person.pictures[chosen]
        if self.s.augment:
            views = changed(person, chosen, rng)
        views = views.astype(np.float32)
        views = 255.0 * (views / 255.0) ** np.exp(rng.normal(0, 0.15, (len(views), 3, 1, 1)))
        return views, person.truth[chosen[1:]], np.full(TOGETHER, who)

    def evaluate(self, model: HeadsetNetwork, stage: Stage) -> dict[str, float]:
        return measured(model.eval(), self.people, self.others, self.rows, self.s.person < 0)


def _chosen(people: list[HeadsetPerson], s: HeadsetSettings) -> list[HeadsetPerson]:
    if s.person >= len(people):
        raise UsageError(f"there is no person {s.person}", fix=f"use 0 to {len(people) - 1}")
    chosen = [people[s.person]] if s.person >= 0 else people[: s.people or None]
    if not chosen:
        raise InputError("holds nobody to learn from", file=s.data, fix=MAKE_AGAIN)
    return chosen


def _first(person: HeadsetPerson) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a person's first capture: to learn from, to check on."""
    rows = np.flatnonzero((person.change == 0) & (person.neutral == 0))
    cut = max(1, round(len(rows) * (1 - CHECKED)))
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


def answered(model: HeadsetNetwork, person: HeadsetPerson, rows: np.ndarray, told: bool = True):
    """(R, 52) coefficients of some rows of one capture; told: its neutral frames are known."""
    still = np.flatnonzero((person.change == person.change[rows[0]]) & (person.neutral == 1))
    codes = headset_codes(model, person.pictures[np.concatenate([still, rows])])
    neutral = codes[: len(still)].mean(0, keepdim=True)
    codes = codes[len(still) :]
    with torch.inference_mode():
        answer = model.adapted(codes, neutral.expand_as(codes) if told else None)
    return answer.clamp(0.0, 1.0).numpy()


def measured(model: HeadsetNetwork, people, others, rows, many: bool) -> dict[str, float]:
    """Millimetres of the face on frames held back (`same`), under each kind of change of people
    who were learned from, and of people never seen: by region, without their neutral, and where
    nothing moves; the mean correlation of the channels that are seen."""
    groups: dict[str, list] = {"same": [(p, r[1]) for p, r in zip(people, rows, strict=True)]}
    for k, change in enumerate(CHANGES[1:], 1):
        found = [(p, np.flatnonzero((p.change == k) & (p.neutral == 0))) for p in people]
        groups[change] = [(p, r) for p, r in found if len(r)]
    strangers = [(p, np.flatnonzero((p.change == 0) & (p.neutral == 0))) for p in others]
    out = {f"mm {name}": _mm(model, g) for name, g in groups.items() if g}
    for name in REGIONS:
        out[f"mm unseen {name}"] = _mm(model, strangers, name)
    out["mm unseen untold"] = _mm(model, strangers, told=False)
    out["mm unseen still"] = _mm(None, strangers)
    out["r unseen"] = correlation(model, strangers, seen_channels(people))
    return out | {"score": -out["mm unseen face" if many else "mm same"]}


def _mm(model, groups, region: str = "face", told: bool = True) -> float:
    found = []
    for person, rows in groups:
        answer = answered(model, person, rows, told) if model else np.zeros((len(rows), 52))
        own = (person.region >> REGIONS.index(region)) & 1 == 1
        found.append(person.errors(answer, rows)[:, own].mean())
    return float(np.mean(found))


def correlation(model: HeadsetNetwork, groups, mask: np.ndarray) -> float:
    """Mean over the channels that are seen of the correlation of answer and truth."""
    answer = np.concatenate([answered(model, p, rows) for p, rows in groups])
    truth = np.concatenate([p.truth[rows] for p, rows in groups])
    pairs = [(answer[:, c], truth[:, c]) for c in np.flatnonzero(mask)]
    moving = [pair for pair in pairs if min(np.std(x) for x in pair) > 1e-4]
    return float(np.mean([np.corrcoef(*pair)[0, 1] for pair in moving])) if moving else 0.0


def train(s: HeadsetSettings) -> Outcome:
    """Train, write weights and model card; returns the outcome."""
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    task = HeadsetTask(headset(), load_people(s.data), s)
    say(f"headset network: {len(task.people)} people, {len(task.others)} to check on")
    settings = fixed(s)
    stages = (Stage(HEADSET_SIZE, s.images, s.batch, s.rate),)
    loop = LoopSettings(minutes=s.minutes, seed=s.seed, average=0.99, evaluate_every=300)
    folder = Path(s.checkpoints or Path(s.out).with_suffix(""))
    outcome = run(task, stages, folder, loop, settings, s.resume)
    _finish(s, task, outcome, settings)
    return outcome


def _finish(s: HeadsetSettings, task: HeadsetTask, outcome: Outcome, settings: dict) -> None:
    training = {"settings": settings, "metrics": outcome.metrics, "steps": outcome.steps}
    info = WeightsInfo("headset", labels=ARKIT_CHANNELS, input_size=HEADSET_SIZE, training=training)
    save_network(s.out, outcome.model, info)
    frames = sum(len(rows) for rows, _ in task.rows)
    card = ModelCard(
        title="Headset network",
        purpose="Three near cameras in a headset (two eyes, the mouth) to 52 ARKit coefficients.",
        data=f"{frames} simulated frames of {len(task.people)} people, "
        f"{sum(map(len, task.others))} of {len(task.others)} others to check on.",
        licence_of_data="Made by ExprGen from its bilinear face (a CC0 base mesh).",
        split="by person; `unseen` are people of whom nothing was learned",
        metrics=outcome.metrics,
        seed=s.seed,
        command=f"exprgen train headset --data HEADSET --out {Path(s.out).name}"
        + changed_options(s),
        limits="Simulated pictures alone were learned; no real headset was ever seen. Tongues and "
        "cheeks that puff are not simulated, or hardly seen.",
    )
    write_card(s.out, card, info)
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in outcome.metrics.items()))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("headset", __doc__.partition("\n")[0], HeadsetSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
