"""Cascaded regression: what a picture says of the face beyond its landmarks (Wu, section 3.3).

From the fit to the landmarks on, each stage looks at the picture around the model's points as they
are so far (histograms of oriented gradients) and at how far the seen landmarks lie from them
(landmark displacement), and tells what the parameters lack (eq. 12). Heads are solved anew after
each stage and never told (eq. 6). `exprgen train face_regression` makes the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from ..arrays import ANY, Column, check_columns
from ..errors import InputError
from ..track import load_arrays, save_arrays
from ..vocabulary import LANDMARKS
from .fitting import Fitter
from .model import FaceModel
from .projection import Camera, Heads

KIND = "exprgen.face_regression"
FACE_REGRESSION = Path(__file__).with_name("face_regression.npz")
FIX = "install ExprGen again"
OUTLINE = (234, 93, 132, 58, 172, 136, 150, 176, 152, 400, 379, 365, 397, 288, 361, 323, 454)
"""Landmarks of the jaw's line from ear to ear."""
LOOKED_AT = (*LANDMARKS.values(), *OUTLINE)
"""The landmarks round which is looked: 49 inner ones and 17 of the outline, as in section 3.2."""
SCALE = 0.75
"""Pixels a millimetre of what is looked at: a face is some 110 wide, as in most footage."""
SIDE = 208
"""Pixels of a side of the upright picture of a head."""
REACH = 0.75
"""How far the upright picture reaches from its middle, whatever it is turned by, in sides."""
PATCH = 32
"""Pixels of a patch's side."""
MIDDLE = (0.0, -25.0, -20.0)
"""The middle of what is seen, in the model's frame, millimetres."""
DISPLACED = 3.0
"""Millimetres that are a landmark's usual displacement."""
FEATURES = ("hog", "ld", "turned", "so_far")
"""What a stage may look at: gradients, landmark displacement, and displacement times the sine of
the head's yaw and its square, since a nose that is off means another thing in profile; and the
parameters so far."""
FARTHEST = 4.0
"""Standard deviations within which an identity stays."""


@dataclass(frozen=True)
class Guess:
    """N faces so far, a picture each: identities (N, I), expressions (N, E), their heads, and where
    the model then has the landmarks (N, 478, 3), in its own frame, those of the outline slid."""

    identity: np.ndarray
    expression: np.ndarray
    heads: Heads
    points: np.ndarray

    def __len__(self) -> int:
        return len(self.identity)

    @staticmethod
    def settled(
        fitter: Fitter, seen: np.ndarray, identity: np.ndarray, expression: np.ndarray, heads: Heads
    ) -> Guess:
        """With heads solved anew from `heads` (eq. 6); seen: (N, 478, 2) pixels."""
        return Guess(identity, expression, *fitter.settle(seen, identity, expression, heads))

    @staticmethod
    def joined(guesses: Sequence[Guess]) -> Guess:
        """Several after each other."""
        return Guess(
            *(np.concatenate([getattr(g, n) for g in guesses]) for n in ("identity", "expression")),
            Heads.joined([g.heads for g in guesses]),
            np.concatenate([g.points for g in guesses]),
        )

    def of(self, rows: np.ndarray) -> Guess:
        """Some of them."""
        return Guess(
            self.identity[rows], self.expression[rows], self.heads.of(rows), self.points[rows]
        )

    def moved(self, fitter: Fitter, seen: np.ndarray, told: np.ndarray) -> Guess:
        """With what a stage says that they lack (N, I + E)."""
        count = self.identity.shape[1]
        identity = np.clip(self.identity + told[:, :count], -FARTHEST, FARTHEST)
        expression = np.clip(self.expression + told[:, count:], 0.0, 1.0)
        return Guess.settled(fitter, seen, identity, expression, self.heads)


@dataclass(frozen=True)
class Stage:
    """A regressor R_k: weights (F, I + E) and bias (I + E,)."""

    weights: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, eq=False)
class FaceRegression:
    """The stages. features: of FEATURES; centre (H,) and basis (H, C): what of a patch's gradients
    is kept; meta: how it was made and measured."""

    features: tuple[str, ...]
    centre: np.ndarray
    basis: np.ndarray
    stages: tuple[Stage, ...]
    meta: dict = field(default_factory=dict)

    def __call__(
        self, fitter: Fitter, pictures: Sequence[Upright], seen: np.ndarray, start: Guess
    ) -> Guess:
        """Faces after all stages.

        Args:
            pictures: of the heads of `start`. seen: (N, 478, 2) pixels. start: the fit to the
                landmarks.
        """
        guess = start
        for stage in self.stages:
            told = self.look(fitter.camera, pictures, seen, guess) @ stage.weights + stage.bias
            guess = guess.moved(fitter, seen, told)
        return guess

    def look(
        self, camera: Camera, pictures: Sequence[Upright], seen: np.ndarray, guess: Guess
    ) -> np.ndarray:
        """(N, F) what a stage sees of guesses (eq. 10)."""
        rows, count = list(LOOKED_AT), len(guess)
        projected = camera.project(guess.points[:, rows], guess.heads)
        places = np.array([p.places(q) for p, q in zip(pictures, projected, strict=True)])
        wanted = np.array([p.places(q) for p, q in zip(pictures, seen[:, rows], strict=True)])
        lack = (wanted - places).reshape(count, -1) / SCALE / DISPLACED
        parts = []
        if "hog" in self.features:
            found = [gradients(p.pixels, q) for p, q in zip(pictures, places, strict=True)]
            parts.append(((np.array(found) - self.centre) @ self.basis).reshape(count, -1))
        if "ld" in self.features:
            parts.append(lack)
        if "turned" in self.features:
            side, nod = (guess.heads.rotation[:, k, 2, None] for k in (0, 1))
            parts += [lack * side, lack * side**2, side, side**2, nod]
        if "so_far" in self.features:
            parts += [guess.identity / 2.0, guess.expression]
        return np.concatenate(parts, axis=1)

    def save(self, path: str | Path) -> Path:
        """Write it whole. Raises OutputError."""
        arrays = {"centre": self.centre.astype(np.float32), "basis": self.basis.astype(np.float16)}
        for k, stage in enumerate(self.stages):
            arrays[f"weights_{k}"] = stage.weights.astype(np.float16)
            arrays[f"bias_{k}"] = stage.bias.astype(np.float32)
        return save_arrays(path, KIND, {**self.meta, "features": list(self.features)}, arrays)

    @staticmethod
    def load(path: str | Path, model: FaceModel) -> FaceRegression:
        """Read and check a regression of this model.

        Raises:
            InputError: it is none, or of another model.
        """
        meta, arrays = load_arrays(path, KIND, FIX)
        told, stages = meta.get("features"), sum(n.startswith("weights_") for n in arrays)
        if not (isinstance(told, list) and told and all(n in FEATURES for n in told) and stages):
            raise InputError("is no regression of faces", file=path, fix=FIX)
        kept = arrays["basis"].shape[1] if np.ndim(arrays.get("basis")) == 2 else 0
        out = model.identities + len(model.expressions)
        size = feature_count(told, kept, out)
        columns = {"centre": Column((ANY,), np.float32), "basis": Column((ANY, kept), np.float16)}
        for k in range(stages):
            columns[f"weights_{k}"] = Column((size, out), np.float16)
            columns[f"bias_{k}"] = Column((out,), np.float32)
        check_columns(path, arrays, columns, FIX, rows=0)
        wide = {n: arrays[n].astype(float) for n in columns}
        if len(wide["centre"]) != len(wide["basis"]):
            raise InputError("is no regression of faces", file=path, fix=FIX)
        rows = tuple(Stage(wide[f"weights_{k}"], wide[f"bias_{k}"]) for k in range(stages))
        return FaceRegression(tuple(told), wide["centre"], wide["basis"], rows, meta)


@cache
def face_regression(model: FaceModel) -> FaceRegression:
    """The regression that ships with ExprGen."""
    return FaceRegression.load(FACE_REGRESSION, model)


def feature_count(features: Sequence[str], kept: int, parameters: int) -> int:
    """How many numbers a stage sees that keeps so many of a patch, of a model with so many."""
    count = len(LOOKED_AT)
    sizes = {"hog": count * kept, "ld": 2 * count, "turned": 4 * count + 3, "so_far": parameters}
    return sum(sizes[name] for name in features)


@dataclass(frozen=True)
class Upright:
    """A head's surroundings, upright and of one size: pixels (SIDE, SIDE) uint8, and what put the
    picture's pixels there (2, 3)."""

    pixels: np.ndarray
    affine: np.ndarray

    @staticmethod
    def of(grey: np.ndarray, camera: Camera, heads: Heads, shown: float = 1.0) -> Upright:
        """What a picture (H, W) shows around the head of one frame; shown: its pixels a pixel of
        the camera's."""
        import cv2

        middle = camera.project(np.array(MIDDLE)[None, None], heads)[0, 0]
        # The picture's up as the head has it, by which it is turned.
        side, up = heads.rotation[0, :2, 1]
        length = max(float(np.hypot(side, up)), 1e-6)
        zoom = SCALE / float(heads.scale(camera)[0])
        turn = zoom / length * np.array([[up, side], [-side, up]])
        affine = np.c_[turn, SIDE / 2.0 - turn @ middle]
        drawn = np.c_[affine[:, :2] / shown, affine[:, 2]]
        if zoom < 0.5 * shown:  # else the warp would leave pixels out
            reach = REACH * SIDE * shown / zoom
            low = np.clip(middle * shown - reach, 0, np.array(grey.shape[::-1]) - 1).astype(int)
            high = np.ceil(np.maximum(middle * shown + reach, low + 1)).astype(int)
            grey = grey[low[1] : high[1], low[0] : high[0]]
            drawn = np.c_[drawn[:, :2], drawn[:, 2] + drawn[:, :2] @ low]
            # At least one pixel: of a face that has left the picture nothing more is in reach.
            fewer = np.maximum(np.rint(np.array(grey.shape[::-1]) * zoom / shown), 1).astype(int)
            small = cv2.resize(grey, tuple(map(int, fewer)), interpolation=cv2.INTER_AREA)
            real = np.array(small.shape[::-1]) / grey.shape[::-1]
            grey, drawn = small, np.c_[drawn[:, :2] / real, drawn[:, 2]]
        pixels = cv2.warpAffine(grey, drawn, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
        return Upright(pixels, affine)

    def places(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (P, 2) of the picture -> the same here."""
        return pixels @ self.affine[:, :2].T + self.affine[:, 2]


def gradients(pixels: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(P, 144) histograms of oriented gradients of patches around places (P, 2): eq. 8."""
    half = PATCH // 2
    corners = np.clip(np.round(places) - half, 0, SIDE - PATCH).astype(int)
    found = _histograms().compute(pixels, locations=[tuple(map(int, c)) for c in corners])
    return np.asarray(found, float).reshape(len(places), -1)


@lru_cache(maxsize=1)
def _histograms():
    import cv2

    half = PATCH // 2
    return cv2.HOGDescriptor((PATCH, PATCH), (half, half), (half, half), (half // 2, half // 2), 9)
