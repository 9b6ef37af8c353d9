"""Lips that lie on each other: cut apart, but with every point of one at a place of the other.

Welding, which mends the seams of files for games, would grow such a mouth together.
"""

from __future__ import annotations

import numpy as np

from .pieces import Mesh, Welded
from .sides import MOUTH, named, width_of

REACH = 0.35
"""How far from its landmarks such a mouth may run, in its widths."""
_INNER = tuple(f"lip_{half}_inner_{i}" for half in ("top", "bottom") for i in (1, 2, 3))


def cut_open(mesh: Mesh, cut: Welded, landmarks: np.ndarray) -> Welded | None:
    """The same mesh with the lips apart; None where no points lie on each other between them.

    Args:
        cut: the mesh, welded. landmarks: (49, 3) in the frame of the mesh.
    """
    above, below = (named(landmarks, names).mean(0) for names in (MOUTH.above, MOUTH.below))
    up = (above - below) / max(float(np.linalg.norm(above - below)), 1e-12)
    line = named(landmarks, (*MOUTH.ends, *_INNER))
    away = np.min([np.linalg.norm(mesh.points - mark, axis=1) for mark in line], axis=0)
    twice = np.bincount(cut.joined)[cut.joined] > 1
    near = twice & (away < REACH * width_of(landmarks, MOUTH))
    if not near.any():
        return None
    apart = np.where(near, np.where(_height_of_faces(mesh, up) > 0.0, 1, 2), 0)
    opened = Welded(mesh, apart)
    return opened if len(opened.points) > len(cut.points) else None


def _height_of_faces(mesh: Mesh, up: np.ndarray) -> np.ndarray:
    """(V,) how far the triangles at each point reach above it, on average."""
    middles = mesh.points[mesh.triangles].mean(1) @ up
    corners, count = mesh.triangles.ravel(), len(mesh.points)
    sums = np.bincount(corners, np.repeat(middles, 3), minlength=count)
    return sums / np.maximum(np.bincount(corners, minlength=count), 1) - mesh.points @ up
