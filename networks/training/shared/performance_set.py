"""Performances as readers of feelings learn from them: of each frame what the tracker saw and what
is true of it. A part a clip or a sheet of stills, so that a set can be used while it grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...arrays import ANY, ROWS, Column, check_columns
from ...errors import InputError
from ...track import load_arrays, save_arrays
from ...vocabulary import (
    ARKIT_CHANNELS,
    CIRCUMPLEX,
    EXPRESSIONS,
    GEOMETRIC_FEATURES,
    NEUTRAL,
)

KIND = "exprgen.performance"
SUFFIX = ".performance.npz"
FIX = "remove it and run `exprgen train performances` again"
FACE_SIZE = 128
"""Side in pixels of the faces: the readers look at 64 and 112."""

SURE = (0.08, 0.45)
"""Strength of a feeling that nobody sees yet, and from which on everybody names it; between them
the share of those who do rises evenly. B of FACS lies in the lower half, C at its upper end."""
NOTHING = 0.03
"""Strength up to which a face counts as neutral: that of an unfelt, resting one."""

_COLUMNS = {
    "faces": Column((ROWS, FACE_SIZE, FACE_SIZE), np.uint8),
    "found": Column((ROWS,), np.bool_, 0, 1),
    "times": Column((ROWS,), np.float64),
    "arkit": Column((ROWS, len(ARKIT_CHANNELS)), np.float32),
    "geometry": Column((ROWS, len(GEOMETRIC_FEATURES)), np.float32),
    "relations": Column((ROWS, ANY), np.float32),
    "eyes_shut": Column((ROWS, 2), np.float32),
    "head": Column((ROWS, 3), np.float32),
    "posed": Column((ROWS, len(ARKIT_CHANNELS)), np.float32),
    "felt": Column((ROWS, len(EXPRESSIONS)), np.float32, 0.0, 1.0),
    "target": Column((ROWS, len(EXPRESSIONS)), np.float32, 0.0, 1.0),
    "intensity": Column((ROWS,), np.float32, 0.0, 1.0),
    "affect": Column((ROWS, 2), np.float32, -1.0, 1.0),
    "speaking": Column((ROWS,), np.float32, 0.0, 1.0),
    "phoneme": Column((ROWS,), np.int16),
    "neutral": Column((ROWS,), np.bool_, 0, 1),
}


@dataclass(frozen=True)
class PerformancePart:
    """N frames of one clip, or N stills of one person.

    As the tracker saw them: faces (N, 128, 128) uint8 grey, registered; found (N,) bool, elsewhere
    the rest of these is filled; times (N,) seconds (numbers of stills); arkit (N, 52); geometry
    (N, 9); relations (N, K) of meta["relations"], eye distances, not less any neutral; eyes_shut
    (N, 2) left, right 0..1; head (N, 3) pitch, yaw, roll in radians.
    As it is true: posed (N, 52) weights of the mesh; felt (N, 7) strength of each expression, 0 for
    neutral; target (N, 7) what viewers would say, rows sum to 1; intensity (N,) the strongest of
    felt; affect (N, 2) valence and arousal; speaking (N,) 0..1, how busy the mouth is; phoneme (N,)
    index in meta["phonemes"]; neutral (N,) bool: the person's face at rest, silent, eyes open.
    meta: name, kind ("clip" or "stills"), split, person, mesh (people of one mesh are alike),
    neutral_seen (bool: some row is `neutral`), relations, phonemes, and what the maker told.
    """

    faces: np.ndarray
    found: np.ndarray
    times: np.ndarray
    arkit: np.ndarray
    geometry: np.ndarray
    relations: np.ndarray
    eyes_shut: np.ndarray
    head: np.ndarray
    posed: np.ndarray
    felt: np.ndarray
    target: np.ndarray
    intensity: np.ndarray
    affect: np.ndarray
    speaking: np.ndarray
    phoneme: np.ndarray
    neutral: np.ndarray
    meta: dict

    def __len__(self) -> int:
        return len(self.times)

    def save(self, path: str | Path) -> Path:
        """Write it, whole or not at all.

        Raises:
            InputError: a field is of another shape or out of range. OutputError: the place can't be
            written.
        """
        arrays = {n: np.asarray(getattr(self, n), c.dtype) for n, c in _COLUMNS.items()}
        check_columns(path, arrays, _COLUMNS, FIX)
        return save_arrays(path, KIND, self.meta, arrays)

    @staticmethod
    def load(path: str | Path) -> PerformancePart:
        """Read and check a part.

        Raises:
            InputError: it can't be read, is no such part, or a field is of the wrong shape.
        """
        meta, arrays = load_arrays(path, KIND, FIX)
        check_columns(path, arrays, _COLUMNS, FIX)
        return PerformancePart(**{n: arrays[n] for n in _COLUMNS}, meta=meta)


def load_performances(folder: str | Path, split: str = "") -> list[PerformancePart]:
    """All parts of a folder, of one split or of both, in the order of their names.

    Raises:
        InputError: there is none, or one is damaged: it names the file.
    """
    parts = [PerformancePart.load(p) for p in sorted(Path(folder).glob(f"*{SUFFIX}"))]
    chosen = [part for part in parts if split in ("", part.meta["split"])]
    if not chosen:
        fix = "make them with `exprgen train performances`"
        raise InputError("holds no performances", file=folder, fix=fix)
    return chosen


def said_of(felt: np.ndarray) -> np.ndarray:
    """(N, 7) what viewers would say of what is felt (N, 7): of two feelings each as strong as it
    is, of a weak one neutral as well; rows sum to 1."""
    total = felt.sum(1, keepdims=True)
    low, high = SURE
    sure = np.clip((felt.max(1, keepdims=True) - low) / (high - low), 0.0, 1.0)
    said = felt / np.maximum(total, 1e-9) * sure
    said[:, NEUTRAL] = 1.0 - said.sum(1)
    return said


def affect_of(felt: np.ndarray) -> np.ndarray:
    """(N, 2) valence and arousal of what is felt (N, 7): the places of CIRCUMPLEX, as far from the
    origin as the feelings are strong; two of them meet between theirs."""
    return felt @ np.array(CIRCUMPLEX) / np.maximum(felt.sum(1, keepdims=True), 1.0)
