"""Correct what was keyed: poses set by hand that outlive an apply; generated keys cleared."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty

from ....networks.errors import ExprGenError
from ...characters.in_scene import (
    Character,
    active_collection,
    character_of,
    characters_in,
    collections_in,
)
from ...keying.corrections import add_correction, posed_offsets, remove_correction
from ...keying.fcurves import clear_generated, is_keyed
from .. import references, review


class EXPRGEN_OT_key_correction(bpy.types.Operator):
    """Keep the pose that you set by hand on this frame as a correction: it fades in and out around
    the frame, and applying again keeps it"""

    bl_idname = "exprgen.key_correction"
    bl_label = "Key Correction"
    bl_options = {"REGISTER", "UNDO"}

    radius: FloatProperty(
        name="Reach",
        default=0.25,
        min=0.0,
        soft_max=2.0,
        description="Seconds before and after over which it fades in and out",
    )

    @classmethod
    def poll(cls, context):
        found = posed_collection(context)
        if found is None:
            cls.poll_message_set("Add a character first")
        return found is not None

    def execute(self, context):
        scene = context.scene
        character = posed_character(context)
        frame = scene.frame_current_final
        try:
            if not is_keyed(character):
                raise ExprGenError("the character has no generated keys", fix="apply first")
            offsets, keyed = posed_offsets(character, frame), False
            if not offsets:  # keyed by hand, or automatically, before it was to be a correction
                offsets, keyed = posed_offsets(character, frame, keyed=True), True
            add_correction(
                character,
                scene,
                frame,
                references.seconds_at(scene, frame),
                self.radius,
                offsets,
                keyed,
                references.identity(scene.exprgen),
            )
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        scene.frame_set(scene.frame_current, subframe=scene.frame_subframe)
        review.follow(scene)
        count = f"{len(offsets)} control{'s' if len(offsets) != 1 else ''}"
        self.report({"INFO"}, f"{count} corrected at frame {frame:g}")
        return {"FINISHED"}


class EXPRGEN_OT_remove_correction(bpy.types.Operator):
    """Take a correction back, from the keys too"""

    bl_idname = "exprgen.remove_correction"
    bl_label = "Remove Correction"
    bl_options = {"REGISTER", "UNDO"}

    index: IntProperty(options={"HIDDEN"})

    @classmethod
    def poll(cls, context):
        found = posed_collection(context)
        there = found is not None and len(found.exprgen.corrections)
        if not there:
            cls.poll_message_set("The character has no corrections")
        return bool(there)

    def execute(self, context):
        scene = context.scene
        character = posed_character(context)
        entries = character.collection.exprgen.corrections
        if not 0 <= self.index < len(entries):
            return {"CANCELLED"}
        frame = references.frame_of(scene, entries[self.index].time)
        source = references.identity(scene.exprgen)
        try:
            remove_correction(character, scene, self.index, frame, source)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        scene.frame_set(scene.frame_current, subframe=scene.frame_subframe)
        review.follow(scene)
        return {"FINISHED"}


class EXPRGEN_OT_clear_keys(bpy.types.Operator):
    """Remove generated keys in a range from every character that is switched on; keys set by hand
    stay"""

    bl_idname = "exprgen.clear_keys"
    bl_label = "Clear Generated Keys"
    bl_options = {"REGISTER", "UNDO"}

    first: IntProperty(name="First", default=1, description="First frame")
    last: IntProperty(name="Last", default=250, description="Last frame")
    everything: BoolProperty(name="All Frames", description="Wherever they are")

    @classmethod
    def poll(cls, context):
        if active_collection(context.scene) is None:
            cls.poll_message_set("The scene has no character")
            return False
        return True

    def invoke(self, context, event):
        scene = context.scene
        preview = scene.use_preview_range
        self.first = scene.frame_preview_start if preview else scene.frame_start
        self.last = scene.frame_preview_end if preview else scene.frame_end
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context):
        first, last = (-1e9, 1e9) if self.everything else (self.first, self.last)
        if last < first:
            self.report({"ERROR"}, "The range ends before it begins")
            return {"CANCELLED"}
        driven = [c for c in characters_in(context.scene) if c.collection.exprgen.enabled]
        try:
            removed = clear_generated(driven, first, last)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{removed} keys removed")
        return {"FINISHED"}


def posed_collection(context) -> bpy.types.Collection | None:
    """The character whose rig is selected, else the one chosen in the list, else the scene's first:
    who poses one means that one."""
    chosen = active_collection(context.scene)
    if chosen is None or context.object is None:
        return chosen
    present = collections_in(context.scene)
    return next((c for c in present if context.object.name in c.all_objects), chosen)


def posed_character(context) -> Character | None:
    """The same as a character; None where there is none or its profile is gone."""
    found = posed_collection(context)
    try:
        return character_of(found) if found is not None else None
    except ExprGenError:
        return None


classes = (
    EXPRGEN_OT_key_correction,
    EXPRGEN_OT_remove_correction,
    EXPRGEN_OT_clear_keys,
)
