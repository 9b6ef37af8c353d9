"""Bring a character into the scene."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty

from ....networks.characters.profile import find_character
from ....networks.errors import ExprGenError
from ...characters.in_scene import append_characters, place_beside


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

    def invoke(self, context, event):
        result = self.execute(context)
        if "FINISHED" in result and context.area is not None and context.area.type == "VIEW_3D":
            bpy.ops.exprgen.view_faces()
        return result

    def execute(self, context):
        try:
            place_beside(append_characters([find_character(self.name)], context.scene)[0])
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class EXPRGEN_OT_add_profile(bpy.types.Operator):
    """Append a character of your own by its profile (.json), which New Character makes"""

    bl_idname = "exprgen.add_profile"
    bl_label = "Add Character"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def invoke(self, context, event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        try:
            return bpy.ops.exprgen.add_character("INVOKE_DEFAULT", name=self.filepath)
        except RuntimeError as error:
            self.report({"ERROR"}, str(error).strip().removeprefix("Error: "))
            return {"CANCELLED"}


classes = (EXPRGEN_OT_add_character, EXPRGEN_OT_add_profile)
