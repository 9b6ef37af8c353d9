"""A TD's checklist for a new character."""

from __future__ import annotations

import bpy

from ...engine import python_check
from .. import new_character_steps, references
from ..operators import make_face_rig, new_character
from ..operators.new_character import primary_for
from ..operators.try_controls import profile_path
from .drawing import Part, draw_job, draw_outcome, draw_wrapped


class EXPRGEN_PT_new_character(Part, bpy.types.Panel):
    """A rig of your own, step by step"""

    bl_label = "New Character"
    bl_order = 7
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, settings = self.layout, context.scene.exprgen
        _draw_face_rig(layout)
        layout.prop(settings, "new_profile", text="", placeholder="Profile, made in step 1")
        layout.prop(settings, "new_role", text="")
        path = bpy.path.abspath(settings.new_profile) if settings.new_profile else None
        steps = new_character_steps.steps_of(path, primary_for(settings.new_role))
        following = new_character_steps.next_step(steps)
        for number, step in enumerate(steps, 1):
            _draw_step(layout, number, step, step is following, settings)
        layout.operator("exprgen.add_new", icon="ADD")


def _draw_face_rig(layout) -> None:
    """For a head that has no rig at all: what comes before the steps."""
    box = layout.box().column(align=True)
    if not draw_job(box, make_face_rig.TITLE):
        box.label(text="A head without any rig?", icon="MESH_MONKEY")
        box.operator("exprgen.make_face_rig", icon="SHAPEKEY_DATA")
        draw_outcome(box, make_face_rig.TITLE)


def _draw_step(
    layout, number: int, step: new_character_steps.Step, following: bool, settings
) -> None:
    box = layout.box().column(align=True)
    row = box.row()
    icon = "CHECKMARK" if step.done else "RADIOBUT_ON" if following else "RADIOBUT_OFF"
    row.label(text=f"{number} {step.title}", icon=icon)
    begun = new_character.EXPRGEN_OT_new_step.begun == step.name
    running = begun and draw_job(box, new_character.TITLE)
    if not running:
        sub = row.row()
        sub.enabled = step.ready
        text = "Again" if step.done else "Start"
        sub.operator("exprgen.new_step", text=text, emboss=not step.done).step = step.name
    if begun and not running:
        draw_outcome(box, new_character.TITLE)
    if step.detail:
        draw_wrapped(box, step.detail, "BLANK1")
    if step.name == new_character_steps.CAPTURE and step.ready:
        box.prop(settings, "new_pictures")
    trains = step.name in (new_character_steps.CAPTURE, new_character_steps.TRAIN)
    if trains and step.ready and python_check.without_training:
        draw_wrapped(box, python_check.without_training, "INFO")
    if step.name == new_character_steps.CONTROLS and step.done:
        _draw_controls(box)
    if step.name == new_character_steps.POSES and step.picture is not None:
        box.operator("exprgen.choose_poses", icon="IMGDISPLAY")
        box.operator("exprgen.accept_poses", text="Accept by Name", icon="CHECKMARK")
    if step.picture is not None:
        icon = references.icon_of(step.picture)
        if icon and (following or begun or step.name == new_character_steps.POSES):
            box.template_icon(icon_value=icon, scale=6.0)
        look = box.operator("exprgen.look_at_picture", text="Look Large", icon="IMAGE_DATA")
        look.filepath = str(step.picture)


class EXPRGEN_UL_new_controls(bpy.types.UIList):
    """Controls that were found: a tick for each that is to be driven, a slider to try it"""

    def draw_item(self, context, layout, data, item, icon, active_data, active_propname, index=0):
        row = layout.row(align=True)
        row.prop(item, "kept", text="")
        split = row.split(factor=0.62, align=True)
        split.active = item.kept
        split.label(text=item.name)
        split.prop(item, "value" if item.down else "raised", text="", slider=True)

    def filter_items(self, context, data, propname):
        word = self.filter_name.casefold()
        shown = self.bitflag_filter_item
        return [
            shown if word in f"{c.name} {c.region}".casefold() else 0
            for c in getattr(data, propname)
        ], []


def _draw_controls(box) -> None:
    window = bpy.context.window_manager.exprgen
    path = profile_path(bpy.context)
    if window.controls_of != str(path) or not len(window.controls):
        box.operator("exprgen.list_controls", icon="PRESET")
        return
    kept = sum(c.kept for c in window.controls)
    box.label(text=f"{kept} of {len(window.controls)} are driven; slide to try", icon="BLANK1")
    box.template_list(
        "EXPRGEN_UL_new_controls", "", window, "controls", window, "active_control", rows=6
    )
    if window.refused:
        draw_wrapped(box, window.refused, "ERROR")
    box.operator("exprgen.rest_controls", icon="LOOP_BACK")


classes = (EXPRGEN_UL_new_controls, EXPRGEN_PT_new_character)
