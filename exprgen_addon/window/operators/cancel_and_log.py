"""Cancel jobs, read what they said, put their errors away."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty

from .. import job_timer

SHOWN = 24
"""Lines of the log in the window."""


def _told():
    """The task whose log is of interest: what failed, else what runs, else what ran last."""
    queue = job_timer.queue
    return next(reversed(queue.failures), None) or queue.running or queue.last


class EXPRGEN_OT_cancel_job(bpy.types.Operator):
    """Stop the running job; what is finished is kept where it is of use. Again: end it at once"""

    bl_idname = "exprgen.cancel_job"
    bl_label = "Cancel"

    waiting: BoolProperty(name="The Waiting One", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        if not job_timer.queue.busy:
            cls.poll_message_set("No job is running")
        return job_timer.queue.busy

    def execute(self, context):
        queue = job_timer.queue
        queue.cancel(queue.waiting[-1] if self.waiting and queue.waiting else None)
        job_timer.redraw()
        return {"FINISHED"}


class EXPRGEN_OT_show_log(bpy.types.Operator):
    """Show what the last job said and what its process printed"""

    bl_idname = "exprgen.show_log"
    bl_label = "Log"

    @classmethod
    def poll(cls, context):
        task = _told()
        if task is None:
            cls.poll_message_set("No job has run yet")
        return task is not None

    def invoke(self, context, event):
        return context.window_manager.invoke_popup(self, width=640)

    def execute(self, context):
        for line in self._lines():
            print(line)
        return {"FINISHED"}

    def draw(self, context):
        task = _told()
        column = self.layout.column(align=True)
        column.label(text=f"{task.title}: {task.state}", icon="TEXT")
        lines = self._lines()
        for line in lines[-SHOWN:]:
            column.label(text=line[:160])
        if not lines:
            column.label(text="It said nothing.")
        self.layout.operator("exprgen.copy_log", icon="COPYDOWN")

    def _lines(self) -> list[str]:
        task = _told()
        return [line for line in task.full_log() if line.strip()]


class EXPRGEN_OT_copy_log(bpy.types.Operator):
    """Copy the whole log to the clipboard"""

    bl_idname = "exprgen.copy_log"
    bl_label = "Copy All"

    @classmethod
    def poll(cls, context):
        return _told() is not None

    def execute(self, context):
        task = _told()
        error = [str(task.error)] if task.error else []
        context.window_manager.clipboard = "\n".join([task.title, *error, *task.full_log()])
        self.report({"INFO"}, "The log is on the clipboard")
        return {"FINISHED"}


class EXPRGEN_OT_dismiss(bpy.types.Operator):
    """Put the message away"""

    bl_idname = "exprgen.dismiss"
    bl_label = "Dismiss"

    def execute(self, context):
        job_timer.queue.last = None
        job_timer.queue.failures.clear()
        job_timer.redraw()
        return {"FINISHED"}


classes = (
    EXPRGEN_OT_cancel_job,
    EXPRGEN_OT_show_log,
    EXPRGEN_OT_copy_log,
    EXPRGEN_OT_dismiss,
)
