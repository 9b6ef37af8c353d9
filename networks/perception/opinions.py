"""What each reader says of the frames of a clip, for the reader over time."""

from __future__ import annotations

import numpy as np

from ..track import FaceTrack


def opinions_of(
    track: FaceTrack, neutral: np.ndarray | None = None, trust: float = 0.0
) -> dict[str, np.ndarray]:
    """(N, 7) chances by the names of `layouts.TIME_READERS`; of those that are there.

    Args:
        neutral: (N,) how neutral the actor is in each frame, as a weight. trust: 0..1, in them.
    """
    return {"whole": track.momentary}
