"""The readers' opinions of a clip joined over time: what is felt in each frame, and when it speaks.

Before and after a moment are looked at alike; live, where nothing follows yet, `Now` holds the last
frame in its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..inference.opening import opened_if_there
from ..inference.time_reader import TimeReader, moments, time_inputs
from ..models.layouts import TIME_REACH, TIME_STEP
from ..phrases import phrase_curve
from ..track import FaceTrack
from ..vocabulary import EXPRESSIONS
from .phrasing import find_phrases


class OverTime:
    """The reader over time on frames of any rate."""

    def __init__(self, reader: TimeReader):
        self._reader = reader

    @staticmethod
    def load() -> OverTime | None:
        """With the weights that are there; None without, since the readers' opinion can do alone.

        Raises:
            ModelError: the file is damaged.
        """
        reader = opened_if_there(TimeReader, "time_reader")
        return None if reader is None else OverTime(reader)

    def __call__(
        self,
        times: np.ndarray,
        opinions: Mapping[str, np.ndarray],
        arkit: np.ndarray,
        found: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """(N, 7) chances and (N,) speech, 0..1, of frames; see `time_inputs`."""
        said, speaking = self._reader(time_inputs(times, opinions, arkit, found))
        at = moments(times)
        columns = [np.interp(times, at, column) for column in said.T]
        speaking = np.interp(times, at, speaking).astype(np.float32)
        return np.stack(columns, axis=1).astype(np.float32), speaking

    def speech(self, times: np.ndarray, arkit: np.ndarray, found: np.ndarray) -> np.ndarray:
        """(N,) how far the mouth speaks, 0..1, which the readers have no say in."""
        nobody = np.full((len(times), len(EXPRESSIONS)), 1.0 / len(EXPRESSIONS))
        return self(times, {"whole": nobody}, arkit, found)[1]


def phrased(track: FaceTrack, said: np.ndarray, speaking: np.ndarray | None = None) -> FaceTrack:
    """A track with the phrases of what is said of its frames, their curve as `expression`, and when
    the mouth speaks.

    Args:
        said: (N, 7) chances. speaking: (N,) 0..1, where it is known.
    """
    phrases = find_phrases(track.times, said, track.found, track.shots)
    curve = phrase_curve(track.times, phrases, track.cuts).astype(np.float32)
    return replace(
        track, expression=curve, readings=track.momentary, phrases=phrases, speaking=speaking
    )


class Now:
    """The reader over time on a camera's newest frame: it knows the last second alone."""

    def __init__(self, reader: OverTime):
        self._reader = reader
        self._past: deque[tuple[float, dict[str, np.ndarray], np.ndarray]] = deque()

    def __call__(
        self, time: float, opinions: Mapping[str, np.ndarray], arkit: np.ndarray
    ) -> np.ndarray:
        """(7,) chances at a time in seconds, of opinions (7,) each and coefficients (52,)."""
        if self._past and time <= self._past[-1][0]:
            self._past.clear()
        self._past.append((time, dict(opinions), np.asarray(arkit)))
        while time - self._past[0][0] > TIME_STEP * (TIME_REACH + 2):
            self._past.popleft()
        times = np.array([t for t, *_ in self._past])
        names = set.intersection(*(set(o) for _, o, _ in self._past))
        said = {n: np.array([o[n] for _, o, _ in self._past]) for n in names}
        arkit = np.array([a for *_, a in self._past])
        return self._reader(times, said, arkit, np.ones(len(times), bool))[0][-1]
