"""The status bar's end: what runs, wherever the sidebar is scrolled to, and what failed."""

from __future__ import annotations

import bpy

from ...engine import task_queue
from .. import job_timer
from .drawing import progress_text


def draw_status(self, context) -> None:
    """The status bar's end: what runs, wherever the sidebar is scrolled to, and what failed."""
    queue, layout = job_timer.queue, self.layout
    if queue.running is not None:
        row = layout.row(align=True)
        then = f", then {queue.waiting[0].title}" if queue.waiting else ""
        row.label(text=f"ExprGen: {_titled(queue.running)}{then}", icon="SORTTIME")
        sub = row.row(align=True)
        sub.ui_units_x = 9
        sub.progress(factor=queue.running.share, text=progress_text(queue.running))
        row.operator("exprgen.cancel_job", text="", icon="X", emboss=False)
    elif queue.failures:
        layout.label(text=f"ExprGen: {queue.failures[-1].title} failed", icon="ERROR")
    elif queue.last is not None and queue.last.said and queue.last.holds():
        icon = "CHECKMARK" if queue.last.state == task_queue.DONE else "CANCEL"
        layout.label(text=f"{queue.last.title}: {queue.last.said}"[:90], icon=icon)


def _titled(task: task_queue.Task) -> str:
    """Title and stage, but not "Analyse: analyse"."""
    same = not task.stage or task.stage.casefold() == task.title.casefold()
    return task.title if same else f"{task.title}: {task.stage}"


def register() -> None:
    """Show jobs in the status bar."""
    bpy.types.STATUSBAR_HT_header.append(draw_status)


def unregister() -> None:
    """Take them out again."""
    bpy.types.STATUSBAR_HT_header.remove(draw_status)
