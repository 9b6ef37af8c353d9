"""How far a reconstruction is from the truth: RMSE over z and MAE (Wu, equations 14 and 15)."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from ..vocabulary import LANDMARKS
from .fitting import vertex_normals
from .model import FaceModel

MEASURED_ANGLE = math.radians(9.5)
"""Vertical angle of view of the studio's camera."""
FRONT, BEHIND, HIGH = 0.15, -25.0, 60.0
"""Cosine of a normal to the front, and millimetres: what is the face, without neck, ears, mouth."""
CENTRE = 12.0
"""Millimetres around the inner landmarks (brows, eyes, nose, mouth) that are the face's centre."""


@cache
def whole_points(model: FaceModel) -> np.ndarray:
    """(W,) points of the face's skin."""
    skin = np.unique(model.faces[: model.skin])
    normals = vertex_normals(model.mean, model.faces[: model.skin])
    low = model.mean[model.landmark_corners[152], 1].min()
    kept = (normals[:, 2] > FRONT) & (model.mean[:, 2] > BEHIND) & (model.mean[:, 1] > low)
    return skin[kept[skin] & (model.mean[skin, 1] < HIGH)]


@cache
def centre_points(model: FaceModel) -> np.ndarray:
    """(W,) bool: which of `whole_points` are near an inner landmark."""
    rows = list(LANDMARKS.values())
    places = np.einsum(
        "lkc,lk->lc", model.mean[model.landmark_corners[rows]], model.landmark_shares[rows]
    )
    points = model.mean[whole_points(model)]
    apart = ((points[:, None] - places[None]) ** 2).sum(2).min(1)
    return apart < CENTRE**2


def laid_over(points: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Points (W, 3) moved rigidly, never scaled, to where they are nearest to the truth (W, 3)."""
    middle, goal = points.mean(0), true.mean(0)
    u, _, v = np.linalg.svd((points - middle).T @ (true - goal))
    turn = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))]) @ v
    return (points - middle) @ turn + goal


def as_large(points: np.ndarray, true: np.ndarray) -> float:
    """How much larger the truth (W, 3) is than points (W, 3): one picture hardly tells."""
    spread = [np.sqrt(((p - p.mean(0)) ** 2).sum()) for p in (points, true)]
    return float(spread[1] / spread[0])


def errors(points: np.ndarray, true: np.ndarray, model: FaceModel) -> dict[str, float]:
    """RMSE over z and MAE, millimetres, of the centre and the whole of faces at `whole_points`:
    (W, 3) each, laid over each other; and the whole's MAE with size taken out."""
    off = laid_over(points, true) - true
    centre = centre_points(model)
    out = {}
    for name, kept in (("centre", centre), ("whole", np.ones_like(centre))):
        out[f"{name} rmse"] = float(np.sqrt((off[kept, 2] ** 2).mean()))
        out[f"{name} mae"] = float(np.linalg.norm(off[kept], axis=1).mean())
    alike = laid_over(points * as_large(points, true), true) - true
    return {**out, "shape mae": float(np.linalg.norm(alike, axis=1).mean())}
