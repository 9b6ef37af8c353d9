"""Lips modelled on the rings around the mouth: round ones for "oo" and "o", and their colour.

The base mesh's own pucker and funnel leave the corners where they are, so that a round mouth
becomes a slit or a diamond. Here every cross-section of the lips goes to its place on an ellipse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from . import config, source
from .loops import Loops
from .parts import Part, relax
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
INNER_CAVITY = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.8, 1.0, 1.0)
"""The same of a mouth whose `dark` is 1."""
SEALED = (0.0, 0.0, 0.0, 0.1, 0.3, 0.6, 0.9, 1.0, 1.0, 0.7, 0.4)
"""Share of what parts the lips at rest by which each ring comes nearer to the other lip."""
NARROWED = (0.4, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
"""Share of the red's height by which each ring of pressed lips comes nearer to the contact."""
PRESSED = 0.2
"""Share of the base mesh's press, which pulls the corners up and out, beside that."""
POUTED = (0.2, 0.5, 0.85, 1.0, 1.0, 1.0, 1.0, 0.9, 0.5, 0.2, 0.0)
"""Share of its lower lip's way forward that each ring of a pout takes."""
POUT = (0.7, -0.35, 0.7, -0.3)
"""By how much a pout lifts the middle of the mouth and lowers its corners, relative to its way
forward; how much taller than rest its lower lip becomes, and its upper."""


ARCHED = {"mouthUpperUp": (0.2, 0.9), "mouthLowerDown": (0.1, 0.75)}
"""Where between the midline (0) and the corner (1) of the mouth the lip's way grows less."""

PLAIN = config.Mouth()
"""Lips as the base mesh has them."""


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


def shape_lips(head: StyledHead, style: config.Mouth = PLAIN) -> StyledHead:
    """The head with round lips in pucker and funnel, red to the corners, dark behind them; lips
    that press and pout as `style` says."""
    data = source.load_source()
    mouth = find_mouth(head)
    if style.sealed:
        head = replace(head, rest=_sealed(head, mouth, style.overlap))
    actions = dict(head.actions)
    for name, form in ROUND.items():
        actions[name] = _rounded(head, data, mouth, actions[name], *form, style)
    if style.press:
        actions |= _pressed(head, data, mouth, style.press)
    if style.pout:
        out = _pouted(head, data, mouth, style.pout)
        actions["mouthShrugLower"] = actions["mouthShrugLower"] + out
    lips, cavity = np.zeros(len(head.rest)), mouth.inside.astype(float)
    dark = np.array(CAVITY) + style.dark * (np.array(INNER_CAVITY) - np.array(CAVITY))
    for rings in (mouth.left, mouth.right):
        lips[rings] = np.array(VERMILION)[:, None]
        cavity[rings] = dark[:, None]
    return replace(head, actions=actions, lips=lips, cavity=cavity)


def arch_lips(skin: Part, head: StyledHead, mouth: Mouth, less: float) -> None:
    """Bend the skin's shapes that bare teeth so that the lips' edges stay a curve: a snarl raises
    the upper lip most beside its middle, and nothing draws the lower one down at its corners."""
    across = np.abs(skin.vertices[:, 0]) / head.rest[mouth.left[CONTACT], 0].max()
    for name, span in ARCHED.items():
        share = 1.0 - less * smooth(*span, across)
        for side in ("Left", "Right"):
            skin.shapes[f"{name}{side}"] = share[:, None] * skin.shapes[f"{name}{side}"]


def _sealed(head: StyledHead, mouth: Mouth, overlap: float) -> np.ndarray:
    """(V, 3) rest points of which the lips touch all along: the base mesh's part by half a
    millimetre, which is seen where their inner side is dark."""
    rest, corner = head.rest.copy(), mouth.corner(head.rest)
    line = rest[mouth.left[CONTACT]]
    across = line[:, 0]
    upper = np.interp(across, across[: corner + 1], line[: corner + 1, 2])
    lower = np.interp(across, across[corner:][::-1], line[corner:, 2][::-1])
    gap = np.maximum(upper - lower + overlap, 0.0) * smooth(0.98, 0.85, across / across[corner])
    move = 0.5 * gap * np.where(np.arange(len(line)) <= corner, -1.0, 1.0)
    for rings in (mouth.left, mouth.right):
        rest[rings, 2] = head.rest[rings, 2] + np.array(SEALED)[:, None] * move
    return rest


def _pressed(head, data, mouth: Mouth, hidden: float) -> dict[str, np.ndarray]:
    """mouthPress of either side: the border of the red comes to the contact, which stays."""
    away = head.rest[mouth.left, 2] - head.rest[mouth.left[CONTACT], 2]
    most = np.abs(away[BORDER])
    moves = np.zeros((*mouth.left.shape, 3))
    moves[:, :, 2] = -hidden * np.array(NARROWED)[:, None] * np.clip(away, -most, most)
    both = _spread(head, data, mouth, _evened(moves, 1))
    half = smooth(-0.012, 0.012, head.rest[:, 0])[:, None]
    return {
        f"mouthPress{side}": share * both + PRESSED * head.actions[f"mouthPress{side}"]
        for side, share in (("Left", half), ("Right", 1.0 - half))
    }


def _pouted(head, data, mouth: Mouth, forward: float) -> np.ndarray:
    """(V, 3) what a pout adds to mouthShrugLower: an arched mouth whose lower lip swells and comes
    forward, over a narrow upper one."""
    corner, line = mouth.corner(head.rest), head.rest[mouth.left[CONTACT]]
    lower = np.arange(len(line)) > corner
    bend = np.cos(_quarters(line, corner))
    away = head.rest[mouth.left, 2] - line[:, 2]
    middle, side, swollen, thinned = POUT
    moves = np.zeros((*mouth.left.shape, 3))
    moves[:, :, 1] = -forward * np.array(POUTED)[:, None] * bend * lower
    arch = forward * (side + (middle - side) * bend)
    moves[:, :, 2] = np.array(FOLLOW)[:, None] * arch
    taller = np.where(lower, swollen, thinned) * bend
    moves[:, :, 2] += np.array(SWELL)[:, None] * away * taller
    return _spread(head, data, mouth, _evened(moves))


def _quarters(points: np.ndarray, corner: int) -> np.ndarray:
    """(K,) angle of each point of the contact ring: 0 at both midlines, a right angle at the
    corner, by length along the lip."""
    steps = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    upper = steps[: corner + 1] / steps[corner]
    lower = (steps[-1] - steps[corner + 1 :]) / (steps[-1] - steps[corner])
    return 0.5 * np.pi * np.r_[upper, lower]


def _rounded(
    head, data, mouth: Mouth, action, width, slide, height, full, style: config.Mouth
) -> np.ndarray:
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
    out = style.forward * out
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
