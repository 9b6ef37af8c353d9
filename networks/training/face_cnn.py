"""What the cascade is compared with: a small convolutional network on the same inputs.

It sees the upright picture of the head that the stages see, the landmark displacement and the
parameters so far, and tells in one step what these lack. It is measured on the same people; a file
of it is only for measuring it elsewhere.
"""

from __future__ import annotations

import itertools
import pickle
import sys
from collections.abc import Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from ..errors import InputError
from ..face_model.cascade import FaceRegression, Guess, Upright
from ..face_model.fitting import Fitter
from ..face_model.model import face_model
from ..files import written_whole
from ..reading import one_line
from .face_regression import (
    Case,
    fitter_of,
    importance,
    lacking,
    load_cases,
    measured,
    mirrored,
    shaken,
)
from .shared.loop import say
from .shared.options import option, run_command

SMALL = 96
"""Pixels of a side of what it sees."""


@dataclass(frozen=True)
class FaceCnnSettings:
    """What the comparison needs; each option's help says what it is."""

    data: str = option(MISSING, "folder of views_NNN.npz")
    epochs: int = option(30, "times that all are looked at")
    jitter: float = option(0.4, "deviation of landmarks that are shaken, millimetres")
    seed: int = option(0)
    out: str = option("", "file to write, for `face_model.scan_pictures --cnn`")


class Network(nn.Module):
    """Four convolutions of stride 2, then two layers with the numbers beside."""

    def __init__(self, numbers: int, out: int):
        super().__init__()
        widths = (1, 16, 32, 48, 64)
        self.convolutions = nn.Sequential(*(
            part for a, b in itertools.pairwise(widths)
            for part in (nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU())
        ))  # fmt: skip
        self.seen = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 36, 96), nn.ReLU())
        self.told = nn.Sequential(nn.Linear(96 + numbers, 128), nn.ReLU(), nn.Dropout(0.2),
                                  nn.Linear(128, out))  # fmt: skip

    def forward(self, pictures: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return self.told(torch.cat([self.seen(self.convolutions(pictures)), numbers], 1))


@dataclass(frozen=True)
class FaceCnn:
    """A network and the scale (I + E,) of what it tells; called as a `FaceRegression` is."""

    network: Network
    scale: np.ndarray

    def __call__(
        self, fitter: Fitter, pictures: Sequence[Upright], seen: np.ndarray, start: Guess
    ) -> Guess:
        x, z = inputs(fitter, pictures, seen, start)
        with torch.no_grad():
            told = self.network(torch.from_numpy(x), torch.from_numpy(z)).numpy()
        return start.moved(fitter, seen, told * self.scale)

    def save(self, path: str | Path) -> None:
        """Write it whole; `load` reads it. Raises OutputError."""
        kept = self.network.told[0].in_features - self.network.seen[2].out_features
        # To a stream: a file's name, which is another each time, would be written into it.
        with written_whole(path) as part, open(part, "wb") as file:
            torch.save((kept, self.network.state_dict(), torch.from_numpy(self.scale)), file)

    @staticmethod
    def load(path: str | Path) -> FaceCnn:
        """One that `save` wrote; raises InputError."""
        try:
            numbers, state, scale = torch.load(path, weights_only=True)
            network = Network(numbers, len(scale))
            network.load_state_dict(state)
        except (OSError, ValueError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
            fix = "make it by `exprgen train face_cnn --out`"
            what = f"is no such network ({one_line(error)})"
            raise InputError(what, file=path, fix=fix) from error
        return FaceCnn(network.eval(), scale.numpy())


def train(s: FaceCnnSettings) -> dict[str, float]:
    """Train and measure."""
    torch.manual_seed(s.seed)
    model = face_model()
    parts = load_cases(Path(s.data), model)
    fitter = fitter_of(parts["test"][0], model)
    rng = np.random.default_rng(s.seed)
    both = [c for c in parts["train"] for c in (c, mirrored(c, model))]
    learn = [shaken(c, fitter, s.jitter, rng) for c in both]
    start, pictures, seen = _looked_at(fitter, learn)
    x, z = inputs(fitter, pictures, seen, start)
    y = lacking(learn, start)
    scale = y.std(0) + 1e-6
    weight = torch.from_numpy((scale * importance(model)).astype(np.float32))
    network = Network(z.shape[1], y.shape[1])
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.03)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, s.epochs)
    columns = [torch.from_numpy(a.astype(np.float32)) for a in (x, z, y / scale)]
    for epoch in range(s.epochs):
        total = 0.0
        for rows in torch.randperm(len(x)).split(64):
            shown = columns[0][rows] * torch.empty(len(rows), 1, 1, 1).uniform_(0.7, 1.3)
            off = (network.train()(shown, columns[1][rows]) - columns[2][rows]) * weight
            loss = (off**2).sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(rows)
        schedule.step()
        if epoch % 5 == 4:
            say(f"epoch {epoch + 1}: {total / len(x):.3f}")
    cnn = FaceCnn(network.eval(), scale)
    if s.out:
        cnn.save(s.out)
    return _measured(cnn, fitter, parts["test"])


def _looked_at(fitter: Fitter, cases: list[Case]) -> tuple[Guess, list[Upright], np.ndarray]:
    """Where cases start, their upright pictures, and their landmarks (N, 478, 2)."""
    pictures = [Upright.of(c.grey, fitter.camera, c.start.heads) for c in cases]
    return Guess.joined([c.start for c in cases]), pictures, np.array([c.seen for c in cases])


def inputs(
    fitter: Fitter, pictures: Sequence[Upright], seen: np.ndarray, start: Guess
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, 1, SMALL, SMALL) and numbers (N, K) that the network sees."""
    displacement = FaceRegression(("ld", "turned", "so_far"), np.zeros(0), np.zeros((0, 0)), ())
    small = [cv2.resize(p.pixels, (SMALL, SMALL), interpolation=cv2.INTER_AREA) for p in pictures]
    grey = np.array(small, np.float32)
    spread = grey.std((1, 2), keepdims=True) + 5.0
    grey = (grey - grey.mean((1, 2), keepdims=True)) / spread
    numbers = displacement.look(fitter.camera, pictures, seen, start)
    return grey[:, None], numbers.astype(np.float32)


def _measured(cnn: FaceCnn, fitter: Fitter, cases: list[Case]) -> dict[str, float]:
    start, pictures, seen = _looked_at(fitter, cases)
    table = measured(fitter.model, cases, cnn(fitter, pictures, seen, start))
    for name, row in table.items():
        say(f"{name:<10} " + ", ".join(f"{k} {v:.3f}" for k, v in row.items()))
    return table["all"]


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("face_cnn", __doc__.partition("\n")[0], FaceCnnSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
