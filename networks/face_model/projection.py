"""From the face to the picture and back: cameras, and where a head stands (Wu, eq. 4 and 6).

A head is where rotation . X + translation puts its points X: camera space, millimetres, x right,
y up, z towards the camera, which stands at zero and looks along -z. In pictures y goes down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UsageError

FIELD = math.radians(63.0)
"""Vertical angle of view where nobody says it: what the landmarker's head poses assume."""
PROJECTIONS = ("perspective", "orthographic")
NEAREST = 0.2
"""Of a head's distance: no point of it is nearer than that."""


@dataclass(frozen=True)
class Camera:
    """What filmed: size (width, height) of its pictures in pixels; focal length in pixels.

    kind: of PROJECTIONS. Orthographic: a head's z tells its size alone, focal / -z pixels a
    millimetre (the scaled projection A of eq. 4).
    """

    size: tuple[int, int]
    focal: float
    kind: str = PROJECTIONS[0]

    def __post_init__(self) -> None:
        if self.kind not in PROJECTIONS:
            raise UsageError(
                f"no projection {self.kind!r}", fix=f"use one of {', '.join(PROJECTIONS)}"
            )
        if not (min(self.size) > 0 and self.focal > 0):
            raise UsageError("a camera without a size or focal length", fix="give both")

    @staticmethod
    def of(size: tuple[int, int], angle: float = FIELD, kind: str = PROJECTIONS[0]) -> Camera:
        """The camera with this vertical angle of view, radians."""
        return Camera(tuple(size), size[1] / 2.0 / math.tan(angle / 2.0), kind)

    @property
    def angle(self) -> float:
        """The vertical angle of view, radians."""
        return 2.0 * math.atan(self.size[1] / 2.0 / self.focal)

    def centred(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) -> the same from the picture's middle, y up."""
        return (pixels - np.array(self.size) / 2.0) * (1.0, -1.0)

    def project(self, points: np.ndarray, heads: Heads) -> np.ndarray:
        """Points (N, L, 3) of heads, one a frame -> pixels (N, L, 2) (eq. 4)."""
        turned = points @ heads.rotation.swapaxes(-1, -2)
        scale = heads.scale(self)[:, None, None]
        if self.kind == "perspective":
            scale = scale / self.depths(turned, heads)[..., None]
        seen = scale * (turned[..., :2] + heads.translation[:, None, :2])
        return seen * (1.0, -1.0) + np.array(self.size) / 2.0

    def depths(self, turned: np.ndarray, heads: Heads) -> np.ndarray:
        """Of points (N, L, 3) already turned as their heads: distance over that of the head's
        origin (N, L); 1 everywhere in an orthographic picture."""
        if self.kind == "orthographic":
            return np.ones(turned.shape[:-1])
        return np.maximum(1.0 + turned[..., 2] / heads.translation[:, None, 2], NEAREST)


@dataclass(frozen=True)
class Heads:
    """Where a head stands in N frames: rotation (N, 3, 3), translation (N, 3) millimetres."""

    rotation: np.ndarray
    translation: np.ndarray

    def scale(self, camera: Camera) -> np.ndarray:
        """(N,) pixels a millimetre at the head's origin."""
        return camera.focal / np.maximum(-self.translation[:, 2], 1e-6)

    def of(self, frames: np.ndarray) -> Heads:
        """The same in some frames."""
        return Heads(self.rotation[frames], self.translation[frames])

    @staticmethod
    def joined(parts: Sequence[Heads]) -> Heads:
        """Several after each other."""
        return Heads(
            np.concatenate([p.rotation for p in parts]),
            np.concatenate([p.translation for p in parts]),
        )


def place(
    camera: Camera, seen: np.ndarray, points: np.ndarray, weights: np.ndarray, start: Heads | None
) -> Heads:
    """The heads that put points where they are seen: eq. 6, solved linearly.

    The scaled orthographic matrix (2 x 3) is the affine one of least squares with its rows made
    orthogonal and of one length. In perspective, pixels are first drawn apart by what each point's
    depth in `start` says (POSIT: DeMenthon & Davis 1995), which makes the problem orthographic.

    Args:
        seen: pixels (N, L, 2). points: (N, L, 3). weights: (N, L), at least four above zero.
        start: the heads so far; None: all points are equally far.
    """
    flat = camera.centred(seen)
    if start is not None:
        flat = flat * camera.depths(points @ start.rotation.swapaxes(-1, -2), start)[..., None]
    total = weights.sum(1)[:, None, None]
    shares = weights[..., None] / total
    middle, mean = (shares * points).sum(1, keepdims=True), (shares * flat).sum(1, keepdims=True)
    spread = (points - middle).swapaxes(1, 2) * weights[:, None]
    normal = spread @ (points - middle) + 1e-9 * np.eye(3)
    affine = np.linalg.solve(normal, spread @ (flat - mean)).swapaxes(1, 2)
    rotation, scale = _orthogonal(affine)
    moved = mean[:, 0] / scale[:, None] - np.einsum("nij,nj->ni", rotation[:, :2], middle[:, 0])
    return Heads(rotation, np.concatenate([moved, -camera.focal / scale[:, None]], 1))


def _orthogonal(affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Affine (N, 2, 3) -> the nearest scaled rotations: (N, 3, 3) and scales (N,)."""
    u, s, v = np.linalg.svd(affine, full_matrices=False)
    rows = u @ v
    third = np.cross(rows[:, 0], rows[:, 1])
    return np.concatenate([rows, third[:, None]], axis=1), np.maximum(s.mean(1), 1e-9)


def refine(
    camera: Camera, seen: np.ndarray, points: np.ndarray, weights: np.ndarray, start: Heads
) -> Heads:
    """One Gauss-Newton step of rotation, shift and scale: `place` makes the affine matrix fit best,
    not the rotation. Arguments as there."""
    turned = points @ start.rotation.swapaxes(-1, -2)
    scale = start.scale(camera)[:, None, None]
    flat = camera.centred(seen) * camera.depths(turned, start)[..., None] / scale
    lack = flat - turned[..., :2] - start.translation[:, None, :2]
    x, y, z = np.moveaxis(turned, -1, 0)
    # Rows: turns about x, y and z, shifts in x and y, and growth; each across, then up.
    system = np.zeros((len(points), 6, 2, points.shape[1]))
    system[:, 0, 1], system[:, 1, 0], system[:, 2, 0], system[:, 2, 1] = -z, z, -y, x
    system[:, 3, 0] = system[:, 4, 1] = 1.0
    system[:, 5, 0] = x + start.translation[:, 0, None]
    system[:, 5, 1] = y + start.translation[:, 1, None]
    root = np.sqrt(weights)[:, None]
    system = (system * root[:, None]).reshape(len(points), 6, -1)
    wanted = (np.moveaxis(lack, -1, 1) * root).reshape(len(points), -1, 1)
    normal = system @ system.swapaxes(1, 2) + 1e-9 * np.eye(6)
    step = np.linalg.solve(normal, system @ wanted)[..., 0]
    grow = np.exp(np.clip(step[:, 5:], -0.5, 0.5))
    moved = np.concatenate(
        [start.translation[:, :2] + step[:, 3:5], start.translation[:, 2:] / grow], 1
    )
    return Heads(rotation_of(step[:, :3]) @ start.rotation, moved)


def rotation_of(vectors: np.ndarray) -> np.ndarray:
    """Axis times angle (N, 3), radians -> rotations (N, 3, 3) (Rodrigues)."""
    angle = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)[:, None, None]
    x, y, z = (vectors / angle[:, 0]).T
    zero = np.zeros(len(vectors))
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(-1, 3, 3)
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross


def nearest_rotation(matrices: np.ndarray) -> np.ndarray:
    """Matrices (N, 3, 3) -> the rotations nearest to them."""
    u, _, v = np.linalg.svd(matrices)
    turn = np.sign(np.linalg.det(u @ v))
    u[..., -1] *= turn[:, None]
    return u @ v
