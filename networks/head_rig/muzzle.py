"""Muzzles and beaks: mouths that run far back along a jaw that stands far ahead.

A person's lip is skin that a jaw draws out between two corners near by. Drawn out over a muzzle,
its stretch and turns would be a hand's breadth (deformation transfer keeps slopes). Here the jaw
is bone from the corners on: it turns about the joint where the laid template has it, as far as a
person's, and nothing but the jaw closes it again. What lips, cheeks and nose do is a person's in
millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from .carrying import fade
from .mesh_graph import distances, edges_of
from .nearest import Places
from .parted import at_rest, is_upper
from .registration import Head, Laid, similarity
from .rigid_parts import Motion, jaw_weights, rigid
from .sides import LIP_LOWER, LIP_UPPER, MOUTH, named, width_of
from .template import template

LONG = 0.7
"""How far the lips' middle is ahead of the corners, in widths of the mouth, from which on it is a
muzzle; a person's is .25."""
ROUND_JOINT = 30.0
"""Millimetres round a person's joint of the jaw by whose skin the head's is found."""
BONE = 0.25
"""Share of the muzzle, from the corners on, within which skin becomes part of the jaw."""
LIPS = 0.4
"""How much of a person's motion lips, cheeks and nose keep: skin is tight on a muzzle."""
OWN = ("eye", "brow")
"""Actions, by their start, that a muzzle has no part in."""
JAW = ("jawOpen", "jawForward", "jawLeft", "jawRight")
CLOSES = ("mouthClose", "jawOpen")
BONE_ALONE = (*JAW, CLOSES[0])
"""Actions that are the jaw's and nothing else's."""


@dataclass(frozen=True)
class Back:
    """What takes a motion back: not its inverse, but its displacements, turned over."""

    motion: Motion

    def moves(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) displacements."""
        return -self.motion.moves(points)


def length_of(landmarks: np.ndarray) -> float:
    """How far the lips' middle is ahead of the mouth's corners, millimetres."""
    lips = named(landmarks, ("lip_top_outer_3", "lip_bottom_outer_3"))
    return float(lips[:, 2].mean() - named(landmarks, MOUTH.ends)[:, 2].mean())


def is_long(landmarks: np.ndarray) -> bool:
    """Whether landmarks (49, 3) in the template's frame are of a muzzle."""
    return length_of(landmarks) > LONG * width_of(landmarks, MOUTH)


def on_template(laid: Laid, moved: np.ndarray) -> np.ndarray:
    """The template's displacements (E, V, 3) with those of mouth, jaw, cheeks and nose as they are
    on the person that was laid, less so."""
    out = moved.copy()
    for row, name in enumerate(template().model.expressions):
        if not name.startswith(OWN):
            out[row] = LIPS * laid.moves[row]
    return out


def jaw_motions(laid: Laid) -> dict[str, Motion | Back]:
    """Action -> how the bone of the jaw goes in it: as that of the person that was laid, about the
    head's own joint."""
    shape, weight = template(), jaw_weights(template())
    expressions = shape.model.expressions
    own = {
        name: rigid(laid.source, laid.source + laid.moves[expressions.index(name)], weight)
        for name in JAW
    }
    joint = _joint(own["jawOpen"])
    near = np.abs(laid.source[:, 1:] - joint[1:]).max(1) < ROUND_JOINT
    near &= shape.outside
    moved = similarity(laid.source[near], laid.points[near])(joint[None])[0] - joint
    moved[0] = 0.0
    out = {name: _about(motion, moved) for name, motion in own.items()}
    closes, opens = CLOSES
    return out | {closes: Back(out[opens])}


def _joint(opening: Motion) -> np.ndarray:
    """The place that stays where it is, in the plane between left and right."""
    turn = np.eye(3) - opening.rotation
    flat = np.linalg.lstsq(turn[1:, 1:], opening.shift[1:], rcond=None)[0]
    return np.array([0.0, *flat])


def _about(motion: Motion, moved: np.ndarray) -> Motion:
    """The same motion with all that it turns about moved."""
    return Motion(motion.rotation, motion.shift + moved - motion.rotation @ moved)


def with_jaw(
    moves: dict[str, np.ndarray], head: Head, found: Places, jaw: dict[str, Motion | Back]
) -> dict[str, np.ndarray]:
    """Displacements (N, 3) by action in which the jaw is bone. found: the head's points on the laid
    template."""
    share = jaw_share(head, found)[:, None]
    return moves | {name: share * motion.moves(head.points) for name, motion in jaw.items()}


def jaw_share(head: Head, found: Places) -> np.ndarray:
    """(N,) 1 on what goes with the jaw, 0 on what does not: as a person's skin does behind the
    corners of the mouth, and before them what is of the lower lip and nothing of the upper one."""
    skin = found.of(_skin_share()[:, None])[:, 0]
    corner = named(head.landmarks, MOUTH.ends)[:, 2].mean()
    ahead = (head.points[:, 2] - corner) / length_of(head.landmarks)
    bone = _soft(np.clip(ahead / BONE, 0.0, 1.0))
    upper = _is_upper(head, found)
    share = np.where(upper, skin * (1.0 - bone), np.maximum(skin, bone))
    return share * fade(found.away)


def _is_upper(head: Head, found: Places) -> np.ndarray:
    """(N,) whether a point is above the line of the lips: told by the lip that is nearer along the
    mesh, far from both by where it lies on the template."""
    edges, reach = edges_of(head.triangles), length_of(head.landmarks)
    upper, lower = (
        distances(head.points, edges, np.flatnonzero(head.sides == side), reach)
        for side in (LIP_UPPER, LIP_LOWER)
    )
    known = np.isfinite(np.minimum(upper, lower))
    return np.where(known, upper < lower, is_upper(head, at_rest(found)))


@cache
def _skin_share() -> np.ndarray:
    """(V,) how much each point of a person's skin goes with the bone of the jaw."""
    shape = template()
    rest, moves = shape.person(np.zeros(shape.model.identities))
    opened = moves[shape.model.expressions.index("jawOpen")]
    bone = rigid(rest, rest + opened, jaw_weights(shape)).moves(rest)
    share = (opened * bone).sum(1) / np.maximum((bone**2).sum(1), 1e-9)
    return np.clip(share, 0.0, 1.0)


def _soft(t: np.ndarray) -> np.ndarray:
    return t * t * (3.0 - 2.0 * t)
