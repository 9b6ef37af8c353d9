"""What the actor feels now, as all readers see it against the neutral that a calibration showed.

The same readers as of a whole clip (`perception/opinions.py`), which look up to now; where the
actor's rest is found in a clip's silence, here it is what was calibrated to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..models.layouts import MEASURED
from ..perception.against_neutral import AgainstNeutral, neutral_of
from ..perception.at_rest import less_seen
from ..perception.opinions import as_known, by_itself, opinions_against
from ..perception.over_time import Now, OverTime
from ..perception.phrasing import Feeling
from ..solving.neutral import Neutral
from ..track import FaceTrack
from .seen import Said, Seen


@dataclass(frozen=True)
class RestingLooks:
    """How an actor at rest is read: measured, as `neutral_of` gives it, with what convolutions give
    or without; seen: by "whole" and "no_mouth" the chances (7,) of those readers of pixels; sure:
    0..1, that this is rest."""

    measured: np.ndarray | None = None
    seen: dict[str, np.ndarray] | None = None
    sure: float = 0.0

    @staticmethod
    def of(track: FaceTrack, neutral: Neutral) -> RestingLooks:
        """Of the frames of a calibration that are neutral."""
        weights = neutral.weights * track.found
        if not np.any(weights):
            return RestingLooks()
        said = {"whole": track.expression}
        if track.no_mouth is not None:
            said["no_mouth"] = track.no_mouth
        seen = {name: weights @ chances / weights.sum() for name, chances in said.items()}
        own = neutral_of(track.geometry, track.arkit, weights, track.pooled)
        return RestingLooks(own, seen, neutral.trust)


class Readers:
    """The networks that join what is said of frames, read from their files once.

    Raises:
        ModelError: a file is damaged.
    """

    def __init__(self):
        self.over_time, self.against = OverTime.load(), AgainstNeutral.load()


class FeltNow:
    """What is felt in the frames of a session, which come in order of time."""

    def __init__(self, readers: Readers, rest: RestingLooks | None = None):
        self._readers, self._rest = readers, rest or RestingLooks()
        self._now = None if readers.over_time is None else Now(readers.over_time)
        self._feeling = Feeling()
        self._said: Said | None = None
        self._latest: dict[str, np.ndarray] = {}

    def __call__(self, seen: Seen) -> np.ndarray:
        """(7,) whom to believe as the mouth moves, then as feelings change."""
        if self._now is None:
            return self._feeling(seen.time, seen.said.expression)
        if seen.said is not self._said:  # the numbers are read as often as the pixels
            self._said, self._latest = seen.said, self._opinions(seen)
        return self._feeling(seen.time, self._now(seen.time, self._latest, seen.arkit))

    def _opinions(self, seen: Seen) -> dict[str, np.ndarray]:
        """(7,) each, by the names of `layouts.TIME_READERS`; a phone's are of coefficients alone,
        which the network that names them has read already."""
        said = {"whole": seen.said.expression}
        if seen.phone:
            return said
        if seen.said.no_mouth is not None:
            said["no_mouth"] = seen.said.no_mouth
        rest = self._rest.seen or {}
        said = {
            name: less_seen(chances[None], rest[name], self._rest.sure)[0]
            if name in rest
            else chances
            for name, chances in said.items()
        }
        stranger, numbers = self._by_numbers(seen)
        alone = by_itself(said["whole"], stranger)
        return as_known(said | numbers, self._rest.sure, alone)

    def _by_numbers(self, seen: Seen) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """(7,) what convolutions give of the face, read against people's neutral, None where that
        is not known; (7,) each of what is read against the actor's, or people's."""
        reader, own = self._readers.against, self._rest.measured
        if reader is None:
            return None, {}
        look = seen.geometry[None], seen.arkit[None]
        known = reader.sees_pixels and seen.said.pooled is not None
        pixels = seen.said.pooled[None] if known else None
        # Of an actor whose neutral was measured alone, nothing is known of it in pixels.
        both = pixels if own is None or len(own) > MEASURED else None
        found = opinions_against(reader, *look, own, self._rest.sure, both)
        stranger = found.get("against_pixels")
        if known and own is not None:
            stranger = reader.with_pixels(*look, pixels)
        numbers = {name: chances[0] for name, chances in found.items()}
        return (None if stranger is None else stranger[0]), numbers
