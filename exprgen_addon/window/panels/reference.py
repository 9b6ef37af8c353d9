"""The footage: its file, whose face, its range; analyse it, and show it beside the character."""

from __future__ import annotations

from pathlib import Path

import bpy

from ....networks.errors import ExprGenError
from ...engine import python_check, task_queue
from ...keying.keyframes import scene_fps
from .. import job_timer, reference_overlay, references
from ..operators import actor_head, analyse, apply, scene_rate, show_reference
from .drawing import Part, alert, button, draw_error, draw_job, draw_outcome, draw_wrapped

WAYS = (("off", "Hidden"), ("beside", "Beside"), ("over", "Over"), ("behind", "Behind"))
"""Where the footage is shown, as the buttons name it."""


class EXPRGEN_PT_reference(Part, bpy.types.Panel):
    """Footage or photographs of a face"""

    bl_label = "Reference"
    bl_order = 1

    def draw(self, context):
        layout, settings = self.layout, context.scene.exprgen
        row = layout.row(align=True)
        row.prop(settings, "reference", text="", placeholder="Clip, picture or folder")
        row.operator("exprgen.pick_reference", text="", icon="FILEBROWSER")
        found = references.seen(settings)
        track = references.track_path(settings)
        if found is not None:
            _draw_thumbnail(layout, context.scene, found, track)
        elif track is not None:
            alert(layout, apply.GONE)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(settings, "face")
        if settings.face == "number":
            column.prop(settings, "face_number")
        row = column.row(heading="Range")
        row.prop(settings, "use_range")
        if settings.use_range:
            sub = column.column(align=True)
            sub.prop(settings, "range_start")
            sub.prop(settings, "range_end")
        failed = any(t.title == analyse.TITLE for t in job_timer.queue.failures)
        if python_check.trouble is not None and not failed:
            _draw_engine(layout, python_check.trouble)
        again = "Analyse Again" if found is not None else "Analyse"
        if not draw_job(layout, analyse.TITLE, 1.3):
            button(layout, "exprgen.analyse", 1.3, text=again, icon="VIEWZOOM")
        _draw_trouble(layout, analyse.TITLE)
        if found is not None:
            if references.was_replaced(settings, found):
                alert(layout, "The file was replaced since")
            _draw_rate(layout, context.scene, found)
            _draw_footage(layout, settings)
            if not draw_job(layout, actor_head.TITLE):
                layout.operator("exprgen.actor_head", icon="OUTLINER_OB_ARMATURE")
            draw_outcome(layout, actor_head.TITLE)


def _draw_footage(layout, settings) -> None:
    """Where the footage is shown."""
    if not draw_job(layout, show_reference.TITLE):
        row = layout.row(align=True)
        row.label(text="", icon="IMAGE_REFERENCE")
        for way, text in WAYS:
            pressed = settings.overlay == way
            row.operator("exprgen.show_reference", text=text, depress=pressed).way = way
    _draw_trouble(layout, show_reference.TITLE)
    if settings.overlay != "off":
        opacity = "over_opacity" if settings.overlay == "over" else "overlay_opacity"
        layout.prop(settings, opacity, slider=True)


def _draw_trouble(layout, title: str) -> None:
    """What came of a job where it is not wholly well; else it is seen above, and a line would only
    move what lies below, once when it comes and again when the next job takes it away."""
    last = job_timer.queue.last
    if last is None or last.state != task_queue.DONE or last.warnings:
        draw_outcome(layout, title)


def _draw_rate(layout, scene, found: references.Seen) -> None:
    """The scene's rate is not the clip's: offer it."""
    wanted = scene_rate.offered(scene, found)
    if wanted is None:
        return
    column = layout.column(align=True)
    column.label(text=f"The scene has {scene_fps(scene):.5g} frames a second", icon="INFO")
    text = f"Use the Clip's {wanted:.5g}"
    column.operator("exprgen.take_rate", text=text, icon="TIME")


def _draw_engine(layout, error: ExprGenError) -> None:
    """Before a job fails of it: the engine can't run yet."""
    box = layout.box().column()
    box.label(text="Set the engine's Python", icon="ERROR")
    draw_error(box, error)
    draw_wrapped(box, f"tried: {error.file}", "BLANK1")
    box.operator("exprgen.check_engine", text="Check Again", icon="FILE_REFRESH")


def _draw_thumbnail(layout, scene, found: references.Seen, track: Path) -> None:
    """The actor at the present frame: the footage's picture, else the face as it was read, else the
    one that shows it best."""
    shown = reference_overlay.picture_at(scene) or references.face_at(scene, found)
    icon = references.icon_of(shown or references.thumbnail_path(track))
    if icon:
        layout.template_icon(icon_value=icon, scale=7.0)
    count, seen = len(found.track), int(found.track.found.sum())
    kind = "pictures" if found.stills else "frames"
    length = "" if found.stills else f", {float(found.track.times[-1]):.1f} s"
    layout.label(text=f"{seen} of {count} {kind} show the face{length}")
    if found.track.meta.get("partial"):
        alert(layout, "Not all of it was analysed")


classes = (EXPRGEN_PT_reference,)
