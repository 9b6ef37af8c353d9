"""What the parts of the panel share: bars, progress, outcomes, errors, wrapped text."""

from __future__ import annotations

from pathlib import Path

from ....networks.errors import ExprGenError
from ...engine import python_check, task_queue
from .. import job_timer
from ..text_layout import clock, wrapped


class Part:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "ExprGen"


def draw_job(layout, title: str, scale: float = 1.0) -> bool:
    """The progress of the job that a button begins, in the button's place, so that nothing moves;
    False where it neither runs nor waits, and the button is to be drawn."""
    queue = job_timer.queue
    if queue.running is not None and queue.running.title == title:
        draw_progress(layout, queue.running, scale)
        return True
    if not any(t.title == title for t in queue.waiting):
        return False
    row = layout.row(align=True)
    row.scale_y = scale
    row.label(text="Waits for its turn", icon="SORTTIME")
    row.operator("exprgen.cancel_job", text="", icon="X").waiting = True
    return True


def draw_outcome(layout, title: str) -> None:
    """Below a button: what came of its job, until somebody has read it."""
    queue = job_timer.queue
    for task in (t for t in queue.failures if t.title == title):
        draw_failed(layout, task)
    last = queue.last
    if last is None or last.title != title or last in queue.failures or not last.holds():
        return
    if not last.said and not last.warnings:
        return
    row = layout.row()
    column = row.column(align=True)
    draw_wrapped(column, last.said, "CHECKMARK" if last.state == task_queue.DONE else "CANCEL", 28)
    for line in last.warnings[:3]:
        draw_wrapped(column, line, "INFO", 28)
    row.operator("exprgen.dismiss", text="", icon="X", emboss=False)


def button(layout, operator: str, scale: float, **arguments):
    row = layout.row()
    row.scale_y = scale
    return row.operator(operator, **arguments)


def draw_progress(layout, task: task_queue.Task, scale: float = 1.0) -> None:
    row = layout.row(align=True)
    row.scale_y = scale
    row.progress(factor=task.share, text=progress_text(task))
    row.operator("exprgen.show_log", text="", icon="TEXT")
    row.operator("exprgen.cancel_job", text="", icon="X")


def progress_text(task: task_queue.Task) -> str:
    """How far a task is, for a bar."""
    if task.state == task_queue.STOPPING:
        return "stopping"
    waits = task.processor.waits
    if not task.done:
        if waits:
            return "waiting for the processor"
        return f"{task.stage} (Esc stops)" if task.stage else ""
    text = f"{task.done}" + (f" of {task.total}" if task.total else "")
    if task.course.stages:
        text = f"{task.stage} {text}"
    return f"{text} (busy)" if waits else f"{text}{_time_left(task)}"


def _time_left(task: task_queue.Task) -> str:
    """Never "0 s left", and nothing where it is not known: the last of a stage may still be long in
    the writing."""
    if task.course.stages:
        ends = task.course.reached >= 1.0
    else:
        ends = bool(task.total) and task.done >= task.total
    if ends:
        return ", finishing"
    if task.left is None:
        return ""
    return f", {clock(task.left)} left" if task.left >= 1.0 else ", a moment"


def draw_failed(layout, task: task_queue.Task) -> None:
    box = layout.box().column()
    box.label(text=f"{task.title} failed", icon="ERROR")
    draw_error(box, task.error)
    for line in task.warnings[:3]:
        draw_wrapped(box, line, "INFO")
    row = box.row(align=True)
    row.operator("exprgen.show_log", text="Log", icon="TEXT")
    row.operator("exprgen.dismiss", icon="X")


def draw_error(layout, error: ExprGenError) -> None:
    column = layout.column(align=True)
    column.alert = True
    line = python_check.pip_line(error)
    named = error.file and not line
    draw_wrapped(column, f"{Path(error.file).name}: {error.problem}" if named else error.problem)
    column = layout.column(align=True)
    if line:
        draw_wrapped(column, python_check.without_line(error), "FORWARD")
        column.operator("exprgen.copy_line", icon="COPYDOWN").line = line
    elif error.fix:
        draw_wrapped(column, error.fix, "FORWARD")
    words = f"{error.problem} {error.fix}".lower()
    if "preferences" in words:
        from ...addon import ADDON

        column.operator("preferences.addon_show", text="Preferences").module = ADDON
    if "doctor --fetch" in words:
        column.operator("exprgen.fetch_model", icon="IMPORT")


def draw_wrapped(layout, text: str, icon: str = "NONE", width: int = 34) -> None:
    """Text over several lines, since a label is one."""
    draw_lines(layout, wrapped(text, width), icon)


def draw_lines(layout, lines: list[str], icon: str = "NONE") -> None:
    """Lines, the first with an icon."""
    for line in lines:
        layout.label(text=line, icon=icon)
        icon = "BLANK1" if icon != "NONE" else "NONE"


def split_column(layout):
    column = layout.column()
    column.use_property_split, column.use_property_decorate = True, False
    return column


def alert(layout, text: str) -> None:
    column = layout.column(align=True)
    column.alert = True
    draw_wrapped(column, text, "ERROR", 30)
