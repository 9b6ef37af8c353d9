"""The engine: is its Python whole, fetch what is missing, clear the cache."""

from __future__ import annotations

import shutil

import bpy
from bpy.props import StringProperty

from .. import engine_check, jobs, preferences, window
from ..tasks import Task, Thinking

CHECK, FETCH = "Check the Engine", "Fetch the Landmark Model"


class EXPRGEN_OT_check_engine(bpy.types.Operator):
    """Start the engine's Python and look whether all that ExprGen needs is there"""

    bl_idname = "exprgen.check_engine"
    bl_label = "Check"

    @classmethod
    def poll(cls, context):
        return not window.queue.refusal(CHECK)

    def execute(self, context):
        from ..doctor import examine

        def think(emit, stopped) -> dict:
            found = examine(preferences.Quiet(emit))
            return {"findings": [f.to_json() for f in found]}

        def finish(result: dict) -> str:
            preferences.findings[:] = result["findings"]
            missing = [f["what"] for f in result["findings"] if not f["ok"]]
            if not bpy.app.background:
                engine_check.look()
            return f"missing: {', '.join(missing)}" if missing else "all is well"

        preferences.findings.clear()  # of another Python, perhaps
        return window.start(Task(CHECK, lambda: Thinking(think), finish), self)


class EXPRGEN_OT_copy_line(bpy.types.Operator):
    """Copy the line that installs what the engine lacks, for a terminal"""

    bl_idname = "exprgen.copy_line"
    bl_label = "Copy Pip Line"

    line: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context):
        context.window_manager.clipboard = self.line
        self.report({"INFO"}, "On the clipboard: paste it into a terminal, then press Check")
        return {"FINISHED"}


class EXPRGEN_OT_fetch_model(bpy.types.Operator):
    """Download the face landmark model (4 MB, Apache-2.0) into the cache"""

    bl_idname = "exprgen.fetch_model"
    bl_label = "Fetch Landmark Model"

    @classmethod
    def poll(cls, context):
        reason = window.queue.refusal(FETCH)
        if not bpy.app.online_access:
            reason = "Allow online access first: Preferences > System > Network"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context):
        def finish(result: dict) -> str:
            return f"kept in {result['path']}"

        return window.start(Task(FETCH, window.ask("fetch", {}), finish), self)


class EXPRGEN_OT_clear_cache(bpy.types.Operator):
    """Remove the kept analyses of files that were never saved, and half-fetched downloads. The
    landmark model stays"""

    bl_idname = "exprgen.clear_cache"
    bl_label = "Clear Cache"

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context):
        before = preferences.cache_size()
        folder = jobs.cache_folder()
        shutil.rmtree(folder / "tracks", ignore_errors=True)
        for part in folder.glob("*.part"):
            part.unlink(missing_ok=True)
        freed = (before - preferences.cache_size()) / 1e6
        self.report({"INFO"}, f"{freed:.1f} MB removed")
        return {"FINISHED"}


classes = (
    EXPRGEN_OT_check_engine,
    EXPRGEN_OT_copy_line,
    EXPRGEN_OT_fetch_model,
    EXPRGEN_OT_clear_cache,
)
