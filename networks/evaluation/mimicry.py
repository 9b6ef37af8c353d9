"""Where does a character leave its actor? Both faces as actions of one model, frame by frame."""

from __future__ import annotations

import numpy as np

from ..characters.response import ResponseModel
from ..face_model.following import Following, at_rest, follow, played
from ..solving.neutral import find_neutral
from ..track import FaceTrack
from .face_features import POINTS, actor_points, unit


def actor_played(track: FaceTrack) -> np.ndarray:
    """(N, E) what the actor plays beside the own neutral, see `face_model.following.played`."""
    points = actor_points(track)
    rest = at_rest(points, find_neutral(track, "auto").weights, track.found)
    return played(points, rest, unit(points[track.found] if track.found.any() else points))


def character_played(points: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """(N, E) what a character plays; points (N, 50, 3) and rest (50, 3) of it, any unit."""
    return played(points, rest, unit(rest[None]))


def response_played(model: ResponseModel, units: np.ndarray) -> np.ndarray:
    """(N, E) what a character plays at unit values (N, C), by its response, which begins with
    POINTS."""
    count = 3 * len(POINTS)
    seen = model.through(np.eye(count, 3 * len(model.points)))
    points = seen.predict(units).reshape(len(units), -1, 3)
    return character_played(points, model.rest[: len(POINTS)])


def mimicry(actor: np.ndarray, character: np.ndarray, seen: np.ndarray) -> Following:
    """How near a character's (N, E) stays to its actor's over the frames (N,) bool in which that
    is seen."""
    return follow(actor, character, seen)
