"""Brows that are pieces of their own tell better where they are than a landmarker does, which looks
for a person's."""

from __future__ import annotations

import numpy as np

from ..vocabulary import LANDMARK_INDEX
from .pieces import Welded
from .registration import Similarity

WORDS = {"brow", "brows", "eyebrow", "eyebrows"}
ALONG = (0.06, 0.28, 0.5, 0.72, 0.94)
"""Where a brow's five landmarks lie, from its inner to its outer end."""
FEWEST = 6


def with_brows(marks: np.ndarray, cut: list[Welded], placed: Similarity) -> np.ndarray:
    """Landmarks (49, 3) of the template's frame, those of brows moved onto the pieces that are
    called so, each side that has one."""
    found = [
        placed(part.points[rows])
        for part in cut
        for rows in part.pieces()
        if part.words_of(rows) & WORDS
    ]
    if not found:
        return marks
    points, out = np.concatenate(found), marks.copy()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        own = points[sign * points[:, 0] > 0.0]
        if len(own) >= FEWEST:
            for number, place in enumerate(_along(own, sign), 1):
                at = number if side == "left" else 6 - number
                out[LANDMARK_INDEX[f"brow_{side}_{at}"]] = place
    return out


def _along(points: np.ndarray, sign: float) -> np.ndarray:
    """(5, 3) places along one brow, from the inner end on."""
    out = sign * points[:, 0]
    low, high = out.min(), out.max()
    reach = 0.2 * max(high - low, 1e-6)
    weights = [np.exp(-(((out - low - a * (high - low)) / reach) ** 2)) for a in ALONG]
    return np.array([(w[:, None] * points).sum(0) / w.sum() for w in weights])
