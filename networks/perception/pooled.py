"""What the convolutions of HCNN and its second give of faces, before they name them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ..models.weights_file import file_digest, read_weights
from ..models.weights_places import POSED, file_name, find_weights, weights_folder
from ..vocabulary import POOLED
from .joint_opinion import PerceptionRunner

BATCH = 32


def pooled_by() -> str:
    """Digest of the two networks that are there; "" unless both are."""
    files = _files()
    if not all(path.is_file() for path in files):
        return ""
    return hashlib.sha256("".join(map(file_digest, files)).encode()).hexdigest()[:12]


def pooled_of(faces: np.ndarray) -> np.ndarray:
    """float32 (N, POOLED) of registered faces uint8 (N, H, W).

    Raises:
        ModelError: a file is missing or damaged.
    """
    first, second = (read_weights(path, "hcnn") for path in _files())
    runner = PerceptionRunner(first, second=second)
    parts = [
        runner(np.asarray(faces[i : i + BATCH]), mirrored=False)["pooled"]
        for i in range(0, len(faces), BATCH)
    ]
    return np.concatenate(parts or [np.zeros((0, POOLED), np.float32)])


def _files() -> tuple[Path, Path]:
    return find_weights("hcnn"), weights_folder() / file_name("hcnn", POSED)
