"""Is the engine's Python whole? Asked once in the background, so that a panel says what is missing
before the first job fails.

A process of the engine's own is asked, by a timer that never waits; nothing is loaded in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import bpy

from ...networks.errors import ExprGenError
from ...networks.packages import lacking
from . import jobs

INTERVAL = 0.2

trouble: ExprGenError | None = None
"""What keeps the engine from running, as far as is known; its `file` is the Python that was
tried."""

without_training = ""
"""What trainings lack there, in words, as far as is known."""

_job: jobs.Job | None = None

listeners: list[Callable[[], None]] = []
"""Called when an answer has come: what shows it draws anew."""


def look() -> None:
    """Ask the engine's Python anew, without waiting; what was known is forgotten."""
    global _job, trouble
    forget()
    try:
        _job = jobs.Job("versions", {}, nice=0)  # short, and waited for
    except ExprGenError as error:
        trouble = error
        return
    bpy.app.timers.register(_tick, first_interval=INTERVAL)


def forget() -> None:
    """Let go of what is known and of what is being asked."""
    global _job, trouble, without_training
    without_training = ""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if _job is not None and not _job.done:
        _job.kill()
    _job = trouble = None


def pip_line(error: ExprGenError) -> str:
    """The line for a terminal that an error's fix holds, or ""."""
    found = re.search(r"`([^`]* -m pip install [^`]*)`", error.fix)
    return found[1] if found else ""


def without_line(error: ExprGenError, instead: str = "by the copied line") -> str:
    """The fix where its line stands, or is copied, elsewhere."""
    return re.sub(r"with `[^`]* -m pip install [^`]*`", instead, error.fix)


def take(packages: dict[str, str | None], python: str) -> None:
    """Know what an engine's Python answered: module -> its version, None where it is missing."""
    global trouble
    missing = [name for name, version in packages.items() if version is None]
    trouble = lacking(missing, python) if missing else None


def _note_training(packages: dict[str, str | None]) -> None:
    global without_training
    missing = [name for name, version in packages.items() if version is None]
    without_training = (
        f"Training needs {', '.join(missing)}: choose a Python that has it in the preferences"
        if missing
        else ""
    )


def step() -> bool:
    """Take the answer if it came; whether nothing is awaited any more."""
    global _job, trouble
    if _job is None:
        return True
    _job.messages()
    if not _job.done:
        return False
    job, _job = _job, None
    if job.error is not None:
        trouble = job.error
        if trouble.file is None:
            trouble.file = job.python
    else:
        take(job.result["packages"], job.python)
        _note_training(job.result.get("training", {}))
    return True


def _tick() -> float | None:
    if not step():
        return INTERVAL
    for tell in listeners:
        tell()
    return None
