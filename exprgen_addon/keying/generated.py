"""Which frames of an action ExprGen keyed, and from which reference: kept with the action.

So the keys of an older, longer or shifted take of the same reference can go when the reference is
applied whole, and those of another clip further along in the same action stay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy

from ...networks.reading import parse_json
from ...networks.records import json_text

RANGES_TAG = "exprgen_ranges"
APART = 0.05
"""Frames between the keys of two references: more than what counts as one frame."""


@dataclass(frozen=True)
class Generated:
    """Generated keys of one datablock. source: the reference's name; first, last: frames."""

    source: str
    first: float
    last: float


def same_reference(a: str, b: str) -> bool:
    """Two references' names mean one: "plate.mp4" or, where its size is known, "plate.mp4:123456".
    Folders may move; plates of two shots often bear one name."""
    (name, _, size), (other, _, its_size) = a.rpartition(":"), b.rpartition(":")
    if not (size.isdecimal() and name):
        name, size = a, ""
    if not (its_size.isdecimal() and other):
        other, its_size = b, ""
    return name == other and (size == its_size or not (size and its_size))


def generated_in(action: bpy.types.Action, slot) -> list[Generated]:
    """What is known of a slot's generated keys; [] for an action of before this was kept."""
    try:
        rows = _table(action).get(str(slot.handle), [])
        found = [Generated(str(s), float(a), float(b)) for s, a, b in rows]
    except (TypeError, ValueError, OverflowError):
        return []
    return [g for g in found if math.isfinite(g.first) and math.isfinite(g.last)]


def remember(action: bpy.types.Action, slot, made: Generated, *, whole: bool) -> None:
    """Note what was keyed now; what it replaced is forgotten.

    Args:
        whole: nothing else of that reference is left in the slot.
    """
    kept = []
    for old in generated_in(action, slot):
        if not (whole and same_reference(old.source, made.source)):
            kept += _without(old, made)
    table = _table(action)
    table[str(slot.handle)] = [[g.source, g.first, g.last] for g in (*kept, made)]
    action[RANGES_TAG] = json_text(table)


def _table(action: bpy.types.Action) -> dict:
    """Slot's number -> rows, as the action has them; {} where a person, or nobody, wrote there."""
    written = action.get(RANGES_TAG)
    try:
        table = parse_json(written) if isinstance(written, str) else {}
    except ValueError:
        return {}
    return table if isinstance(table, dict) else {}


def _without(old: Generated, new: Generated) -> list[Generated]:
    """What is left of `old` where `new` was keyed over it."""
    left = Generated(old.source, old.first, min(old.last, new.first - APART))
    right = Generated(old.source, max(old.first, new.last + APART), old.last)
    return [g for g in dict.fromkeys((left, right)) if g.first <= g.last]
