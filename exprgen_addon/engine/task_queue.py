"""Tasks in a row: what a window has under way, one at a time, and what it says of it.

Knows neither Blender nor its window: window/job_timer.py steps the queue by a timer, a background
run steps it to the end. Everything here happens on the thread that steps it, but for what a
`Thinking` does.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ...networks.errors import ExprGenError, UsageError
from .course import Course
from .jobs import Messages
from .processor_share import ProcessorShare
from .worker_process import LOG_LINES

WAITING, RUNNING, STOPPING, FINISHING = "waiting", "running", "stopping", "finishing"
DONE, STOPPED, FAILED = "done", "stopped", "failed"
PATIENCE = 10.0
"""Seconds that a task has to end by itself after it was asked to stop."""
LIMIT = 2
"""Tasks that may be under way or waiting."""


@dataclass
class Task:
    """One thing to be done.

    title: for a person. begin: starts the job. finish: takes its result, on the main thread, and
    says in one line what came of it (or None); may raise ExprGenError. keep_partial: a result that
    was stopped half-way is worth finishing. until_stopped: once it is asked to stop nothing comes
    of it, however far it is: who presses Esc wants nothing changed. drop: removes what an end
    without `finish` leaves. copy: of the open file, made for the job alone: it is gone at every
    end, and no error names it. holds: what it brought is still there, and `said` therefore true;
    False after an undo. course: its stages, where it has several.
    """

    title: str
    begin: Callable[[], Messages]
    finish: Callable[[dict], str | None] = lambda result: None
    keep_partial: bool = False
    until_stopped: bool = False
    drop: Callable[[], None] = lambda: None
    copy: Path | None = None
    holds: Callable[[], bool] = lambda: True
    course: Course = field(default_factory=Course)
    state: str = WAITING
    stage: str = ""
    done: int = 0
    total: int | None = None
    eta: float | None = None
    said: str = ""
    error: ExprGenError | None = None
    warnings: list[str] = field(default_factory=list)
    log: deque = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    job: Messages | None = None
    began: float = 0.0
    begun: float = 0.0
    told: float = 0.0
    stop_asked: float = 0.0
    processor: ProcessorShare = field(default_factory=ProcessorShare)

    @property
    def share(self) -> float:
        """0..1 of the whole where its course is known, else of the present stage."""
        if self.course.stages:
            return self.course.reached
        return min(self.done / self.total, 1.0) if self.total else 0.0

    @property
    def left(self) -> float | None:
        """Seconds that it will take still, counted down between two messages; None: not known."""
        if self.eta is None:
            return None
        return max(0.0, self.eta - (time.monotonic() - self.told))

    @property
    def over(self) -> bool:
        return self.state in (DONE, STOPPED, FAILED)

    def speaking(self, error: ExprGenError) -> ExprGenError:
        """An error as it is told: what is about the copy is about what is open."""
        if self.copy is None or error.file is None or Path(error.file) != self.copy:
            return error
        return type(error)(error.problem, fix=error.fix)

    def drop_copy(self) -> None:
        """Remove the copy; one that something still holds open goes with its folder."""
        if self.copy is not None:
            with contextlib.suppress(OSError):
                self.copy.unlink()

    def full_log(self) -> list[str]:
        """What it said, then what its process printed."""
        printed = self.job.log if self.job is not None else []
        return [*self.log, *(["", "--- printed by the process ---", *printed] if printed else [])]


class TaskQueue:
    """One task runs, the next ones wait. `last` is the one that ended last; `failures` are kept
    until somebody has read them."""

    def __init__(self):
        self.failures: list[Task] = []
        self.running: Task | None = None
        self.waiting: list[Task] = []
        self.last: Task | None = None

    @property
    def busy(self) -> bool:
        return self.running is not None or bool(self.waiting)

    def refusal(self, title: str) -> str:
        """Why a task of this title can't be added now, or ""."""
        under_way = [*filter(None, [self.running]), *self.waiting]
        if any(t.title == title for t in under_way):
            return f"{title} is under way already"
        if len(under_way) >= LIMIT:
            return "One job runs and one waits: let one end, or cancel it"
        return ""

    def add(self, task: Task) -> None:
        """Start it, or let it wait.

        Raises:
            UsageError: too many wait, or this one is under way.
        """
        reason = self.refusal(task.title)
        if reason:
            raise UsageError(reason)
        self.waiting.append(task)
        self._start_next()

    def step(self, may_finish: bool = True) -> bool:
        """Take what came; True if there is something new to show. Never waits.

        Args:
            may_finish: results may be taken now; else they are kept for a later step.
        """
        task = self.running
        if task is None:
            return self._start_next()
        news = [task.job.messages()] if task.job is not None else []
        for message in (m for batch in news for m in batch):
            _note(task, message)
        starved = not task.job.done and task.processor.look(task.job.pids)
        if task.state == STOPPING and time.monotonic() - task.stop_asked > PATIENCE:
            task.job.kill()
        if task.job.done and may_finish:
            self._end(task)
            self._start_next()
            return True
        return starved or any(news)

    def cancel(self, task: Task | None = None) -> None:
        """Ask a task, by default the running one, to stop; a second time ends it at once."""
        task = task or self.running
        if task in self.waiting:
            self.waiting.remove(task)
            task.state, self.last = STOPPED, task
            task.drop_copy()
        elif task is not None and task is self.running:
            if task.state == STOPPING:
                task.job.kill()
            else:
                task.state, task.stop_asked = STOPPING, time.monotonic()
                task.job.stop()

    def clear(self, said: str = "") -> None:
        """End everything at once; nothing is finished.

        Args:
            said: why, to be told of the task that ran; "" to tell nothing.
        """
        for task in self.waiting:
            task.drop_copy()
        self.waiting.clear()
        ended, self.running = self.running, None
        if ended is not None:
            if ended.job is not None:
                ended.job.kill()
            ended.state, ended.said = STOPPED, said
            ended.drop()
            ended.drop_copy()
        self.last = ended if said else None
        self.failures.clear()

    def run(self, task: Task, on_message: Callable[[dict], None] = lambda m: None) -> Task:
        """Run a task to its end here and now, without the queue.

        Raises:
            ExprGenError: what went wrong.
        """
        _begin(task)
        while task.error is None and not task.job.done:
            for message in task.job.messages():
                _note(task, message)
                on_message(message)
            time.sleep(0.01)
        self._end(task)
        if task.error is not None:
            raise task.error
        return task

    def _start_next(self) -> bool:
        if self.running is not None or not self.waiting:
            return False
        task = self.waiting.pop(0)
        _begin(task)
        if task.job is None:
            self.last = task
            self.failures.append(task)
            return True
        self.running = task
        return True

    def _end(self, task: Task) -> None:
        queued = self.running is task
        if queued:
            self.running = None
        self.last = task
        if task.job is None:
            return
        try:
            self._conclude(task)
        finally:
            task.drop_copy()
        if queued and task.state == FAILED:
            self.failures.append(task)

    def _conclude(self, task: Task) -> None:
        stopped = task.state == STOPPING
        task.error = task.job.error
        if task.error is not None:
            # Who asked for a stop needs no error: a killed worker is what was wanted.
            task.state = STOPPED if stopped else FAILED
            task.error = None if stopped else task.speaking(task.error)
            task.said = task.said or ("stopped" if stopped else "")
            task.drop()
            return
        partial = task.job.result.get("partial") and not task.keep_partial
        if stopped and (partial or task.until_stopped):
            task.state, task.said = STOPPED, "stopped"
            task.drop()
            return
        task.state = FINISHING
        try:
            task.said = task.finish(task.job.result) or ""
            task.state = STOPPED if stopped else DONE
        except ExprGenError as error:
            task.error, task.state = error, FAILED
        except Exception as error:
            traceback.print_exc()
            task.log.extend(traceback.format_exc().splitlines())
            task.error = ExprGenError(
                f"{type(error).__name__}: {error}", fix="this is a fault in ExprGen: report the log"
            )
            task.state = FAILED


def _begin(task: Task) -> None:
    task.began = task.begun = time.monotonic()
    task.state, task.stage = RUNNING, "starting"
    try:
        task.job = task.begin()
    except ExprGenError as error:
        task.error, task.state = task.speaking(error), FAILED
        task.drop_copy()


def _note(task: Task, message: dict) -> None:
    kind = message["type"]
    if kind == "stage":
        task.stage, task.done, task.total, task.eta = message["stage"], 0, None, None
        _follow_course(task)
    elif kind == "progress":
        if message["stage"] != task.stage:
            task.stage, task.began = message["stage"], time.monotonic()
        task.done, task.total = message["done"], message.get("total")
        task.eta, task.told = message.get("eta"), time.monotonic()
        if task.eta is None:
            task.eta = _left(task.told - task.began, task.done / (task.total or math.inf))
        _follow_course(task)
    elif kind == "log":
        task.log.append(message["text"])
        if message.get("level") == "warning":
            task.warnings.append(message["text"])
    elif kind == "error":
        task.log.append(f"error: {task.speaking(ExprGenError.from_message(message))}")


def _follow_course(task: Task) -> None:
    """Of a task with several stages the time left is that of all, as far as it can be told."""
    if not task.course.stages:
        return
    share = min(task.done / task.total, 1.0) if task.total else 0.0
    task.course, task.told = task.course.at(task.stage, share), time.monotonic()
    task.eta = _left(task.told - task.begun, task.course.reached)


def _left(spent: float, share: float) -> float | None:
    """Seconds that the rest takes if `share` (0..1) took `spent`; None where that says nothing."""
    return spent * (1.0 - share) / share if spent > 1.0 and share > 0.01 else None


class Thinking(Messages):
    """A Python function as a job, in a thread of its own; it must not touch Blender.

    Args:
        function: (emit, stopped) -> the result's fields.
    """

    def __init__(self, function: Callable[[Callable[[dict], None], Callable[[], bool]], dict]):
        super().__init__()
        self._function, self._stop = function, threading.Event()
        self._mailbox = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def log(self) -> list[str]:
        return []

    def stop(self) -> None:
        self.stopping = True
        self._stop.set()

    def kill(self) -> None:
        self._stop.set()
        self._mailbox.put({"type": "result", "partial": True})

    def _run(self) -> None:
        try:
            result = self._function(self._mailbox.put, self._stop.is_set)
            self._mailbox.put({"type": "result", "partial": self._stop.is_set(), **result})
        except ExprGenError as error:
            self._mailbox.put(error.to_message())
        except Exception as error:
            traceback.print_exc()
            fault = ExprGenError(f"{type(error).__name__}: {error}", fix="report it")
            self._mailbox.put(fault.to_message())
