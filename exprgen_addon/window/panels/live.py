"""Live: what drives, start and stop, record, how quick it is."""

from __future__ import annotations

import bpy

from .. import live_drive, live_tapes
from ..operators.live import TITLE
from .drawing import (
    Part,
    button,
    draw_error,
    draw_job,
    draw_outcome,
    draw_wrapped,
    split_column,
)


class EXPRGEN_PT_live(Part, bpy.types.Panel):
    """A camera, a clip or a phone drives the characters now"""

    bl_label = "Live"
    bl_order = 8
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header(self, context):
        if not live_drive.state.runs and live_tapes.left():  # also where the panel is closed
            self.layout.label(text="", icon="ERROR")

    def draw(self, context):
        layout, live = self.layout, context.window_manager.exprgen_live
        drive = live_drive.state
        if drive.runs:
            _draw_session(layout, drive)
            return
        _draw_left(layout)
        layout.row().prop(live, "source", expand=True)
        column = split_column(layout)
        if live.source == "camera":
            column.prop(live, "camera")
        elif live.source == "clip":
            column.prop(live, "clip")
            column.prop(live, "loop")
        else:
            column.prop(live, "port")
            column.prop(live, "address")
        if not draw_job(layout, TITLE, 1.3):
            button(layout, "exprgen.live_start", 1.3, icon="PLAY")
        draw_outcome(layout, TITLE)
        if drive.error is not None:
            draw_error(layout, drive.error)
        elif drive.said:
            draw_wrapped(layout, drive.said, "CHECKMARK")


def _draw_left(layout) -> None:
    """Recordings of a Blender that was ended, and what can be done with them."""
    for tape in live_tapes.left():
        box = layout.box().column(align=True)
        draw_wrapped(box, "A recording was not finished: its Blender was ended", "ERROR")
        draw_wrapped(box, live_tapes.titled(tape), "BLANK1")
        row = box.row(align=True)
        row.operator("exprgen.live_recover", icon="REC").tape = str(tape)
        row.operator("exprgen.live_discard", text="", icon="TRASH").tape = str(tape)


def _draw_session(layout, drive: live_drive.State) -> None:
    newest = drive.session.newest
    layout.label(text=drive.title, icon="REC" if drive.recording else "RADIOBUT_ON")
    if newest is None:
        layout.label(text="Starting: some seconds", icon="SORTTIME")
    elif drive.calibrating:
        draw_wrapped(layout, "Look at the camera, with a calm face", "USER")
    elif newest.state == "lost":
        layout.label(text="No face is seen", icon="HIDE_ON")
    if drive.doubt:
        draw_wrapped(layout, drive.doubt, "ERROR")
    row = layout.row(align=True)
    row.scale_y = 1.3
    name = "Keep the Take" if drive.recording else "Record"
    row.operator("exprgen.live_record", text=name, icon="REC", depress=drive.recording)
    row.operator("exprgen.live_stop", icon="SNAP_FACE")
    layout.operator("exprgen.live_calibrate", icon="EYEDROPPER")
    if newest is not None:
        middle, worst = (round(1000 * d) for d in drive.session.delays(last=100))
        layout.label(text=f"{drive.session.rate:.0f} a second, delay {middle} ms ({worst})")
        if newest.refused:
            layout.label(text=f"{newest.refused} packets refused", icon="INFO")
    if drive.said:
        draw_wrapped(layout, drive.said, "INFO")


classes = (EXPRGEN_PT_live,)
