"""Affect from geometry alone: what a face's 3D parameters express (EMOCA, section 5.2).

A small network that sees what the fit found, and where the landmarks lie beside the person at rest
in the head's own frame, and never a pixel. `exprgen train face_affect` makes the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from ..arrays import ANY, Column, check_columns
from ..errors import InputError
from ..track import load_arrays, save_arrays
from ..vocabulary import AFFECT, EXPRESSIONS, SKIN_LANDMARKS
from .cascade import LOOKED_AT
from .model import FaceModel, face_model
from .projection import Camera, Heads

KIND = "exprgen.face_affect"
FACE_AFFECT = Path(__file__).with_name("face_affect.npz")
FIX = "install ExprGen again"
TURNS = 3
"""Numbers of the head that are looked at: how far it nods, turns and tilts."""
SAID = len(EXPRESSIONS) + len(AFFECT)


@dataclass(frozen=True, eq=False)
class FaceAffect:
    """Layers: (weights (in, out), bias (out,)), a ramp between them; centre and scale (K,) of what
    they see, see `affect_inputs`; meta: how it was made and measured."""

    centre: np.ndarray
    scale: np.ndarray
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    meta: dict = field(default_factory=dict)

    def __call__(self, expression: np.ndarray, rotation: np.ndarray, marks: np.ndarray):
        """Expressions (N, E), rotations (N, 3, 3) of heads and `bare_marks` -> probabilities (N, 7)
        of EXPRESSIONS, valence and arousal (N, 2)."""
        return self.of_inputs(affect_inputs(expression, rotation, marks))

    def of_inputs(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same from `affect_inputs` (N, K)."""
        x = (inputs - self.centre) / self.scale
        for k, (weights, bias) in enumerate(self.layers):
            x = (np.maximum(x, 0.0) if k else x) @ weights + bias
        logits = x[:, : len(EXPRESSIONS)]
        chances = np.exp(logits - logits.max(1, keepdims=True))
        affect = np.tanh(x[:, len(EXPRESSIONS) :])
        return chances / chances.sum(1, keepdims=True), affect

    def save(self, path: str | Path) -> Path:
        """Write it whole. Raises OutputError."""
        arrays = {"centre": self.centre.astype(np.float32), "scale": self.scale.astype(np.float32)}
        for k, (weights, bias) in enumerate(self.layers):
            arrays[f"weights_{k}"] = weights.astype(np.float16)
            arrays[f"bias_{k}"] = bias.astype(np.float32)
        return save_arrays(path, KIND, self.meta, arrays)

    @staticmethod
    def load(path: str | Path, model: FaceModel) -> FaceAffect:
        """Read and check one for this model.

        Raises:
            InputError: it is none, or of another model.
        """
        meta, arrays = load_arrays(path, KIND, FIX)
        count = sum(n.startswith("weights_") for n in arrays)
        sizes = [inputs_of(model)]
        columns = {n: Column((sizes[0],), np.float32) for n in ("centre", "scale")}
        for k in range(count):
            columns[f"weights_{k}"] = Column((sizes[-1], ANY), np.float16)
            check_columns(path, arrays, {f"weights_{k}": columns[f"weights_{k}"]}, FIX, rows=0)
            sizes.append(arrays[f"weights_{k}"].shape[1])
            columns[f"bias_{k}"] = Column((sizes[-1],), np.float32)
        check_columns(path, arrays, columns, FIX, rows=0)
        if sizes[-1] != SAID:
            raise InputError("tells no affect", file=path, fix=FIX)
        wide = {n: arrays[n].astype(float) for n in columns}
        layers = tuple((wide[f"weights_{k}"], wide[f"bias_{k}"]) for k in range(count))
        return FaceAffect(wide["centre"], wide["scale"], layers, meta)


def inputs_of(model: FaceModel) -> int:
    """K: how many numbers are looked at."""
    return len(model.expressions) + TURNS + 3 * len(LOOKED_AT)


def affect_inputs(expression: np.ndarray, rotation: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """(N, K) what is looked at, of expressions (N, E), rotations (N, 3, 3) and `bare_marks`."""
    turns = np.stack([rotation[:, 1, 2], rotation[:, 0, 2], rotation[:, 0, 1]], axis=1)
    flat = np.asarray(marks, float).reshape(len(turns), -1)
    return np.concatenate([np.asarray(expression, float), turns, flat], axis=1)


def bare_marks(
    seen: np.ndarray, camera: Camera, heads: Heads, identity: np.ndarray, model: FaceModel
) -> np.ndarray:
    """(N, L, 3) where landmarks LOOKED_AT lie beside those of the person at rest: millimetres in
    the head's own frame, so that neither pose nor identity is left.

    Args:
        seen: (N, 478, 3) pixels with the landmarker's own depth. identity: (I,) or (N, I).
    """
    people = np.broadcast_to(identity, (len(seen), model.identities))
    rest = model.landmarks().shapes(people, np.zeros((len(seen), len(model.expressions))))
    scale = heads.scale(camera)[:, None, None]
    own = np.asarray(seen, float) * (1.0, -1.0, -1.0) / scale @ heads.rotation
    own, rest = (v - v[:, :SKIN_LANDMARKS].mean(1, keepdims=True) for v in (own, rest))
    return (own - rest)[:, list(LOOKED_AT)]


@cache
def face_affect() -> FaceAffect:
    """The one that ships with ExprGen."""
    return FaceAffect.load(FACE_AFFECT, face_model())
