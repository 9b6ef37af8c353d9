"""Add > ExprGen Character: the sample characters where Blender's users look for things to add."""

from __future__ import annotations

import bpy

from .operators.asset_library import remove_library

MENU = "EXPRGEN_MT_add_character"
"""The menu of the panel's list of characters; see panels.py."""


def _entry(self, context) -> None:
    self.layout.menu(MENU, text="ExprGen Character", icon="USER")


def _poses(self, context) -> None:
    self.layout.separator()
    self.layout.operator("exprgen.asset_library", icon="ASSET_MANAGER")


def register() -> None:
    """Put the entry into the 3D view's Add menu; the panels are registered."""
    bpy.types.VIEW3D_MT_add.append(_entry)
    getattr(bpy.types, MENU).append(_poses)


def unregister() -> None:
    """Take it out again, and the asset library if it was asked for."""
    getattr(bpy.types, MENU).remove(_poses)
    bpy.types.VIEW3D_MT_add.remove(_entry)
    remove_library()
