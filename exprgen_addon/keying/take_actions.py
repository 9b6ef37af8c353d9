"""The actions that keys go to: a take's, found by its tag, or a datablock's own; who may be keyed.

All characters of a take share one action, called "ExprGen <take>" at first and known by its tag, so
that it may be renamed. It holds a slot for each animated datablock of each character.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import bpy

from ...networks.errors import InputError
from ..rigs.base import is_closed_override

TAKE_TAG = "exprgen_take"


def take_action(take: str, owners: Iterable[bpy.types.ID] = ()) -> bpy.types.Action:
    """The action of a take, made if there is none yet.

    Found by its tag, whatever it is called now: people rename actions, Blender cuts long names, and
    an action of somebody's own may bear the name. Of several, the one that an owner plays.
    """
    named = actions_of(take)
    playing = [a for owner in owners if (a := own_action(owner)) in named]
    action = next(iter([*playing, *named]), None)
    if action is None:
        action = bpy.data.actions.new(f"ExprGen {take}")
        action[TAKE_TAG] = take
        action.use_fake_user = True  # an older take survives saving while another is shown
    return action


def actions_of(take: str) -> list[bpy.types.Action]:
    """The actions that bear a take's tag: one, or more where a person has duplicated it."""
    return [a for a in bpy.data.actions if a.get(TAKE_TAG) == take and a.is_editable]


def check_owners(owners: Iterable[bpy.types.ID]) -> None:
    """Refuse, before anything is written, what can't be keyed.

    Raises:
        InputError: it names the datablock and the way out.
    """
    for owner in owners:
        if is_closed_override(owner):
            fix = "make it editable: Library Override > Make in the Outliner"
            raise InputError(f"the override of {owner.name!r} can't be changed", fix=fix)
        if not owner.is_editable:
            fix = "make a library override of the character, or append it"
            raise InputError(f"{owner.name!r} is linked and can't be keyed", fix=fix)
        action = own_action(owner)
        if action is not None and not action.is_editable:
            raise InputError(
                f"the action {action.name!r} of {owner.name!r} is linked and can't be changed",
                fix="make it local first",
            )


def own_action(owner: bpy.types.ID) -> bpy.types.Action | None:
    """A datablock's action; in tweak mode of the NLA the one that it has apart from the strips."""
    animation = owner.animation_data
    if animation is None:
        return None
    return animation.action_tweak_storage if animation.use_tweak_mode else animation.action


def action_for(owner: bpy.types.ID, action: bpy.types.Action) -> bpy.types.Action:
    """Where an owner's curves go: its own action if a person made it, or if it is this take's."""
    current = own_action(owner)
    if current is None:
        return action
    other_take = TAKE_TAG in current and current[TAKE_TAG] != action.get(TAKE_TAG)
    return action if other_take else current


def leave_tweak_mode(owner: bpy.types.ID) -> bool:
    """Give a datablock its own action back, which can't be changed while a strip is tweaked."""
    animation = owner.animation_data
    if animation is None or not animation.use_tweak_mode:
        return False
    animation.use_tweak_mode = False
    return True


def hidden_keys(owner: bpy.types.ID, curves: Iterable[bpy.types.FCurve]) -> Iterator[str]:
    """Why the keys of a datablock, on these curves, are not seen."""
    animation = owner.animation_data
    for track in animation.nla_tracks:
        if track.is_solo:
            yield f"the NLA track {track.name!r} of {owner.name} is solo and hides the new keys"
    if animation.action_influence < 1.0 and len(animation.nla_tracks):
        yield f"the action of {owner.name} has an influence below 1, which weakens the new keys"
    muted = [c.data_path for c in curves if c.mute or (c.group and c.group.mute)]
    if muted:
        more = f" and {len(muted) - 1} more" if len(muted) > 1 else ""
        yield f"{muted[0]}{more} of {owner.name} is muted, so its new keys are not seen"
    yield from _soloed(owner)


def _soloed(owner: bpy.types.ID) -> Iterator[str]:
    """The meshes that show one shape key alone, whatever the values of their keys are."""
    if owner.id_type == "KEY":
        for part in bpy.data.objects:
            if part.data == owner.user and part.show_only_shape_key:
                yield f"{part.name} has Solo Active Shape Key on, which hides the new keys"


def shared_slots(owners: Iterable[bpy.types.ID]) -> Iterator[str]:
    """Which datablocks play the very same curves, so that the last one's keys are those of all."""
    seen: dict[tuple, bpy.types.ID] = {}
    for owner in owners:
        slot = owner.animation_data.action_slot
        key = (owner.animation_data.action, slot.handle)
        if key in seen:
            yield (
                f"{seen[key].name} and {owner.name} share their keys: both have those of the latter"
            )
        seen.setdefault(key, owner)


def is_locked(curve: bpy.types.FCurve) -> bool:
    """A person has locked it, or its group: it is left as it is, as Blender's own tools do."""
    return curve.lock or (curve.group is not None and curve.group.lock)


def twins(take: str, owners: Iterable[bpy.types.ID]) -> Iterator[str]:
    named = actions_of(take)
    if len(named) > 1:
        used = take_action(take, owners).name
        yield f"{len(named)} actions are the take {take!r}: keyed is {used!r}"


def assign(owner: bpy.types.ID, action: bpy.types.Action, character: str) -> None:
    """Put the action on the datablock, with a slot of its own.

    The slot is chosen here since Blender's choice may be another datablock's if its type fits.
    """
    animation = owner.animation_data_create()
    if animation.action == action and animation.action_slot is not None:
        return
    slot = slot_in(action, owner, character)
    slot = slot or action.slots.new(id_type=owner.id_type, name=slot_name(owner, character))
    animation.action = action
    animation.action_slot = slot


def slot_name(owner: bpy.types.ID, character: str) -> str:
    """What the slot of a datablock is called, of a copy of a character."""
    # Shape keys are called "Key.003"; their mesh has the name that means something.
    part = owner.user.name if owner.id_type == "KEY" else owner.name
    return f"{character} {part}" if part != character else character


def slot_in(action: bpy.types.Action, owner: bpy.types.ID, character: str):
    """The slot that a datablock has in an action, or None."""
    name, kind = slot_name(owner, character), owner.id_type
    fitting = (s for s in action.slots if s.target_id_type == kind and s.name_display == name)
    return next(fitting, None)


def bag_of(action: bpy.types.Action, slot):
    """Where the curves of a slot lie, or None where it has none."""
    bags = (b for layer in action.layers for strip in layer.strips for b in strip.channelbags)
    return next((b for b in bags if slot is not None and b.slot_handle == slot.handle), None)
