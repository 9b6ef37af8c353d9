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
from dataclasses import dataclass
from pathlib import Path

from ...networks.cores import CORES_VARIABLE
from ...networks.errors import ExprGenError, ModelError
from ...networks.packages import lacking
from ...networks.tracking.landmark_model import cache_dir
from ...networks.worker import NICE_VARIABLE

WORKER = Path(__file__).resolve().parents[2] / "networks" / "worker.py"
PYTHON_VARIABLE = "EXPRGEN_PYTHON"
LOG_LINES = 2000
"""Lines of what processes said that are kept for a person to read."""

_numbers = itertools.count(1)
_running: weakref.WeakSet[WorkerProcess] = weakref.WeakSet()

# What libraries print for their own developers; never the reason why a worker died.
_CHATTER = re.compile(r"^([IW]\d{4} |W0000|INFO:|WARNING: (All log|Logging before)|\s*$)")


@dataclass(frozen=True)
class Engine:
    """What the worker runs in and how; the preferences' choice in Blender.

    python: its Python or its environment's folder, "" for the one that is found. cache: folder of
    models and tracks, "" for the default. threads: of the processor, 0 for all. nice: how far it
    steps back behind the window (POSIX niceness, 0..19).
    """

    python: str = ""
    cache: str = ""
    threads: int = 0
    nice: int = 0


_engine = Engine()


def use_engine(engine: Engine) -> None:
    """Start processes like this from now on; those that run stay as they are."""
    global _engine
    _engine = engine


def engine() -> Engine:
    """What processes are started with."""
    return _engine


def cache_folder() -> Path:
    """Where models and the tracks of unsaved files are kept."""
    return Path(_engine.cache) if _engine.cache else cache_dir()


TOO_OLD = ("needs Python 3.11", "future feature annotations is not defined")
"""What a Python before 3.11, or before 3.7, says of the engine's file."""


def worker_python() -> str:
    """The Python that runs the worker.

    $EXPRGEN_PYTHON; else the one chosen in the preferences; else the Python that runs this, in
    Blender the one that Blender brings. The first two may name a folder: see `python_in`.

    Raises:
        ModelError: the folder holds no Python. ExprGenError: none was found.
    """
    given = os.environ.get(PYTHON_VARIABLE) or _engine.python
    if given:
        return python_in(given)
    return own_python()


def python_in(path: str) -> str:
    """A Python by its path, or by that of its environment (such as .venv) or its bin folder.

    Raises:
        ModelError: the folder holds no Python.
    """
    folder = Path(path)
    if not folder.is_dir():
        return path
    for place in (folder / "bin", folder / "Scripts", folder):
        for name in ("python", "python3", "python.exe"):
            # Not resolved: an environment is known by the link that it is started by.
            if (place / name).is_file():
                return str(place / name)
    raise ModelError(
        "is a folder without a Python",
        file=path,
        fix="choose an environment's folder or its python in the preferences (Engine's Python), "
        f"or set {PYTHON_VARIABLE}",
    )


def own_python() -> str:
    """The Python that runs this, in Blender the one that Blender brings.

    Raises:
        ExprGenError: none was found.
    """
    if Path(sys.executable).name.lower().startswith("python"):
        return sys.executable
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in (Path(sys.prefix) / "bin", Path(sys.base_prefix) / "bin"):
        for name in (version, "python3", "python", "python.exe"):
            if (folder / name).is_file():
                return str(folder / name)
    raise ExprGenError(
        "no Python was found to run the networks in",
        fix=f"choose one in ExprGen's preferences, or set {PYTHON_VARIABLE}",
    )


def own_group() -> dict:
    """Arguments of Popen that leave a terminal's Ctrl-C, and a window its speed, to the caller."""
    if os.name == "nt":
        idle = subprocess.BELOW_NORMAL_PRIORITY_CLASS if _engine.nice else 0
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
            return _explained(ExprGenError(said), self.python)
        if any(sign in said for sign in TOO_OLD):
            return ExprGenError(
                "the engine's Python is too old",
                file=self.python,
                fix="choose a Python from 3.11 on in the preferences (Engine's Python), "
                f"or by {PYTHON_VARIABLE}",
            )
        return ExprGenError(
            f"the engine ended unexpectedly ({how}){_last_words(said)}",
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
            if not _CHATTER.match(line):
                self._last_lines.append(line.strip()[:300])


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

    @property
    def done(self) -> bool:
        """It has ended: `result` or `error` is set."""
        return self.result is not None or self.error is not None

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
        raise NotImplementedError

    def kill(self) -> None:
        """End it at once; nothing is kept."""
        raise NotImplementedError

    def _death(self) -> ExprGenError:
        raise NotImplementedError

    def _ended(self) -> None:
        """Called once, after the result or the error has come."""

    def _take(self, message: dict | None) -> list[dict]:
        if message is None:
            self.error = self._death()
            message = self.error.to_message()
        elif message["type"] == "result":
            self.result = {k: v for k, v in message.items() if k not in ("type", "id")}
        elif message["type"] == "error":
            self.error = _explained(ExprGenError.from_message(message), self.python)
        if self.done:
            self._ended()
        return [message]


class Job(Messages):
    """One request to a worker and all that comes back.

    Args:
        command, arguments: see networks/worker.py.
        worker: a running worker to use; None starts one that ends with the job.
    """

    def __init__(self, command: str, arguments: dict, worker: WorkerProcess | None = None):
        super().__init__()
        self._own_worker = worker is None
        self.worker = worker or WorkerProcess()
        self.python = self.worker.python
        self.number = next(_numbers)
        self._mailbox = self.worker.open_mailbox(self.number)
        self.worker.send({"id": self.number, "command": command, "arguments": arguments})

    @property
    def log(self) -> list[str]:
        return list(self.worker.log)

    def stop(self) -> None:
        self.stopping = True
        self.worker.send({"command": "stop", "id": self.number})

    def kill(self) -> None:
        self.worker.kill()

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
        try:
            self._process = start_piped([*blender, *words], command_environment())
        except OSError as error:
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

    def _death(self) -> ExprGenError:
        how = how_ended(self._process.wait())
        lines = [line for line in self._lines if line and not _CHATTER.match(line)][-6:]
        return ExprGenError(
            f"the work ended unexpectedly ({how}){_last_words(' | '.join(lines))}",
            fix="try again; if it happens again, report it with these lines",
        )

    def _ended(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)

    def _read_messages(self) -> None:
        for line in self._process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                self._lines.append(line.rstrip())
                continue
            if isinstance(message, dict) and "type" in message:
                self._mailbox.put(message)
        self._mailbox.put(None)

    def _read_stderr(self) -> None:
        for line in self._process.stderr:
            self._lines.append(line.rstrip()[:1000])


_commands: weakref.WeakSet[Command] = weakref.WeakSet()


def _explained(error: ExprGenError, python: str) -> ExprGenError:
    """What a process said, but of a missing package in words that lead out."""
    missing = re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", error.problem)
    if missing is None:
        return error
    return lacking([missing[1].partition(".")[0]], python)


def _last_words(said: str) -> str:
    return f"; it said last: {said}" if said else ""


def how_ended(code: int) -> str:
    """A process's exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    hint = ", perhaps out of memory" if code == -9 else ""
    return f"signal {signal.Signals(-code).name}{hint}"


def worker_environment() -> dict[str, str]:
    """Environment of a process that runs in `worker_python`: the packages that this Python sees."""
    environment = command_environment()
    if PYTHON_VARIABLE not in os.environ and not _engine.python:
        # Blender keeps extensions' packages in a folder that its Python alone does not look at.
        packages = [p for p in sys.path if Path(p).name == "site-packages" and Path(p).is_dir()]
        given = [p for p in [environment.get("PYTHONPATH")] if p]
        environment["PYTHONPATH"] = os.pathsep.join([*given, *packages])
    return environment


def threads_environment(threads: int) -> dict[str, str]:
    """What tells a process and its libraries how many threads they may use."""
    return {CORES_VARIABLE: str(threads), "OMP_NUM_THREADS": str(threads)}


def command_environment() -> dict[str, str]:
    """Environment of a process that runs in Blender: the engine's choices."""
    environment = dict(os.environ)
    environment["GLOG_minloglevel"] = environment.get("GLOG_minloglevel", "2")
    # Threads that wait shall sleep. By default they spin, which on a busy machine keeps the one
    # waited for from running: a picture's reading took 0.5 s instead of 0.025 s.
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if _engine.python:
        environment.setdefault(PYTHON_VARIABLE, _engine.python)
    if _engine.cache:
        environment.setdefault("EXPRGEN_CACHE_DIR", _engine.cache)
    if _engine.threads:
        environment |= threads_environment(_engine.threads)
    if _engine.nice:
        environment[NICE_VARIABLE] = str(_engine.nice)
    return environment


@atexit.register
def end_all() -> None:
    """End every process that jobs have started."""
    for process in [*_running, *_commands]:
        if process.alive:
            process.kill()
