"""Stretches of frames."""

from __future__ import annotations

import numpy as np


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """(first, one past the last) of every stretch of True in a mask (N,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.asarray(mask, bool), [False]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
