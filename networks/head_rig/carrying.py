"""From the template laid on a head to the head's own points, whatever its topology."""

from __future__ import annotations

import numpy as np

from .mesh_graph import Links, distances, edges_of, normals_of, solve
from .nearest import Places, nearest_places
from .registration import Head
from .sides import NOWHERE
from .template import template

NEAR, FAR = 6.0, 30.0
"""Millimetres from the template up to which a point is carried whole, and from which not at all:
hair, a neck, what the template has no place for."""
FACING = 0.1
"""Least cosine between normals of a pair that can be trusted; others follow their neighbours."""
SMOOTHED, CALM = 2.5, 6.0
"""Millimetres over which what is carried is smoothed, at lips and lids and elsewhere: the template
is coarser than many heads, and its triangles would show, and fold where a jaw is not a person's."""
GROWS = 20.0
"""Millimetres along the skin in which the first becomes the second: a chin that is smoothed much
right below a lip would hold it back, and an open mouth were less open."""
FILLING = 60
"""Rounds in which others take what their neighbours do."""
MOVED = 0.01
"""Millimetres from which a point is moved."""


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
    """(E, N, 3) what the template's displacements (E, V, 3) do to the head's points; each only to
    those that it moves, and their neighbours: most leave most of a head as it is."""
    near = fade(found.away)[:, None]
    unsure = ~((found.facing > FACING) & (found.away < FAR))
    edges = edges_of(head.triangles)
    links, springs = Links(len(head.points), edges), _springs(head, edges)
    out = np.zeros((len(moves), *head.points.shape))
    for field, own in zip(moves, out, strict=True):
        whole = found.of(field) * near
        moving = np.abs(whole).max(1, keepdims=True) > MOVED
        rows = np.flatnonzero(moving | (links.sums(moving.astype(float)) > 0))
        filled = links.among(rows).relaxed(whole[rows], unsure[rows].astype(float), FILLING)
        own[rows] = smoothed(filled, springs.among(rows))
    return out


def _springs(head: Head, edges: np.ndarray) -> Links:
    """Links whose Laplacian is one implicit step of diffusion over so many millimetres, however
    fine the mesh."""
    seeds = np.flatnonzero(head.sides != NOWHERE)
    away = np.minimum(distances(head.points, edges, seeds, GROWS) / GROWS, 1.0)
    reach = (SMOOTHED + (CALM - SMOOTHED) * away)[edges].mean(1)
    length = np.linalg.norm(head.points[edges[:, 0]] - head.points[edges[:, 1]], axis=1)
    weights = reach**2 / 3.0 / np.maximum(length, 0.05 * SMOOTHED) ** 2
    return Links(len(head.points), edges, weights)


def smoothed(values: np.ndarray, springs: Links) -> np.ndarray:
    """Values (N, K) smoothed by one implicit step of diffusion (Desbrun et al. 1999)."""
    return solve(lambda x: x + springs.laplacian(x), 1.0 + springs.degree, values, values, 3e-3, 60)
