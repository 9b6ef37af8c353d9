"""Relations of an actor who is turned away: those of the head that was fitted to the face.

In profile one half of the landmarks is guessed, and what the picture shows of the other half is
depth. The fit of the face model (`face_model.fitting`) knows which landmarks are seen and what a
face can do; its expression is told apart from its pose, and is measured as a face from the front.
"""

from __future__ import annotations

import numpy as np

from ..face_model.face_fit import FaceFit, fit_track
from ..face_model.model import face_model
from ..track import FaceTrack
from .head_and_gaze import head_angles
from .relations import CHOSEN, EYE_ENDS, measure

FROM, TO = np.radians(40.0), np.radians(55.0)
"""Yaw between which landmarks give way to the fitted head."""
STRAIGHT = np.radians(25.0)
"""Yaw up to which landmarks are believed enough to say how the fitted head differs from them."""
ENOUGH = 8
"""Frames that say so."""
LEAST, MOST = 0.5, 2.5
"""How much a fitted relation may be made larger or smaller."""
HELD = 0.02
"""Eye distances (root mean square) of motion from which such a factor is believed by half."""


def with_fitted(track: FaceTrack, values: np.ndarray) -> np.ndarray:
    """Relations (N, K) of a clip as measured; where the face is turned away, as the head that is
    fitted to it has them."""
    yaw = np.abs(head_angles(track.head_pose)[:, 1])
    share = np.clip((yaw - FROM) / (TO - FROM), 0.0, 1.0) * track.found
    if not share.any() or track.meta.get("coefficients"):
        return values
    told = fitted_relations(fit_track(track))
    straight = np.flatnonzero(track.found & (yaw < STRAIGHT))
    if len(straight) >= ENOUGH:
        told = _like(told, told[straight], values[straight])
    return values + share[:, None] * (told - values)


def fitted_relations(fit: FaceFit) -> np.ndarray:
    """(N, K) relations of a fitted head, its pose taken out."""
    marks = face_model().landmarks()
    identity = np.asarray(fit.identity, float)
    rest, moves = marks.of_person(identity)
    ends = rest[EYE_ENDS].mean(1)
    points = rest[CHOSEN] + np.tensordot(np.asarray(fit.expression, float), moves[:, CHOSEN], 1)
    return measure((points - ends.mean(0)) / np.linalg.norm(ends[0] - ends[1]))


def _like(told: np.ndarray, fitted: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Fitted relations (N, K) with the middle and reach that landmarks have where the face looks at
    the camera: fitted and seen (M, K)."""
    middle, goal = np.median(fitted, axis=0), np.median(seen, axis=0)
    own, other = fitted - middle, seen - goal
    power = (own**2).mean(0)
    slope = ((own * other).mean(0) + HELD**2) / (power + HELD**2)
    return goal + np.clip(slope, LEAST, MOST) * (told - middle)
