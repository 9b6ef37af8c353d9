"""The characters of the scene: make one the primary, take one away."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty

from ...characters import casting
from ...characters.in_scene import CHARACTER_TAG, active_collection


class EXPRGEN_OT_make_primary(bpy.types.Operator):
    """Solve the character that is chosen in the list first; the others follow it"""

    bl_idname = "exprgen.make_primary"
    bl_label = "Make Primary"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        found, reason = active_collection(context.scene), ""
        if found is None:
            reason = "Add a character first"
        elif found == casting.primary_collection(context.scene):
            reason = f"{found.name} is the primary already: choose another one in the list"
        elif not casting.can_lead(casting.profile_of(found)):
            reason = f"{found.name} can't be solved from a face, it only follows"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context):
        context.scene.exprgen.primary = active_collection(context.scene)
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
