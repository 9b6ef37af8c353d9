"""Training of the mouth reader on posed mouths of which it is known what fills them."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..models.mouth_reader import MouthReader, mouth_opinion, mouth_reader, prepare_mouths
from ..models.weights_io import ModelCard, WeightsInfo, save_network, write_card
from ..tracking.mouth_crop import CROP_SIZE, OUTER_LIPS, mouth_box, mouth_crop
from ..vocabulary import MOUTH, REGISTERED_SIZE
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.mouth_set import MAKE_AGAIN, PARTS, MouthSet
from .shared.options import changed_options, fixed, option, run_command
from .shared.prepared import checkpoint_folder
from .shared.sets import TRAIN, VALIDATION

OUT = 0.5
"""From here on a tongue counts as out."""
SHIFT, ZOOM, ROLL = 0.06, 0.15, 0.15
"""How far crops are moved (in their width), scaled, and turned (radians)."""
STRENGTHS = {"blur": 0.5, "jpeg": 0.3, "noise": 0.4, "gamma": 0.45, "slope": 0.8, "blot": 0.25,
             "finger": 0.1}  # fmt: skip
"""Chances of blur, compression and grain; ranges of the rest."""
TONES = {"teeth": (-0.1, 1.0), "tongue": (-0.5, 0.2), "cavity": (-1.2, 0.1), "lips": (-0.4, 0.25)}
"""Logarithms of the factors by which the parts get brighter: rendered teeth are dull, and a mouth's
depth differs with its light more than a renderer shows."""


@dataclass(frozen=True)
class MouthSettings:
    """What one training of the mouth reader needs; each option's help says what it is."""

    data: str = option(MISSING, "mouths.npz of posed mouths")
    out: str = option(MISSING)
    checkpoints: str = option("")
    resume: bool = option(False)
    people: int = option(0, "people to learn from, 0: all")
    images: int = option(120_000, "mouths to learn from, counted each time they are seen")
    batch: int = option(64, "mouths a step")
    rate: float = option(3e-3)
    minutes: float | None = option(None)
    seed: int = option(0)
    threads: int = option(1)


class MouthTask:
    """How far the tongue is out, and the three areas; each a share, so each a cross-entropy."""

    def __init__(self, model: MouthReader, data: MouthSet, people: int = 0):
        self.model, self.data = model, data
        self.boxes = mouth_box(data.landmarks)
        rows = np.flatnonzero(data.split == TRAIN)
        if people:
            rows = rows[np.isin(data.person[rows], np.unique(data.person[rows])[:people])]
        self.rows, self.check_rows = rows, np.flatnonzero(data.split == VALIDATION)
        if not len(self.rows) or not len(self.check_rows):
            raise InputError("holds no mouths of one of the splits", fix=MAKE_AGAIN)
        self.crops = np.stack([mouth_crop(data.faces[i], self.boxes[i]) for i in self.check_rows])

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        rows = rng.choice(self.rows, stage.batch)
        flipped = rng.random(len(rows)) < 0.5
        boxes = _moved(self.boxes[rows], rng)
        rolls = rng.normal(0, ROLL / 2, len(rows))
        drawn = zip(rows, boxes, rolls, flipped, strict=True)
        mouths = np.stack([self._mouth(*where, rng) for where in drawn])
        grey = torch.from_numpy(changed(mouths, rng))[:, None]
        logits = self.model(prepare_mouths(grey))
        truth = torch.from_numpy(self.data.truth[rows])
        return F.binary_cross_entropy_with_logits(logits.float(), truth)

    def _mouth(self, row: int, box: np.ndarray, roll: float, flipped: bool, rng) -> np.ndarray:
        """One mouth, its parts as bright or dark as other people's."""
        low = np.clip((box[:2] - 0.8 * box[2]).astype(int), 0, REGISTERED_SIZE - 9)
        near = tuple(slice(int(k), int(k + 1.6 * box[2]) + 1) for k in low[::-1])
        parts, points = self.data.parts[row][near], self.data.landmarks[row][OUTER_LIPS] - low
        lips = np.zeros(parts.shape, np.uint8)
        cv2.fillPoly(lips, [np.round(points).astype(np.int32)], 1)
        light = np.ones(parts.shape, np.float32)
        y, x = np.mgrid[: parts.shape[0], : parts.shape[1]]
        for half in (y < points[[0, 6], 1].mean(), y >= points[[0, 6], 1].mean()):
            light[half & (lips > 0)] = np.exp(rng.uniform(*TONES["lips"]))
        shine = rng.uniform(points.min(0), points.max(0))  # moist lips
        away = ((x - shine[0]) / rng.uniform(5, 25)) ** 2 + (
            (y - shine[1]) / rng.uniform(2, 7)
        ) ** 2
        light = light * (1.0 + rng.uniform(0.0, 0.7) * np.exp(-away)).astype(np.float32)
        for number, name in enumerate(PARTS):
            light[parts == number + 1] = np.exp(rng.uniform(*TONES[name]))
        light = cv2.blur(light, (3, 3))  # no edge is sharper than the picture
        face = np.clip(self.data.faces[row][near] * light, 0, 255).astype(np.uint8)
        mouth = mouth_crop(face, box - [*low, 0], roll)
        return mouth[:, ::-1] if flipped else mouth

    def evaluate(self, model: MouthReader, stage: Stage) -> dict[str, float]:
        return measured(mouth_opinion(model.eval(), self.crops), self.data.truth[self.check_rows])


def measured(answer: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """How good answers (N, 4) are: tongues told apart at OUT, each one's correlation and mean
    error."""
    right = (answer[:, 0] > OUT) == (truth[:, 0] > OUT)
    out = {"tongue right": float(right.mean())}
    for column, name in enumerate(MOUTH):
        both = answer[:, column], truth[:, column]
        moves = min(np.std(b) for b in both) > 1e-6
        out[f"{name} r"] = float(np.corrcoef(*both)[0, 1]) if moves else 0.0
        out[f"{name} error"] = float(np.abs(both[0] - both[1]).mean())
    errors = [out[f"{name} error"] for name in MOUTH]
    return out | {"score": out["tongue right"] - float(np.sum(errors))}


def _moved(boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Boxes (B, 3) as another tracker's landmarks would have put them."""
    out = boxes.copy()
    out[:, :2] += rng.normal(0, SHIFT / 2, (len(out), 2)) * out[:, 2:]
    out[:, 2] *= np.exp(rng.uniform(-ZOOM, ZOOM, len(out)))
    return out


def changed(mouths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mouths uint8 (B, 32, 48) -> float32, as other cameras and lights would show them."""
    out = np.stack([_recorded(mouth, rng) for mouth in mouths])
    n = len(out)
    gamma = np.exp(rng.uniform(-STRENGTHS["gamma"], STRENGTHS["gamma"], (n, 1, 1)))
    out = 255.0 * np.clip(out / 255.0, 0.0, 1.0) ** gamma
    slope = rng.uniform(-STRENGTHS["slope"], STRENGTHS["slope"], (2, n, 1, 1)) / 2
    y, x = np.linspace(-1, 1, CROP_SIZE[1])[:, None], np.linspace(-1, 1, CROP_SIZE[0])
    out = out * (1.0 + slope[0] * x + slope[1] * y)
    amount = rng.uniform(1, 14, n) * (rng.random(n) < STRENGTHS["noise"])
    out = out + amount[:, None, None] * rng.standard_normal(out.shape)
    return np.clip(out, 0, 255).astype(np.float32)


def _recorded(mouth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mouth that was smaller, out of focus or compressed; some with a shadow, a
    beard or a finger before it."""
    size = mouth.shape[::-1]
    if rng.random() < STRENGTHS["blur"]:
        share = rng.uniform(0.35, 1.0)
        small = [max(8, round(side * share)) for side in size]
        mouth = cv2.resize(mouth, small, interpolation=cv2.INTER_AREA)
        mouth = cv2.resize(mouth, size, interpolation=cv2.INTER_LINEAR)
    if rng.random() < STRENGTHS["jpeg"]:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 70))]
        mouth = cv2.imdecode(cv2.imencode(".jpg", mouth, quality)[1], cv2.IMREAD_GRAYSCALE)
    mouth = mouth.astype(np.float32)
    if rng.random() < STRENGTHS["finger"]:
        angle, middle = rng.uniform(0, np.pi), rng.uniform(-0.1, 1.1, 2) * size
        y, x = np.mgrid[: size[1], : size[0]]
        off = np.abs((x - middle[0]) * np.sin(angle) - (y - middle[1]) * np.cos(angle))
        bar = np.clip(rng.uniform(3, 9) - off, 0, 1)
        mouth = (1 - bar) * mouth + bar * np.percentile(mouth, rng.uniform(50, 100))
    if rng.random() < STRENGTHS["blot"]:
        middle = rng.uniform(-0.2, 1.2, 2) * size
        y, x = np.mgrid[: size[1], : size[0]]
        away = ((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / rng.uniform(6, 20) ** 2
        mouth = mouth * (1.0 + rng.uniform(-0.5, 0.3) * np.exp(-away))
    return mouth


def train(s: MouthSettings) -> Outcome:
    """Train, write weights and model card; returns the outcome."""
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    data = MouthSet.load(s.data)
    task = MouthTask(mouth_reader(), data, s.people)
    say(f"mouth reader: {len(task.rows)} mouths, {len(task.check_rows)} to check on")
    settings = fixed(s)
    stages = (Stage(CROP_SIZE[0], s.images, s.batch, s.rate),)
    loop = LoopSettings(minutes=s.minutes, seed=s.seed, average=0.99, evaluate_every=200)
    folder = checkpoint_folder(s)
    outcome = run(task, stages, folder, loop, settings, s.resume)
    _finish(s, task, outcome, settings)
    return outcome


def _finish(s: MouthSettings, task: MouthTask, outcome: Outcome, settings: dict) -> None:
    training = {"settings": settings, "metrics": outcome.metrics, "steps": outcome.steps}
    info = WeightsInfo("mouth_reader", labels=MOUTH, input_size=CROP_SIZE[0], training=training)
    save_network(s.out, outcome.model, info)
    people = [len(np.unique(task.data.person[r])) for r in (task.rows, task.check_rows)]
    card = ModelCard(
        title="Mouth reader",
        purpose="Tells whether the tongue is out, and what of the mouth is teeth, tongue or dark.",
        data=f"{len(task.rows)} rendered mouths of {people[0]} synthetic people, "
        f"{len(task.check_rows)} of {people[1]} others to check on.",
        licence_of_data="Made by ExprGen from a CC0 base mesh.",
        split="by person; the measures are of people of whom nothing was learned",
        metrics=outcome.metrics,
        seed=s.seed,
        command=f"exprgen train mouth --data mouths.npz --out {Path(s.out).name}"
        + changed_options(s),
        limits="Rendered mouths alone were learned. In photographs teeth, moist lips and fingers "
        "are taken for tongues at times, and the tongue is let out only where it is nearly sure.",
    )
    write_card(s.out, card, info)
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in outcome.metrics.items()))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("mouth", __doc__.partition("\n")[0], MouthSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
