"""Bring a character into the scene."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty

from ...networks.errors import ExprGenError
from ...networks.profile import find_character
from ..characters import append_characters, place_beside


class EXPRGEN_OT_add_character(bpy.types.Operator):
    """Append an ExprGen character to the scene"""

    bl_idname = "exprgen.add_character"
    bl_label = "Add ExprGen Character"
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(name="Name", description="A sample character, or a profile's .json")

    @classmethod
    def poll(cls, context):
        if context.mode == "OBJECT":
            return True
        cls.poll_message_set("Leave edit mode first")
        return False

    def execute(self, context):
        try:
            place_beside(append_characters([find_character(self.name)], context.scene)[0])
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


classes = (EXPRGEN_OT_add_character,)
