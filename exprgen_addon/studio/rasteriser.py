"""Triangles to pixels in numpy: a depth buffer and colours between corners. Knows no Blender.

A picture of a head has more triangles than pixels across, so lighting is worked out at the corners
and only blended between them; edges are smoothed by looking at more samples than pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

SAMPLES = 2
"""Samples along a pixel's side."""
CRACK = 1e-3
"""Samples by which a span is widened: no crack between neighbours by rounding."""
ON_EDGE = 1e-9
"""Share below zero that is rounding: a row along the edge that two triangles have in common would
otherwise belong to neither."""
AWAY = -0.25
"""Cosine from which on a triangle looks away, though its points' normals may lean."""


@dataclass(frozen=True)
class Covered:
    """What is seen at the samples that something covers.

    sample (N,): its place in the picture's rows of samples; triangle (N,): which is seen there;
    shares (N, 3): how much of each of its corners.
    """

    sample: np.ndarray
    triangle: np.ndarray
    shares: np.ndarray

    def of(self, kept: np.ndarray) -> Covered:
        """The same where triangle k was the one of number kept[k]."""
        return Covered(self.sample, kept[self.triangle], self.shares)

    def blend(self, corners: np.ndarray) -> np.ndarray:
        """Values at triangles' corners (T, 3, K) -> at the samples (N, K)."""
        seen = corners[self.triangle]
        return np.einsum("nck,nc->nk", seen, self.shares)


@np.errstate(divide="ignore", invalid="ignore")  # triangles without an area are left out
def cover(points: np.ndarray, triangles: np.ndarray, side: int) -> Covered:
    """What a square of side x side samples shows.

    Args:
        points: (V, 3) float32: place in samples, x right, y down, and the distance from the camera.
        triangles: (T, 3) numbers of points; each is seen from both sides.
    """
    x, y, z = _corners(points, triangles)
    second, third = _shares(x, y)
    depth = tuple(b * (z[1] - z[0]) + c * (z[2] - z[0]) for b, c in zip(second, third, strict=True))
    which, row = _rows(x, y, z, second, side)
    planes = second, third, tuple(-b - c for b, c in zip(second, third, strict=True))
    left, right = _spans(planes, which, row, side)
    kept = np.flatnonzero(right >= left)
    which, row, left = which[kept], row[kept], left[kept]
    count = right[kept] - left + 1
    line, along = _along(count)
    distance = depth[0].astype(np.float32)[which][line]
    distance *= along
    distance += (z[0][which] + _at(depth, which, left + 0.5, row)).astype(np.float32)[line]
    sample = ((row - 0.5).astype(np.int32) * side + left)[line]
    sample += along
    nearest = np.full(side * side, np.inf, np.float32)
    np.minimum.at(nearest, sample, distance)
    seen = np.flatnonzero(distance <= nearest[sample])
    line, along = line[seen], along[seen]
    which = which[line]
    x, y = left[line] + along + 0.5, row[line]
    b, c = _at(second, which, x, y), _at(third, which, x, y)
    shares = np.stack([1 - b - c, b, c], 1).clip(0, 1)
    shares /= shares.sum(1, keepdims=True)
    return Covered(sample[seen], which, shares.astype(np.float32))


Planes = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Of triangles, over the picture: slope along x, slope along y, value at its corner."""


def _at(plane: Planes, which: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Planes of some triangles at places."""
    return plane[0][which] * x + plane[1][which] * y + plane[2][which]


Corners = tuple[np.ndarray, np.ndarray, np.ndarray]
"""A number of the three corners of triangles, (T,) each: numpy is slow along axes of three."""


def _corners(points: np.ndarray, triangles: np.ndarray) -> tuple[Corners, Corners, Corners]:
    """x, y and z of triangles' corners."""
    numbers = [np.ascontiguousarray(triangles[:, k]) for k in range(3)]
    axes = points.T.astype(float)  # thin triangles have steep planes
    return tuple(tuple(axis[n] for n in numbers) for axis in axes)


def _least(values: Corners) -> np.ndarray:
    return np.minimum(np.minimum(values[0], values[1]), values[2])


def _largest(values: Corners) -> np.ndarray:
    return np.maximum(np.maximum(values[0], values[1]), values[2])


def _shares(x: Corners, y: Corners) -> tuple[Planes, Planes]:
    """How much of the second and of the third corner of triangles there is at a place."""
    (x0, x1, x2), (y0, y1, y2) = x, y
    area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
    second = (y2 - y0) / area, (x0 - x2) / area
    third = (y0 - y1) / area, (x1 - x0) / area
    return tuple((*p, -(p[0] * x0 + p[1] * y0)) for p in (second, third))


def _rows(x: Corners, y: Corners, z: Corners, second: Planes, side: int):
    """The rows of samples that triangles with an area reach: the triangle and the row's middle."""
    first = np.maximum(np.ceil(_least(y) - 0.5), 0).astype(np.int32)
    last = np.minimum(np.floor(_largest(y) - 0.5), side - 1).astype(np.int32)
    flat = np.isfinite(second[0]) & np.isfinite(second[1])
    shown = flat & (_largest(x) > 0) & (_least(x) < side) & (_least(z) > 0)
    count = np.where(shown, np.maximum(last - first + 1, 0), 0)
    which = np.repeat(np.arange(len(count), dtype=np.int32), count)
    start = first - (np.cumsum(count) - count)
    row = np.repeat(start.astype(np.int32), count) + np.arange(len(which), dtype=np.int32)
    return which, row + 0.5


def _spans(planes: tuple[Planes, ...], which, y, side: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last sample of rows of triangles: where none of three shares is below zero."""
    low, high = np.zeros(len(which)), np.full(len(which), float(side))
    for plane, whole in zip(planes, (0, 0, 1), strict=True):
        slope = plane[0][which]
        share = plane[1][which] * y + plane[2][which] + whole
        edge = -share / slope
        np.fmax(low, np.where(slope > 0, edge, -np.inf), out=low)
        np.fmin(high, np.where(slope < 0, edge, np.inf), out=high)
        # Without a slope the row is inside altogether or not at all; no area: not at all.
        high[(slope == 0) & ~(share >= -ON_EDGE)] = -1
    first, last = np.ceil(low - 0.5 - CRACK), np.floor(high - 0.5 + CRACK)
    return (np.clip(bound, -1, side).astype(np.int32) for bound in (first, np.fmin(last, side - 1)))


def _along(count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The samples of spans, one after the other: which span each is of, and how far along it."""
    line = np.repeat(np.arange(len(count), dtype=np.int32), count)
    start = (np.cumsum(count) - count).astype(np.int32)
    return line, np.arange(len(line), dtype=np.int32) - start[line]


def turned_away(facing: np.ndarray, triangles: np.ndarray, closed: np.ndarray) -> np.ndarray:
    """(T,) which triangles nobody sees: of closed bodies those that look the other way.

    facing: (V,) cosine of each point's normal and the way to the viewer. closed: (T,) bool.
    """
    away = facing < AWAY
    return closed & away[triangles[:, 0]] & away[triangles[:, 1]] & away[triangles[:, 2]]


def picture(covered: Covered, colours: np.ndarray, background, size: int) -> np.ndarray:
    """Linear colours (N, 3) of the covered samples -> (size, size, 3) uint8 for a screen."""
    side = size * SAMPLES
    shown = np.empty((side * side, 3), np.float32)
    shown[:] = to_screen(np.asarray(background, np.float32))
    shown[covered.sample] = to_screen(colours)
    shown = shown.reshape(side, side, 3)
    total = sum(shown[i::SAMPLES, k::SAMPLES] for i in range(SAMPLES) for k in range(SAMPLES))
    return (total * np.float32(255 / SAMPLES**2) + np.float32(0.5)).astype(np.uint8)


LEVELS = 4095


def to_screen(linear: np.ndarray) -> np.ndarray:
    """Linear light -> 0..1 of sRGB, as Blender's view *Standard*."""
    return _curve()[(np.clip(linear, 0.0, 1.0) * LEVELS + 0.5).astype(np.int16)]


@cache
def _curve() -> np.ndarray:
    """sRGB (IEC 61966-2-1) of LEVELS + 1 even steps of light."""
    linear = np.linspace(0.0, 1.0, LEVELS + 1)
    bright = 1.055 * linear ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, bright).astype(np.float32)
