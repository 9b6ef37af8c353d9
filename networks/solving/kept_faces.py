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


class KeptFaces:
    """The faces of a track, decoded when they are asked for: those of a short clip once, whoever
    asks; of a long one those beyond AT_ONCE each time, since all of them together would fill the
    memory. Where they lie in the footage is worked out once."""

    def __init__(self, track: FaceTrack):
        self.track = track
        self._faces: dict[int, np.ndarray | None] = {}
        self._turns: dict[int, np.ndarray | None] = {}

    def picture(self, frame: int) -> tuple[np.ndarray, np.ndarray] | None:
        """The face uint8 (256, 256) of one frame and the affine (2, 3) to it from the footage's
        pixels; None where its picture is missing or damaged, or its landmarks are no face's."""
        if frame not in self._turns:
            self._turns[frame] = self._registered(frame)
        turn, face = self._turns[frame], self._face(frame)
        return None if turn is None or face is None else (face, turn)

    def with_points(
        self, frame: int, *points: Sequence[int]
    ) -> tuple[np.ndarray, list[np.ndarray]] | None:
        """The face of one frame, and where mesh points lie in it, (P, 2) for each of `points`; None
        as `picture`."""
        from ..tracking.registration import apply_affine

        kept = self.picture(frame)
        if kept is None:
            return None
        face, turn = kept
        seen = self.track.landmarks[frame, :, :2].astype(float)
        return face, [apply_affine(turn, seen[list(rows)]) for rows in points]

    def _face(self, frame: int) -> np.ndarray | None:
        if frame in self._faces:
            return self._faces[frame]
        face = self._decoded(frame)
        if len(self._faces) < AT_ONCE:
            self._faces[frame] = face
        return face

    def _decoded(self, frame: int) -> np.ndarray | None:
        from ..tracking.track_recorder import decode_face

        try:
            return decode_face(self.track.face_jpeg(frame))
        except InputError:
            return None

    def _registered(self, frame: int) -> np.ndarray | None:
        from ..tracking.registration import registering_affine

        try:
            return registering_affine(
                self.track.landmarks[frame, [*LANDMARKS.values()], :2].astype(float)
            )
        except np.linalg.LinAlgError:
            return None
