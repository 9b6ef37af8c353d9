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
        neutral, seen = find_neutral(track, "auto"), (track.arkit, track.found, track.shots)
        speaking = self._reader.speech(track.times, *seen) if self._reader else None
        opinions = opinions_of(track, neutral.weights, neutral.trust, speaking, self.against)
        said = opinions["whole"]
        if self._reader is not None:
            said, speaking = self._reader(track.times, opinions, *seen)
        return self._with_affect(phrased(track, said, speaking), said)

    def _with_affect(self, track: FaceTrack, said: np.ndarray) -> FaceTrack:
        if self._affect is None:
            return track
        affect = self._affect(said, track.arkit)
        if not track.meta.get("stills"):
            parts = [slow(track.times[shot], affect[shot]) for shot in track.shots]
            affect = np.concatenate(parts).astype(np.float32)
        return replace(track, affect=affect)
