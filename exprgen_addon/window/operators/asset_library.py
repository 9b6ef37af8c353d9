"""The sample characters' key poses in the asset browser."""

from __future__ import annotations

from pathlib import Path

import bpy

from ....networks.characters.profile import SAMPLE_RIGS

LIBRARY_NAME = "ExprGen"


def libraries() -> list:
    """The asset libraries in the preferences that are ExprGen's folder of characters."""
    known = bpy.context.preferences.filepaths.asset_libraries
    return [x for x in known if x.path and Path(bpy.path.abspath(x.path)) == SAMPLE_RIGS]


def remove_library() -> None:
    """Take it out of the preferences; does nothing where it is not there."""
    preferences = bpy.context.preferences
    for library in libraries():
        preferences.filepaths.asset_libraries.remove(library)
        preferences.is_dirty = True


class EXPRGEN_OT_asset_library(bpy.types.Operator):
    """List the sample characters' key poses, sorted by expression, in the asset browser.
    Disabling ExprGen takes the library out again"""

    bl_idname = "exprgen.asset_library"
    bl_label = "Poses in Asset Browser"

    @classmethod
    def poll(cls, context):
        if not libraries():
            return True
        cls.poll_message_set(f"They are there already, as the library {LIBRARY_NAME}")
        return False

    def execute(self, context):
        preferences = context.preferences
        preferences.filepaths.asset_libraries.new(name=LIBRARY_NAME, directory=str(SAMPLE_RIGS))
        preferences.is_dirty = True
        self.report({"INFO"}, f"Choose the library {LIBRARY_NAME} in an asset browser")
        return {"FINISHED"}


classes = (EXPRGEN_OT_asset_library,)
