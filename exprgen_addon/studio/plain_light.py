"""Light on a mesh's points without rays: suns with soft shadows, a sky that hollows see less of.

What stands in a light's way is told by a map of the nearest points as the light sees them, a cell a
few millimetres wide: with heads of ten thousand points and more there are no holes in it. Knows no
Blender.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CELLS = 96
"""Cells of a light's map along the framed side."""
AWAY = 1.3
"""How far from its surface a point is looked at, in cells: no point shall shadow itself."""
SOFT = 2.5
"""Depth over which a shadow comes on, in cells."""
AROUND = ((-1, -1), (1, -1), (0, 0), (-1, 1), (1, 1))
"""Cells that say how much of a sun is hidden: its shadows are soft."""
BOUNCE = 0.35
"""Of the sky that a hollow does not see, what its own walls give back, times their colour."""


@dataclass(frozen=True)
class Sun:
    """direction: to the sun, length 1. colour (3,): its strength in W/m2, as Blender's."""

    direction: np.ndarray
    colour: np.ndarray


def sky_directions(forward: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(10, 3) where the sky is looked at: all round, and more from the front, which is what the
    camera sees."""
    right = np.cross(up, forward)
    rows = []
    for elevation, count in ((1.2, 1), (0.45, 4), (-0.35, 4)):
        for azimuth in np.arange(count) * 2 * np.pi / count + elevation:
            level = np.cos(elevation)
            side = level * np.sin(azimuth)
            ahead = level * np.cos(azimuth)
            rows.append(np.sin(elevation) * up + side * right + ahead * forward)
    rows.append(forward)
    return np.array([r / np.linalg.norm(r) for r in rows])


def visible(
    points: np.ndarray,
    lifted: np.ndarray,
    direction: np.ndarray,
    cell: float,
    around: Sequence[tuple[int, int]] = ((0, 0),),
) -> np.ndarray:
    """(V,) 0..1: how much of a far light is seen from points.

    Args:
        points: (V, 3) what stands in the way. lifted: (V, 3) the places that look.
        cell: width of the map's cells, in the points' unit. around: cells that are asked.
    """
    axis = np.eye(3)[np.abs(direction).argmin()]
    across = np.cross(direction, axis)
    across /= np.linalg.norm(across)
    frame = np.stack([across, np.cross(direction, across), direction]).astype(np.float32)
    seen, asked = frame @ points.T, frame @ lifted.T
    low = [float(row.min()) - 3 * cell for row in seen[:2]]
    width, height = (
        int((float(r.max()) - a) / cell) + 4 for r, a in zip(seen[:2], low, strict=True)
    )
    nearest = np.full(width * height, -np.inf, np.float32)
    np.maximum.at(
        nearest, _cell(seen[1], low[1], cell) * width + _cell(seen[0], low[0], cell), seen[2]
    )
    x = np.clip(_cell(asked[0], low[0], cell), 1, width - 2)
    y = np.clip(_cell(asked[1], low[1], cell), 1, height - 2)
    base = y * width + x
    light = np.zeros(len(lifted), np.float32)
    for dx, dy in around:
        hidden = nearest[base + (dy * width + dx)]
        hidden -= asked[2]
        hidden *= 1 / (SOFT * cell)
        light += 1.0 - np.clip(hidden, 0.0, 1.0, out=hidden)
    return light / len(around)


def _cell(places: np.ndarray, low: float, cell: float) -> np.ndarray:
    return ((places - np.float32(low)) * np.float32(1 / cell)).astype(np.int32)


def irradiance(
    points: np.ndarray,
    normals: np.ndarray,
    suns: Sequence[Sun],
    directions: np.ndarray,
    cell: float,
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """What falls on points (V, 3) with normals (V, 3), divided by pi: what white paper there shows.

    Args:
        directions: see `sky_directions`. cell: see `visible`.

    Returns:
        (V, 3) of the suns; (V, 1) share of the sky that is seen; (V,) how much of each sun.
    """
    lifted = points + normals * np.float32(AWAY * cell)
    direct = np.zeros((len(points), 3), np.float32)
    shares = []
    for sun in suns:
        facing = np.clip(normals @ sun.direction.astype(np.float32), 0.0, 1.0)
        seen = visible(points, lifted, sun.direction, cell, AROUND)
        shares.append(seen)
        direct += (facing * seen)[:, None] * (sun.colour / np.pi).astype(np.float32)
    facing = np.clip(normals @ directions.T.astype(np.float32), 0.0, None)
    total = facing.sum(1)
    seen = np.zeros(len(points), np.float32)
    for k, direction in enumerate(directions):
        seen += facing[:, k] * visible(points, lifted, direction, cell)
    return direct, (seen / np.maximum(total, 1e-3))[:, None], shares


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of rows of vectors (V, 3)."""
    return np.einsum("vk,vk->v", a, b)


def length(a: np.ndarray) -> np.ndarray:
    """Of rows of vectors (V, 3)."""
    return np.sqrt(dot(a, a))


def gloss(
    normals: np.ndarray, to_viewer: np.ndarray, sun: Sun, roughness: np.ndarray
) -> np.ndarray:
    """(V,) what of a sun shines back to a viewer from a surface of index 1.5: GGX (Walter et al.,
    EGSR 2007) with Schlick's Fresnel and Kelemen's masking.

    Args:
        to_viewer: (V, 3), length 1. roughness: (V,), Blender's.
    """
    half = to_viewer + sun.direction.astype(np.float32)
    half /= length(half)[:, None]
    cosine = np.clip(dot(normals, half), 0.0, 1.0)
    level = np.clip(dot(to_viewer, half), 0.05, 1.0)
    alpha = np.maximum(roughness, 0.12) ** 2
    spread = alpha**2 / (np.pi * ((cosine**2) * (alpha**2 - 1) + 1) ** 2)
    fresnel = 0.04 + 0.96 * (1 - level) ** 5
    facing = np.clip(normals @ sun.direction.astype(np.float32), 0.0, 1.0)
    return (spread * fresnel / (4 * level**2) * facing).astype(np.float32)
