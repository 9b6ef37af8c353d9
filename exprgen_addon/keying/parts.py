"""The parts of a performance that can be taken apart: brows, eyes, mouth, gaze, head. Needs bpy.

A part is a set of regions. Its curves can be copied from one take into another, muted, or keyed
alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import bpy
import numpy as np

from ...networks.settings import PARTS
from ...networks.track import RigTrack
from ..characters.in_scene import Character
from ..rigs.base import Property
from .key_columns import enum_number, joined, read_keys, rows_of, write_keys
from .take_actions import bag_of, is_locked, own_action, slot_in, slot_name

PART_NAMES = {
    "brows": "Brows",
    "eyes": "Lids and Cheeks",
    "mouth": "Mouth and Jaw",
    "gaze": "Gaze",
    "head": "Head",
}
_NEAR = 0.01
"""Frames between keys that are on one frame."""


def part_of(region: str) -> str:
    """The part that a region belongs to."""
    return next(part for part, regions in PARTS.items() if region in regions)


def only_parts(track: RigTrack, character: Character, parts: Iterable[str]) -> RigTrack:
    """The track with the controls of some parts alone."""
    parts = set(parts)
    if parts >= set(PARTS):
        return track
    kept = [
        i
        for i, name in enumerate(track.controls)
        if part_of(character.profile.control(name).region) in parts
    ]
    names = tuple(track.controls[i] for i in kept)
    return replace(track, controls=names, values=track.values[:, kept])


def props_of(character: Character, part: str) -> Iterator[Property]:
    """The properties that a part's controls move."""
    for control in character.profile.controls:
        if part_of(control.region) == part:
            yield from character.bindings[control.name]


def part_curves(character: Character, action: bpy.types.Action, part: str) -> Iterator[tuple]:
    """(property, its curve in an action) of a part, where there is one."""
    for prop in props_of(character, part):
        bag = bag_of(action, slot_in_use(action, prop.owner, character))
        curve = bag and bag.fcurves.find(prop.data_path, index=max(prop.index, 0))
        if curve is not None:
            yield prop, curve


def slot_in_use(action: bpy.types.Action, owner: bpy.types.ID, character: Character):
    """The slot that a datablock has in an action: the one that it plays, else by its name."""
    animation = owner.animation_data
    if animation is not None and animation.action == action and animation.action_slot is not None:
        return animation.action_slot
    return slot_in(action, owner, character.collection.name)


def copy_part(
    characters: Sequence[Character],
    part: str,
    source: bpy.types.Action,
    target: bpy.types.Action,
    exact: bool = False,
) -> int:
    """Let a part's curves in one action be as those of another; how many.

    Copied keys are generated ones; keys that a person set in the target stay and rule their frame,
    and so do curves that are locked. What the source lacks goes, but for such keys.

    Args:
        exact: the target has the very keys of the source then, and no others.
    """
    copied = 0
    for character in characters:
        wanted = {_place(prop): curve for prop, curve in part_curves(character, source, part)}
        there = {_place(prop): curve for prop, curve in part_curves(character, target, part)}
        for prop in props_of(character, part):
            place = _place(prop)
            old = there.get(place)
            if place not in wanted:
                if old is not None and not is_locked(old):
                    write_keys(old, rows_of(read_keys(old), _by_hand(read_keys(old))))
                continue
            if old is None:
                old = _new_curve(target, prop, character, wanted[place].group)
            if exact:
                write_keys(old, read_keys(wanted[place]))
                old.mute, old.lock = wanted[place].mute, wanted[place].lock
            elif not is_locked(old):
                _copy(wanted[place], old)
            copied += 1
    return copied


def mute_part(characters: Sequence[Character], action, part: str, mute: bool) -> None:
    """Switch a part's curves off, with its controls at rest, or on again."""
    for character in characters:
        for _, curve in part_curves(character, action, part):
            curve.mute = mute
        if mute:
            put_to_rest(character, action, part)


def put_to_rest(character: Character, action: bpy.types.Action, part: str) -> None:
    """Set what a character plays of an action's part to rest, without a key."""
    bound = character.bindings
    rest = {_place(p): c.rest for c in character.profile.controls for p in bound[c.name]}
    for prop, _ in part_curves(character, action, part):
        if own_action(prop.owner) == action:
            prop.write(rest[_place(prop)])
            prop.owner.update_tag()


def is_muted(characters: Sequence[Character], action, part: str) -> bool:
    """All of a part's curves are switched off, and there are some."""
    curves = [c for one in characters for _, c in part_curves(one, action, part)]
    return bool(curves) and all(c.mute for c in curves)


def _place(prop: Property) -> tuple:
    return prop.owner.as_pointer(), prop.data_path, max(prop.index, 0)


def _by_hand(columns: dict[str, np.ndarray]) -> np.ndarray:
    """(N,) bool: keys that a person set."""
    return columns["type"] != enum_number("type", "GENERATED")


def _copy(source, target) -> None:
    old, new = read_keys(target), read_keys(source)
    mine = rows_of(old, _by_hand(old))
    places = mine["co"][::2]
    if len(places):
        free = np.abs(new["co"][::2, None] - places[None]).min(axis=1) > _NEAR
        new = rows_of(new, free)
    new["type"][:] = enum_number("type", "GENERATED")
    write_keys(target, joined(mine, new))


def _new_curve(action: bpy.types.Action, prop: Property, character: Character, group):
    owner, index = prop.owner, max(prop.index, 0)
    slot = slot_in_use(action, owner, character)
    slot = slot or action.slots.new(
        id_type=owner.id_type, name=slot_name(owner, character.collection.name)
    )
    if not action.layers:
        action.layers.new("Layer")
    if not action.layers[0].strips:
        action.layers[0].strips.new(type="KEYFRAME")
    bag = action.layers[0].strips[0].channelbag(slot, ensure=True)
    curve = bag.fcurves.new(prop.data_path, index=index)
    if group is not None:
        curve.group = bag.groups.get(group.name) or bag.groups.new(group.name)
    return curve
