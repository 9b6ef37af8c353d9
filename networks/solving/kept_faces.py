"""The registered faces that a track keeps, with the places of its mesh points in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from ..track import FaceTrack
from ..vocabulary import LANDMARKS

AT_ONCE = 1500
"""Faces that are kept decoded, a minute of footage."""


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


class KeptFaces(Sequence):
    """The faces uint8 (256, 256) of those frames (K,) whose picture is there. Those of a short clip
    are decoded once, those of a long one whenever they are asked for, since all of them together
    would fill the memory.

    Attributes:
        rows: (R,) the numbers of these frames. turns: (R, 2, 3), see `kept_picture`.
    """

    def __init__(self, track: FaceTrack, frames: np.ndarray):
        kept = ((int(i), kept_picture(track, int(i))) for i in frames)
        self._track, self._once = track, {}
        rows, turns = [], []
        for i, picture in kept:
            if picture is not None:
                rows.append(i)
                turns.append(picture[1])
                if len(rows) <= AT_ONCE:
                    self._once[i] = picture[0]
        self.rows, self.turns = np.array(rows, int), np.array(turns).reshape(-1, 2, 3)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, k: int) -> np.ndarray:
        from ..tracking.track_recorder import decode_face

        row = int(self.rows[k])
        return self._once[row] if row in self._once else decode_face(self._track.face_jpeg(row))
