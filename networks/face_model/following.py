"""How near a character's face stays to its actor's over a clip: mimicry between two builds.

Both faces are fitted likewise: what their points do beside the face at rest becomes weights of the
model's actions (eq. 7 of Wu, heads and identities being known), and what these do to the mean
person's landmarks is compared (Prima, section III). So a wide mouth or one eye costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..vocabulary import LANDMARKS
from .fitting import descend
from .mimicry import correlation, moved, telling, whole_correlation
from .model import FaceModel, face_model

CHIN = 199
"""MediaPipe's point of the chin."""
FOLLOWED = (*LANDMARKS.values(), CHIN)
"""The landmarker's points that a face is given by: the 49 landmarks and the chin."""
DEPTH = 0.3
"""What a millimetre of depth counts beside one across: trackers guess it."""
NOISE = 1.0
"""Millimetres by which a point is off."""
SMALLEST = 1e-6
"""Of an eye distance: a face that is nowhere plays nothing."""
EYES = ("eye_right_outer", "eye_right_inner", "eye_left_inner", "eye_left_outer")


@dataclass(frozen=True)
class Following:
    """score: correlation over points and frames, -1..1; curve (N,): of each frame by itself, 1
    where neither does anything."""

    score: float
    curve: np.ndarray


def played(
    points: np.ndarray, rest: np.ndarray, unit: float, model: FaceModel | None = None
) -> np.ndarray:
    """What a face plays: (N, E) weights 0..1 of the model's actions.

    Args:
        points: (N, 50, 3) FOLLOWED in the face's own frame: x to the own left, y up, z out of it.
        rest: (50, 3) the same at rest. unit: its eye distance, in the points' unit.
    """
    model = model or face_model()
    actions, eyes = _followed(model)
    scale = np.array([1.0, 1.0, DEPTH])
    lack = ((points - rest) * (eyes / max(unit, SMALLEST)) * scale).reshape(len(points), -1)
    basis = (actions * scale).reshape(len(actions), -1)
    ridge = NOISE**2 / model.expression_deviation**2
    normal = basis @ basis.T + np.diag(ridge)
    pull = lack @ basis.T + ridge * model.expression_mean
    start = np.zeros((len(points), len(actions)))
    return descend(np.broadcast_to(normal, (len(points), *normal.shape)), pull, start, sweeps=30)


@cache
def _followed(model: FaceModel) -> tuple[np.ndarray, float]:
    """(E, 50, 3) what actions do to FOLLOWED of the mean person, and its eye distance."""
    points = model.landmarks()
    rows = list(FOLLOWED)
    names = list(LANDMARKS)
    corners = points.mean[[LANDMARKS[n] for n in names if n in EYES]]
    sides = [corners[corners[:, 0] > 0].mean(0), corners[corners[:, 0] < 0].mean(0)]
    return np.moveaxis(points.core[rows, :, 0, 1:], -1, 0), float(
        np.linalg.norm(np.subtract(*sides))
    )


def follow(
    actor: np.ndarray, character: np.ndarray, seen: np.ndarray, model: FaceModel | None = None
) -> Following:
    """What of an actor's face a character shows, both as `played` (N, E); seen (N,) bool: frames
    that count."""
    model = model or face_model()
    weights = telling(model)
    faces = [moved(rows, model) for rows in (actor, character)]
    score = whole_correlation(*(f[seen] for f in faces), weights) if seen.any() else float("nan")
    return Following(score, correlation(*faces, weights))


def at_rest(points: np.ndarray, neutral: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(50, 3) a face at rest: the mean of points (N, 50, 3) by weights (N,), or where none is above
    zero the median of the frames seen (N,) bool."""
    if neutral.sum() > 0:
        return np.einsum("n,npc->pc", neutral / neutral.sum(), points)
    return np.median(points[seen] if seen.any() else points, axis=0)
