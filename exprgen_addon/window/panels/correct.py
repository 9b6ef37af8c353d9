"""Corrections by hand, and the worst frames."""

from __future__ import annotations

import bpy

from ...characters.in_scene import collections_in
from ...keying.corrections import is_changed, is_of
from .. import references, review
from ..operators.correct import posed_collection
from .drawing import Part, button, draw_wrapped


class EXPRGEN_PT_correct(Part, bpy.types.Panel):
    """What the solver got wrong"""

    bl_label = "Correct"
    bl_order = 5

    @classmethod
    def poll(cls, context):
        return bool(collections_in(context.scene))

    def draw(self, context):
        layout = self.layout
        row = layout.row(align=True)
        row.operator("exprgen.worst_frame", text="", icon="TRIA_LEFT").back = True
        row.operator("exprgen.worst_frame", text="Next Worst Frame", icon="ERROR")
        told = review.told_at(context.scene, context.scene.frame_current)
        draw_wrapped(layout, told, "QUESTION")
        column = layout.column(align=True)  # side by side their names would not fit
        column.prop(context.scene.exprgen, "show_lips", icon="FCURVE")
        column.prop(context.scene.exprgen, "show_mimicry", icon="FCURVE")
        for line in looked.lacking if (looked := review.kept(context.scene)) is not None else ():
            draw_wrapped(layout, line, "INFO")
        found = posed_collection(context)
        text = f"Key Correction of {found.name}"
        button(layout, "exprgen.key_correction", 1.2, text=text, icon="KEY_HLT")
        entries, here = found.exprgen.corrections, references.identity(context.scene.exprgen)
        if len(entries):
            column = layout.column(align=True)
            row = column.row(align=True)
            for word in ("", "Strength", "Reach (s)"):
                row.label(text=word)
            row.label(text="", icon="BLANK1")
        for i, entry in enumerate(entries):
            row = column.row(align=True)
            row.active = is_of(entry, here)  # grey: made on another clip, which it belongs to
            frame = references.frame_of(context.scene, entry.time)
            row.operator("exprgen.go_to", text=f"Frame {frame:.0f}").seconds = entry.time
            row.prop(entry, "strength", text="")
            row.prop(entry, "radius", text="")
            row.operator("exprgen.remove_correction", text="", icon="X").index = i
        if len(entries):  # always there, so that nothing moves under the mouse
            waits = any(is_changed(entry) and is_of(entry, here) for entry in entries)
            line = layout.row()
            line.active = waits
            text = "Changes count at the next Apply" if waits else "All as last applied"
            line.label(text=text, icon="INFO" if waits else "BLANK1")
        layout.operator("exprgen.clear_keys", icon="KEYFRAME")


classes = (EXPRGEN_PT_correct,)
