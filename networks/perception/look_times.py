"""When the faces of a clip are looked at, since what is slow need not be read in every frame; and
how many of them together."""

from __future__ import annotations

import math

import numpy as np

LOOK_EVERY = 0.2
"""Seconds from one reading of a clip's expression to the next at least: a feeling takes longer to
change, and the tracker needs the processor too (docs/measured/felt_over_time.md has .1 to .4)."""

UNITS_EVERY = 0.06
"""The same of a 3D-CNN's unit values: every other frame of film. What is faster than that, a lip or
a lid, is told by the landmarks, which are there in every frame (see solving)."""

FACES_A_PASS = 2
"""Faces that go through the networks together: each number of faces keeps its own copy of the
networks in memory."""

CLOCK = 0.002
"""Seconds by which timestamps may be rounded."""


class LookTimes:
    """Which frames of a clip are looked at, as they come: the first that shows a face, the first
    after a loss, and one whenever `every` seconds have gone by."""

    def __init__(self, every: float):
        self._every, self._next = every, -math.inf

    def due(self, time: float, found: bool) -> bool:
        """Whether this frame is one, at `time` in seconds; times don't fall."""
        if not found:
            self._next = -math.inf
            return False
        if time < self._next - CLOCK:
            return False
        self._next = time + self._every
        return True


def looked_at(times: np.ndarray, found: np.ndarray, every: float) -> np.ndarray:
    """(N,) bool, which of the frames at times (N,) with or without a face (N,) are looked at."""
    due = LookTimes(every).due
    return np.array([due(t, f) for t, f in zip(times, found, strict=True)], bool)
