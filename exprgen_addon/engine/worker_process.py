"""The worker's process as this side sees it: started, spoken to, read, ended. No Blender."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import threading
import weakref
from collections import deque
from pathlib import Path

from ...networks.errors import ExprGenError, ModelError
from ...networks.packages import lacking
from ...networks.worker import NICE_VARIABLE
from .engine_python import (
    PYTHON_VARIABLE,
    TOO_OLD,
    engine,
    threads_environment,
    worker_environment,
    worker_python,
)

WORKER = Path(__file__).resolve().parents[2] / "networks" / "worker.py"
LOG_LINES = 2000
"""Lines of what processes said that are kept for a person to read."""
running_workers: weakref.WeakSet[WorkerProcess] = weakref.WeakSet()

# What libraries print for their own developers; never the reason why a worker died.
CHATTER = re.compile(r"^([IW]\d{4} |W0000|INFO:|WARNING: (All log|Logging before)|\s*$)")


def own_group() -> dict:
    """Arguments of Popen that leave a terminal's Ctrl-C, and a window its speed, to the caller."""
    if os.name == "nt":
        idle = subprocess.BELOW_NORMAL_PRIORITY_CLASS if engine().nice else 0
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | idle}
    # Ctrl-C in a terminal must reach the caller alone: the caller asks the worker to stop.
    return {"start_new_session": True}


def start_piped(command: list[str], environment: dict[str, str]) -> subprocess.Popen:
    """A process in its own group, with text pipes to and from it.

    Raises:
        OSError: it can't be started.
    """
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
        **own_group(),
    )


class WorkerProcess:
    """One worker process; it serves any number of jobs, one at a time. Ends with this process.

    Args:
        python: its Python; None finds it. nice, threads: instead of the engine's.
    """

    def __init__(
        self, python: str | None = None, nice: int | None = None, threads: int | None = None
    ):
        self.python = python = python or worker_python()
        environment = worker_environment()
        if nice is not None:
            environment[NICE_VARIABLE] = str(nice)
        if threads is not None:
            environment |= threads_environment(threads)
        try:
            self._process = start_piped([python, "-u", str(WORKER)], environment)
        except OSError as error:
            raise ModelError(
                f"the engine's Python can't be started ({error.strerror})",
                file=python,
                fix="choose a Python that has ExprGen's packages in the preferences (Engine's "
                f"Python), or set {PYTHON_VARIABLE}",
            ) from error
        self._mailboxes: dict[int, queue.SimpleQueue] = {}
        self._last_lines: deque[str] = deque(maxlen=12)
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._write_lock = threading.Lock()
        self._readers = [
            threading.Thread(target=target, daemon=True)
            for target in (self._read_messages, self._read_stderr)
        ]
        for reader in self._readers:
            reader.start()
        running_workers.add(self)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, request: dict) -> None:
        """Write one request; a dead worker is noticed by the job that waits for it."""
        with self._write_lock, contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def open_mailbox(self, number: int) -> queue.SimpleQueue:
        """The messages of one request; None comes last if the worker ended."""
        mailbox = self._mailboxes[number] = queue.SimpleQueue()
        if not self._readers[0].is_alive():
            mailbox.put(None)
        return mailbox

    def close_mailbox(self, number: int) -> None:
        """Forget a request that has ended."""
        self._mailboxes.pop(number, None)

    def close(self, timeout: float = 5.0) -> None:
        """Let the worker end; kill it if it does not within `timeout` seconds."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the worker now; nothing is kept."""
        if self.alive:
            self._process.kill()
        self._process.wait()

    def death(self) -> ExprGenError:
        """Why the worker ended, as far as can be told."""
        for reader in self._readers:
            reader.join(2.0)
        how = how_ended(self._process.wait())
        said = " | ".join(self._last_lines)
        if "ModuleNotFoundError" in said:
            return explained(ExprGenError(said), self.python)
        if any(sign in said for sign in TOO_OLD):
            return ExprGenError(
                "the engine's Python is too old",
                file=self.python,
                fix="choose a Python from 3.11 on in the preferences (Engine's Python), "
                f"or by {PYTHON_VARIABLE}",
            )
        return ExprGenError(
            f"the engine ended unexpectedly ({how}){last_words(said)}",
            fix="try again; if it happens again, report it with these lines",
        )

    def _read_messages(self) -> None:
        for line in self._process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                self._last_lines.append(line.strip())
                continue
            mailbox = self._mailboxes.get(message.get("id"))
            if mailbox is not None:
                mailbox.put(message)
        for mailbox in list(self._mailboxes.values()):
            mailbox.put(None)

    def _read_stderr(self) -> None:
        for line in self._process.stderr:
            self.log.append(line.rstrip()[:1000])
            if not CHATTER.match(line):
                self._last_lines.append(line.strip()[:300])


def explained(error: ExprGenError, python: str) -> ExprGenError:
    """What a process said, but of a missing package in words that lead out."""
    missing = re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", error.problem)
    if missing is None:
        return error
    return lacking([missing[1].partition(".")[0]], python)


def last_words(said: str) -> str:
    return f"; it said last: {said}" if said else ""


def how_ended(code: int) -> str:
    """A process's exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    hint = ", perhaps out of memory" if code == -9 else ""
    return f"signal {signal.Signals(-code).name}{hint}"
