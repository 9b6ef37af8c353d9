"""The registered faces that a track keeps, with the places of its mesh points in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from ..track import FaceTrack
from ..vocabulary import LANDMARKS


def has_pictures(track: FaceTrack) -> bool:
    """The track is of footage whose faces were kept."""
    return not track.meta.get("coefficients") and len(track.face_bytes) > 0


def kept_face(
    track: FaceTrack, frame: int, *points: Sequence[int]
) -> tuple[np.ndarray, list[np.ndarray]] | None:
    """The face uint8 (256, 256) of one frame, and where mesh points lie in it, (P, 2) for each of
    `points`; None where its picture is missing or damaged, or its landmarks are no face's."""
    from ..tracking.registration import apply_affine, registering_affine
    from ..tracking.track_recorder import decode_face

    seen = track.landmarks[frame, :, :2].astype(float)
    try:
        face = decode_face(track.face_jpeg(frame))
        turn = registering_affine(seen[[*LANDMARKS.values()]])
    except (InputError, np.linalg.LinAlgError):
        return None
    return face, [apply_affine(turn, seen[list(rows)]) for rows in points]
