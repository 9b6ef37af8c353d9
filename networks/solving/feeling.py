"""What is felt over a clip: the readers look from the actor's own neutral, and over time."""

from __future__ import annotations

from ..perception.opinions import opinions_of
from ..perception.over_time import OverTime, felt_over_time
from ..track import FaceTrack
from .neutral import find_neutral


class FeltOverTime:
    """Makes of what was read in each frame what is felt over the clip; separate pictures stay as
    they are."""

    def __init__(self, reader: OverTime | None):
        self._reader = reader

    @staticmethod
    def load() -> FeltOverTime:
        """With the weights that are there.

        Raises:
            ModelError: a file is damaged.
        """
        return FeltOverTime(OverTime.load())

    def __call__(self, track: FaceTrack) -> FaceTrack:
        """The track with its phrases."""
        if track.meta.get("stills"):
            return track
        neutral = find_neutral(track, "auto")
        opinions = opinions_of(track, neutral.weights, neutral.trust)
        return felt_over_time(track, opinions, self._reader)
