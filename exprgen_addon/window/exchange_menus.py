"""File > Export and File > Import: takes where Blender's users look for files of other programs."""

from __future__ import annotations

import bpy


def _export(self, context) -> None:
    self.layout.operator(
        "exprgen.export_take", text="ExprGen Take (.csv, .vrma, .glb, .fbx)", icon="NONE"
    )


def _import(self, context) -> None:
    self.layout.operator("exprgen.import_live_link", text="Live Link Face for ExprGen (.csv)")


def register() -> None:
    """Put the entries into the menus; the operators are registered."""
    bpy.types.TOPBAR_MT_file_export.append(_export)
    bpy.types.TOPBAR_MT_file_import.append(_import)


def unregister() -> None:
    """Take them out again."""
    bpy.types.TOPBAR_MT_file_import.remove(_import)
    bpy.types.TOPBAR_MT_file_export.remove(_export)
