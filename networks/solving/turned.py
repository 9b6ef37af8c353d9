"""How far lips, their corners and the jaw stand forward in a face that is turned away.

Nobody sees depth from the front, and the landmarker guesses it. As a face turns, what was depth is
seen, the guess gives way, and all that is forward seems to move. The fit of the face model
(`face_model.fitting`) holds one person for the whole clip and tells its expression apart from its
pose: how far forward a thing is in the mean of a while is taken from there, what it does quickly
from the landmarks. Of all else a turned face's landmarks tell more than the fit does.
"""

from __future__ import annotations

import numpy as np

from ..face_model.face_fit import FaceFit, fit_track
from ..face_model.model import face_model
from ..track import FaceTrack
from .head_and_gaze import head_angles
from .relations import CHOSEN, EYE_ENDS, NAMES, measure
from .smoothing import slow

FROM, TO = np.radians(30.0), np.radians(50.0)
"""Yaw between which the landmarks' level gives way to the fitted head's."""
STRAIGHT = np.radians(25.0)
"""Yaw up to which the landmarks say how the fitted head differs from them."""
ENOUGH = 8
"""Frames that say so."""
FORWARD = [k for k, name in enumerate(NAMES) if name.endswith("_forward")]


def with_fitted(track: FaceTrack, values: np.ndarray) -> np.ndarray:
    """Relations (N, K) of a clip as measured; where the face is turned away, what is FORWARD as far
    as the head has it that is fitted to the face."""
    yaw = np.abs(head_angles(track.head_pose)[:, 1])
    share = np.clip((yaw - FROM) / (TO - FROM), 0.0, 1.0) * track.found
    if not share.any() or track.meta.get("coefficients") or track.meta.get("stills"):
        return values
    lack = fitted_relations(fit_track(track))[:, FORWARD] - values[:, FORWARD]
    straight = track.found & (yaw < STRAIGHT)
    if straight.sum() >= ENOUGH:
        lack = lack - np.median(lack[straight], axis=0)
    out = np.array(values, float)
    out[:, FORWARD] += share[:, None] * slow(track.times, lack)
    return out


def fitted_relations(fit: FaceFit) -> np.ndarray:
    """(N, K) relations of a fitted head, its pose taken out."""
    rest, moves = face_model().landmarks().of_person(np.asarray(fit.identity, float))
    ends = rest[EYE_ENDS].mean(1)
    points = rest[CHOSEN] + np.tensordot(np.asarray(fit.expression, float), moves[:, CHOSEN], 1)
    return measure((points - ends.mean(0)) / np.linalg.norm(ends[0] - ends[1]))
