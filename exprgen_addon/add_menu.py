"""Add > ExprGen Character: the sample characters where Blender's users look for things to add."""

from __future__ import annotations

import bpy

MENU = "EXPRGEN_MT_add_character"
"""The menu of the panel's list of characters; see panels.py."""


def _entry(self, context) -> None:
    self.layout.menu(MENU, text="ExprGen Character", icon="USER")


def register() -> None:
    """Put the entry into the 3D view's Add menu."""
    bpy.types.VIEW3D_MT_add.append(_entry)


def unregister() -> None:
    """Take it out again."""
    bpy.types.VIEW3D_MT_add.remove(_entry)
