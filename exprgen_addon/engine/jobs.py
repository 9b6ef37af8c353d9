"""Jobs: the worker process and what it says, for a window (drained by a timer, see
window/job_timer.py) and for the background and the command line (run to the end).

Never imports bpy: a job knows nothing of the scene. Only the thread that asks for messages sees
them, so results reach Blender on its main thread.

Two kinds of process answer: the worker (networks/worker.py, one that stays) and, for what needs a
Blender of its own, a command of ExprGen's command line in a Blender without a window (`Command`,
see command_line/hosted.py). Both give the same messages, so a caller need not know which it is.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import queue
import signal
import subprocess
import threading
import weakref
from collections import deque
from collections.abc import Callable

from ...networks.errors import ExprGenError
from ...networks.files import new_scratch, remove, temporary_in
from ...networks.messages import ALIVE
from .engine_python import command_environment
from .worker_process import (
    CHATTER,
    LOG_LINES,
    SILENCE,
    Silence,
    WorkerProcess,
    answers,
    explained,
    how_ended,
    last_words,
    lines_of,
    running_workers,
    start_piped,
)

_numbers = itertools.count(1)


class Messages:
    """One request and all that comes back; `Job` and `Command` say from where.

    result: the request's fields, or None. error: what went wrong, or None. python: what it runs
    in, where it is the engine's.
    """

    python = ""

    def __init__(self):
        self.result: dict | None = None
        self.error: ExprGenError | None = None
        self.stopping = False
        self._mailbox: queue.SimpleQueue = queue.SimpleQueue()
        self._silence = Silence(SILENCE)

    @property
    def done(self) -> bool:
        """It has ended: `result` or `error` is set."""
        return self.result is not None or self.error is not None

    @property
    def pids(self) -> list[int]:
        """The processes that work on it, as far as is known: all workers that there are."""
        return [w.pid for w in running_workers if w.alive]

    @property
    def log(self) -> list[str]:
        """What the process printed for developers, the last lines."""
        raise NotImplementedError

    def messages(self) -> list[dict]:
        """What came since the last call; never waits. For a window's timer."""
        messages = []
        while not self.done:
            try:
                message = self._mailbox.get_nowait()
            except queue.Empty:
                return messages + self._watch()
            messages += self._take(message)
        return messages

    def run_blocking(self, on_message: Callable[[dict], None] = lambda message: None) -> dict:
        """Wait for the end and return the result (its fields as in networks/worker.py).

        Raises:
            ExprGenError: what went wrong in the worker, of the same kind as there.
        """
        while not self.done:
            try:
                # A short wait, so that Ctrl-C is handled at once on every system.
                message = self._mailbox.get(timeout=0.2)
            except queue.Empty:
                told = self._watch()
            else:
                told = self._take(message)
            for m in told:
                on_message(m)
        if self.error is not None:
            raise self.error
        return self.result

    def stop(self) -> None:
        """Ask for an early end; a partial result follows."""
        raise NotImplementedError

    def kill(self) -> None:
        """End it at once; nothing is kept."""
        raise NotImplementedError

    def _death(self) -> ExprGenError:
        raise NotImplementedError

    def _ended(self) -> None:
        """Called once, after the result or the error has come."""

    def _heard(self) -> int | None:
        """How many messages of any kind have come; None if silence means nothing."""
        return None

    def _watch(self) -> list[dict]:
        """Give up a process that has been silent for too long; what there is to tell of it."""
        heard = self._heard()
        if heard is None or not self._silence.is_over(heard):
            return []
        self.kill()
        self.error = ExprGenError(
            f"the engine gave no sign of life for {SILENCE:.0f} s and was ended",
            fix="try again; if it happens again, report it with the log",
        )
        self._ended()
        return [self.error.to_message()]

    def _take(self, message: dict | None) -> list[dict]:
        if message is None:
            self.error = self._death()
            message = self.error.to_message()
        elif message["type"] == "result":
            self.result = {k: v for k, v in message.items() if k not in ("type", "id")}
        elif message["type"] == "error":
            self.error = explained(ExprGenError.from_message(message), self.python)
        if self.done:
            self._ended()
        return [message]


class Job(Messages):
    """One request to a worker and all that comes back.

    Args:
        command, arguments: see networks/worker.py.
        worker: a running worker to use; None starts one that ends with the job.
        nice: of one that is started, instead of the engine's.
    """

    def __init__(
        self,
        command: str,
        arguments: dict,
        worker: WorkerProcess | None = None,
        nice: int | None = None,
    ):
        super().__init__()
        self._own_worker = worker is None
        self.worker = worker or WorkerProcess(nice=nice)
        self.python = self.worker.python
        self.number = next(_numbers)
        self._mailbox = self.worker.open_mailbox(self.number)
        self.worker.send({"id": self.number, "command": command, "arguments": arguments})

    @property
    def pids(self) -> list[int]:
        return [self.worker.pid]

    @property
    def log(self) -> list[str]:
        return list(self.worker.log)

    def stop(self) -> None:
        self.stopping = True
        self.worker.send({"command": "stop", "id": self.number})

    def kill(self) -> None:
        self.worker.kill()

    def _heard(self) -> int:
        return self.worker.heard

    def _death(self) -> ExprGenError:
        return self.worker.death()

    def _ended(self) -> None:
        self.worker.close_mailbox(self.number)
        if self._own_worker:
            self.worker.close()


class Command(Messages):
    """A command of ExprGen's command line in a Blender without a window, as a job.

    Args:
        words: as behind `exprgen`. blender: the command that starts command_host.main there (see
            `capture.blender_command`); the words follow it.
    """

    def __init__(self, words: list[str], blender: list[str]):
        super().__init__()
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self._count = 0
        # Blender makes a folder of its own at once, and leaves it when it is ended by force.
        self._folder = new_scratch()
        environment = command_environment() | temporary_in(self._folder)
        try:
            self._process = start_piped([*blender, *words], environment)
        except OSError as error:
            remove(self._folder)
            raise ExprGenError(
                f"Blender can't be started ({error.strerror})", file=blender[0]
            ) from error
        for target in (self._read_messages, self._read_stderr):
            threading.Thread(target=target, daemon=True).start()
        _commands.add(self)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def pids(self) -> list[int]:
        return [self.pid]

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def log(self) -> list[str]:
        return list(self._lines)

    def stop(self) -> None:
        self.stopping = True
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()  # the host takes it for Ctrl-C

    def kill(self) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                if os.name == "nt":
                    self._process.kill()
                else:  # and the Blenders that it renders in
                    os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        remove(self._folder)

    def _heard(self) -> int:
        return self._count

    def _death(self) -> ExprGenError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        self.kill()
        how = how_ended(self._process.wait())
        lines = [line for line in self._lines if line and not CHATTER.match(line)][-6:]
        return ExprGenError(
            f"the work ended unexpectedly ({how}){last_words(' | '.join(lines))}",
            fix="try again; if it happens again, report it with these lines",
        )

    def _ended(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        remove(self._folder)

    def _read_messages(self) -> None:
        try:
            for message in answers(self._process.stdout, self._take_line):
                self._count += 1
                if message["type"] != ALIVE:
                    self._mailbox.put(message)
        finally:
            self._mailbox.put(None)

    def _take_line(self, line: str) -> None:
        self._lines.append(line.rstrip()[:1000])

    def _read_stderr(self) -> None:
        for line in lines_of(self._process.stderr):
            self._take_line(line)


_commands: weakref.WeakSet[Command] = weakref.WeakSet()


@atexit.register
def end_all() -> None:
    """End every process that jobs have started."""
    for process in [*running_workers, *_commands]:
        if process.alive:
            process.kill()
