"""Apply, with the solving's and the keys' settings and the presets."""

from __future__ import annotations

import bpy
from bl_ui.utils import PresetPanel

from ....networks.settings import EMPHASIS_PARTS
from ....networks.vocabulary import REGIONS
from ..operators import apply
from ..operators.presets import FOLDER
from .drawing import Part, button, draw_job, draw_outcome, draw_wrapped, split_column
from .take_target import apply_text, draw_target

KEYED = (
    ("expression", "Face", "SHAPEKEY_DATA"),
    ("head", "Head", "USER"),
    ("eyes", "Eyes", "HIDE_OFF"),
)
"""What can be keyed: output, as a narrow sidebar names it, icon."""


class EXPRGEN_PT_apply(Part, bpy.types.Panel):
    """The performance becomes keys"""

    bl_label = "Apply"
    bl_order = 4

    def draw_header_preset(self, context):
        EXPRGEN_PT_presets.draw_panel_header(self.layout)

    def draw(self, context):
        layout, settings = self.layout, context.scene.exprgen
        row = layout.row(align=True)
        for name, text, icon in KEYED:
            row.prop(settings, f"key_{name}", text=text, toggle=True, icon=icon)
        column = layout.column(align=True)
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(settings, "smoothing_eyes", text="Smooth Eyes")
        column.prop(settings, "smoothing_mouth", text="Mouth")
        column.prop(settings, "smoothing_head", text="Head")
        column.separator()
        keyed = column.column(align=True)
        keyed.use_property_decorate = True  # its keys change it over the shot
        whole = keyed.row()
        whole.active = not settings.own_emphasis  # grey: each part has its own
        whole.prop(settings, "emphasis")
        column.prop(settings, "own_emphasis")
        keyed = column.column(align=True)
        keyed.use_property_decorate = True
        for part in EMPHASIS_PARTS if settings.own_emphasis else ():
            keyed.prop(settings, f"emphasis_{part}")
        column.prop(settings, "articulation")
        draw_target(layout, settings)
        if not draw_job(layout, apply.TITLE, 1.4):
            button(layout, "exprgen.apply", 1.4, text=apply_text(settings), icon="ACTION")
        draw_outcome(layout, apply.TITLE)


class EXPRGEN_PT_apply_keys(Part, bpy.types.Panel):
    """Where the keys go and how many there are"""

    bl_label = "Keys"
    bl_parent_id = "EXPRGEN_PT_apply"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        settings = context.scene.exprgen
        column = split_column(self.layout)
        column.prop(settings, "take")
        column.prop(settings, "new_take")
        column.prop(settings, "start_frame")
        column.prop(settings, "sound")
        row = column.row(heading="Range")
        row.prop(settings, "use_apply_range")
        if settings.use_apply_range:
            sub = column.column(align=True)
            sub.prop(settings, "apply_first")
            sub.prop(settings, "apply_last")
            sub.operator("exprgen.range_from_scene", icon="TIME")
        else:
            column.prop(settings, "fit_range")
        sub = column.column(align=True)
        sub.prop(settings, "blend_in")
        sub.prop(settings, "blend_out")
        column.prop(settings, "interpolation")
        column.prop(settings, "reduce")
        column.prop(settings, "subframes")
        column.prop(settings, "key_affect")
        column.prop(settings, "replace_hand_made")


class EXPRGEN_PT_apply_actor(Part, bpy.types.Panel):
    """The actor's neutral face and how strongly each part moves"""

    bl_label = "Calibration and Gain"
    bl_parent_id = "EXPRGEN_PT_apply"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        settings = context.scene.exprgen
        column = split_column(self.layout)
        column.prop(settings, "calibration")
        if settings.calibration == "frame":
            column.prop(settings, "neutral_time")
        column.operator("exprgen.neutral_here", icon="EYEDROPPER")
        column.prop(settings, "actor")
        if settings.neutral_used:
            draw_wrapped(column, f"Neutral: {settings.neutral_used}", "INFO")
        sub = column.column(align=True)
        for region in REGIONS:
            sub.prop(settings, f"gain_{region}", slider=True)


class EXPRGEN_PT_presets(PresetPanel, bpy.types.Panel):
    """Presets of these settings"""

    bl_label = "ExprGen Presets"
    preset_subdir = FOLDER
    preset_operator = "exprgen.preset_use"
    preset_add_operator = "exprgen.preset_add"


classes = (EXPRGEN_PT_presets, EXPRGEN_PT_apply, EXPRGEN_PT_apply_keys, EXPRGEN_PT_apply_actor)
