"""The panel in the 3D view's sidebar."""

from __future__ import annotations

import bpy


class EXPRGEN_PT_main(bpy.types.Panel):
    """What there is to do, in the order of doing it"""

    bl_label = "ExprGen"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "ExprGen"

    def draw(self, context):
        column = self.layout.column()
        column.operator("exprgen.add_character", icon="ARMATURE_DATA")
        column.operator("exprgen.apply_track", icon="ACTION")


classes = (EXPRGEN_PT_main,)
