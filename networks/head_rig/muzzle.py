"""Muzzles and beaks: mouths that run far back along a jaw that stands far ahead.

A person's lip is skin that a jaw draws out between two corners near by. Drawn out over a muzzle,
its stretch and turns would be a hand's breadth (deformation transfer keeps slopes). Here the jaw
is bone from the corners on: it turns about the joint where a person's would be, as far as that, and
nothing but the jaw closes it again. What lips, cheeks and nose do is a person's in millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..vocabulary import LANDMARK_NAMES
from .carrying import fade
from .mesh_graph import distances, edges_of
from .nearest import Places
from .parted import at_rest, from_seam, is_upper
from .registration import Head, Laid, Similarity, similarity
from .rigid_parts import Motion, jaw_weights, rigid
from .sides import LIP_LOWER, LIP_UPPER, MOUTH, named, width_of
from .template import template

LONG = 0.7
"""How far the lips' middle is ahead of the corners, in widths of the mouth, from which on it is a
muzzle; a person's is .25."""
SKULL = ("eye", "brow", "mouth_")
"""Landmarks, by their start, that tell where a head is however long its muzzle."""
BONE = 0.25
"""Share of the muzzle, from the corners on, within which skin becomes part of the jaw."""
CHEEK = (0.9, 1.4)
"""Half widths of the mouth beside the middle from which skin above the lips begins to go with the
jaw, and does: between the corners it is of the upper jaw."""
UNSURE, LIP_REACH = 8.0, 40.0
"""Millimetres of the face model round the line of its lips in which a place on it does not tell
one from the other; and of the head within which the nearer lip does."""
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


def jaw_motions(head: Head) -> dict[str, Motion | Back]:
    """Action -> how the bone of the jaw goes in it: as that of a person whose eyes, brows and
    mouth's corners are where the head's are, which a muzzle does not reach."""
    shape, weight = template(), jaw_weights(template())
    rest, moves = shape.person(np.zeros(shape.model.identities))
    skull = [i for i, name in enumerate(LANDMARK_NAMES) if name.startswith(SKULL)]
    seat = similarity(shape.landmarks(rest)[skull], head.landmarks[skull])
    expressions = shape.model.expressions
    out = {
        name: _seated(rigid(rest, rest + moves[expressions.index(name)], weight), seat)
        for name in JAW
    }
    closes, opens = CLOSES
    return out | {closes: Back(out[opens])}


def _seated(motion: Motion, seat: Similarity) -> Motion:
    """A motion of the template's frame, done where a similarity puts it."""
    rotation = seat.rotation @ motion.rotation @ seat.rotation.T
    shift = seat.scale * seat.rotation @ motion.shift + seat.shift - rotation @ seat.shift
    return Motion(rotation, shift)


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
    beside = np.abs(head.points[:, 0]) / (0.5 * width_of(head.landmarks, MOUTH))
    cheek = _soft(np.clip((beside - CHEEK[0]) / (CHEEK[1] - CHEEK[0]), 0.0, 1.0))
    upper = _is_upper(head, found)
    share = np.where(upper, skin * (1.0 - bone) * cheek, np.maximum(skin, bone))
    return share * fade(found.away)


def _is_upper(head: Head, found: Places) -> np.ndarray:
    """(N,) whether a point is above the line of the lips: told by where it lies on the template,
    near that line by the lip that is nearer along the mesh."""
    flat, edges = at_rest(found), edges_of(head.triangles)
    upper, lower = (
        distances(head.points, edges, np.flatnonzero(head.sides == side), LIP_REACH)
        for side in (LIP_UPPER, LIP_LOWER)
    )
    known = np.isfinite(np.minimum(upper, lower)) & (from_seam(flat) < UNSURE)
    return np.where(known, upper < lower, is_upper(head, flat))


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
