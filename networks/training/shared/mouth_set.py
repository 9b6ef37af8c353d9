"""Registered faces with what fills their mouths, counted: what the mouth reader learns from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...arrays import ROWS, Column, check_columns
from ...track import load_arrays, save_arrays
from ...tracking.mouth_crop import OUTER_LIPS
from ...vocabulary import LANDMARK_NAMES, MOUTH, REGISTERED_SIZE

KIND = "exprgen.mouths"
DARK = (0.45, 0.65)
"""In the lips' brightness: what is altogether dark, and what is not dark at all."""
MAKE_AGAIN = "make it again with `python -m exprgen.sample_rigs.build mouths`"

PARTS = ("teeth", "tongue", "cavity")
"""Parts of a mouth, numbered from 1; 0 is everything else."""

_COLUMNS = {
    "faces": Column((ROWS, REGISTERED_SIZE, REGISTERED_SIZE), np.uint8),
    "parts": Column((ROWS, REGISTERED_SIZE, REGISTERED_SIZE), np.uint8, 0, len(PARTS)),
    "landmarks": Column((ROWS, len(LANDMARK_NAMES), 2), np.float32, -1e5, 1e5),
    "truth": Column((ROWS, len(MOUTH)), np.float32, 0.0, 1.0),
    "split": Column((ROWS,), str),
    "person": Column((ROWS,), np.int64),
}


@dataclass(frozen=True)
class MouthSet:
    """N registered faces.

    faces (N, 256, 256) uint8; parts, alike, of which of PARTS each pixel is; landmarks (N, 49, 2)
    float32 in their pixels, as the tracker saw them; truth (N, 4) float32 in the order of MOUTH;
    split (N,) "train" or "val"; person (N,) int64.
    """

    faces: np.ndarray
    parts: np.ndarray
    landmarks: np.ndarray
    truth: np.ndarray
    split: np.ndarray
    person: np.ndarray

    def __len__(self) -> int:
        return len(self.faces)

    def save(self, path: str | Path) -> Path:
        """Write it, whole or not at all.

        Raises:
            OutputError: the place can't be written.
        """
        return save_arrays(path, KIND, {}, {name: getattr(self, name) for name in _COLUMNS})

    @staticmethod
    def load(path: str | Path) -> MouthSet:
        """Read and check a set.

        Raises:
            InputError: it is none, or damaged.
        """
        _, arrays = load_arrays(path, KIND, MAKE_AGAIN)
        check_columns(path, arrays, _COLUMNS, MAKE_AGAIN)
        return MouthSet(**{name: arrays[name] for name in _COLUMNS})


def shares_of(face: np.ndarray, parts: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """(3,) areas of teeth, tongue and dark, in that of the lips' outline with all that is in it.

    What lies so deep in the mouth that no light reaches it is dark, whatever it is.

    Args:
        face: uint8 (256, 256) the registered face.
        parts: uint8 (256, 256), of which of PARTS each pixel of it is.
        landmarks: (49, 2) in its pixels.
    """
    import cv2

    outline = np.zeros(face.shape, np.uint8)
    cv2.fillPoly(outline, [np.round(np.asarray(landmarks)[OUTER_LIPS]).astype(np.int32)], 1)
    amount = np.stack([parts == i + 1 for i in range(len(PARTS))], axis=-1).astype(float)
    amount[..., 2] *= outline  # nostrils are as dark inside
    lips = face[(outline > 0) & (amount.sum(-1) < 0.1)]
    usual = float(np.median(lips if len(lips) else face))
    unlit = np.clip((DARK[1] - face / max(usual, 1.0)) / (DARK[1] - DARK[0]), 0.0, 1.0)
    seen = amount[..., :2] * (1.0 - unlit[..., None])
    dark = amount.sum(-1) - seen.sum(-1)
    areas = np.array([*seen.sum((0, 1)), dark.sum()])
    return np.clip(areas / max(int(outline.sum()), 1), 0.0, 1.0)
