"""The bilinear face: identity times expression gives points (Wu, section 2.1, eq. 2 and 3).

    S = mean + basis . (core x2 [1, identity] x3 [1, expression])

The reduced core tensor stands in a basis over the points (a Tucker form), so the file is small: the
basis has identities, actions of the mean face, and directions in which actions differ between
people. With [1, .] before the parameters, the core's first slices are the identities at rest and
the mean face's actions.

Frame: millimetres from the middle between the eyes; x to the subject's own left, y up, z out of the
face. Identity is in standard deviations; an expression is weights 0..1 of named ARKit actions.
`sample_rigs/build/face_model` makes the file, `face_model.md` says what it can't represent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from ..arrays import ANY, Column, check_columns
from ..errors import InputError
from ..names import is_name
from ..records import FieldError, as_type
from ..track import load_arrays, save_arrays
from ..vocabulary import ARKIT_INDEX, MEDIAPIPE_LANDMARKS

KIND = "exprgen.face_model"
FACE_MODEL = Path(__file__).with_name("face_model.npz")
FIX = "install ExprGen again"
_GROUP, _BASIS = "group/", "basis/"
BLOCK = 24
"""Columns of the basis that are an array of the file: small ones are packed, large ones are not."""
_COLUMNS = {
    "mean": Column((ANY, 3), np.float32, -1e3, 1e3),
    "core": Column((ANY, ANY, ANY), np.float16, -65504, 65504),
    "faces": Column((ANY, 4), np.uint16, 0, 65535),
    "landmark_corners": Column((MEDIAPIPE_LANDMARKS, 3), np.uint16, 0, 65535),
    "landmark_shares": Column((MEDIAPIPE_LANDMARKS, 3), np.float16, -1, 2),
    "landmark_deviation": Column((MEDIAPIPE_LANDMARKS,), np.float16, 0, 100),
    "expression_mean": Column((ANY,), np.float16, 0, 1),
    "expression_deviation": Column((ANY,), np.float16, 1e-3, 1),
    "contour": Column((ANY,), np.uint16, 0, MEDIAPIPE_LANDMARKS),
    "slides": Column((ANY, ANY), np.uint16, 0, 65535),
}


@dataclass(frozen=True)
class PointTensor:
    """The model at L chosen points: mean (L, 3) and basis (L, 3, R), millimetres, and the reduced
    core (R, 1 + I, 1 + E)."""

    mean: np.ndarray
    basis: np.ndarray
    reduced: np.ndarray

    @cached_property
    def core(self) -> np.ndarray:
        """(L, 3, 1 + I, 1 + E) what each identity with each action does, millimetres."""
        return np.tensordot(self.basis, self.reduced, 1)

    def of_person(self, identity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Identity (I,) -> points at rest (L, 3) and displacements (E, L, 3) of its actions."""
        amounts = _with_one(identity) @ self.reduced
        # The basis first: it is small, the core is not.
        flat = amounts.T @ self.basis.reshape(-1, self.basis.shape[-1]).T
        own = flat.reshape(-1, *self.mean.shape)
        return self.mean + own[0], own[1:]

    def shapes(self, identities: np.ndarray, expressions: np.ndarray) -> np.ndarray:
        """Identities (N, I) and expressions (N, E) -> points (N, L, 3) of N faces (eq. 2)."""
        rank, people, actions = self.reduced.shape
        acting = self.reduced.reshape(rank * people, actions) @ _with_one(expressions).T
        acting = acting.reshape(rank, people, len(expressions))
        amounts = np.einsum("rin,ni->nr", acting, _with_one(identities))
        moved = amounts @ self.basis.reshape(-1, rank).T
        return self.mean + moved.reshape(-1, *self.mean.shape)

    def rows(self, rows: np.ndarray) -> PointTensor:
        """The same at some of the points."""
        return PointTensor(self.mean[rows], self.basis[rows], self.reduced)

    def across(self, turn: np.ndarray, expression: np.ndarray) -> np.ndarray:
        """What a camera sees of the mean person with an expression (E,), and of what identities do
        to it: (1 + I, 2, L), turned by turn (2, 3)."""
        amounts = self.reduced @ _with_one(expression)
        rank, people = amounts.shape
        moved = ((turn @ self._axes).reshape(-1, rank) @ amounts).T
        moved = moved.reshape(people, 2, -1)
        moved[0] += turn @ self.mean.T
        return moved

    @cached_property
    def _axes(self) -> np.ndarray:
        """(3, L R) the basis, an axis a row."""
        return np.moveaxis(self.basis, 1, 0).reshape(3, -1)


@dataclass(frozen=True, eq=False)
class FaceModel:
    """A bilinear face of V points, I numbers of identity and E actions.

    mean (V, 3); basis (3 V, R); core (R, 1 + I, 1 + E), see above.
    expressions: the actions' names, E of ARKIT_CHANNELS.
    expression_mean, expression_deviation (E,): weights of expressive faces, for eq. 7.
    faces (F, 4): quads (a triangle repeats its last corner): `skin` of the skin, then `eyes` of the
        eyeballs, then the teeth's.
    groups: name -> indices of points: eye_left, eye_right, teeth_upper, teeth_lower, brow_*,
        lid_upper_*, lid_lower_*, lip_border_*, lip_contact_*.
    landmark_corners, landmark_shares (478, 3): where the landmarker's points lie: three points and
        how much of each. landmark_deviation (478,): how far off it sees them, millimetres.
    contour (C,): landmarks of the face's outline, which slide over the skin as the head turns;
        slides (C, K): points of the skin where each may be.
    """

    mean: np.ndarray
    basis: np.ndarray
    core: np.ndarray
    expressions: tuple[str, ...]
    expression_mean: np.ndarray
    expression_deviation: np.ndarray
    faces: np.ndarray
    skin: int
    eyes: int
    groups: dict[str, np.ndarray]
    landmark_corners: np.ndarray
    landmark_shares: np.ndarray
    landmark_deviation: np.ndarray
    contour: np.ndarray
    slides: np.ndarray

    @property
    def identities(self) -> int:
        """How many numbers an identity has."""
        return self.core.shape[1] - 1

    @cached_property
    def channels(self) -> np.ndarray:
        """(E,) place of each action in ARKIT_CHANNELS."""
        return np.array([ARKIT_INDEX[name] for name in self.expressions])

    def points(self, identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
        """Identity (I,) and expression (E,) -> points (V, 3), millimetres (eq. 2)."""
        weights = self.core @ _with_one(expression) @ _with_one(identity)
        return self.mean + (self.basis @ weights).reshape(-1, 3)

    def person(self, identity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Identity (I,) -> points at rest (V, 3) and displacements (E, V, 3) of its actions."""
        own = np.einsum("rie,i->re", self.core, _with_one(identity))
        moved = (self.basis @ own).T.reshape(-1, *self.mean.shape)
        return self.mean + moved[0], moved[1:]

    def at(self, corners: np.ndarray, shares: np.ndarray) -> PointTensor:
        """The model at points (L,) that lie between corners (L, 3) with shares (L, 3)."""
        rows = self.basis.reshape(*self.mean.shape, -1)
        basis = np.einsum("lkcr,lk->lcr", rows[corners], shares)
        return PointTensor(np.einsum("lkc,lk->lc", self.mean[corners], shares), basis, self.core)

    def at_points(self, points: np.ndarray) -> PointTensor:
        """The model at some of its own points (L,)."""
        rows = self.basis.reshape(*self.mean.shape, -1)[points]
        return PointTensor(self.mean[points], rows, self.core)

    def landmarks(self) -> PointTensor:
        """The model at the landmarker's 478 points."""
        return self.at(self.landmark_corners, self.landmark_shares)

    def save(self, path: str | Path, meta: dict) -> None:
        """Write it whole; meta says how it was made. Raises OutputError."""
        arrays = {name: getattr(self, name).astype(c.dtype) for name, c in _COLUMNS.items()}
        arrays |= {_GROUP + name: v.astype(np.uint16) for name, v in self.groups.items()}
        rows = self.basis.T.astype(np.float16)
        arrays |= {f"{_BASIS}{i:03d}": rows[i : i + BLOCK] for i in range(0, len(rows), BLOCK)}
        own = {"expressions": list(self.expressions), "skin": self.skin, "eyes": self.eyes}
        save_arrays(path, KIND, {**meta, **own}, arrays)

    @staticmethod
    def load(path: str | Path) -> FaceModel:
        """Read and check a model.

        Raises:
            InputError: it is none, or a field is of the wrong kind or points outside.
        """
        meta, arrays = load_arrays(path, KIND, FIX)
        groups = {n[len(_GROUP) :]: arrays.pop(n) for n in list(arrays) if n.startswith(_GROUP)}
        blocks = {n: arrays.pop(n) for n in sorted(arrays) if n.startswith(_BASIS)}
        check_columns(path, arrays, _COLUMNS, FIX, rows=0)
        block = Column((ANY, 3 * len(arrays["mean"])), np.float16, -1e3, 1e3)
        check_columns(path, blocks, dict.fromkeys(blocks, block), FIX)
        rows = np.concatenate([np.zeros((0, 3 * len(arrays["mean"]))), *blocks.values()])
        arrays["basis"] = rows.T
        names, counts = _named(path, meta), (meta.get("skin"), meta.get("eyes"))
        if problem := _misfit(arrays, groups, names, counts):
            raise InputError(f"is no face model ({problem})", file=path, fix=FIX)
        wide = {n: _wide(arrays[n]) for n in (*_COLUMNS, "basis")}
        groups = {n: _wide(points) for n, points in groups.items()}
        return FaceModel(**wide, expressions=names, skin=counts[0], eyes=counts[1], groups=groups)


@cache
def face_model() -> FaceModel:
    """The model that ships with ExprGen."""
    return FaceModel.load(FACE_MODEL)


def _with_one(values: np.ndarray) -> np.ndarray:
    """Values (..., K) -> (..., 1 + K), a one before them."""
    values = np.asarray(values, float)
    return np.concatenate([np.ones((*values.shape[:-1], 1)), values], axis=-1)


def _wide(array: np.ndarray) -> np.ndarray:
    """Numbers as they are reckoned with: halves lose too much in sums."""
    return array.astype(float if array.dtype.kind == "f" else np.int64)


def _named(path: str | Path, meta: dict) -> tuple[str, ...]:
    try:
        names = as_type(tuple[str, ...], meta.get("expressions"), "expressions")
    except FieldError as error:
        raise InputError(f"its header is wrong ({error})", file=path, fix=FIX) from error
    if unknown := [n for n in names if n not in ARKIT_INDEX]:
        raise InputError(f"has the unknown action {unknown[0][:60]!r}", file=path, fix=FIX)
    return names


def _misfit(arrays: dict, groups: dict, names: tuple, counts: tuple) -> str:
    """What of a model does not fit together, or ""."""
    points, (rank, _, actions) = len(arrays["mean"]), arrays["core"].shape
    if arrays["basis"].shape != (3 * points, rank) or actions != len(names) + 1:
        return "basis, core and names are of different sizes"
    if any(len(arrays[f"expression_{n}"]) != len(names) for n in ("mean", "deviation")):
        return "its statistics are of another number of actions"
    if len(arrays["slides"]) != len(arrays["contour"]):
        return "contour and slides are of different sizes"
    if any(arrays["contour"] >= MEDIAPIPE_LANDMARKS):
        return "contour points outside"
    indices = [arrays["faces"], arrays["landmark_corners"], arrays["slides"], *groups.values()]
    if any(a.dtype.kind not in "iu" or (a.size and a.max() >= points) for a in indices):
        return "an index points outside"
    if not all(isinstance(n, int) and 0 <= n <= len(arrays["faces"]) for n in counts):
        return "its header does not say which faces are skin"
    return "" if all(is_name(n) for n in groups) else "a group has no name"
