"""Affect from geometry alone: what a face's shape expresses (EMOCA, section 5.2).

A small network that sees where all landmarks lie beside the average face, once the head's place,
turn and size are taken out, and never a pixel. `exprgen train face_affect` makes the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from ..arrays import ANY, Column, check_columns
from ..errors import InputError
from ..track import load_arrays, save_arrays
from ..tracking.registration import similarity_3d
from ..vocabulary import AFFECT, EXPRESSIONS, MEDIAPIPE_LANDMARKS, SKIN_LANDMARKS
from .model import FaceModel, face_model

KIND = "exprgen.face_affect"
FACE_AFFECT = Path(__file__).with_name("face_affect.npz")
FIX = "install ExprGen again"
TURNS = 3
"""Numbers of the head that are looked at: how far it nods, turns and tilts."""
PLACES = 3 * MEDIAPIPE_LANDMARKS
"""Numbers of landmarks that are looked at."""
SAID = len(EXPRESSIONS) + len(AFFECT)
LEAST_SCALE = 1e-6
"""What numbers are divided by is this at least."""


@dataclass(frozen=True, eq=False)
class FaceAffect:
    """usual (PLACES,) and ways (PLACES, K): what landmarks do in the mean, and the directions in
    which faces differ most. centre, scale (K + TURNS,) of what is seen along these and of the
    turns. layers: (weights (in, out), bias (out,)), a ramp between them. meta: how it was made and
    measured."""

    usual: np.ndarray
    ways: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    meta: dict = field(default_factory=dict)

    def __call__(self, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Landmarks (N, 478, 3), pixels with the landmarker's own depth -> probabilities (N, 7) of
        EXPRESSIONS, valence and arousal (N, 2)."""
        return self.of_inputs(affect_inputs(seen, face_model()))

    def of_inputs(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same from `affect_inputs` (N, PLACES + TURNS)."""
        along = (inputs[:, :PLACES] - self.usual) @ self.ways
        x = (np.concatenate([along, inputs[:, PLACES:]], axis=1) - self.centre) / self.scale
        for k, (weights, bias) in enumerate(self.layers):
            x = (np.maximum(x, 0.0) if k else x) @ weights + bias
        logits = x[:, : len(EXPRESSIONS)]
        chances = np.exp(logits - logits.max(1, keepdims=True))
        affect = np.tanh(x[:, len(EXPRESSIONS) :])
        return chances / chances.sum(1, keepdims=True), affect

    def save(self, path: str | Path) -> Path:
        """Write it whole. Raises OutputError."""
        arrays = {n: getattr(self, n).astype(np.float32) for n in ("usual", "centre", "scale")}
        arrays["ways"] = self.ways.astype(np.float16)
        for k, (weights, bias) in enumerate(self.layers):
            arrays[f"weights_{k}"] = weights.astype(np.float16)
            arrays[f"bias_{k}"] = bias.astype(np.float32)
        return save_arrays(path, KIND, self.meta, arrays)

    @staticmethod
    def load(path: str | Path) -> FaceAffect:
        """Read and check one.

        Raises:
            InputError: it is none.
        """
        meta, arrays = load_arrays(path, KIND, FIX)
        columns = {
            "usual": Column((PLACES,), np.float32),
            "ways": Column((PLACES, ANY), np.float16),
        }
        check_columns(path, arrays, columns, FIX, rows=0)
        sizes = [arrays["ways"].shape[1] + TURNS]
        columns["centre"] = Column((sizes[0],), np.float32)
        columns["scale"] = Column((sizes[0],), np.float32, LEAST_SCALE)
        for k in range(sum(n.startswith("weights_") for n in arrays)):
            columns[f"weights_{k}"] = Column((sizes[-1], ANY), np.float16)
            check_columns(path, arrays, {f"weights_{k}": columns[f"weights_{k}"]}, FIX, rows=0)
            sizes.append(arrays[f"weights_{k}"].shape[1])
            columns[f"bias_{k}"] = Column((sizes[-1],), np.float32)
        check_columns(path, arrays, columns, FIX, rows=0)
        if sizes[-1] != SAID:
            raise InputError("tells no affect", file=path, fix=FIX)
        wide = {n: arrays[n].astype(float) for n in columns}
        layers = tuple((wide[f"weights_{k}"], wide[f"bias_{k}"]) for k in range(len(sizes) - 1))
        return FaceAffect(*(wide[n] for n in ("usual", "ways", "centre", "scale")), layers, meta)


def affect_inputs(seen: np.ndarray, model: FaceModel) -> np.ndarray:
    """(N, PLACES + TURNS) what is looked at: millimetres by which landmarks lie elsewhere than the
    average face has them, in the head's own frame and at one size; and how the head is turned.

    Args:
        seen: (N, 478, 3) pixels with the landmarker's own depth.
    """
    usual = model.landmarks().mean
    own = np.asarray(seen, float) * (1.0, -1.0, -1.0)
    own, usual = (v - v[..., :SKIN_LANDMARKS, :].mean(-2, keepdims=True) for v in (own, usual))
    turn, size = similarity_3d(own[:, :SKIN_LANDMARKS], usual[:SKIN_LANDMARKS])
    off = size[:, None, None] * (own @ turn) - usual
    turns = np.stack([turn[:, 1, 2], turn[:, 0, 2], turn[:, 0, 1]], axis=1)
    return np.concatenate([off.reshape(len(off), PLACES), turns], axis=1)


@cache
def face_affect() -> FaceAffect:
    """The one that ships with ExprGen."""
    return FaceAffect.load(FACE_AFFECT)
