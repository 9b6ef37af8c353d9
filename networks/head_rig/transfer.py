"""Deformation transfer (Sumner & Popović, SIGGRAPH 2004): what an action does to each triangle of
one head is done to the same triangle of another.

Its least squares over triangles (their section 3, equation 8) is a Poisson equation on the target's
surface: the displacement whose gradients come nearest to the source's.
"""

from __future__ import annotations

import numpy as np

STILL = 0.05
"""Millimetres below which no action moves a point: there the target stays where it is."""
HELD, LOOSE = 1e-2, 1e-7
"""How much a point that is still, and one that moves, is held to its place, in units of its
degree."""


def transfer(
    source: np.ndarray, target: np.ndarray, triangles: np.ndarray, moves: np.ndarray
) -> np.ndarray:
    """(E, V, 3) the displacements of the target's points.

    Args:
        source, target: (V, 3) two heads at rest in one topology and one frame.
        triangles: (T, 3). moves: (E, V, 3) the source's displacements.
    """
    slopes, area = _hat_gradients(target, triangles)
    wanted = _divergence(_gradients(source, triangles, moves), slopes, area, triangles, target)
    system = _stiffness(slopes, area, triangles, len(target))
    diagonal = np.maximum(np.diag(system), 1e-9)
    still = np.abs(moves).max((0, 2)) < STILL
    system[np.diag_indices(len(target))] += np.where(still, HELD, LOOSE) * diagonal
    flat = wanted.transpose(1, 0, 2).reshape(len(target), -1)
    found = np.linalg.solve(system, flat)
    return found.reshape(len(target), len(moves), 3).transpose(1, 0, 2)


def _hat_gradients(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, 3, 3) the gradient over each triangle of the function that is 1 at a corner and 0 at the
    others, and the areas (T,)."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    double = np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    normal = normal / double
    sides = np.stack([c - b, a - c, b - a], 1)
    return np.cross(normal[:, None], sides) / double[:, None], 0.5 * double[:, 0]


def _gradients(points: np.ndarray, triangles: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """(E, T, 3, 3) how displacements change over each triangle and, as the triangle turns, along
    its normal: rows are the displacement's axes, columns those of space."""
    frames = np.linalg.pinv(_frames(points, triangles))  # slivers have no inverse
    return np.array([_frames(points + m, triangles) @ frames for m in moves]) - np.eye(3)


def _frames(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(T, 3, 3) two sides of each triangle and its normal, scaled as they are, in columns."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    length = np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    return np.stack([b - a, c - a, normal / np.sqrt(length)], 2)


def _divergence(gradients, slopes, area, triangles, target) -> np.ndarray:
    """(E, V, 3) the right side of the Poisson equation."""
    out = np.zeros((len(gradients), len(target), 3))
    for k in range(3):
        part = np.einsum("etij,tj->eti", gradients, slopes[:, k]) * area[:, None]
        for e, rows in enumerate(part):
            np.add.at(out[e], triangles[:, k], rows)
    return out


def _stiffness(slopes, area, triangles, count: int) -> np.ndarray:
    """(V, V) the left side."""
    out = np.zeros((count, count))
    for j in range(3):
        for k in range(3):
            value = area * (slopes[:, j] * slopes[:, k]).sum(1)
            np.add.at(out, (triangles[:, j], triangles[:, k]), value)
    return out
