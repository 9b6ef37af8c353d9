"""A learned differentiable renderer of one character: unit values -> its registered face.

It is the bridge that lets a loss on what a picture expresses reach the controls behind it, in the
manner of EMOCA's emotion consistency (Danecek et al. 2022, section 3.2), for rigs of any kind. It
learns from the character's own captured pictures, shows an average light, and serves in training
only: no weight file of it ships.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..perceptual import PerceptualNetwork, standardise
from .augment import plain
from .datasets import TRAIN, VALIDATION, CharacterSet
from .loop import LoopSettings, Stage, run, say

STAGE = Stage(64, 32_000, 32, 3e-3)


class PoseRenderer(nn.Module):
    """Unit values (B, M) -> standardised grey picture (B, 1, 64, 64)."""

    def __init__(self, controls: int):
        super().__init__()
        self.pose = nn.Sequential(nn.Linear(controls, 128), nn.ReLU(), nn.Linear(128, 32 * 64))
        widths = (32, 24, 16, 8)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
        self.last = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, units: Tensor) -> Tensor:
        x = F.relu(self.pose(units)).unflatten(1, (32, 8, 8))
        for layer in self.layers:
            x = F.relu(layer(F.interpolate(x, scale_factor=2.0, mode="bilinear")))
        return self.last(x)


@dataclass
class RendererTask:
    """Pictures of the character that the tracker found, as they are."""

    model: PoseRenderer
    units: np.ndarray
    pictures: Tensor
    train_rows: np.ndarray
    check_rows: np.ndarray

    @staticmethod
    def of(posed: CharacterSet) -> RendererTask:
        pictures = standardise(plain(np.stack(list(posed.faces)), STAGE.size))
        train, check = (
            rows[posed.found[rows]] for rows in (posed.rows(TRAIN), posed.rows(VALIDATION))
        )
        return RendererTask(PoseRenderer(posed.units.shape[1]), posed.units, pictures, train, check)

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        rows = rng.choice(self.train_rows, stage.batch)
        return F.mse_loss(self.model(torch.from_numpy(self.units[rows])).float(), self._true(rows))

    def _true(self, rows: np.ndarray) -> Tensor:
        return self.pictures[torch.from_numpy(rows)]

    @torch.inference_mode()
    def evaluate(self, model: nn.Module, stage: Stage) -> dict[str, float]:
        model.eval()
        shown = model(torch.from_numpy(self.units[self.check_rows]))
        error = float(F.mse_loss(shown, self._true(self.check_rows)))
        return {"error": error, "score": -error}


def learn_renderer(posed: CharacterSet, folder: Path, seed: int, resume: bool) -> PoseRenderer:
    """Train the renderer of a character; about a minute on two cores.

    Args:
        folder: of its checkpoints.
    """
    torch.manual_seed(seed)
    task = RendererTask.of(posed)
    say(f"renderer of {posed.character}: {len(task.train_rows)} pictures")
    loop = LoopSettings(seed=seed, average=0.99, evaluate_every=250)
    settings = {"character": posed.character, "pictures": len(posed), "seed": seed}
    outcome = run(task, (STAGE,), folder, loop, settings, resume)
    return outcome.model.eval().requires_grad_(False)


class Consistency:
    """How far the posed character reads as people said of the actor.

    Args:
        renderer: of the character. scnn: reads its pictures; both stay as they are.
    """

    def __init__(self, renderer: PoseRenderer, scnn: PerceptualNetwork):
        self.renderer, self.scnn = renderer, scnn.eval().requires_grad_(False)

    def logits(self, units: Tensor) -> Tensor:
        """Unit values (B, M) -> what SCNN makes of their picture, (B, 7)."""
        return self.scnn(self.renderer(units.clamp(-1, 1)), folded=True)

    def loss(self, units: Tensor, said: Tensor) -> Tensor:
        """Mean cross-entropy with what people said, (B, 7)."""
        return -(said * torch.log_softmax(self.logits(units).float(), 1)).sum(1).mean()

    @torch.inference_mode()
    def read(self, units: np.ndarray) -> np.ndarray:
        """(N, 7) probabilities of poses (N, M)."""
        return self.logits(torch.from_numpy(units.astype(np.float32))).softmax(1).numpy()
