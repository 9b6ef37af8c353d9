"""A near camera with a wide lens: points <-> pixels, for many cameras at once.

Such lenses are told by the angle of a ray: r = focal (angle + bend angle^3), the first terms of the
generic model of Kannala and Brandt 2006 (equation 5).

A camera is a row of CAMERA numbers: rotation (9, rows: right, down, forward), position (3, mm),
focal (pixels a radian), middle of the picture (2, pixels), bend. Frame of the points: the face's
(see face_model/model.py), as the headset holds it. Pixels count from the middle of the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CAMERA = 16
ROUNDS = 6
"""Newton's steps; two do for any lens that is made."""


@dataclass(frozen=True)
class Cameras:
    """Cameras with any shape (...) before their numbers."""

    rotation: np.ndarray
    position: np.ndarray
    focal: np.ndarray
    middle: np.ndarray
    bend: np.ndarray

    @staticmethod
    def of(rows: np.ndarray) -> Cameras:
        """Rows (..., CAMERA)."""
        rows = np.asarray(rows, float)
        rotation = rows[..., :9].reshape(*rows.shape[:-1], 3, 3)
        return Cameras(rotation, rows[..., 9:12], rows[..., 12], rows[..., 13:15], rows[..., 15])

    @property
    def rows(self) -> np.ndarray:
        """(..., CAMERA)"""
        flat = self.rotation.reshape(*self.rotation.shape[:-2], 9)
        numbers = self.focal[..., None], self.middle, self.bend[..., None]
        return np.concatenate([flat, self.position, *numbers], -1)

    def seen(self, points: np.ndarray) -> np.ndarray:
        """Points (..., N, 3) as they lie before the cameras (right, down, forward)."""
        away = points - self.position[..., None, :]
        return np.einsum("...ij,...nj->...ni", self.rotation, away)

    def pixels(self, seen: np.ndarray) -> np.ndarray:
        """Points before the cameras (..., N, 3) -> where they are pictured (..., N, 2)."""
        aside = np.hypot(seen[..., 0], seen[..., 1])
        angle = np.arctan2(aside, seen[..., 2])
        bend = self.bend[..., None]
        far = self.focal[..., None] * angle * (1.0 + bend * angle**2)
        straight = self.focal[..., None] / np.maximum(seen[..., 2], 1e-9)
        scale = np.where(aside > 1e-9, far / np.maximum(aside, 1e-9), straight)
        return self.middle[..., None, :] + seen[..., :2] * scale[..., None]

    def rays(self, side: int) -> np.ndarray:
        """(..., side * side, 3) directions of length 1, before the cameras, of a picture's pixels
        row by row."""
        y, x = np.mgrid[:side, :side].reshape(2, -1)
        return self.towards(np.stack([x, y], -1))

    def towards(self, places: np.ndarray) -> np.ndarray:
        """(..., N, 3) directions of length 1, before the cameras, of places (N, 2) in pixels."""
        away = places - self.middle[..., None, :]
        far = np.linalg.norm(away, axis=-1)
        angle = _angle(far / self.focal[..., None], self.bend[..., None])
        flat = away / np.maximum(far, 1e-9)[..., None] * np.sin(angle)[..., None]
        return np.concatenate([flat, np.cos(angle)[..., None]], -1)


def _angle(radius: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """The angles with angle + bend angle^3 = radius."""
    angle = np.array(np.broadcast_to(radius, np.broadcast_shapes(radius.shape, bend.shape)))
    for _ in range(ROUNDS):
        slope = np.maximum(1.0 + 3.0 * bend * angle**2, 0.2)
        angle -= (angle + bend * angle**3 - radius) / slope
    return angle


def looking(
    position: np.ndarray, at: np.ndarray, roll: float, focal: float, middle, bend: float
) -> Cameras:
    """A camera at a place (3,) that looks at another, upright but for `roll` radians."""
    forward = np.asarray(at, float) - position
    forward /= np.linalg.norm(forward)
    # Seen from before the face, its left is to the right and up is up.
    right = np.cross(forward, (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    turned = np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right
    numbers = (np.asarray(n, float) for n in (position, focal, middle, bend))
    return Cameras(np.stack([*turned, forward]), *numbers)


def turn(angles: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3), radians -> matrices (..., 3, 3) (Rodrigues)."""
    angles = np.asarray(angles, float)
    size = np.linalg.norm(angles, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(angles / np.maximum(size[..., 0], 1e-12), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    return np.eye(3) + np.sin(size) * cross + (1 - np.cos(size)) * cross @ cross
