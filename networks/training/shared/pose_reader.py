"""A learned reader of one character's poses: unit values -> what SCNN sees in their picture.

It stands for rendering and SCNN together, is differentiable, and so lets a loss on what a picture
expresses reach the controls behind it, in the manner of EMOCA's emotion consistency (Danecek et al.
2022, section 3.2), for rigs of any kind. It serves in training only: no weight file of it ships.

A renderer proper was tried first (controls -> 64-pixel picture, squared error, then SCNN): its
pictures are means over light and fine motion, and SCNN took 93% of them for sad ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...models.perceptual import PerceptualNetwork
from ...models.weights_io import file_digest, load_network
from ...vocabulary import EXPRESSIONS
from .classifying import classify, soft_cross_entropy
from .loop import LoopSettings, Stage, run, say
from .sets import REJECTED, TRAIN, VALIDATION, CharacterSet

STAGE = Stage(0, 120_000, 64, 2e-3)
NOISE = 0.04
"""Deviation of the noise on the unit values: poses so near to each other read alike."""


class PoseReader(nn.Module):
    """Unit values (B, M) -> logits (B, 7) in the order of EXPRESSIONS."""

    def __init__(self, controls: int, hidden: int = 128):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(controls, hidden),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(hidden, hidden // 2),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(hidden // 2, len(EXPRESSIONS)),
        )

    def forward(self, units: Tensor) -> Tensor:
        return self.layers(units.clamp(-1, 1))

    def loss(self, units: Tensor, said: Tensor) -> Tensor:
        """Mean cross-entropy of what poses (B, M) read as with what people said, (B, 7)."""
        return soft_cross_entropy(self(units).float(), said)

    @torch.inference_mode()
    def read(self, units: np.ndarray) -> np.ndarray:
        """(N, 7) probabilities of poses (N, M)."""
        return self(torch.from_numpy(units.astype(np.float32))).softmax(1).numpy()


@dataclass
class ReaderTask:
    """Poses of the character, and what SCNN said of their pictures (N, 7)."""

    model: PoseReader
    units: np.ndarray
    said: np.ndarray
    train_rows: np.ndarray
    check_rows: np.ndarray

    @staticmethod
    def of(posed: CharacterSet, scnn: PerceptualNetwork, size: int) -> ReaderTask:
        known = np.flatnonzero(posed.split != REJECTED)
        said = np.zeros((len(posed), len(EXPRESSIONS)), np.float32)
        said[known] = classify(scnn, posed.faces, known, size)
        model = PoseReader(posed.units.shape[1])
        return ReaderTask(model, posed.units, said, posed.rows(TRAIN), posed.rows(VALIDATION))

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        rows = rng.choice(self.train_rows, stage.batch)
        units = self.units[rows] + rng.normal(0, NOISE, self.units[rows].shape)
        logits = self.model(torch.from_numpy(units.astype(np.float32)))
        return soft_cross_entropy(logits.float(), self.said[rows])

    def evaluate(self, model: PoseReader, stage: Stage) -> dict[str, float]:
        model.eval()
        read = model.read(self.units[self.check_rows])
        alike = float((read.argmax(1) == self.said[self.check_rows].argmax(1)).mean())
        return {"as SCNN": alike, "score": alike}


def learn_reader(
    posed: CharacterSet, scnn: str | Path, folder: Path, seed: int, resume: bool
) -> PoseReader:
    """Train the reader of a character's poses; seconds.

    Args:
        scnn: SCNN's weights. folder: of its checkpoints.

    Raises:
        ModelError: SCNN's file is missing or damaged. UsageError: with `resume`, the checkpoint is
            of other pictures, or of another SCNN.
    """
    torch.manual_seed(seed)
    network, info = load_network(scnn, "scnn")
    task = ReaderTask.of(posed, network, info.input_size)
    say(f"reader of {posed.character}'s poses: {len(task.train_rows)} pictures")
    loop = LoopSettings(seed=seed, average=0.99, evaluate_every=100, patience=10)
    settings = {"character": posed.character, "pictures": len(posed), "seed": seed}
    settings["scnn"] = file_digest(scnn)
    outcome = run(task, (STAGE,), folder, loop, settings, resume)
    return outcome.model.eval().requires_grad_(False)
