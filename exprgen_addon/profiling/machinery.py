"""Of a rig with very many bones, those that are its machinery and not for an animator's hands."""

from __future__ import annotations

from collections.abc import Iterable

from ...networks.characters.control_names import words_of
from ..rigs import Found
from .movers import half_limited

MANY = 150
"""Bones that may move the face from which on not all of them are tried."""
ENOUGH = 12
"""Bones of one kind that show that a rig has this kind."""
WORDS = {"mch", "mech", "mechanism", "org", "def", "deform", "deformation", "jnt", "bind"}
"""In names of bones and bone collections: what holds, blends and deforms."""


def without_machinery(free: list[Found], objects: Iterable) -> tuple[list[Found], list[Found]]:
    """What is tried, and what is left out of a rig whose bones are too many to try: bones without
    a custom shape where the others have one, bones or collections that are named as machinery, and
    bones that copy another's place wholly.

    A bone with limits of its own is tried whatever its name is.
    """
    bones = {f"{o.name}:{b.name}": b for o in objects if o.pose for b in o.pose.bones}
    groups: dict[str, list[Found]] = {}
    for f in free:
        if f.holder in bones and f.kind != "value":
            groups.setdefault(f.holder, []).append(f)
    if len(groups) < MANY:
        return free, []
    apart = {h for h, group in groups.items() if _copies(bones[h])}
    shaped = {h for h in groups if bones[h].custom_shape is not None} - apart
    named = {h for h in groups if is_machinery(bones[h])}
    if len(shaped) >= ENOUGH:
        apart |= groups.keys() - shaped
    if len(groups) - len(named | apart) >= ENOUGH:
        apart |= named
    kept = {h for h in apart if any(f.kind != "scale" and half_limited(f) for f in groups[h])}
    gone = {f.name for h in apart - kept for f in groups[h]}
    return [f for f in free if f.name not in gone], [f for f in free if f.name in gone]


def is_machinery(bone) -> bool:
    """Its name, or the names of all collections that it is in, say so."""
    if WORDS & set(words_of(bone.name)):
        return True
    collections = list(bone.bone.collections)
    return bool(collections) and all(WORDS & set(words_of(c.name)) for c in collections)


def _copies(bone) -> bool:
    """Another's place is copied over whatever is set."""
    return any(
        c.type == "COPY_TRANSFORMS"
        and not c.mute
        and c.influence == 1.0
        and c.mix_mode == "REPLACE"
        for c in bone.constraints
    )
