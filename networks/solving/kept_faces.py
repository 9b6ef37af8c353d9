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
    from ..tracking.registration import apply_affine

    kept = kept_picture(track, frame)
    if kept is None:
        return None
    face, turn = kept
    seen = track.landmarks[frame, :, :2].astype(float)
    return face, [apply_affine(turn, seen[list(rows)]) for rows in points]


def kept_picture(track: FaceTrack, frame: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The face uint8 (256, 256) of one frame and the affine (2, 3) to it from the footage's pixels;
    None as `kept_face`."""
    from ..tracking.registration import registering_affine
    from ..tracking.track_recorder import decode_face

    seen = track.landmarks[frame, [*LANDMARKS.values()], :2].astype(float)
    try:
        return decode_face(track.face_jpeg(frame)), registering_affine(seen)
    except (InputError, np.linalg.LinAlgError):
        return None
