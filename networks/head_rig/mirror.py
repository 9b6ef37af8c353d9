"""Whether a head is the same on both sides, and the exact plane between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..vocabulary import mirror_name
from .nearest import nearest_rows
from .registration import Similarity

ALIKE = 4e-4
"""How far a point's mirror image may lie from a point, in widths of the head."""
SHARE = 0.995
"""Share of the points that have a mirror image in a head that counts as symmetric."""
AXIS = 0.97
"""Least cosine between the face's own left and an axis of its object that can be its mirror's."""


@dataclass(frozen=True)
class Plane:
    """A mirror: unit normal (3,) to the subject's left, and where it stands along it."""

    normal: np.ndarray
    offset: float

    def reflect(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) on the other side."""
        return points - 2.0 * (points @ self.normal - self.offset)[..., None] * self.normal


def find_plane(
    points: np.ndarray, left: np.ndarray, origin: np.ndarray, axes: np.ndarray
) -> tuple[Plane, np.ndarray] | None:
    """The mirror of points (N, 3) and each point's partner (N,), or None.

    Args:
        left: about where the subject's left is. origin, axes (3, 3 rows): of the object, on one of
            whose axes a mirror stands.
    """
    along = axes @ left
    which = int(np.abs(along).argmax())
    if abs(along[which]) < AXIS:
        return None
    return _plane_across(points, axes[which] * np.sign(along[which]), origin)


def is_askew(points: np.ndarray, left: np.ndarray, origin: np.ndarray, axes: np.ndarray) -> bool:
    """Whether points are the same on both sides of a mirror, but not on those that the landmarks
    take for left and right; args as of `find_plane`."""
    if (np.abs(axes @ left) >= AXIS).any():
        return False
    return any(_plane_across(points, axis, origin) is not None for axis in axes)


def _plane_across(points, normal: np.ndarray, origin: np.ndarray):
    across = points @ normal
    for offset in (float(origin @ normal), 0.5 * float(across.min() + across.max())):
        plane = Plane(normal, offset)
        flip, off = _partners(points, plane)
        if (off < ALIKE * np.ptp(across)).mean() >= SHARE:
            return plane, flip
    return None


def _partners(points: np.ndarray, plane: Plane) -> tuple[np.ndarray, np.ndarray]:
    """Of each point the one nearest to its image, and how far that is."""
    images, middle, size = plane.reflect(points), points.mean(0), np.ptp(points, 0).max() or 1.0
    flip = nearest_rows((images - middle) / size, (points - middle) / size)
    return flip, np.linalg.norm(images - points[flip], axis=1)


def upright(placed: Similarity, plane: Plane) -> Similarity:
    """The similarity nearest to one that maps the plane onto x = 0."""
    ahead = placed.rotation[2] - (placed.rotation[2] @ plane.normal) * plane.normal
    ahead = ahead / np.linalg.norm(ahead)
    rotation = np.stack([plane.normal, np.cross(ahead, plane.normal), ahead])
    shift = placed.shift.copy()
    shift[0] = -placed.scale * plane.offset
    return Similarity(placed.scale, rotation, shift)


def mirrored(moves: dict[str, np.ndarray], flip: np.ndarray) -> dict[str, np.ndarray]:
    """Named displacements (N, 3) of a head whose mirror is x = 0, made exact: the right ones are
    the left ones' images, the others their own."""
    image = lambda field: field[flip] * (-1.0, 1.0, 1.0)  # noqa: E731
    out = {}
    for name, field in moves.items():
        other = mirror_name(name)
        if other == name or other not in moves:
            out[name] = 0.5 * (field + image(field))
        else:
            half = 0.5 * (field + image(moves[other]))
            out[name] = half if "Left" in name else None
    for name in [n for n, field in out.items() if field is None]:
        out[name] = image(out[mirror_name(name)])
    return {name: out[name] for name in moves}
