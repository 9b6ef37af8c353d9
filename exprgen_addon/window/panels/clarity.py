"""How the posed character reads, live, and making it clearer."""

from __future__ import annotations

import bpy

from ...characters.in_scene import collections_in
from .. import live_clarity
from ..operators import make_clearer
from .drawing import Part, draw_error, draw_job, draw_outcome
from .perception import draw_bars


class EXPRGEN_PT_clarity(Part, bpy.types.Panel):
    """How the character's present pose reads"""

    bl_label = "Clarity"
    bl_order = 6

    @classmethod
    def poll(cls, context):
        return bool(collections_in(context.scene))

    def draw(self, context):
        layout, settings = self.layout, context.scene.exprgen
        switch = context.window_manager.exprgen
        layout.prop(switch, "live", toggle=True, icon="RESTRICT_VIEW_OFF")
        view = live_clarity.view
        if view.error is not None:
            draw_error(layout, view.error)
        if switch.live:
            if view.probabilities is None:
                layout.label(text="Starting: a few seconds", icon="SORTTIME")
            else:
                draw_bars(layout, view.probabilities)
                rate = f": {view.rate:.1f} a second" if view.rate else ""
                layout.label(text=f"{view.character}{rate}")
                if not view.known:
                    layout.label(text="SCNN has not seen this character", icon="INFO")
        if not draw_job(layout, make_clearer.TITLE):
            row = layout.row(align=True)
            row.prop(settings, "clearer_expression", text="")
            row.operator("exprgen.make_clearer", icon="MODIFIER")
        draw_outcome(layout, make_clearer.TITLE)


classes = (EXPRGEN_PT_clarity,)
