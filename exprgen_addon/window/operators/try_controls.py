"""The controls of a new character: each with a tick, and a slider that moves the rig."""

from __future__ import annotations

import contextlib
from pathlib import Path

import bpy

from ....networks.characters.profile import from_unit, load_profile
from ....networks.errors import ExprGenError
from ...characters import casting
from ...characters.in_scene import bind, collections_in
from ...profiling import kept_controls


class EXPRGEN_OT_list_controls(bpy.types.Operator):
    """List the controls that were found, to try each with a slider and to leave some out"""

    bl_idname = "exprgen.list_controls"
    bl_label = "Try the Controls"

    @classmethod
    def poll(cls, context):
        path = profile_path(context)
        if path is None or not path.is_file():
            cls.poll_message_set("Find the controls first")
            return False
        return True

    def execute(self, context):
        try:
            fill(context)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class EXPRGEN_OT_rest_controls(bpy.types.Operator):
    """Put every control that was tried back to its rest"""

    bl_idname = "exprgen.rest_controls"
    bl_label = "All to Rest"

    def execute(self, context):
        for row in context.window_manager.exprgen.controls:
            row.value = 0.0
        return {"FINISHED"}


def profile_path(context) -> Path | None:
    """The new character's profile, None where none is named."""
    given = context.scene.exprgen.new_profile
    return Path(bpy.path.abspath(given)) if given else None


def fill(context) -> None:
    """List the controls of the new character's profile, ticked where it keeps them.

    Raises:
        ExprGenError: a file can't be read.
    """
    window = context.window_manager.exprgen
    profile = load_profile(profile_path(context))
    window.filling = True
    try:
        window.controls.clear()
        for control in kept_controls.all_controls(profile):
            row = window.controls.add()
            row.name, row.region = control.name, control.region
            row.kept = control.name in profile.names
            row.down, row.up = control.minimum < control.rest, control.maximum > control.rest
        window.controls_of = str(profile.path)
    finally:
        window.filling = False


def ticked(window) -> None:
    """A tick was set or taken away: the profile keeps what is ticked."""
    with contextlib.suppress(ExprGenError):
        profile = load_profile(window.controls_of)
        window.refused = ""
        try:
            kept_controls.keep_only(profile, {r.name for r in window.controls if r.kept})
        except ExprGenError as error:
            window.refused = str(error)
    casting.forget()


def move(window, row) -> None:
    """A slider was moved: so is the rig, in the file that it is from or as a copy in the scene."""
    window.refused = ""
    try:
        profile = load_profile(window.controls_of)
        control = next(c for c in kept_controls.all_controls(profile) if c.name == row.name)
        value = float(from_unit((control,), [_within(row)])[0])
        for prop in _properties(profile, control):
            prop.write(value)
            prop.owner.update_tag()
    except ExprGenError as error:
        window.refused = str(error)


def _within(row) -> float:
    low, high = (-1.0 if row.down else 0.0), (1.0 if row.up else 0.0)
    return min(max(row.value, low), high)


def _properties(profile, control) -> tuple:
    """What a control moves: in the scene's copy of the character, else in the open file itself."""
    from dataclasses import replace

    scene = bpy.context.scene
    alone = replace(profile, controls=(replace(control, mirror=""),), key_poses=())
    for collection in collections_in(scene):
        found = casting.profile_of(collection)
        if found is not None and found.path == profile.path:
            return bind(alone, collection)[control.name]
    return bind(alone, scene.collection)[control.name]


classes = (EXPRGEN_OT_list_controls, EXPRGEN_OT_rest_controls)
