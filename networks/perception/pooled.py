"""What the teacher's convolutions give of faces, before it names them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..inference.opening import fitted
from ..inference.teacher import Teacher
from ..models.face_input import grey_faces
from ..models.weights_file import file_digest, read_weights
from ..models.weights_places import find_weights, second_hcnn
from ..vocabulary import POOLED

NETWORK = "teacher"
BATCH = 8


def pooled_by() -> str:
    """Digest of the teacher that is there; "" without one."""
    path = find_weights(NETWORK)
    return file_digest(path) if path.is_file() else ""


def looked_by() -> str:
    """Digests of the networks whose convolutions the photograph reader looks through, the teacher
    and both HCNNs; "" where one is missing."""
    paths = looking()
    return " ".join(map(file_digest, paths)) if all(path.is_file() for path in paths) else ""


def looking() -> tuple[Path, Path, Path]:
    """Their weight files: the teacher's, HCNN's, the second HCNN's."""
    return find_weights(NETWORK), find_weights("hcnn"), second_hcnn()


def pooled_of(faces: np.ndarray) -> np.ndarray:
    """float32 (N, POOLED) of registered faces uint8 (N, H, W).

    Raises:
        ModelError: the file is missing or damaged.
    """
    look = fitted(Teacher, read_weights(find_weights(NETWORK), NETWORK))
    parts = [
        look(grey_faces(np.asarray(faces[i : i + BATCH]), look.size), mirrored=False)[1][0]
        for i in range(0, len(faces), BATCH)
    ]
    return np.concatenate(parts or [np.zeros((0, POOLED), np.float32)])
