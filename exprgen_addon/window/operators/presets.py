"""Presets of the Apply panel's settings."""

from __future__ import annotations

import bpy
from bl_operators.presets import AddPresetBase

from ..scene_settings import PRESET_FIELDS

FOLDER = "exprgen/apply"


class EXPRGEN_OT_preset_add(AddPresetBase, bpy.types.Operator):
    """Keep these settings as a preset, or remove one"""

    bl_idname = "exprgen.preset_add"
    bl_label = "Add Preset"
    preset_menu = "EXPRGEN_PT_presets"
    preset_subdir = FOLDER
    preset_defines = ("settings = bpy.context.scene.exprgen",)
    preset_values = tuple(f"settings.{name}" for name in PRESET_FIELDS)


classes = (EXPRGEN_OT_preset_add,)
