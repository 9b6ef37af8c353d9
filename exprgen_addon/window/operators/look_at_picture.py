"""A picture in a window of its own, large enough to check."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import StringProperty


class EXPRGEN_OT_look_at_picture(bpy.types.Operator):
    """Open this picture in a window of its own: the wheel zooms, the middle button moves it"""

    bl_idname = "exprgen.look_at_picture"
    bl_label = "Look"

    filepath: StringProperty(subtype="FILE_PATH")

    def execute(self, context):
        path = Path(bpy.path.abspath(self.filepath))
        if not path.is_file():
            self.report({"ERROR"}, f"{path.name} is gone: do its step again")
            return {"CANCELLED"}
        image = bpy.data.images.load(str(path), check_existing=True)
        image.reload()
        if bpy.app.background:
            return {"FINISHED"}
        before = set(context.window_manager.windows)
        bpy.ops.wm.window_new()
        window = next(w for w in context.window_manager.windows if w not in before)
        area = window.screen.areas[0]
        area.type = "IMAGE_EDITOR"
        area.spaces.active.image = image
        area.spaces.active.show_region_header = False
        bpy.app.timers.register(_Fit(window), first_interval=0.3)
        return {"FINISHED"}


class _Fit:
    """Shows all of the picture once its window has a size."""

    def __init__(self, window: bpy.types.Window):
        self._window = window

    def __call__(self) -> None:
        if self._window not in list(bpy.context.window_manager.windows):
            return
        area = self._window.screen.areas[0]
        region = next((r for r in area.regions if r.type == "WINDOW"), None)
        if area.type == "IMAGE_EDITOR" and region is not None:
            with bpy.context.temp_override(window=self._window, area=area, region=region):
                bpy.ops.image.view_all(fit_view=True)


classes = (EXPRGEN_OT_look_at_picture,)
