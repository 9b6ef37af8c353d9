"""What a person's face has beside its identity: by how much the landmarks lie off in the middle of
a clip.

Fifty identities of drawn people do not have everybody's mouth. Where the corners of an average one
lie a little high, the head of somebody who is at rest smiles; so what is off in every frame is of
the person, and the head's points are moved by it. Expressions are not touched.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from ..vocabulary import SKIN_LANDMARKS
from .face_fit import FaceFit
from .model import FaceModel

NEAREST = 6
"""Landmarks by which a point is moved."""
NEAR = 1.0
"""Square millimetres that are added to a squared distance: a landmark itself is not all."""


def with_own_shape(fit: FaceFit, landmarks: np.ndarray, model: FaceModel) -> FaceFit:
    """A fit with the person's own shape; residuals fall as the distances of landmarks do.

    Args:
        landmarks: (N, 478, 2) pixels, of all rows of the fit.
    """
    rows = np.flatnonzero(fit.seen)
    heads, lack = fit.heads.of(rows), _lack(fit, rows, landmarks, model)
    flat = np.concatenate([lack, np.zeros_like(lack[..., :1])], axis=2)
    own = spread(np.median(flat @ heads.rotation, axis=0), model)
    corners, shares = model.landmark_corners, model.landmark_shares
    moved = np.einsum("lkc,lk->lc", own[corners], shares) @ heads.rotation.transpose(0, 2, 1)
    still = _still(model)
    before, after = (
        np.sqrt((off[:, still] ** 2).sum(2).mean(1)) for off in (lack, lack - moved[..., :2])
    )
    residual = np.array(fit.residual, float)
    residual[rows] *= after / np.maximum(before, 1e-9)
    return replace(fit, own=own, residual=residual)


def _lack(fit: FaceFit, rows: np.ndarray, landmarks: np.ndarray, model: FaceModel) -> np.ndarray:
    """(N, 478, 2) millimetres from the fit's landmarks to those that are seen, right and up."""
    heads = fit.heads.of(rows)
    people = np.tile(np.asarray(fit.identity, float), (len(rows), 1))
    points = model.landmarks().shapes(people, np.asarray(fit.expression, float)[rows])
    off = landmarks[rows] - fit.camera.project(points, heads)
    return off / heads.scale(fit.camera)[:, None, None] * (1.0, -1.0)


def _still(model: FaceModel) -> np.ndarray:
    """Landmarks of the skin that do not slide over it."""
    return np.setdiff1d(np.arange(SKIN_LANDMARKS), model.contour)


def spread(moved: np.ndarray, model: FaceModel) -> np.ndarray:
    """(V, 3) how all points move with landmarks (478, 3)."""
    rows, shares = nearest_landmarks(model)
    own = np.einsum("vk,vkc->vc", shares, moved[rows])
    for side in ("left", "right"):
        lids = np.concatenate([model.groups[f"lid_{edge}_{side}"] for edge in ("upper", "lower")])
        own[model.groups[f"eye_{side}"]] = own[lids].mean(0)  # a ball moves as one
    for which in ("upper", "lower"):
        own[model.groups[f"teeth_{which}"]] = 0.0  # which no lip takes along
    return own


@cache
def nearest_landmarks(model: FaceModel) -> tuple[np.ndarray, np.ndarray]:
    """(V, NEAREST) landmarks nearest to each point and their shares; none of those that slide."""
    still = _still(model)
    marks = model.landmarks().mean[still]
    off = ((model.mean[:, None] - marks[None]) ** 2).sum(2)
    rows = np.argsort(off, axis=1)[:, :NEAREST]
    near = 1.0 / (np.take_along_axis(off, rows, 1) + NEAR)
    return still[rows], near / near.sum(1, keepdims=True)
