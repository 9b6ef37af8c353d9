"""What each reader says of the frames of a clip, for the reader over time."""

from __future__ import annotations

import numpy as np

from ..track import FaceTrack
from .against_neutral import AgainstNeutral, neutral_of


def opinions_of(
    track: FaceTrack, neutral: np.ndarray | None = None, trust: float = 0.0
) -> dict[str, np.ndarray]:
    """(N, 7) chances by the names of `layouts.TIME_READERS`; of those that are there.

    Args:
        neutral: (N,) how neutral the actor is in each frame, as a weight. trust: 0..1, in them.

    Raises:
        ModelError: a weight file is damaged.
    """
    said = {"whole": track.momentary}
    if track.no_mouth is not None:
        said["no_mouth"] = track.no_mouth
    return said | numeric_opinions(track.geometry, track.arkit, neutral, trust)


def numeric_opinions(
    geometry: np.ndarray, arkit: np.ndarray, neutral: np.ndarray | None, trust: float
) -> dict[str, np.ndarray]:
    """What is read in geometric features (N, 9) and coefficients (N, 52) against the actor's own
    neutral: in all of them, and in those alone that speech hardly moves; nothing without the
    weights. Arguments as of `opinions_of`."""
    reader = AgainstNeutral.load()
    if reader is None:
        return {}
    own = None if neutral is None else neutral_of(geometry, arkit, neutral)
    return {
        "against_neutral": reader(geometry, arkit, own, trust),
        "against_upper": reader(geometry, arkit, own, trust, mouth=False),
    }
