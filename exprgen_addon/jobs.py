"""Jobs: the worker process and what it says, for a window (drained by a modal operator) and for the
background and the command line (run to the end).

Never imports bpy: a job knows nothing of the scene. Only the thread that asks for messages sees
them, so results reach Blender on its main thread.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path

from ..networks.errors import ExprGenError, ModelError

WORKER = Path(__file__).resolve().parent.parent / "networks" / "worker.py"
PYTHON_VARIABLE = "EXPRGEN_PYTHON"

_numbers = itertools.count(1)
_running: weakref.WeakSet[WorkerProcess] = weakref.WeakSet()

# What libraries print for their own developers; never the reason why a worker died.
_CHATTER = re.compile(r"^([IW]\d{4} |W0000|INFO:|WARNING: All log messages|\s*$)")


def worker_python() -> str:
    """The Python that runs the worker.

    $EXPRGEN_PYTHON; else the Python that runs this, in Blender the one that Blender brings.
    """
    given = os.environ.get(PYTHON_VARIABLE)
    if given:
        return given
    if Path(sys.executable).name.lower().startswith("python"):
        return sys.executable
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in (Path(sys.prefix) / "bin", Path(sys.base_prefix) / "bin"):
        for name in (version, "python3", "python", "python.exe"):
            if (folder / name).is_file():
                return str(folder / name)
    raise ExprGenError(
        "no Python was found to run the networks in", fix=f"set {PYTHON_VARIABLE} to a python"
    )


class WorkerProcess:
    """One worker process; it serves any number of jobs, one at a time. Ends with this process."""

    def __init__(self, python: str | None = None):
        python = python or worker_python()
        own_group = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
            if os.name == "nt"
            # Ctrl-C in a terminal must reach the caller alone: the caller asks the worker to stop.
            else {"start_new_session": True}
        )
        try:
            self._process = subprocess.Popen(
                [python, "-u", str(WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=worker_environment(),
                **own_group,
            )
        except OSError as error:
            raise ModelError(
                f"the worker's Python can't be started ({error.strerror})",
                file=python,
                fix=f"set {PYTHON_VARIABLE} to a Python that has ExprGen's packages",
            ) from error
        self._mailboxes: dict[int, queue.SimpleQueue] = {}
        self._last_lines: deque[str] = deque(maxlen=12)
        self._write_lock = threading.Lock()
        self._readers = [
            threading.Thread(target=target, daemon=True)
            for target in (self._read_messages, self._read_stderr)
        ]
        for reader in self._readers:
            reader.start()
        _running.add(self)

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
        code = self._process.wait()
        how = f"exit code {code}"
        if code < 0:
            how = f"signal {signal.Signals(-code).name}"
            if -code == 9:
                how += ", perhaps out of memory"
        said = " | ".join(self._last_lines) or "nothing"
        if "ModuleNotFoundError" in said:
            return ModelError(
                f"the worker lacks a package (it said: {said})",
                file=self._process.args[0],
                fix=f"install ExprGen's packages there, or set {PYTHON_VARIABLE}",
            )
        return ExprGenError(
            f"the worker ended unexpectedly ({how}); it said last: {said}",
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
            if not _CHATTER.match(line):
                self._last_lines.append(line.strip()[:300])


class Job:
    """One request to a worker and all that comes back.

    Args:
        command, arguments: see networks/worker.py.
        worker: a running worker to use; None starts one that ends with the job.
    """

    def __init__(self, command: str, arguments: dict, worker: WorkerProcess | None = None):
        self._own_worker = worker is None
        self.worker = worker or WorkerProcess()
        self.number = next(_numbers)
        self.result: dict | None = None
        self.error: ExprGenError | None = None
        self.stopping = False
        self._mailbox = self.worker.open_mailbox(self.number)
        self.worker.send({"id": self.number, "command": command, "arguments": arguments})

    @property
    def done(self) -> bool:
        """It has ended: `result` or `error` is set."""
        return self.result is not None or self.error is not None

    def messages(self) -> list[dict]:
        """What came since the last call; never waits. For a modal operator's timer."""
        messages = []
        while not self.done:
            try:
                message = self._mailbox.get_nowait()
            except queue.Empty:
                break
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
                continue
            for m in self._take(message):
                on_message(m)
        if self.error is not None:
            raise self.error
        return self.result

    def stop(self) -> None:
        """Ask for an early end; a partial result follows."""
        self.stopping = True
        self.worker.send({"command": "stop", "id": self.number})

    def kill(self) -> None:
        """End the worker at once; nothing is kept."""
        self.worker.kill()

    def _take(self, message: dict | None) -> list[dict]:
        if message is None:
            self.error = self.worker.death()
            message = self.error.to_message()
        elif message["type"] == "result":
            self.result = {k: v for k, v in message.items() if k not in ("type", "id")}
        elif message["type"] == "error":
            self.error = ExprGenError.from_message(message)
        if self.done and self._own_worker:
            self.worker.close()
        return [message]


def worker_environment() -> dict[str, str]:
    """Environment of a process that runs in `worker_python`: the packages that this Python sees."""
    environment = dict(os.environ)
    environment["GLOG_minloglevel"] = environment.get("GLOG_minloglevel", "2")
    if PYTHON_VARIABLE not in os.environ:
        # Blender keeps extensions' packages in a folder that its Python alone does not look at.
        packages = [p for p in sys.path if Path(p).name == "site-packages" and Path(p).is_dir()]
        given = [p for p in [environment.get("PYTHONPATH")] if p]
        environment["PYTHONPATH"] = os.pathsep.join([*given, *packages])
    return environment


@atexit.register
def _end_all() -> None:
    for worker in list(_running):
        if worker.alive:
            worker.kill()
