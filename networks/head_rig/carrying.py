"""From the template laid on a head to the head's own points, whatever its topology."""

from __future__ import annotations

import numpy as np

from .mesh_graph import Links, edges_of, normals_of, solve
from .nearest import Places, nearest_places
from .registration import Head
from .template import template

NEAR, FAR = 6.0, 30.0
"""Millimetres from the template up to which a point is carried whole, and from which not at all:
hair, a neck, what the template has no place for."""
FACING = 0.1
"""Least cosine between normals of a pair that can be trusted; others follow their neighbours."""
SMOOTHED = 2.5
"""Millimetres over which what is carried is smoothed: the template is coarser than many heads, and
its triangles would show."""
FILLING = 60
"""Rounds in which others take what their neighbours do."""


def places_on(points: np.ndarray, head: Head) -> Places:
    """Of each of the head's points the nearest place on the template laid on it (V, 3)."""
    shape = template()
    normals = normals_of(points, shape.triangles)
    return nearest_places(
        head.points, head.normals, head.sides,
        points, shape.triangles, normals, shape.sides,
    )  # fmt: skip


def fade(away: np.ndarray) -> np.ndarray:
    """(N,) how much of what the template does points take that are so far from it, millimetres."""
    t = np.clip((FAR - away) / (FAR - NEAR), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def carried(moves: np.ndarray, found: Places, head: Head) -> np.ndarray:
    """(E, N, 3) what the template's displacements (E, V, 3) do to the head's points."""
    out = found.of(moves) * fade(found.away)[:, None]
    sure = (found.facing > FACING) & (found.away < FAR)
    edges = edges_of(head.triangles)
    links = Links(len(head.points), edges)
    flat = out.transpose(1, 0, 2).reshape(len(head.points), -1)
    moving = np.abs(flat).max(1) > 1e-3
    moving |= (links.sums(moving[:, None].astype(float)) > 0)[:, 0]
    flat = links.relaxed(flat, (~sure & moving).astype(float), FILLING)
    flat = smoothed(flat, head, edges, moving)
    return flat.reshape(len(head.points), len(moves), 3).transpose(1, 0, 2)


def smoothed(
    values: np.ndarray, head: Head, edges: np.ndarray, moving: np.ndarray, reach: float = SMOOTHED
) -> np.ndarray:
    """Values (N, K) of the points that move, smoothed over `reach` millimetres however fine the
    mesh: one implicit step of diffusion (Desbrun et al. 1999)."""
    rows = np.flatnonzero(moving)
    place = np.full(len(moving), -1)
    place[rows] = np.arange(len(rows))
    own = place[edges]
    own = own[(own >= 0).all(1)]
    points = head.points[rows]
    length = np.linalg.norm(points[own[:, 0]] - points[own[:, 1]], axis=1)
    links = Links(len(rows), own, reach**2 / 3.0 / np.maximum(length, 0.05 * reach) ** 2)
    out = values.copy()
    out[rows] = solve(
        lambda x: x + links.laplacian(x), 1.0 + links.degree, values[rows], values[rows], 1e-3, 60
    )
    return out
