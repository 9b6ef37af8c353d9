"""The engine: is its Python whole, fetch what is missing, clear the cache."""

from __future__ import annotations

import contextlib
import shutil

import bpy
from bpy.props import StringProperty

from ...engine import engine_python, python_check
from ...engine.task_queue import Task, Thinking
from .. import job_timer, preferences, references

CHECK, FETCH = preferences.CHECK, "Fetch the Landmark Model"


class EXPRGEN_OT_check_engine(bpy.types.Operator):
    """Start the engine's Python and look whether all that ExprGen needs is there"""

    bl_idname = "exprgen.check_engine"
    bl_label = "Check"

    @classmethod
    def poll(cls, context):
        return not job_timer.queue.refusal(CHECK)

    def execute(self, context):
        from ...command_line.doctor import examine

        def think(emit, stopped) -> dict:
            found = examine(preferences.Quiet(emit))
            return {"findings": [f.to_json() for f in found]}

        def finish(result: dict) -> str:
            preferences.findings[:] = result["findings"]
            missing = [f["what"] for f in result["findings"] if not f["ok"]]
            if not bpy.app.background:
                python_check.look()
            return f"missing: {', '.join(missing)}" if missing else "all is well"

        preferences.findings.clear()  # of another Python, perhaps
        return job_timer.start(Task(CHECK, lambda: Thinking(think), finish), self)


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
        reason = job_timer.queue.refusal(FETCH)
        if not bpy.app.online_access:
            reason = "Allow online access first: Preferences > System > Network"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context):
        def finish(result: dict) -> str:
            return f"kept in {result['path']}"

        return job_timer.start(Task(FETCH, job_timer.ask("fetch", {}), finish), self)


class EXPRGEN_OT_clear_cache(bpy.types.Operator):
    """Remove the kept analyses of files that were never saved, and half-fetched downloads. The
    landmark model and what the open file uses stay"""

    bl_idname = "exprgen.clear_cache"
    bl_label = "Clear Cache"

    @classmethod
    def poll(cls, context):
        if job_timer.queue.busy:
            cls.poll_message_set("Let the job end first")
        return not job_timer.queue.busy

    def invoke(self, context, event):
        return context.window_manager.invoke_props_dialog(self, width=380, confirm_text="Remove")

    def draw(self, context):
        column = self.layout.column(align=True)
        found = references.unused()
        count = sum(p.suffix == ".npz" for p in found)
        size = preferences.size_of(found) / 1e6
        noun = "analysis" if count == 1 else "analyses"
        column.label(text=f"Removes {count} {noun} of never-saved files ({size:.1f} MB)")
        column.label(text="and half-fetched downloads.")
        column.label(text="Keeps the landmark model, what the open file uses,")
        column.label(text="and all that lies beside saved files.")

    def execute(self, context):
        before = preferences.cache_size()
        for path in references.unused():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()
        for part in engine_python.cache_folder().glob("*.part"):
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
