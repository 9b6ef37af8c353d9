"""The face model's skin as what is laid onto heads: its triangles, edges, landmarks and sides."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..face_model.model import FaceModel, face_model
from ..vocabulary import LANDMARKS
from .mesh_graph import connected, edges_of
from .sides import sides_of

ACTS = 0.05
"""Millimetres from which an action moves a point."""


@dataclass(frozen=True, eq=False)
class Template:
    """The skin of the face model: V points of it, which are the model's first V.

    triangles (T, 3); edges (E, 2); flip (V,) each point's partner on the other side; outside (V,)
    bool: not in the mouth and not behind the lids; moving (V,) bool: some
    action moves them; sides (V,) see `sides`; corners, shares (49, 3):
    where the landmarks lie.
    """

    model: FaceModel
    triangles: np.ndarray
    edges: np.ndarray
    flip: np.ndarray
    outside: np.ndarray
    moving: np.ndarray
    sides: np.ndarray
    corners: np.ndarray
    shares: np.ndarray

    @property
    def count(self) -> int:
        """V."""
        return len(self.flip)

    @property
    def rest(self) -> np.ndarray:
        """(V, 3) the mean head, millimetres."""
        return self.model.mean[: self.count]

    def landmarks(self, points: np.ndarray) -> np.ndarray:
        """(..., 49, 3) the landmarks of the skin's points (..., V, 3)."""
        return np.einsum("...lkc,lk->...lc", points[..., self.corners, :], self.shares)

    def person(self, identity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Identity (I,) -> the skin at rest (V, 3) and its actions (E, V, 3)."""
        rest, moves = self.model.person(identity)
        return rest[: self.count], moves[:, : self.count]


@cache
def template() -> Template:
    """The template of the face model that ships."""
    model = face_model()
    quads = model.faces[: model.skin]
    triangles = np.concatenate([quads[:, (0, 1, 2)], quads[:, (0, 2, 3)]])
    a, b, c = triangles.T
    triangles = triangles[(a != b) & (b != c) & (a != c)]
    count = int(triangles.max()) + 1
    rest, edges = model.mean[:count], edges_of(triangles)
    marks = np.array(list(LANDMARKS.values()))
    corners, shares = model.landmark_corners[marks], model.landmark_shares[marks]
    outside = _outside(model, triangles, count)
    moves = model.person(np.zeros(model.identities))[1][:, :count]
    landmarks = np.einsum("lkc,lk->lc", rest[corners], shares)
    return Template(
        model=model,
        triangles=triangles,
        edges=edges,
        flip=_partners(rest),
        outside=outside,
        moving=np.abs(moves).max((0, 2)) > ACTS,
        sides=sides_of(rest, edges, landmarks)[0],
        corners=corners,
        shares=shares,
    )


def _partners(points: np.ndarray) -> np.ndarray:
    mirrored = points * (-1.0, 1.0, 1.0)
    return np.array([((points - p) ** 2).sum(1).argmin() for p in mirrored])


def _outside(model: FaceModel, triangles: np.ndarray, count: int) -> np.ndarray:
    """The largest of what the rims of mouth and lids part, and the rims."""
    names = [n for n in model.groups if n.startswith(("lip_contact", "lid_"))]
    rims = np.unique(np.concatenate([model.groups[n] for n in names]))
    label = connected(count, triangles[~np.isin(triangles, rims).any(1)])
    largest = np.bincount(label).argmax()
    return (label == largest) | np.isin(np.arange(count), rims)
