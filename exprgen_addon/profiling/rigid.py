"""Rigid motions of point clouds: how far a face turns, and which points turn with it."""

from __future__ import annotations

import numpy as np


def rigid_motion(
    before: np.ndarray, after: np.ndarray, share: float = 1.0
) -> tuple[np.ndarray, float]:
    """The rotation vector (3,) radians that best turns `before` (N, 3) into `after`, and what it
    leaves over: mean distance after the fit, as a share of the mean motion.

    With `share` below 1 only that part of the points counts that fits best: a neck that bends
    under a turning head is left out.
    """
    rotation, left = _fit(before, after)
    if share < 1.0 and len(before) > 8:
        for _ in range(4):
            best = np.argsort(left)[: int(share * len(before))]
            rotation, _ = _fit(before[best], after[best])
            left = _left(before, after, rotation, best)
        before, after, left = before[best], after[best], left[best]
    moved = np.linalg.norm(after - before, axis=1).mean()
    angle = np.arccos(np.clip((np.trace(rotation) - 1.0) / 2.0, -1.0, 1.0))
    axis = np.array([
        rotation[2, 1] - rotation[1, 2],
        rotation[0, 2] - rotation[2, 0],
        rotation[1, 0] - rotation[0, 1],
    ])  # fmt: skip
    length = np.linalg.norm(axis)
    vector = axis / length * angle if length > 1e-12 else np.zeros(3)
    return vector, float(left.mean() / moved) if moved > 0 else 0.0


def follows(before: np.ndarray, after: np.ndarray, share: float, within: float) -> np.ndarray:
    """Which points (N,) take part in the rigid motion of the `share` of them that fits best: those
    that it leaves less than `within` of the mean motion over."""
    rotation, left = _fit(before, after)
    for _ in range(8):
        best = np.argsort(left)[: max(int(share * len(before)), 3)]
        rotation, _ = _fit(before[best], after[best])
        left = _left(before, after, rotation, best)
    return left < within * np.linalg.norm(after - before, axis=1)[best].mean()


def _fit(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares rotation (3, 3) and the distances (N,) that it leaves (Kabsch 1976)."""
    a, b = before - before.mean(0), after - after.mean(0)
    u, _, vt = np.linalg.svd(a.T.astype(float) @ b.astype(float))
    turn = np.diag([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T))])
    rotation = vt.T @ turn @ u.T
    return rotation, np.linalg.norm(a @ rotation.T - b, axis=1)


def _left(before, after, rotation, best) -> np.ndarray:
    a, b = before - before[best].mean(0), after - after[best].mean(0)
    return np.linalg.norm(a @ rotation.T - b, axis=1)
