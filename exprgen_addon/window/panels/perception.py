"""What the face expresses at this frame, and where that is unsure."""

from __future__ import annotations

import bpy

from ....networks.vocabulary import EXPRESSIONS
from .. import references
from .drawing import Part, alert

WARNINGS = 6
"""Warnings that are listed; more are counted."""


class EXPRGEN_PT_perception(Part, bpy.types.Panel):
    """What the face expresses"""

    bl_label = "Perception"
    bl_order = 2

    @classmethod
    def poll(cls, context):
        return references.seen(context.scene.exprgen) is not None

    def draw(self, context):
        layout, scene = self.layout, context.scene
        found = references.seen(scene.exprgen)
        row = references.row_at(scene, found, scene.frame_current_final)
        if row is None:
            layout.label(text="The reference does not reach this frame", icon="INFO")
        else:
            draw_bars(layout, found.track.expression[row])
            if not found.track.found[row]:
                alert(layout, "The face is lost at this frame")
        layout.prop(scene.exprgen, "show_curve", icon="FCURVE")
        _draw_warnings(layout, found)


def draw_bars(layout, probabilities) -> None:
    """Seven bars, the likeliest one named."""
    column = layout.column(align=True)
    best = int(max(range(len(EXPRESSIONS)), key=lambda i: probabilities[i]))
    for i, name in enumerate(EXPRESSIONS):
        share = float(probabilities[i])
        row = column.row(align=True)
        row.active = i == best
        row.progress(factor=min(max(share, 0.0), 1.0), text=f"{name}  {share:.0%}")


def _draw_warnings(layout, found: references.Seen) -> None:
    column = layout.column(align=True)
    for w in found.warnings[:WARNINGS]:
        row = column.split(factor=0.74, align=True)
        row.label(text=w.text, icon="ERROR" if w.kind == "lost" else "QUESTION")
        button = row.operator("exprgen.go_to", text=f"{w.start:.1f} s")
        button.seconds = w.start
        if found.stills:
            button.row = int((found.track.times < w.start - 1e-6).sum())
    more = len(found.warnings) - WARNINGS
    if more > 0:
        column.label(text=f"and {more} more")


classes = (EXPRGEN_PT_perception,)
