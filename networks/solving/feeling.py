"""What is felt over a clip: the readers look from the actor's own neutral, and over time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..inference.affect_reader import AffectReader
from ..perception.affect import affect_reader
from ..perception.against_neutral import AgainstNeutral
from ..perception.opinions import opinions_of
from ..perception.over_time import OverTime, phrased
from ..track import FaceTrack
from .neutral import find_neutral
from .smoothing import slow


class FeltOverTime:
    """Makes of what was read in each frame what is felt over the clip, and adds its affect; of
    separate pictures the affect alone."""

    def __init__(
        self,
        reader: OverTime | None = None,
        affect: AffectReader | None = None,
        against: AgainstNeutral | None = None,
    ):
        self._reader, self._affect, self.against = reader, affect, against

    @staticmethod
    def load() -> FeltOverTime:
        """With the weights that are there.

        Raises:
            ModelError: a file is damaged.
        """
        return FeltOverTime(OverTime.load(), affect_reader(), AgainstNeutral.load())

    def __call__(self, track: FaceTrack) -> FaceTrack:
        """The track with phrases, speech and affect."""
        if track.meta.get("stills"):
            return self._with_affect(track, track.expression)
        read = [self._read(track.part(rows)) for rows in track.shots]
        said = np.concatenate([chances for chances, _ in read])
        speaking = np.concatenate([how for _, how in read]) if self._reader else None
        return self._with_affect(phrased(track, said, speaking), said)

    def _read(self, shot: FaceTrack) -> tuple[np.ndarray, np.ndarray | None]:
        """(N, 7) chances and (N,) speech, where it is known, of a clip without cuts."""
        neutral, seen = find_neutral(shot, "auto"), (shot.arkit, shot.found)
        speaking = self._reader.speech(shot.times, *seen) if self._reader else None
        opinions = opinions_of(shot, neutral.weights, neutral.trust, speaking, self.against)
        if self._reader is None:
            return opinions["whole"], None
        return self._reader(shot.times, opinions, *seen)

    def _with_affect(self, track: FaceTrack, said: np.ndarray) -> FaceTrack:
        if self._affect is None:
            return track
        affect = self._affect(said, track.arkit)
        if not track.meta.get("stills"):
            parts = [slow(track.times[rows], affect[rows]) for rows in track.shots]
            affect = np.concatenate(parts).astype(np.float32)
        return replace(track, affect=affect)
