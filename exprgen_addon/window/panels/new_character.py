"""A TD's checklist for a new character."""

from __future__ import annotations

import bpy

from ...engine import python_check
from .. import new_character_steps, references
from ..operators import new_character
from ..operators.new_character import primary_for
from .drawing import Part, draw_job, draw_outcome, draw_wrapped


class EXPRGEN_PT_new_character(Part, bpy.types.Panel):
    """A rig of your own, step by step"""

    bl_label = "New Character"
    bl_order = 7
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, settings = self.layout, context.scene.exprgen
        layout.prop(settings, "new_profile", text="", placeholder="Profile, made in step 1")
        layout.prop(settings, "new_role", text="")
        path = bpy.path.abspath(settings.new_profile) if settings.new_profile else None
        steps = new_character_steps.steps_of(path, primary_for(settings.new_role))
        following = new_character_steps.next_step(steps)
        for number, step in enumerate(steps, 1):
            _draw_step(layout, number, step, step is following, settings)
        layout.operator("exprgen.add_new", icon="ADD")


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
    if step.name == new_character_steps.CAPTURE and following:
        box.prop(settings, "new_pictures")
    trains = step.name in (new_character_steps.CAPTURE, new_character_steps.TRAIN)
    if trains and following and python_check.without_training:
        draw_wrapped(box, python_check.without_training, "INFO")
    if step.name == new_character_steps.POSES and step.picture is not None:
        box.operator("exprgen.accept_poses", icon="CHECKMARK")
    if step.picture is not None:
        icon = references.icon_of(step.picture)
        if icon and (following or begun or step.name == new_character_steps.POSES):
            box.template_icon(icon_value=icon, scale=6.0)
        box.operator("exprgen.open_file", icon="IMAGE_DATA").filepath = str(step.picture)


classes = (EXPRGEN_PT_new_character,)
