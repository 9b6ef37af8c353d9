"""Cuts: where a clip goes over to another person or another take from one frame to the next.

At a cut the picture of the face becomes another one at once and stays so, and the head is elsewhere
or turned otherwise. A quick turn changes the picture about as much in the frames beside it; a lamp
or a flash moves no head, nor do most hands, and after a flash the face looks as before.
"""

from __future__ import annotations

import cv2
import numpy as np

from .registration import rotations_of

LOOK = 16
"""Pixels a side of the picture of a registered face by which cuts are found."""
AROUND = 3
"""Frames on each side of a cut that are looked at: a flash is over within them."""
BESIDE = 1.5
"""Times the difference between neighbours on one side that a motion may make between the sides."""
UNLIKE, JUMP = 0.12, 2.0
"""How much less alike (1 less the correlation) a picture before a cut and one after it are at least
than BESIDE allows, where the head jumps by so many centimetres, as the camera would see it from one
place;"""
OTHER, STEP, SUDDEN = 0.25, 0.5, 1.5
"""and how much less where it jumps less, since two people may be framed alike: by so many
centimetres at least, and so many times its steps in the frames beside. Pictures of one person whose
head moves on reach 0.18; with a lamp switched on before a head that keeps still 0.62."""
REACH = 10.0
"""Centimetres from a head's middle to the points of its face, which a turn moves."""
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
    apart = np.diff(times)
    jumps, steps = _head_steps(head_pose)
    whole = (apart < MISSING * np.median(apart)) & (steps >= STEP)
    return [
        float(times[row])
        for row in 1 + np.flatnonzero(whole)
        if _unlike(row, found, looks) >= _least(row, jumps, steps)
    ]


def _head_steps(head_pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N - 1,) each: centimetres by which a head goes from each of its poses (N, 4, 4) to the next,
    and by which the points of its face do, which it turns too."""
    pose = np.asarray(head_pose, float)
    jumps = np.linalg.norm(np.diff(pose[:, :3, 3], axis=0), axis=1)
    turns = rotations_of(pose)
    cosines = 0.5 * (np.einsum("nij,nij->n", turns[1:], turns[:-1]) - 1.0)
    return jumps, jumps + REACH * np.arccos(np.clip(cosines, -1.0, 1.0))


def _least(row: int, jumps: np.ndarray, steps: np.ndarray) -> float:
    """How much less alike the pictures from a row on must be for its step to be a cut."""
    if jumps[row - 1] >= JUMP:
        return UNLIKE
    first = max(row - AROUND, 0)
    beside = np.delete(steps[first : row + AROUND - 1], row - 1 - first)
    return OTHER if steps[row - 1] >= SUDDEN * beside.max() else np.inf


def _unlike(row: int, found: np.ndarray, looks: np.ndarray) -> float:
    """How much less alike the pictures from a row on and those before it are than a motion lets
    them be; below all where one of them is not there."""
    near = slice(row - AROUND, row + AROUND)
    if row < AROUND or row + AROUND > len(found) or not found[near].all():
        return -np.inf
    alike = _correlations(looks[near])
    across = 1.0 - alike[:AROUND, AROUND:].max()
    beside = 1.0 - np.delete(np.diag(alike, 1), AROUND - 1).min()
    return float(across - BESIDE * beside)


def _correlations(looks: np.ndarray) -> np.ndarray:
    """(K, K) of pictures (K, ...): how bright and how rich in contrast they are does not count."""
    rows = looks.reshape(len(looks), -1).astype(float)
    rows -= rows.mean(1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-9)
    return rows @ rows.T
