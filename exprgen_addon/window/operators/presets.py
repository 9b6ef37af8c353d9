"""Presets of the Apply panel's settings."""

from __future__ import annotations

from pathlib import Path

import bpy
from bl_operators.presets import AddPresetBase
from bpy.props import StringProperty

from ..scene_settings import PRESET_FIELDS

FOLDER = "exprgen/apply"
PANEL = "EXPRGEN_PT_presets"


class EXPRGEN_OT_preset_add(AddPresetBase, bpy.types.Operator):
    """Keep these settings as a preset, or remove one"""

    bl_idname = "exprgen.preset_add"
    bl_label = "Add Preset"
    preset_menu = PANEL
    preset_subdir = FOLDER
    preset_defines = ("settings = bpy.context.scene.exprgen",)
    preset_values = tuple(f"settings.{name}" for name in PRESET_FIELDS)


class EXPRGEN_OT_preset_use(bpy.types.Operator):
    """Set these settings as the preset says"""

    # Blender's own operator, script.execute_preset, makes no step of undo.
    bl_idname = "exprgen.preset_use"
    bl_label = "Use Preset"
    bl_options = {"UNDO", "INTERNAL"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})

    def execute(self, context):
        try:
            # The panel's name is not asked for: Blender's list gives it to its own operator alone.
            return bpy.ops.script.execute_preset(filepath=self.filepath, menu_idname=PANEL)
        except RuntimeError as error:  # a preset that somebody wrote; a part of it may be set
            said = str(error).strip().removeprefix("Error: ")
            told = f"{Path(self.filepath).name}: {said}. Keep it anew, or remove it with the minus"
            self.report({"ERROR"}, told)
            return {"FINISHED"}


classes = (EXPRGEN_OT_preset_add, EXPRGEN_OT_preset_use)
