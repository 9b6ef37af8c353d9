"""Meshes as they come, cut into connected pieces; the one with the landmarks is the skin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from .mesh_graph import connected, welded


@dataclass(frozen=True, eq=False)
class Mesh:
    """A mesh as it lies in the world. points (V, 3); triangles (T, 3), those of a piece all
    outwards or all inwards; words: of its name; material (T,): which of `materials`, the words of
    each one's name; origin (3,) and axes (3, 3), unit rows: of its object."""

    name: str
    points: np.ndarray
    triangles: np.ndarray
    words: frozenset[str] = frozenset()
    material: np.ndarray | None = None
    materials: tuple[frozenset[str], ...] = ()
    origin: np.ndarray = field(default_factory=lambda: np.zeros(3))
    axes: np.ndarray = field(default_factory=lambda: np.eye(3))


class Welded:
    """A mesh whose points at one place are one: points (N, 3), triangles (T, 3), and which of them
    each of the mesh's points is (V,); label (N,): the first point of the piece that each is of.

    Args:
        apart: (V,) numbers; points of different ones stay two, wherever they are.
    """

    def __init__(self, mesh: Mesh, apart: np.ndarray | None = None):
        self.joined = welded(mesh.points)
        if apart is not None:
            pairs = np.stack([self.joined, apart], 1)
            self.joined = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)
        self.points = _means(mesh.points, self.joined)
        a, b, c = triangles = self.joined[mesh.triangles].T
        kept = (a != b) & (b != c) & (a != c)
        self.triangles = triangles.T[kept]
        self._mesh, self._kept = mesh, kept
        self.label = connected(len(self.points), self.triangles)

    def pieces(self) -> Iterator[np.ndarray]:
        """The points (P,) of each piece that has faces."""
        order = np.argsort(self.label, kind="stable")
        used = np.zeros(len(self.points), bool)
        used[self.triangles] = True
        for rows in np.split(order, np.flatnonzero(np.diff(self.label[order])) + 1):
            if used[rows].any():
                yield rows

    def of_piece(self, rows: np.ndarray) -> np.ndarray:
        """A piece's triangles, in indices of its points."""
        place = np.full(len(self.points), -1)
        place[rows] = np.arange(len(rows))
        own = place[self.triangles]
        return own[(own >= 0).all(1)]

    def words_of(self, rows: np.ndarray) -> frozenset[str]:
        """The words of a piece: of its mesh's name, and of the materials that it has."""
        mesh = self._mesh
        if mesh.material is None or not mesh.materials:
            return mesh.words
        own = np.isin(self.triangles[:, 0], rows)
        found = np.unique(mesh.material[self._kept][own])
        named = [mesh.materials[i] for i in found if 0 <= i < len(mesh.materials)]
        return mesh.words.union(*named)

    def skin(self, landmarks: np.ndarray) -> np.ndarray:
        """The points of the piece on which most landmarks (L, 3) lie."""
        used = np.unique(self.triangles)
        nearest = [used[((self.points[used] - m) ** 2).sum(1).argmin()] for m in landmarks]
        own, votes = np.unique(self.label[nearest], return_counts=True)
        return np.flatnonzero(self.label == own[votes.argmax()])


def _means(points: np.ndarray, joined: np.ndarray) -> np.ndarray:
    count = np.bincount(joined)
    return np.stack([np.bincount(joined, points[:, k]) for k in range(3)], 1) / count[:, None]
