"""Lips modelled on the rings around the mouth: round ones for "oo" and "o", and their colour.

The base mesh's own pucker and funnel leave the corners where they are, so that a round mouth
becomes a slit or a diamond. Here every cross-section of the lips goes to its place on an ellipse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from . import source
from .loops import Loops
from .parts import relax
from .stylise import StyledHead, smooth

RING_STARTS = (5342, 362, 455, 466, 467, 509, 468, 474, 520, 537, 554)
"""Points of the base mesh on the upper lip's midline, outside in: a ring round the mouth starts at
each."""
BORDER, CONTACT, INNER = 2, 7, 8
"""Rings: the border of the lips' red, where the lips meet, and the first that is hidden at rest."""

ROUND = {
    "mouthPucker": (0.47, 1.0, 1.0, 0.45),
    "mouthFunnel": (0.50, 1.0, 0.85, 0.25),
}
"""At full strength: half width of the mouth relative to rest; how far its points slide along the
lips to an ellipse's; share of the base mesh's opening; how much taller the lips become."""
FOLLOW = (0.70, 0.82, 0.91, 0.96, 1.0, 1.0, 1.0, 1.0, 1.0, 0.9, 0.7)
"""Share of the contact's motion that each ring takes: the skin around is stretched a little."""
SWELL = (0.25, 0.6, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
"""Share of its distance from the contact by which each ring of fuller lips rises."""
VERMILION = (0.0, 0.02, 0.16, 0.5, 0.8, 0.8, 0.8, 0.6, 0.4, 0.2, 0.0)
"""How red each ring is, in the units of `StyledHead.lips`."""
CAVITY = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.4)
"""How dark each ring is."""


@dataclass(frozen=True)
class Mouth:
    """The rings of one side, (R, K) indices of base vertices, from the upper midline over the
    corner to the lower midline; `right` are their mirror images. inside: (V,) bool, behind them."""

    left: np.ndarray
    right: np.ndarray
    inside: np.ndarray

    def corner(self, vertices: np.ndarray) -> int:
        """The position along the rings of the corner of the mouth."""
        return int(vertices[self.left[CONTACT], 0].argmax())


def find_mouth(head: StyledHead) -> Mouth:
    """The rings around the mouth of the base mesh."""
    data = source.load_source()
    body = data.parts["body"]
    loops = Loops(body)
    middle = {int(v) for v in np.unique(body) if data.mirror[v] == v}
    left = []
    for start in RING_STARTS:
        first = next(v for v in loops.neighbours[start] - middle if head.rest[v, 0] > 0)
        left.append(loops.walk(start, first, middle))
    left = np.array(left)
    right = data.mirror[left]
    border = {int(v) for ring in (left, right) for v in ring.ravel()}
    deeper = loops.neighbours[RING_STARTS[-1]] & middle - border
    inside = np.zeros(len(data.mirror), bool)
    inside[list(loops.beyond(deeper, border))] = True
    return Mouth(left, right, inside)


def shape_lips(head: StyledHead) -> StyledHead:
    """The head with round lips in pucker and funnel, red to the corners, dark behind them."""
    data = source.load_source()
    mouth = find_mouth(head)
    actions = dict(head.actions)
    for name, form in ROUND.items():
        actions[name] = _rounded(head, data, mouth, actions[name], *form)
    lips, cavity = np.zeros(len(head.rest)), mouth.inside.astype(float)
    for rings in (mouth.left, mouth.right):
        lips[rings] = np.array(VERMILION)[:, None]
        cavity[rings] = np.array(CAVITY)[:, None]
    return replace(head, actions=actions, lips=lips, cavity=cavity)


def _quarters(points: np.ndarray, corner: int) -> np.ndarray:
    """(K,) angle of each point of the contact ring: 0 at both midlines, a right angle at the
    corner, by length along the lip."""
    steps = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    upper = steps[: corner + 1] / steps[corner]
    lower = (steps[-1] - steps[corner + 1 :]) / (steps[-1] - steps[corner])
    return 0.5 * np.pi * np.r_[upper, lower]


def _rounded(head, data, mouth: Mouth, action, width, slide, height, full) -> np.ndarray:
    """(V, 3) the action with its lips on an ellipse: see ROUND."""
    corner = mouth.corner(head.rest)
    line, moved = head.rest[mouth.left[CONTACT]], action[mouth.left[CONTACT]].copy()
    roll = action[mouth.left] - moved
    angle = _quarters(line, corner)
    count = len(line)
    upper = np.arange(count) <= corner
    middle = np.where(upper, 0, count - 1)
    goal = np.zeros_like(line)
    ellipse = line[corner, 0] * np.sin(angle)
    goal[:, 0] = width * (line[:, 0] + slide * (ellipse - line[:, 0]))
    # The corner goes to half its height over the middle of the mouth.
    level = 0.5 * (line[0, 2] + line[-1, 2])
    side = level + 0.5 * (line[corner, 2] - level) + moved[corner, 2]
    open_ = line[middle, 2] + height * moved[middle, 2]
    goal[:, 2] = side + (open_ - side) * np.cos(angle)
    # Lips slide forwards along the arch of the teeth.
    arch = np.interp(goal[:, 0], line[: corner + 1, 0], line[: corner + 1, 1] - line[0, 1])
    out = moved[corner, 1] + (moved[middle, 1] - moved[corner, 1]) * np.cos(angle)
    goal[:, 1] = line[middle, 1] + out + arch
    shift = goal - line
    # Beside its shift a cross-section keeps what the action does to it, rolling the lip outwards,
    # but not at the corner.
    target = np.array(FOLLOW)[:, None, None] * shift + np.cos(angle)[None, :, None] * roll
    swell = head.rest[mouth.left, 2] - line[:, 2]
    target[:, :, 2] += full * np.array(SWELL)[:, None] * swell * np.cos(angle)
    return action + _spread(head, data, mouth, _evened(target) - action[mouth.left])


def _evened(moves: np.ndarray, times: int = 2) -> np.ndarray:
    """(R, K, 3) displacements smoothed along the rings, mirrored beyond the midline."""
    flip = np.array([-1.0, 1.0, 1.0])
    for _ in range(times):
        ends = moves[:, 1:2] * flip, moves[:, -2:-1] * flip
        around = np.concatenate([ends[0], moves, ends[1]], axis=1)
        moves = 0.25 * around[:, :-2] + 0.5 * moves + 0.25 * around[:, 2:]
    return moves


def _spread(head: StyledHead, data, mouth: Mouth, moves: np.ndarray) -> np.ndarray:
    """(V, 3) displacements (R, K, 3) of the rings' left half, mirrored and faded out around."""
    rest, flip = head.rest, np.array([-1.0, 1.0, 1.0])
    moves = moves.copy()
    moves[:, (0, -1), 0] = 0.0
    edge = np.r_[mouth.left[0], mouth.right[0]]
    pulls = np.r_[moves[0], moves[0] * flip]
    back = np.r_[mouth.left[-1], mouth.right[-1]]
    inner = np.r_[moves[-1], moves[-1] * flip]
    out = _faded(rest, rest[edge], pulls, 0.027, up=2.6)
    out[mouth.inside] = _faded(rest, rest[back], inner, 0.016, up=1.0)[mouth.inside]
    body = np.zeros(len(rest), bool)
    body[np.unique(data.parts["body"])] = True
    free = body & (np.linalg.norm(out, axis=1) > 1e-6)
    out[~body] = 0.0
    for rings, sign in ((mouth.left, 1.0), (mouth.right, flip)):
        out[rings] = moves * sign
        free[rings] = False
    return relax(data.parts["body"], out, free.astype(float), 40)


def _faded(points, anchors, pulls, reach: float, up: float) -> np.ndarray:
    """(N, 3) pulls of the nearest anchors, blended, that end `reach` metres away; upwards, towards
    the nose, `up` times sooner."""
    out = np.zeros_like(points)
    near = np.flatnonzero((np.abs(points - anchors.mean(0)) < 0.08).all(axis=1))
    away = points[near, None] - anchors[None]
    away[..., 2] *= np.where(away[..., 2] > 0, up, 1.0)
    gap = np.linalg.norm(away, axis=2)
    weight = 1.0 / (gap + 5e-4) ** 3
    blend = (weight / weight.sum(1, keepdims=True)) @ pulls
    out[near] = blend * smooth(reach, 0.0, gap.min(axis=1))[:, None]
    return out
