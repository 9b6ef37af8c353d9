"""Near copies: pictures that a collection holds more than once, cropped or compressed anew.

Collections from the web hold many, also across their own split into training and validation: a
fifth of ferplus/val has one in ferplus/train, of its rare classes half. Such a picture says what a
network remembers and not what it sees, so figures are given without them as well.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ...arrays import read_array
from ...files import write_array
from .sets import TRAIN, VALIDATION, FaceSet

ALIKE = 0.96
"""Correlation of two registered faces at PRINT_SIZE from which they are one picture. On ferplus/val
few pairs lie between 0.95 and 0.97; the pairs from 0.97 on that were looked at are all copies."""

PRINT_SIZE = 16
KEPT = "copies.npy"
_CHUNK = 256


def prints(faces: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """What tells faces uint8 (M, H, W) apart: float32 (len(rows), PRINT_SIZE²), of length 1."""
    small = np.empty((len(rows), PRINT_SIZE**2), np.float32)
    for i, row in enumerate(rows):
        face = np.asarray(faces[row])
        small[i] = cv2.resize(face, (PRINT_SIZE,) * 2, interpolation=cv2.INTER_AREA).ravel()
    small -= small.mean(1, keepdims=True)
    return small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6)


def copied(these: np.ndarray, those: np.ndarray) -> np.ndarray:
    """(N,) which of the prints (N, P) have a near copy among `those` (K, P)."""
    if not len(those):
        return np.zeros(len(these), bool)
    chunks = range(0, len(these), _CHUNK)
    return np.concatenate(
        [np.zeros(0, bool), *((these[i : i + _CHUNK] @ those.T).max(1) > ALIKE for i in chunks)]
    )


def repeated(these: np.ndarray) -> np.ndarray:
    """(N,) which of the prints (N, P) are near copies of an earlier one."""
    again = np.zeros(len(these), bool)
    for i in range(1, len(these)):
        again[i] = (these[:i] @ these[i]).max() > ALIKE
    return again


def seen_in_training(folder: str | Path, data: FaceSet) -> np.ndarray:
    """(N,) which validation faces of a prepared set have a near copy among its training faces; kept
    in the set's folder, since the whole set has to be looked at.

    Raises:
        OutputError: the folder can't be written.
    """
    path = Path(folder) / KEPT
    if path.is_file():
        seen = read_array(path, fix="delete it")
        if seen.shape == (len(data),) and seen.dtype == bool:
            return np.array(seen)
    seen = np.zeros(len(data), bool)
    rows = data.rows(VALIDATION)
    seen[rows] = copied(prints(data.faces, rows), prints(data.faces, data.rows(TRAIN)))
    write_array(path, seen)
    return seen
