"""Cuts: where a clip goes over to another person or another take from one frame to the next.

At a cut the picture of the face becomes another one at once and stays so, and the head is
elsewhere. A quick turn changes the picture about as much in the frames beside it; a hand or a flash
moves no head, and after it the face looks as before.
"""

from __future__ import annotations

import cv2
import numpy as np

LOOK = 16
"""Pixels a side of the picture of a registered face by which cuts are found."""
AROUND = 3
"""Frames on each side of a cut that are looked at: a flash is over within them."""
UNLIKE = 0.1
"""How much less alike (1 less the correlation) a picture before a cut and one after it are at least
than BESIDE allows. In footage of ten people, none of it cut, those whose heads jump reach 0.03;
between two people 0.12 is the least."""
BESIDE = 1.5
"""Times the difference between neighbours on one side that a motion may make between the sides."""
JUMP = 2.0
"""Centimetres by which the head jumps at least, as the camera would see it from one place."""
MISSING = 1.5
"""Usual steps between two frames from which on some are missing, in which a head may have moved."""


def look_of(face: np.ndarray) -> np.ndarray:
    """A registered face (256, 256) uint8, as (LOOK, LOOK) uint8."""
    return cv2.resize(face, (LOOK, LOOK), interpolation=cv2.INTER_AREA)


def find_cuts(
    times: np.ndarray, found: np.ndarray, looks: np.ndarray, head_pose: np.ndarray
) -> list[float]:
    """Seconds of the first frames after cuts.

    Args:
        times: (N,) seconds, increasing. found: (N,) bool; where the face is not seen, or only just,
            no cut is found. looks: (N, LOOK, LOOK) as `look_of` gives them. head_pose: (N, 4, 4).
    """
    if len(times) < 2 * AROUND:
        return []
    steps = np.diff(times)
    jumps = np.linalg.norm(np.diff(head_pose[:, :3, 3], axis=0), axis=1) >= JUMP
    jumps &= steps < MISSING * np.median(steps)
    rows = 1 + np.flatnonzero(jumps)
    return [float(times[row]) for row in rows if _is_cut(row, found, looks)]


def _is_cut(row: int, found: np.ndarray, looks: np.ndarray) -> bool:
    """Whether the pictures from a row on are others than those before it."""
    near = slice(row - AROUND, row + AROUND)
    if row < AROUND or row + AROUND > len(found) or not found[near].all():
        return False
    alike = _correlations(looks[near])
    across = 1.0 - alike[:AROUND, AROUND:].max()
    beside = 1.0 - np.delete(np.diag(alike, 1), AROUND - 1).min()
    return bool(across - BESIDE * beside >= UNLIKE)


def _correlations(looks: np.ndarray) -> np.ndarray:
    """(K, K) of pictures (K, ...): how bright and how rich in contrast they are does not count."""
    rows = looks.reshape(len(looks), -1).astype(float)
    rows -= rows.mean(1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-9)
    return rows @ rows.T
