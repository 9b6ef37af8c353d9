"""The window's side of jobs: one queue, stepped by a timer while it has something to do.

The timer runs between events, so the window stays at full speed; it asks processes what they said
and never waits. What a job brings back is written by an operator, as one step of undo, and not
while somebody is in the middle of another tool. Nothing here survives a file load, an `unregister`
or the end of Blender.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import bpy

from ...networks.characters.profile import RigProfile
from ...networks.characters.response import is_measured
from ...networks.errors import ExprGenError, UsageError
from ...networks.files import new_scratch, remove
from ..engine import engine_python, jobs, worker_process
from ..engine.chain import Chain, Link
from ..engine.task_queue import FAILED, FINISHING, Task, TaskQueue
from ..keying.takes import save_file

INTERVAL = 0.1

queue = TaskQueue()
_worker: worker_process.WorkerProcess | None = None
_engine: engine_python.Engine | None = None
_folder: Path | None = None


def worker() -> worker_process.WorkerProcess:
    """The worker that jobs share: what it has loaded serves the next one. A dead one is replaced,
    and one that runs otherwise than the preferences now say; called between jobs.

    Raises:
        ExprGenError: no Python to run it in.
    """
    global _worker, _engine
    if _worker is not None and _engine != engine_python.engine():
        _worker.kill()
    if _worker is None or not _worker.alive:
        _worker, _engine = worker_process.WorkerProcess(), engine_python.engine()
    return _worker


def scratch() -> Path:
    """A folder for passing files; it goes when Blender ends."""
    global _folder
    if _folder is None:
        _folder = new_scratch()
    return _folder


def copied(title: str, name: str) -> Path:
    """The open file as a job of this title is to read it, saved in `scratch` under a name.

    Raises:
        UsageError: that job can't be added now; one that is under way keeps its own copy.
        OutputError: it can't be written.
    """
    if reason := queue.refusal(title):
        raise UsageError(reason)
    return save_file(scratch() / name)


def ask(command: str, arguments: dict) -> Callable[[], jobs.Job]:
    """A task's `begin`: a request to the shared worker."""
    return lambda: jobs.Job(command, arguments, worker())


def ask_all(command: str, stage: str, requests: Sequence[dict]) -> Callable[[], Chain]:
    """The same of several requests, one after another; `stage` is what they are called."""
    return lambda: Chain([Link(stage, ask(command, request)) for request in requests])


def measured_first(profiles: Sequence[RigProfile], begin: Callable[[], jobs.Messages]):
    """A task's `begin` before which the response of those characters is measured that have none of
    their rig as it is now, where it can be kept; without it their relations are not solved."""
    todo = [p.path for p in unmeasured(profiles) if os.access(p.path.parent, os.W_OK)]
    if not todo:
        return begin
    measure = command("response", "--changed", *todo)
    return lambda: Chain([Link("", measure, helps=True), Link("", begin)])


def unmeasured(profiles: Sequence[RigProfile]) -> list[RigProfile]:
    """Those with landmarks whose response is not there, or of another rig, landmarks or controls
    than they have now."""
    return [p for p in profiles if p.landmarks and not is_measured(p)]


def command(*words) -> Callable[[], jobs.Command]:
    """A task's `begin`: a command of the command line in a Blender of its own."""

    def begin() -> jobs.Command:
        from ..engine.other_blender import blender_command

        return jobs.Command(
            [str(w) for w in words], blender_command("exprgen_addon.command_line.hosted")
        )

    return begin


def start(task: Task, operator: bpy.types.Operator) -> set[str]:
    """Let an operator start a task: in a window it goes on behind it, in the background it is
    waited for. Returns what `execute` returns."""
    # Who tries again has read what came of the last time.
    queue.failures[:] = [t for t in queue.failures if t.title != task.title]
    if queue.last is not None and queue.last.title == task.title:
        queue.last = None
    try:
        if bpy.app.background:
            queue.run(task)
            if task.said:
                operator.report({"INFO"}, task.said)
        else:
            queue.add(task)
            _start_timer()
    except ExprGenError as error:
        task.drop_copy()  # where it was refused
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}
    if task.state == FAILED:
        operator.report({"ERROR"}, str(task.error))
        return {"CANCELLED"}
    return {"FINISHED"}


def add(task: Task) -> None:
    """Let a task follow what is under way, without an operator that asks for it; in the background
    it is waited for.

    Raises:
        ExprGenError: too much waits already; in the background, what went wrong.
    """
    if bpy.app.background:
        queue.run(task)
    else:
        queue.add(task)
        _start_timer()


def undoable(operator, of_take: bool = False, **properties) -> None:
    """Call an operator from a task's end, as one step of undo, in a window if there is one. What
    the task says of itself holds as long as the step is not undone.

    Args:
        of_take: it holds no longer than the take is shown that is shown then.
        properties: the operator's; `scene` names the scene that it writes into.

    Raises:
        ExprGenError: the operator refused; its own words.
    """
    try:
        with in_view():
            result = operator("EXEC_DEFAULT", **properties)
            if "FINISHED" in result:
                _count(properties["scene"], of_take)
                # Not left to the operator: Blender takes no step for one that another one calls,
                # as the background does.
                bpy.ops.ed.undo_push(message=operator.get_rna_type().name)
    except RuntimeError as error:
        raise UsageError(_words(error)) from error
    if "FINISHED" not in result:
        raise UsageError("could not be done", fix="read the log")


def redraw(viewport: bool = False) -> None:
    """Have the sidebars and the status bar drawn anew; the 3D views themselves only where asked."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type not in ("VIEW_3D", "PREFERENCES"):
                continue
            shown = ("UI", "WINDOW") if viewport or area.type == "PREFERENCES" else ("UI",)
            for region in area.regions:
                if region.type in shown:
                    region.tag_redraw()
        if not _in_a_tool():  # whose own words stand there
            with bpy.context.temp_override(window=window):
                bpy.context.workspace.status_text_set(None)  # has the status bar drawn anew


def abandon(said: str = "") -> None:
    """End every job and forget what it was for; a worker that has nothing to do may stay.

    Args:
        said: why, to be told of the one that ran; "" to tell nothing.
    """
    global _folder
    queue.clear(said)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if _folder is not None:
        remove(_folder)
        _folder = None


def close() -> None:
    """`abandon`, and end the worker."""
    global _worker
    abandon()
    if _worker is not None:
        _worker.kill()
        _worker = None


def _count(scene: str, of_take: bool) -> None:
    """Count what is written into a scene, in the scene itself: undo and redo count with it."""
    settings = bpy.data.scenes[scene].exprgen
    settings.written += 1
    number, take, task = settings.written, settings.take, queue.last
    if task is None or task.state != FINISHING:
        return
    before = task.holds

    def holds() -> bool:
        found = bpy.data.scenes.get(scene)
        if found is None or found.exprgen.written < number or not before():
            return False
        return not of_take or found.exprgen.take == take

    task.holds = holds


def _start_timer() -> None:
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=INTERVAL)


def _tick() -> float | None:
    if queue.step(may_finish=not _in_a_tool()):
        redraw()
    if queue.busy:
        return INTERVAL
    redraw()
    return None


def _in_a_tool() -> bool:
    """Somebody is moving something right now: not the moment to write keys."""
    return any(
        not operator.bl_idname.startswith(("EXPRGEN_", "SCREEN_OT_animation"))
        for window in bpy.context.window_manager.windows
        for operator in getattr(window, "modal_operators", ())
    )


def in_view():
    """A context with a 3D view in it, for operators that a timer calls; without a window, as it
    is."""
    windows = bpy.context.window_manager.windows
    if not windows:
        return bpy.context.temp_override()
    for window in windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                region = next(r for r in area.regions if r.type == "WINDOW")
                return bpy.context.temp_override(window=window, area=area, region=region)
    return bpy.context.temp_override(window=windows[0])


def _words(error: RuntimeError) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].removeprefix("Error: ") if lines else "could not be done"
