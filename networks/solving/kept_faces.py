"""The registered faces that a track keeps, with the way of its landmarks into them."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..track import FaceTrack
from ..vocabulary import LANDMARKS


def has_pictures(track: FaceTrack) -> bool:
    """The track is of footage whose faces were kept."""
    return not track.meta.get("coefficients") and len(track.face_bytes) > 0


def kept_face(track: FaceTrack, frame: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The face uint8 (256, 256) of one frame, and the affine (2, 3) that takes its landmarks there;
    None where its picture is missing or damaged, or its landmarks are no face's."""
    from ..tracking.registration import registering_affine
    from ..tracking.track_recorder import decode_face

    try:
        face = decode_face(track.face_jpeg(frame))
        seen = track.landmarks[frame, [*LANDMARKS.values()], :2].astype(float)
        return face, registering_affine(seen)
    except (InputError, np.linalg.LinAlgError):
        return None
