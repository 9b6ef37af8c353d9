"""Which lip, and which lid, a point belongs to: told by the way along the mesh, which an open mouth
and an open eye cut in two, however near the lips lie to each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..vocabulary import LANDMARK_NAMES
from .mesh_graph import distances

NOWHERE, LIP_UPPER, LIP_LOWER = 0, 1, 2
LID_UPPER = {"left": 3, "right": 5}
LID_LOWER = {"left": 4, "right": 6}
REACH = 0.38
"""How far from its landmarks a lip or lid goes, in widths of the mouth or the eye."""
SURE = 0.85
"""A point belongs to a lip that is so many times as near as the other, or nearer."""
SEALED = 0.30
"""Lips, or lids, whose edges are nearer than this along the mesh, in widths, have no opening."""


@dataclass(frozen=True)
class Opening:
    """One opening of a face: its sides' numbers, and the landmarks along each and at its ends."""

    name: str
    upper: int
    lower: int
    above: tuple[str, ...]
    below: tuple[str, ...]
    ends: tuple[str, str]


MOUTH = Opening(
    "mouth", LIP_UPPER, LIP_LOWER,
    tuple(f"lip_top_outer_{i}" for i in range(1, 6)),
    tuple(f"lip_bottom_outer_{i}" for i in range(1, 6)),
    ("mouth_right_corner", "mouth_left_corner"),
)  # fmt: skip
EYES = {
    side: Opening(
        f"{side} eye", LID_UPPER[side], LID_LOWER[side],
        (f"eye_{side}_top_1", f"eye_{side}_top_2"),
        (f"eye_{side}_bottom_1", f"eye_{side}_bottom_2"),
        (f"eye_{side}_inner", f"eye_{side}_outer"),
    )
    for side in ("left", "right")
}  # fmt: skip
OPENINGS = (MOUTH, *EYES.values())


def named(landmarks: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """The landmarks (N, 3) of some names, of all (49, 3)."""
    return landmarks[[LANDMARK_NAMES.index(name) for name in names]]


def width_of(landmarks: np.ndarray, opening: Opening) -> float:
    """How wide an opening is, from end to end."""
    one, other = named(landmarks, opening.ends)
    return float(np.linalg.norm(one - other))


def sides_of(
    points: np.ndarray, edges: np.ndarray, landmarks: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The side (V,) of each point, NOWHERE for most, and the openings that the mesh lacks.

    Args:
        points: (V, 3) of one connected, welded piece. edges: (E, 2). landmarks: (49, 3) on it.
    """
    out, sealed = np.zeros(len(points), np.int8), []
    for opening in OPENINGS:
        above, below = (
            _away(points, edges, named(landmarks, names), width_of(landmarks, opening))
            for names in (opening.above, opening.below)
        )
        reach = REACH * width_of(landmarks, opening)
        out[(above < SURE * below) & (above < reach)] = opening.upper
        out[(below < SURE * above) & (below < reach)] = opening.lower
        if _is_sealed(points, edges, landmarks, opening, above):
            sealed.append(opening.name)
            out[np.isin(out, (opening.upper, opening.lower))] = NOWHERE
    return out, tuple(sealed)


def _away(points, edges, seeds: np.ndarray, reach: float) -> np.ndarray:
    nearest = [int(((points - seed) ** 2).sum(1).argmin()) for seed in seeds]
    return distances(points, edges, np.unique(nearest), 1.5 * reach)


def _is_sealed(points, edges, landmarks, opening: Opening, above: np.ndarray) -> bool:
    """Whether the way from the upper edge's middle to the lower one's is as short as if there were
    skin between them: no longer than straight ahead."""
    lower = named(landmarks, opening.below).mean(0)
    upper = named(landmarks, opening.above).mean(0)
    target = int(((points - lower) ** 2).sum(1).argmin())
    straight = float(np.linalg.norm(upper - lower))
    return bool(above[target] < straight + SEALED * width_of(landmarks, opening))
