"""Training of the upper look at human faces.

HCNN's first four convolutions stay as they are (see `shared/features.py`), so that what they give
is computed once, and so that the look costs little beside HCNN. It learns what people said of the
whole face, and what HCNN, or the teacher, answers. From the upper part alone much of that can only
be guessed, and how surely is what the upper look learns.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..inference.upper_look import shared_digest
from ..models.layouts import SHARED_LAYERS, UPPER_ROWS
from ..models.perceptual import PerceptualNetwork, probabilities
from ..models.upper_look import UpperLook, begun_from
from ..models.weights_file import read_weights
from ..models.weights_io import ModelCard, WeightsInfo, load_network, save_network, write_card
from ..vocabulary import EXPRESSIONS
from .cnn_3d import perceived
from .hcnn import named
from .shared.augment import AugmentSettings
from .shared.classifying import HUMAN_LICENCE, measures, soft_cross_entropy
from .shared.datasets import load_faces
from .shared.features import Features, compute_features
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.mixing import Pool, draw, held_out, pools, prior
from .shared.options import USUAL, changed_options, fixed, option, run_command
from .shared.prepared import checkpoint_folder, place_to_prepare
from .shared.sets import VALIDATION, FaceSet
from .shared.teaching import taught

CHECK_FACES = 1200
BATCH = 64


@dataclass(frozen=True)
class UpperLookSettings:
    """What one training of the upper look needs; each option's help says what it is."""

    data: str = option(MISSING)
    init: str = option(MISSING, "HCNN's weights, whose first layers it will stand on")
    out: str = option(MISSING)
    checkpoints: str = option("", "folder of checkpoints and kept layers; by default beside it")
    resume: bool = option(False)
    rows: int = option(UPPER_ROWS, "rows of CONV-4's output that are looked at, of 16")
    variants: int = option(3, "variants of each face: as it is, the others changed and mirrored")
    changes: float = option(0.7)
    images: int = option(300000)
    batch: int = option(50)
    rate: float = option(1e-3)
    balance: float = option(0.6)
    people: str = option("")
    people_share: float = option(0.25)
    teacher: str = option("", USUAL["teacher"] + "; by default HCNN is")
    teacher_share: float = option(0.5)
    minutes: float | None = option(None)
    seed: int = option(0)
    threads: int = option(1)


@dataclass(frozen=True)
class Check:
    """Faces to measure by: what the kept layers give of them, and their targets (N, 7)."""

    features: Features
    targets: np.ndarray

    def some(self) -> np.ndarray:
        """Rows to look at while training: all classes in proportion, the same each time."""
        count = len(self.targets)
        return np.arange(0, count, max(1, count // CHECK_FACES))


class UpperLookTask:
    """The seven expressions from the upper part of faces whose first layers are kept.

    Args:
        features: of each part what the kept layers give of its rows.
        learned: of each part what its faces are to be taken for, (len(rows), 7).
        checks: name -> faces to measure by; the first ones tell when the network is best.
    """

    def __init__(
        self,
        model: UpperLook,
        parts: tuple[Pool, ...],
        features: list[Features],
        learned: list[np.ndarray],
        checks: dict[str, Check],
    ):
        self.model, self.parts, self.features = model, parts, features
        self.learned, self.checks = learned, checks

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        chosen = draw(self.parts, stage.batch, rng)
        maps = [
            kept.take(rng.integers(len(kept.flipped), size=len(rows)), rows)
            for kept, rows in zip(self.features, chosen, strict=True)
            if len(rows)
        ]
        targets = [learned[rows] for learned, rows in zip(self.learned, chosen, strict=True)]
        said = np.concatenate(targets).astype(np.float32)
        return soft_cross_entropy(logits(self.model, torch.cat(maps)).float(), said)

    def evaluate(self, model: UpperLook, stage: Stage) -> dict[str, float]:
        check = next(iter(self.checks.values()))
        return measured(model, check, check.some())


def logits(model: UpperLook, maps: Tensor) -> Tensor:
    """Logits (B, 7) of what the kept layers give (B, 64, H, W)."""
    maps = maps.contiguous(memory_format=torch.channels_last)
    return model(maps, folded=True)


@torch.inference_mode()
def measured(model: UpperLook, check: Check, rows: np.ndarray) -> dict[str, float]:
    """`classifying.measures` of some of the check's faces."""
    model.eval()
    answers = [
        probabilities(logits(model, check.features.take(np.zeros(len(part), int), part)))
        for part in np.array_split(rows, max(1, len(rows) // BATCH))
    ]
    return measures(np.concatenate(answers), check.targets[rows])


def train(s: UpperLookSettings) -> Outcome:
    """Train, write weights and model card; returns the outcome.

    Raises:
        ModelError: HCNN's or the teacher's file is missing or damaged. InputError: no prepared
            faces.
    """
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    parent, parent_info = load_network(s.init, "hcnn")
    folder = checkpoint_folder(s)
    parts = pools(load_faces(s.data), s.balance, s.people, s.people_share)
    model = begun_from(parent, s.rows)
    kept = _Kept(s, parent, parent_info.input_size)
    features = [
        kept.of(name, p.data, p.rows, s.variants) for name, p in zip(_NAMES, parts, strict=False)
    ]
    learned = _learned(s, parts, parent, features)
    task = UpperLookTask(model, parts, features, learned, _checks(kept, parts))
    say(f"upper look: {sum(len(part.rows) for part in parts)} faces to learn from")
    stages = (Stage(parent_info.input_size, s.images, s.batch, s.rate),)
    steps = max(LoopSettings.evaluate_every, stages[0].steps // LoopSettings.patience)
    loop = LoopSettings(minutes=s.minutes, seed=s.seed, evaluate_every=steps)
    outcome = run(task, stages, folder, loop, fixed(s), s.resume)
    _finish(s, task, outcome, parent_info.input_size)
    return outcome


_NAMES = ("humans", "people")


def _learned(
    s: UpperLookSettings,
    parts: tuple[Pool, ...],
    parent: PerceptualNetwork,
    features: list[Features],
) -> list[np.ndarray]:
    """Of each part (N, 7): what people said, and a share of what a network answers, since ten votes
    are coarse; of synthetic people their poses alone, which networks misread while they speak."""
    said = [part.data.targets[part.rows] for part in parts]
    if s.teacher:
        return taught(parts[:1], s.teacher, s.teacher_share, place_to_prepare(s)) + said[1:]
    if s.teacher_share:
        answers = perceived(parent, features[0], SHARED_LAYERS)
        said[0] = (1 - s.teacher_share) * said[0] + s.teacher_share * answers
    return said


@dataclass(frozen=True)
class _Kept:
    """Computes what HCNN's first layers give, once."""

    settings: UpperLookSettings
    parent: PerceptualNetwork
    size: int

    def of(self, name: str, data: FaceSet, rows: np.ndarray, variants: int) -> Features:
        s = self.settings
        return compute_features(
            place_to_prepare(s) / f"{name}.npy",
            self.parent,
            data.faces,
            rows,
            SHARED_LAYERS,
            variants,
            self.size,
            s.seed,
            AugmentSettings(flip=0).scaled(s.changes),
            mirrored=False,
        )


def _checks(kept: _Kept, parts: tuple[Pool, ...]) -> dict[str, Check]:
    """Validation faces, and those of synthetic people of whom no picture was learned."""
    data = parts[0].data
    sets = {"": (data, data.rows(VALIDATION))}
    if (more := held_out(parts)) is not None:
        sets["posed "] = more
    return {
        name: Check(kept.of(f"{name}check", d, rows, 1), d.targets[rows])
        for name, (d, rows) in sets.items()
    }


def _finish(s: UpperLookSettings, task: UpperLookTask, outcome: Outcome, size: int) -> None:
    for name, check in task.checks.items():
        found = measured(outcome.model, check, np.arange(len(check.targets)))
        outcome.metrics |= {f"{name}{k}": v for k, v in found.items()}
    training = {"settings": fixed(s), "metrics": outcome.metrics, "steps": outcome.steps}
    training["prior"] = [round(float(p), 4) for p in prior(task.parts)]
    config = {"rows": s.rows, "under": shared_digest(read_weights(s.init, "hcnn"))}
    info = WeightsInfo("upper_look", config, labels=EXPRESSIONS, input_size=size, training=training)
    save_network(s.out, outcome.model, info)
    card = ModelCard(
        title="Upper look",
        purpose="Tells the seven expressions from the upper part of a registered human face, which "
        "speech hardly moves.",
        data=named(task.parts) + " HCNN's through its weights.",
        licence_of_data=HUMAN_LICENCE,
        split="as the set's own table says (train / val; no person of mux in both)",
        metrics=outcome.metrics,
        seed=s.seed,
        command=f"exprgen train upper_look --data HED --init {Path(s.init).name} "
        f"--out {Path(s.out).name}" + changed_options(s, "init"),
        limits="Can't tell apart what differs in the mouth alone. Needs the HCNN it stands on.",
    )
    write_card(s.out, card, info)
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in outcome.metrics.items()))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("upper_look", __doc__.partition("\n")[0], UpperLookSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
