"""Key poses as pose assets: one Action for each, marked, tagged and in a catalog by expression.

Works for every family of targets, since it sees only the properties behind a profile's controls:
pose bones, shape keys, custom properties and objects get a slot of one and the same Action each. An
asset keys every expression control, also those at rest, so that applying it leaves nothing of the
pose before; head and gaze are left alone.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import bpy

from ...exprgen_addon.characters.in_scene import bind
from ...networks.characters.profile import KeyPose, RigProfile
from ...networks.files import write_text
from ...networks.vocabulary import EXPRESSIONS

FRAME = 1.0
"""Where an asset's only key of each curve lies."""
DIGITS = 7
"""Decimals that a stored value is rounded to: what 32-bit floats of this size hold."""

CATALOGS = "blender_assets.cats.txt"
PARENT = "Expressions"
"""The catalog in which those of the expressions lie."""
_SPACE = uuid.UUID("6f0a3c1e-8d54-4c4e-9a55-0b6a5f0d7e21")
"""Any fixed number: it makes the catalogs' identifiers the same in every build."""


def asset_name(profile: RigProfile, pose: KeyPose) -> str:
    """The Action's name, unlike those of other characters in the same scene."""
    return f"{profile.name}_{pose.name}"


def catalog_id(expression: str) -> str:
    """Identifier of an expression's asset catalog."""
    return str(uuid.uuid5(_SPACE, expression))


def store_poses(profile: RigProfile, collection) -> list[bpy.types.Action]:
    """Make the assets of every key pose in the open file, which holds the character.

    Raises:
        InputError: something that a control moves is missing.
    """
    bindings = bind(profile, collection)
    return [_store(profile, pose, bindings) for pose in profile.key_poses]


def _store(profile: RigProfile, pose: KeyPose, bindings) -> bpy.types.Action:
    action = bpy.data.actions.new(asset_name(profile, pose))
    strip = action.layers.new("Pose").strips.new(type="KEYFRAME")
    bags = {}
    for control in profile.expression_controls:
        value = pose.values.get(control.name, control.rest)
        for place in bindings[control.name]:
            block = place.owner
            if block not in bags:
                slot = action.slots.new(id_type=block.id_type, name=block.name)
                bags[block] = strip.channelbag(slot, ensure=True)
            # -1 means "no array" to a profile, and 0 to an F-curve.
            curve = bags[block].fcurves.new(place.data_path, index=max(place.index, 0))
            curve.keyframe_points.add(1)
            key = curve.keyframe_points[0]
            key.co = (FRAME, round(value * place.scale, DIGITS))
            key.interpolation = "CONSTANT"
    _label(action, profile, pose)
    return action


def _label(action, profile: RigProfile, pose: KeyPose) -> None:
    action.asset_mark()
    data = action.asset_data
    data.tags.new(pose.expression)
    data.tags.new(profile.name)
    data.description = f"{profile.title}: {pose.name.replace('_', ' ')}"
    data.catalog_id = catalog_id(pose.expression)
    data.license = profile.license


def stored_values(profile: RigProfile, pose: KeyPose, collection) -> dict[str, float]:
    """What the asset of `pose` in the open file says: expression control -> native value.

    Raises:
        KeyError: there is no such Action, or it lacks a control.
    """
    action = bpy.data.actions[asset_name(profile, pose)]
    bags = {b.slot.identifier: b for b in action.layers[0].strips[0].channelbags}
    bindings, out = bind(profile, collection), {}
    slots = {(s.target_id_type, s.name_display): s.identifier for s in action.slots}
    for control in profile.expression_controls:
        read = []
        for place in bindings[control.name]:
            bag = bags[slots[place.owner.id_type, place.owner.name]]
            curve = bag.fcurves.find(place.data_path, index=max(place.index, 0))
            if curve is None:
                raise KeyError(f"{action.name}: {control.name}")
            read.append(curve.evaluate(FRAME) / place.scale)
        out[control.name] = read[0] if len(set(read)) == 1 else float("nan")
    return out


def write_catalogs(folder: Path) -> Path:
    """The catalog file that Blender's asset browser looks for beside the .blend files. A parent
    that is not in it Blender adds when it reads it, and shows the file as unsaved from then on."""
    path = folder / CATALOGS
    lines = ["VERSION 1", "", f"{catalog_id(PARENT)}:{PARENT}:{PARENT}"]
    lines += [f"{catalog_id(e)}:{PARENT}/{e}:{e}" for e in EXPRESSIONS]
    write_text(path, "\n".join(lines) + "\n")
    return path
