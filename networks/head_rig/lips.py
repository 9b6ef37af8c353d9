"""Lips that meet: where lips touch at rest, and an action is to keep them together, both go as far.

The other lip is found at rest, among the points of the other side (`sides`), so the mesh may have
any topology, and lips that touch need no points at the same places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .registration import Head
from .sides import LIP_LOWER, LIP_UPPER
from .template import Template

TOUCH, APART = 1.5, 8.0
"""Millimetres from the other lip up to which a point goes with it entirely, and from which not."""
GROWN = 18.0
"""The second of these where lips are one skin, which takes longer to bend."""
BLOCK = 2048
"""Points whose distances are asked at once."""
NEIGHBOURS = 12
PARTS = 0.8
"""Millimetres by which an action must part the template's lips, on average, to count as one that
opens the mouth; and by which it must shove one along the other to count as one that does."""
COVERS = (0.15, 0.4)
"""Share of the depth between lips of which one is shoved behind the other that they overlap in
height, at least and at most: less shows what lies behind them."""


@dataclass(frozen=True)
class Contact:
    """Of the points of one lip: own (P,), the nearest of the other lip (P, K) and their shares
    (P, K), and how much each goes with them (P,)."""

    own: np.ndarray
    others: np.ndarray
    shares: np.ndarray
    weight: np.ndarray

    def of(self, moves: np.ndarray) -> np.ndarray:
        """(P, 3) what the other lip does."""
        return np.einsum("pkc,pk->pc", moves[self.others], self.shares)


Keeping = Callable[[np.ndarray, tuple[Contact, ...]], np.ndarray]
"""What makes displacements (N, 3) of others, given where lips touch."""


def contacts(
    points: np.ndarray, upper: np.ndarray, lower: np.ndarray, apart: float = APART
) -> tuple[Contact, ...]:
    """Where the lips' points, upper (P,) and lower (Q,) of all (N, 3), touch the other lip."""
    if len(upper) < NEIGHBOURS or len(lower) < NEIGHBOURS:
        return ()
    return _contact(points, upper, lower, apart), _contact(points, lower, upper, apart)


def _contact(points: np.ndarray, own: np.ndarray, others: np.ndarray, apart: float) -> Contact:
    near, away = [], []
    for start in range(0, len(own), BLOCK):
        gap = np.linalg.norm(points[own[start : start + BLOCK], None] - points[others], axis=2)
        first = np.argpartition(gap, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        near.append(others[first])
        away.append(np.take_along_axis(gap, first, 1))
    near, away = np.concatenate(near), np.concatenate(away)
    least = away.min(1, keepdims=True)
    shares = np.exp(-(((away - least) / (1.0 + 0.5 * least)) ** 2))
    t = np.clip((apart - least[:, 0]) / (apart - TOUCH), 0.0, 1.0)
    return Contact(own, near, shares / shares.sum(1, keepdims=True), t * t * (3.0 - 2.0 * t))


def lips_of(head: Head) -> tuple[Contact, ...]:
    """The contacts of a head's lips."""
    upper, lower = (np.flatnonzero(head.sides == side) for side in (LIP_UPPER, LIP_LOWER))
    return contacts(head.points, upper, lower)


def together(moves: np.ndarray, touching: tuple[Contact, ...]) -> np.ndarray:
    """Displacements (N, 3) in which both lips go half way towards what the other one does."""
    lack = np.zeros_like(moves)
    for contact in touching:
        off = contact.of(moves) - moves[contact.own]
        lack[contact.own] = 0.5 * contact.weight[:, None] * off
    return moves + lack


def grown_together(shape: Template, points: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Displacements (E, V, 3) of the template laid on a head, points (V, 3), without what parts
    its lips: for a head whose mouth has no opening, where skin would be drawn out between them.
    A jaw goes down with its mouth shut, and nothing is left to close."""
    upper, lower = (np.flatnonzero(shape.sides == side) for side in (LIP_UPPER, LIP_LOWER))
    touching = contacts(points, upper, lower, GROWN)
    opens, closes = (shape.model.expressions.index(n) for n in ("jawOpen", "mouthClose"))
    shut = moves.copy()
    shut[opens], shut[closes] = moves[opens] + moves[closes], 0.0
    return np.array([together(field, touching) for field in shut])


def not_through(moves: np.ndarray, touching: tuple[Contact, ...]) -> np.ndarray:
    """Displacements (N, 3) in which neither lip goes through the other: where the lower one would
    rise past the upper one, they meet half way."""
    out = moves.copy()
    for contact, way in zip(touching, (1.0, -1.0), strict=False):  # the upper lip's, the lower's
        past = np.maximum(way * (contact.of(moves) - moves[contact.own])[:, 1], 0.0)
        out[contact.own, 1] += 0.5 * way * contact.weight * past
    return out


def covering(moves: np.ndarray, touching: tuple[Contact, ...]) -> np.ndarray:
    """Displacements (N, 3) in which lips go on to touch, while one is shoved behind the other: seen
    from ahead they overlap by COVERS."""
    out = moves.copy()
    for contact, way in zip(touching, (1.0, -1.0), strict=False):  # the upper lip's, the lower's
        off = contact.of(moves) - moves[contact.own]
        past, depth = way * off[:, 1], np.abs(off[:, 2])
        wanted = np.clip(past, COVERS[0] * depth, COVERS[1] * depth)
        out[contact.own, 1] += 0.5 * way * contact.weight * (past - wanted)
    return out


def kept_by(shape: Template, rest: np.ndarray, moves: np.ndarray) -> Keeping:
    """What keeps lips as they are to be in an action, judged by what its displacements (V, 3) do to
    those of the template: those that it parts do not go through each other, those that it shoves
    along each other cover what is behind them, others stay together."""
    groups = shape.model.groups
    touching = contacts(rest, groups["lip_contact_upper"], groups["lip_contact_lower"])
    off = moves[touching[1].own] - touching[1].of(moves)
    if -off[:, 1].mean() > PARTS:
        return not_through
    return covering if np.linalg.norm(off, axis=1).mean() > PARTS else together


def gap_between(points: np.ndarray, touching: tuple[Contact, ...]) -> float:
    """Mean distance, millimetres, between lips that touch at rest, of points (N, 3) now."""
    if not touching:
        return 0.0
    lower = touching[1]
    close = lower.weight > 0.9
    if not close.any():
        return 0.0
    across = lower.of(points)[close] - points[lower.own[close]]
    return float(np.linalg.norm(across, axis=1).mean())
