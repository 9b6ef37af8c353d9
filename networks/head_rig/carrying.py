"""From the template laid on a head to the head's own points, whatever its topology."""

from __future__ import annotations

import numpy as np

from .mesh_graph import Links, edges_of, normals_of, smoothed, springs
from .nearest import Places, nearest_places
from .parted import at_rest, from_seam
from .registration import Head
from .sides import LID_LOWER, LID_UPPER, MOUTH, named
from .template import template

NEAR, FAR = 6.0, 30.0
"""Millimetres from the template up to which a point is carried whole, and from which not at all:
hair, a neck, what the template has no place for."""
FACING = 0.1
"""Least cosine between normals of a pair that can be trusted; others follow their neighbours."""
SMOOTHED, CALM = 2.5, 6.0
"""Millimetres over which what is carried is smoothed, at lips and lids and elsewhere: the template
is coarser than many heads, and its triangles would show, and fold where a jaw is not a person's."""
LIDS = (*LID_UPPER.values(), *LID_LOWER.values())
LIPS, LONG = (4.0, 12.0), 0.7
"""Millimetres of the face model from the line of its lips at which the one ends and the other
begins, a jaw that opens parts what lies near; and share of its half width that counts."""
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
    links, pulls = Links(len(head.points), edges), _springs(head, edges, found)
    out = np.zeros((len(moves), *head.points.shape))
    for field, own in zip(moves, out, strict=True):
        whole = found.of(field) * near
        moving = np.abs(whole).max(1, keepdims=True) > MOVED
        rows = np.flatnonzero(moving | (links.sums(moving.astype(float)) > 0))
        if not len(rows):
            continue
        filled = links.among(rows).relaxed(whole[rows], unsure[rows].astype(float), FILLING)
        even = smoothed(filled, pulls.among(rows))
        own[rows] = even * (_strength(filled) / max(_strength(even), 1e-9))
    return out


def _strength(field: np.ndarray) -> float:
    """How far displacements (N, 3) go where they go far; smoothing alone would make brows and
    noses a tenth weaker."""
    return float(((field**2).sum(1) ** 2).mean() ** 0.25)


def _springs(head: Head, edges: np.ndarray, found: Places) -> Links:
    """What smooths over so many millimetres: ever more from the lips on, but not of lids."""
    own = np.interp(_from_mouth(at_rest(found)), LIPS, (SMOOTHED, CALM))
    reach = np.where(np.isin(head.sides, LIDS), SMOOTHED, own)[edges].mean(1)
    return springs(head.points, edges, reach)


def _from_mouth(flat: np.ndarray) -> np.ndarray:
    """(N,) how far points are from the line of the lips, but for its ends, in the face model at
    rest: corners do not part, and what they are dragged into folds."""
    corners = named(template().landmarks(template().rest), MOUTH.ends)
    beside = np.maximum(np.abs(flat[:, 0]) - LONG * np.abs(corners[:, 0]).max(), 0.0)
    return np.hypot(from_seam(flat), beside)
