"""A take taken apart into NLA tracks, a track a part, and put together again. Needs bpy.

Apart, each part of the shown take is an action of its own in a strip of its own: to be muted,
moved, blended or made solo with Blender's own means. Put together, the strips' keys, edited ones
too, are the take's again; how a strip was moved or blended is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import bpy

from ..characters.in_scene import Character
from .parts import PART_NAMES, PARTS, copy_part, part_curves, slot_in_use
from .take_actions import actions_of, bag_of, check_owners, leave_tweak_mode

LAYER_TAG, PART_TAG = "exprgen_layer", "exprgen_part"
"""On a part's action: the take that it is of, and which part."""


def split(characters: Sequence[Character], take: str, action: bpy.types.Action) -> int:
    """Put each part of a take into an NLA track of its own; how many parts had keys.

    Raises:
        InputError: a datablock can't be changed.
    """
    check_owners(_owners(characters))
    made = 0
    for part, name in PART_NAMES.items():
        if not any(True for c in characters for _ in part_curves(c, action, part)):
            continue
        layer = bpy.data.actions.new(f"ExprGen {take} {name}")
        layer[LAYER_TAG], layer[PART_TAG] = take, part
        copy_part(characters, part, action, layer, exact=True)
        for owner, character in _owners(characters).items():
            slot = slot_in_use(layer, owner, character)
            if slot is not None and bag_of(layer, slot) is not None:
                _add_strip(owner, layer, slot, name)
        made += 1
    for owner in _owners(characters):
        if owner.animation_data is not None and owner.animation_data.action == action:
            owner.animation_data.action = None
    return made


def join(characters: Sequence[Character]) -> list[str]:
    """Put takes that were taken apart together again; their names. They are not shown by that."""
    layers = {layer: layer[LAYER_TAG] for _, _, layer in _strips(characters)}
    for layer, take in layers.items():
        action = next(iter(actions_of(take)), None)
        if action is not None and layer.get(PART_TAG) in PARTS:
            copy_part(characters, layer[PART_TAG], layer, action, exact=True)
    for owner, track, _ in list(_strips(characters)):
        leave_tweak_mode(owner)
        owner.animation_data.nla_tracks.remove(track)
    for layer in layers:
        bpy.data.actions.remove(layer)
    return list(dict.fromkeys(layers.values()))


def is_split(characters: Sequence[Character]) -> bool:
    """Some character's take is taken apart."""
    return next(_strips(characters), None) is not None


def layered(take: str) -> bool:
    """A take's parts have actions of their own; looks at no character, so every redraw may ask."""
    return any(a.get(LAYER_TAG) == take for a in bpy.data.actions)


def _strips(characters: Sequence[Character]) -> Iterator[tuple]:
    """(datablock, track, action) of the tracks that `split` has made."""
    for owner in _owners(characters):
        animation = owner.animation_data
        for track in list(animation.nla_tracks) if animation is not None else ():
            layers = [s.action for s in track.strips if s.action and LAYER_TAG in s.action]
            if layers:
                yield owner, track, layers[0]


def _owners(characters: Sequence[Character]) -> dict[bpy.types.ID, Character]:
    return {p.owner: c for c in characters for props in c.bindings.values() for p in props}


def _add_strip(owner: bpy.types.ID, layer: bpy.types.Action, slot, name: str) -> None:
    spans = [c.range() for c in bag_of(layer, slot).fcurves if len(c.keyframe_points)]
    if not spans:
        return
    track = owner.animation_data_create().nla_tracks.new()
    track.name = f"ExprGen {name}"
    first, last = min(s[0] for s in spans), max(s[1] for s in spans)
    strip = track.strips.new(layer.name, int(first), layer)
    strip.action_slot = slot
    # Blender takes the range from the action's first slot, which may be another datablock's.
    strip.action_frame_start, strip.action_frame_end = first, max(last, first + 1.0)
    strip.frame_start, strip.frame_end = first, max(last, first + 1.0)
    strip.extrapolation, strip.blend_type = "HOLD", "REPLACE"
