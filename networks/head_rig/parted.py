"""Lips that are parted at rest: how far, and what brings them together.

Where a lip's edge lies is told in the coordinates of the face model at rest, whose mouth is shut:
along it each lip of the head has an edge, however the mesh is made and however far a muzzle's
corners lie behind its front.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .mesh_graph import edges_of, open_edges
from .nearest import Places
from .registration import Head
from .sides import LIP_LOWER, LIP_UPPER
from .template import Template, template

STATIONS = 41
"""Places along the mouth at which edges are looked for."""
NEAR = 9.0
"""Millimetres of the face model round the line of its lips in which their edges are looked for."""
LIP = 5.0
"""Millimetres of the face model from that line to a lip's border."""
SHALLOW = 14.0
"""A mesh that ends so near to that line has no mouth."""
PARTED, SLIT = 2.2, 0.3
"""Millimetres between the edges from which lips count as parted: the face model's own, which are
closed, are a little more than one apart. And from which what closes them has something to do: teeth
show through less."""
OVERLAP = 0.3
"""Millimetres by which lips that are brought together go on, so that no slit is seen."""
UPPER_SHARE = 0.35
"""Share of the way that the upper lip goes; the lower one, which hangs on a jaw, goes the rest."""
CORNERS, MIDDLE = 0.25, 0.6
"""Share of half the mouth before a corner in which what is seen of the edges counts ever less, and
share of it that is the middle."""
REACH = {LIP_UPPER: (14.0, 2.2), LIP_LOWER: (20.0, 3.0)}
"""How far from its edge a lip's skin goes along: at least so many millimetres, and gaps."""


@dataclass(frozen=True, eq=False)
class Line:
    """The edges of both lips at stations along the mouth: along (S,) from the right to the left
    corner in the face model at rest; upper, lower (S, 3) on the head."""

    along: np.ndarray
    upper: np.ndarray
    lower: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """(S,) how far the lips are apart, in millimetres, at least nothing; at the corners,
        where a rough mesh has no edge that tells, it runs out."""
        end = np.abs(self.along).max()
        inside = np.clip((1.0 - np.abs(self.along) / end) / CORNERS, 0.0, 1.0)
        return inside * np.maximum(self.upper[:, 1] - self.lower[:, 1], 0.0)

    @property
    def widest(self) -> float:
        """How far apart the lips are in the middle of the mouth, where they are farthest."""
        return float(self.gap[np.abs(self.along) < MIDDLE * np.abs(self.along).max()].max())


@dataclass(frozen=True, eq=False)
class Meeting:
    """What brings parted lips together: gap at rest, the widest, in millimetres; moves (N, 3)."""

    gap: float
    moves: np.ndarray

    @property
    def is_parted(self) -> bool:
        """Whether there is more than a slit between them."""
        return self.gap >= PARTED


def at_rest(found: Places) -> np.ndarray:
    """(N, 3) where on the face model at rest each of the head's points lies."""
    return found.of(template().rest)


def lip_line(head: Head, flat: np.ndarray) -> Line | None:
    """The edges of a head's lips; None where there are too few to tell. flat: see `at_rest`."""
    near = from_seam(flat) < NEAR
    ends = _seam(template())[0][[0, -1]]
    stations = np.linspace(*ends, STATIONS)[1:-1]
    edges = edges_of(head.triangles)
    rims = []
    for side, sign in ((LIP_UPPER, 1.0), (LIP_LOWER, -1.0)):
        own = edges[((head.sides == side) & near)[edges].all(1)]
        rim = _rim(head.points, flat[:, 0], own, stations, sign)
        if rim is None:
            return None
        rims.append(rim)
    return Line(stations, *rims)


def meeting(head: Head, flat: np.ndarray) -> Meeting | None:
    """What brings a head's lips together; None where they are together. flat: see `at_rest`."""
    line = lip_line(head, flat)
    if line is None or line.widest < SLIT:
        return None
    moves = np.zeros_like(head.points)
    across = line.lower - line.upper
    closing = across * (line.gap / np.maximum(-across[:, 1], 1e-9))[:, None]
    closing[:, 1] -= OVERLAP * np.minimum(line.gap, 1.0)
    upper = is_upper(head, flat)
    for side, rim, share in (
        (LIP_UPPER, line.upper, UPPER_SHARE),
        (LIP_LOWER, line.lower, UPPER_SHARE - 1.0),
    ):
        rows = np.flatnonzero(upper == (side == LIP_UPPER))
        least, gaps = REACH[side]
        edge, way = (
            np.stack([np.interp(flat[rows, 0], line.along, v[:, k], *e) for k in range(3)], 1)
            for v, e in ((rim, ()), (share * closing, (0.0, 0.0)))
        )
        away = np.linalg.norm(head.points[rows] - edge, axis=1)
        t = np.clip(away / max(least, gaps * line.widest), 0.0, 1.0)
        moves[rows] = (1.0 - t * t * (3.0 - 2.0 * t))[:, None] * way
    return Meeting(line.widest, moves)


def ends_at_lips(head: Head, flat: np.ndarray) -> bool:
    """Whether the mesh ends at the lips, or a little behind them. flat: see `at_rest`."""
    near = (from_seam(flat) < SHALLOW) & np.isin(head.sides, (LIP_UPPER, LIP_LOWER))
    rim = open_edges(head.triangles)
    rim = np.unique(rim[near[rim].all(1)])
    wide = np.ptp(flat[rim, 0]) if len(rim) else 0.0
    return bool(wide > MIDDLE * np.ptp(_seam(template())[0]))


def from_seam(flat: np.ndarray) -> np.ndarray:
    """(N,) how far points are from the line of the lips, both in the face model at rest."""
    along, seam = _seam(template())
    off = flat[:, 1:] - np.stack([np.interp(flat[:, 0], along, seam[:, k]) for k in (0, 1)], 1)
    return np.linalg.norm(off, axis=1)


def off_lips(flat: np.ndarray) -> np.ndarray:
    """(N,) 0 on the lips, 1 from twice their height on. flat: see `at_rest`."""
    return np.clip(from_seam(flat) / LIP - 1.0, 0.0, 1.0)


def _seam(shape: Template) -> tuple[np.ndarray, np.ndarray]:
    """Where the face model's lips meet: along (K,) its x, and (K, 2) height and depth there."""
    upper, lower = (
        shape.rest[np.unique(shape.model.groups[f"lip_contact_{half}"])]
        for half in ("upper", "lower")
    )
    upper, lower = (rim[np.argsort(rim[:, 0])] for rim in (upper, lower))
    along = np.unique(upper[:, 0])
    return along, np.stack(
        [
            0.5 * sum(np.interp(along, rim[:, 0], rim[:, k]) for rim in (upper, lower))
            for k in (1, 2)
        ],
        1,
    )


def _rim(points, along, edges, stations, sign: float) -> np.ndarray | None:
    """(S, 3) the edge of one lip: where edges of it cross each station, the lowest of the upper lip
    (sign 1) and the highest of the lower one (-1)."""
    if not len(edges):
        return None
    a, b = along[edges].T
    across = (np.minimum(a, b) <= stations[:, None]) & (stations[:, None] <= np.maximum(a, b))
    share = np.clip((stations[:, None] - a) / np.where(np.abs(b - a) < 1e-9, 1e-9, b - a), 0, 1)
    first, last = points[edges[:, 0]], points[edges[:, 1]]
    height = first[:, 1] + share * (last - first)[:, 1]
    height = np.where(across, sign * height, np.inf)
    best = height.argmin(1)
    known = np.isfinite(height.min(1))
    if known.mean() < 0.5:
        return None
    rows = np.arange(len(stations))
    at = first[best] + share[rows, best, None] * (last - first)[best]
    return np.stack([np.interp(stations, stations[known], at[known, k]) for k in range(3)], 1)


def is_upper(head: Head, flat: np.ndarray) -> np.ndarray:
    """(N,) whether a point is above the line of the lips, by its side where it has one."""
    along, seam = _seam(template())
    above = flat[:, 1] > np.interp(flat[:, 0], along, seam[:, 0])
    return np.where(head.sides == LIP_UPPER, True, np.where(head.sides == LIP_LOWER, False, above))
