"""The characters of the scene: make one the primary, take one away."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty

from ..characters import CHARACTER_TAG


class EXPRGEN_OT_make_primary(bpy.types.Operator):
    """Solve this character first; the others follow it"""

    bl_idname = "exprgen.make_primary"
    bl_label = "Make Primary"
    bl_options = {"REGISTER", "UNDO"}

    collection: StringProperty(options={"HIDDEN"})

    def execute(self, context):
        found = bpy.data.collections.get(self.collection)
        if found is None or CHARACTER_TAG not in found:
            self.report({"ERROR"}, f"{self.collection!r} is no character")
            return {"CANCELLED"}
        context.scene.exprgen.primary = found
        return {"FINISHED"}


class EXPRGEN_OT_remove_character(bpy.types.Operator):
    """Take the character out of the file, with its rig and meshes; its keys stay in their action"""

    bl_idname = "exprgen.remove_character"
    bl_label = "Remove Character"
    bl_options = {"REGISTER", "UNDO"}

    collection: StringProperty(options={"HIDDEN"})

    @classmethod
    def poll(cls, context):
        if context.mode == "OBJECT":
            return True
        cls.poll_message_set("Leave pose or edit mode first")
        return False

    def execute(self, context):
        found = bpy.data.collections.get(self.collection)
        if found is None or CHARACTER_TAG not in found:
            self.report({"ERROR"}, f"{self.collection!r} is no character")
            return {"CANCELLED"}
        parts = [*found.all_objects, *found.children_recursive, found]
        bpy.data.batch_remove(parts)
        return {"FINISHED"}


classes = (EXPRGEN_OT_make_primary, EXPRGEN_OT_remove_character)
