"""The landmarker's own idea of a face: the 468 points of its canonical mesh, from its model file.

It says which point is meant where a picture can't: on a turned head's far side, at the outline.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator

import numpy as np

from ....networks.errors import ModelError
from ....networks.tracking.landmark_model import landmark_model

MEMBER = "geometry_pipeline_metadata_landmarks.binarypb"
POINTS = 468
NUMBERS = 5
"""Of a vertex: place (3), in centimetres, and place in a texture (2)."""


def canonical_points() -> np.ndarray:
    """(468, 3) millimetres, x to the own left, y up, z out of the face.

    Raises:
        ModelError: the model file is missing or has no such mesh.
    """
    path = landmark_model()
    with zipfile.ZipFile(path) as archive:
        message = archive.read(MEMBER)
    for mesh in _texts(message):
        single = [v for v in _values(mesh) if isinstance(v, float)]
        packed = [v for v in _values(mesh) if len(_bytes(v)) == 4 * POINTS * NUMBERS]
        found = np.frombuffer(packed[0], "<f4") if packed else np.array(single)
        if len(found) == POINTS * NUMBERS:
            return 10.0 * found.reshape(POINTS, NUMBERS)[:, :3]
    raise ModelError("has no canonical mesh", file=path, fix="use the pinned model")


def _texts(message: bytes) -> list[bytes]:
    return [v for v in _values(message) if isinstance(v, bytes)]


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


def _values(message: bytes) -> Iterator[int | float | bytes]:
    """The values of a protocol buffer's fields, in order, whatever the fields are called."""
    at = 0
    while at < len(message):
        key, at = _number(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _number(message, at)
        elif kind == 5:
            (value,), at = struct.unpack_from("<f", message, at), at + 4
        elif kind == 1:
            (value,), at = struct.unpack_from("<d", message, at), at + 8
        else:
            length, at = _number(message, at)
            value, at = message[at : at + length], at + length
        yield value


def _number(message: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if not byte & 128:
            return value, at
