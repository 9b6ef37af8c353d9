"""The worker's process as this side sees it: started, spoken to, read, ended. No Blender."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import re
import signal
import subprocess
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from ...networks.errors import ExprGenError, ModelError
from ...networks.files import is_full, unwritable
from ...networks.messages import LONGEST_LINE, is_answer, read_messages
from ...networks.packages import lacking
from ...networks.records import json_text
from ...networks.worker import NICE_VARIABLE
from .engine_python import (
    BROKEN,
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
SILENCE = 300.0
"""Seconds without a sign of life after which a process counts as hung. The worker gives one every
few seconds, but not while a library holds Python's lock: loading the packages from a slow disk may
take a minute."""
LOOK = 1.0
"""Seconds that count at most between two looks at a silent process."""
running_workers: weakref.WeakSet[WorkerProcess] = weakref.WeakSet()
children: weakref.WeakSet[subprocess.Popen] = weakref.WeakSet()
"""Every process that this one has started, of whatever kind."""

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
    process = subprocess.Popen(
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
    children.add(process)
    return process


def lines_of(stream: TextIO) -> Iterator[str]:
    """The lines of a stream to its end, each cut where it is longer than a line may be; a stream
    that breaks ends."""
    with contextlib.suppress(OSError, ValueError):
        while line := stream.readline(LONGEST_LINE):
            yield line


def answers(stream: TextIO, printed: Callable[[str], None]) -> Iterator[dict]:
    """The messages of a process (see networks/worker.py) to the end of its stream.

    Args:
        printed: is given every other line that it prints there.
    """
    with contextlib.suppress(OSError, ValueError):
        for message in read_messages(stream):
            if isinstance(message, dict) and is_answer(message):
                yield message
            else:
                printed(str(message))


class Silence:
    """Tells when a process that should speak has been silent for too long.

    Only time in which somebody looks counts, so that neither a machine that slept nor a window that
    stood still is taken for a silent process.
    """

    def __init__(self, limit: float):
        self._limit, self._heard = limit, -1
        self._silent, self._looked = 0.0, time.monotonic()

    def is_over(self, heard: int) -> bool:
        """Look: `heard` counts what has come so far."""
        now = time.monotonic()
        if heard != self._heard:
            self._heard, self._silent = heard, 0.0
        else:
            self._silent += min(now - self._looked, LOOK)
        self._looked = now
        return self._silent > self._limit


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
            if is_full(error) and error.errno != errno.EACCES:
                raise unwritable("the engine's pipes", error) from error
            raise ModelError(
                f"the engine's Python can't be started ({error.strerror})",
                file=python,
                fix="choose a Python that has ExprGen's packages in the preferences (Engine's "
                f"Python), or set {PYTHON_VARIABLE}",
            ) from error
        self._mailboxes: dict[int, queue.SimpleQueue] = {}
        self._ended = False
        self.heard = 0
        """Messages that have come, signs of life too."""
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
            self._process.stdin.write(json_text(request) + "\n")
            self._process.stdin.flush()

    def open_mailbox(self, number: int) -> queue.SimpleQueue:
        """The messages of one request; None comes last if the worker ended."""
        mailbox = self._mailboxes[number] = queue.SimpleQueue()
        if self._ended:
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
        """Why the worker ended, as far as can be told; it is ended if it has not."""
        if self._ended:  # its stdout is closed: it is about to end, if it can
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5.0)
        self.kill()
        for reader in self._readers:
            reader.join(2.0)
        how = how_ended(self._process.wait())
        said = " | ".join(self._last_lines)
        if any(sign in said for sign in BROKEN):
            return ModelError(
                f"the engine's Python does not work ({how}){last_words(said)}",
                file=self.python,
                fix="mend or reinstall it, or choose another in the preferences (Engine's Python) "
                f"or by {PYTHON_VARIABLE}",
            )
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
        try:
            for message in answers(self._process.stdout, self._take_line):
                self.heard += 1
                mailbox = self._mailboxes.get(message.get("id"))
                if mailbox is not None:
                    mailbox.put(message)
        finally:
            self._ended = True
            for mailbox in list(self._mailboxes.values()):
                mailbox.put(None)

    def _take_line(self, line: str) -> None:
        self._last_lines.append(line.strip()[:300])

    def _read_stderr(self) -> None:
        for line in lines_of(self._process.stderr):
            self.log.append(line.rstrip()[:1000])
            if not CHATTER.match(line):
                self._take_line(line)


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
