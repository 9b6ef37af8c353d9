"""Keys that are there: finding the curve of a property, reading it, clearing generated keys."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np

from ..characters.in_scene import Character
from ..rigs.base import Property
from .key_columns import read_keys, write_keys
from .take_actions import check_owners


def curve_of(prop: Property):
    """The F-curve that moves a property, or None."""
    return find_curve(prop.owner, prop.data_path, max(prop.index, 0))


def find_curve(owner, data_path: str, index: int = 0):
    """The F-curve of a datablock's property, by its path, or None."""
    animation = getattr(owner, "animation_data", None)
    if animation is None or animation.action is None or animation.action_slot is None:
        return None
    handle = animation.action_slot.handle
    for layer in animation.action.layers:
        for strip in layer.strips:
            for bag in strip.channelbags:
                if bag.slot_handle == handle:
                    return bag.fcurves.find(data_path, index=index)
    return None


def copy_curve(curve, owner, data_path: str) -> None:
    """Let another property of a datablock have a copy of one of its curves, modifiers and all."""
    action = owner.animation_data.action
    new = action.fcurve_ensure_for_datablock(owner, data_path)
    new.extrapolation, new.mute = curve.extrapolation, curve.mute
    if curve.group is not None:
        new.group = curve.group
    write_keys(new, read_keys(curve))
    for modifier in curve.modifiers:
        _copy_modifier(modifier, new.modifiers.new(modifier.type))


def _copy_modifier(modifier, new) -> None:
    settable = [p.identifier for p in modifier.bl_rna.properties if not p.is_readonly]
    for name in (*settable, *settable):  # twice, as a start may not lie behind an end
        setattr(new, name, getattr(modifier, name))
    for point in getattr(modifier, "control_points", ()):  # an envelope's
        added = new.control_points.add(point.frame)
        added.min, added.max = point.min, point.max


def sample(prop: Property, frames: np.ndarray) -> np.ndarray:
    """(K,) control values that a property has at frames: by its curve, else as it is now."""
    curve = curve_of(prop)
    if curve is None or not len(curve.keyframe_points):
        return np.full(len(frames), prop.read() / prop.scale)
    return np.array([curve.evaluate(float(f)) for f in frames]) / prop.scale


def is_keyed(character: Character) -> bool:
    """Some control has generated keys."""
    return any(
        any(k.type == "GENERATED" for k in curve.keyframe_points)
        for props in character.bindings.values()
        for prop in props
        if (curve := curve_of(prop)) is not None and len(curve.keyframe_points)
    )


def clear_generated(characters: Sequence[Character], first: float, last: float) -> int:
    """Remove generated keys from `first` to `last`, scene frames, of all of them or of none; how
    many. Curves that have no keys left are removed too.

    Raises:
        InputError: a datablock, or its own action, can't be changed.
    """
    props = [p for c in characters for found in c.bindings.values() for p in found]
    check_owners({p.owner: None for p in props if curve_of(p) is not None})
    return sum(_clear_generated(c, first, last) for c in characters)


def _clear_generated(character: Character, first: float, last: float) -> int:
    removed = 0
    for props in character.bindings.values():
        for prop in props:
            curve = curve_of(prop)
            if curve is not None:
                removed += _clear(curve, first, last)
                if not len(curve.keyframe_points):
                    _remove(prop, curve)
    return removed


def _clear(curve, first: float, last: float) -> int:
    points = curve.keyframe_points
    n = len(points)
    if not n:
        return 0
    places = np.empty(2 * n, np.float32)
    points.foreach_get("co", places)
    kinds = np.empty(n, np.int32)
    points.foreach_get("type", kinds)
    generated = bpy.types.Keyframe.bl_rna.properties["type"].enum_items["GENERATED"].value
    at = places[::2]
    gone = (kinds == generated) & (at >= first - 0.01) & (at <= last + 0.01)
    for i in np.flatnonzero(gone)[::-1].tolist():
        points.remove(points[i], fast=True)
    curve.update()
    return int(gone.sum())


def _remove(prop: Property, curve) -> None:
    animation = prop.owner.animation_data
    handle = animation.action_slot.handle
    for layer in animation.action.layers:
        for strip in layer.strips:
            for bag in strip.channelbags:
                if bag.slot_handle == handle:
                    bag.fcurves.remove(curve)
                    return
