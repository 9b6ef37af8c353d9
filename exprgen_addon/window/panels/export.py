"""The take out of Blender, and takes of other programs in."""

from __future__ import annotations

import bpy

from ...characters.in_scene import collections_in
from ..operators import export_take
from .drawing import Part, draw_job, draw_outcome


class EXPRGEN_PT_export(Part, bpy.types.Panel):
    """Takes to and from other programs"""

    bl_label = "Exchange"
    bl_order = 8
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return bool(collections_in(context.scene))

    def draw(self, context):
        layout = self.layout
        layout.operator("exprgen.import_live_link", icon="IMPORT")
        if not draw_job(layout, export_take.TITLE):
            grid = layout.grid_flow(columns=2, align=True, even_columns=True)
            for ending, label, _ in export_take.ITEMS:
                made = grid.operator("exprgen.export_take", text=label, icon="EXPORT")
                made.ending = ending
        draw_outcome(layout, export_take.TITLE)


classes = (EXPRGEN_PT_export,)
