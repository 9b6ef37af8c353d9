"""The terminal's side of the command line: results on stdout, everything else on stderr, Ctrl-C.

A terminal that closes (SIGHUP) and a farm that ends a task (SIGTERM) are Ctrl-C too. Nobody who
listens, or a full disk behind stderr, ends no work.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from types import FrameType

from ...networks.errors import ExprGenError, OutputError, UsageError
from ...networks.files import output_folder, sweep, try_folder, unwritable
from ...networks.records import json_text
from .ending import LastResort

BAR_WIDTH = 24
BLENDERS_SCRIPTS = re.compile(r"[\\/]scripts[\\/](addons_core|addons|modules|startup)[\\/]")
IMPORTS = "<frozen importlib._bootstrap>"
"""Python's own file for imports. Its `cb` is the weak reference's callback in which Python forgets
the lock of a module; into its `_find_and_load` Blender comes from C, and prints what is raised."""
PLAIN_INTERVAL = 5.0  # seconds between progress lines where a line can't be rewritten


class Console:
    """One command's conversation with the terminal; a context manager.

    While open, only `result` reaches stdout: Blender and other libraries print there from C, and
    `--json` promises one JSON object on stdout and nothing else.
    Ctrl-C, SIGTERM or SIGHUP ends the command at once, by KeyboardInterrupt; within `keeping` the
    first one only sets `interrupted` and tells the running work to stop, so that what is finished
    is kept, and the second ends.
    """

    def __init__(self, as_json: bool = False):
        self.as_json = as_json
        self.interrupted = False
        self._on_interrupt: list[Callable[[], None]] = []
        self._keeping = self._will_keep = False
        self._last_resort = LastResort()
        self._stage = ""
        self._last_print = 0.0
        self._bar_open = False
        self._ended: tuple | None = None
        self._old_handlers: dict[int, object] = {}
        self._stdout: int | None = None

    def __enter__(self) -> Console:
        ensure_streams()
        _flush()
        self._stdout = os.dup(1)
        os.dup2(2, 1)
        self._python_stdout, sys.stdout = sys.stdout, sys.stderr
        self.catch_interrupts()
        return self

    def __exit__(self, *_) -> None:
        self._close_bar()
        self._last_resort.stop()
        self.release()

    def release(self) -> None:
        """Give stdout and Ctrl-C back."""
        if self._stdout is None:
            return
        _flush()
        sys.stdout = self._python_stdout
        os.dup2(self._stdout, 1)
        os.close(self._stdout)
        self._stdout = None
        for number, old in self._old_handlers.items():
            # None: one that a program itself has set, as Blender 5.2 does. Nobody can give it back.
            signal.signal(number, signal.SIG_DFL if old is None else old)
        self._old_handlers.clear()

    def catch_interrupts(self) -> None:
        """Take Ctrl-C and its like; again after importing bpy, which brings its own handler."""
        for number in ending_signals():
            with suppress(ValueError):  # not in the main thread: then the caller has it
                old = signal.signal(number, self._interrupt)
                self._old_handlers.setdefault(number, old)

    def on_interrupt(self, function: Callable[[], None]) -> None:
        """Call `function` at the first Ctrl-C within `keeping`."""
        self._on_interrupt.append(function)

    @contextmanager
    def keeping(self, from_first: bool = False) -> Iterator[None]:
        """Within, the work stops soon by itself when `interrupted` is set, or when the functions of
        `on_interrupt` are called, and keeps what is finished.

        Args:
            from_first: there is nothing to keep before the first progress.
        """
        self._keeping, self._will_keep = not from_first, True
        try:
            yield
        finally:
            self._keeping = self._will_keep = False

    def result(self, data: dict, text: str) -> None:
        """The command's result: `data` as one line of JSON with --json, else `text`."""
        self._close_bar()
        line = json_text(data) if self.as_json else text
        if not line:
            return
        left = (line + "\n").encode("utf-8", "replace")
        try:
            while left:
                left = left[os.write(1 if self._stdout is None else self._stdout, left) :]
        except BrokenPipeError:  # nobody reads it
            pass
        except OSError as error:
            raise unwritable("the result", error) from error

    def say(self, line: str) -> None:
        """A line for the person who watches."""
        self._close_bar()
        _tell(from_here(line) + "\n")

    def fail(self, error: ExprGenError) -> int:
        """Report an error and return its exit code."""
        if self.as_json:
            message = error.to_message()
            del message["type"]
            with suppress(OutputError):  # what went wrong first is what counts
                self.result({"error": message}, "")
        head = f"{error.file}: {error.problem}" if error.file else error.problem
        self.say(f"error: {head}")
        if error.fix:
            self.say(f"  fix: {error.fix}")
        return error.exit_code

    def message(self, message: dict) -> None:
        """Show a worker's message (networks/worker.py)."""
        kind = message["type"]
        if kind == "stage":
            self._stage = message["stage"]
        elif kind == "progress":
            self.progress(
                message["stage"],
                message["done"],
                message.get("total"),
                message.get("rate"),
                message.get("eta"),
            )
        elif kind == "log":
            mark = "warning: " if message.get("level") == "warning" else ""
            self.say(f"{mark}{message['text']}")

    def counter(self, stage: str) -> Callable[[int, int], None]:
        """A (done, total) callback that shows `stage` with its rate and the time left."""
        first: list[tuple[float, int]] = []

        def show(done: int, total: int) -> None:
            now = time.monotonic()
            # The first one holds what comes before, such as the start of Blender.
            if not first:
                first.append((now, done))
            began, before = first[0]
            spent = now - began
            rate = (done - before) / spent if spent > 0.5 and done > before else None
            self.progress(stage, done, total, rate, (total - done) / rate if rate else None)

        return show

    def progress(
        self,
        stage: str,
        done: int,
        total: int | None,
        rate: float | None = None,
        eta: float | None = None,
    ) -> None:
        """One line on a terminal, rewritten; elsewhere a line now and then."""
        self._go_on(done)
        now, last = time.monotonic(), total is not None and done >= total
        if last and self._ended == (stage, done):
            return
        self._ended = (stage, done) if last else None
        tty = sys.stderr.isatty()
        if not last and now - self._last_print < (0.1 if tty else PLAIN_INTERVAL):
            return
        self._last_print = now
        parts = [f"{stage:<12}", f"{done}/{total}" if total else f"{done}"]
        if total and tty:
            full = round(BAR_WIDTH * min(done / total, 1.0))
            parts.insert(1, "[" + "#" * full + "." * (BAR_WIDTH - full) + "]")
        if rate:
            parts.append(f"{rate:.1f}/s" if rate >= 1.0 else f"{1.0 / rate:.1f} s each")
        if eta is not None and not last:
            parts.append(f"{_clock(eta)} left")
        line = "  ".join(parts)
        if tty:
            _tell(f"\r\x1b[K{line}")
            self._bar_open = True
            if last:
                self._close_bar()
        else:
            _tell(line + "\n")

    def _go_on(self, done: int) -> None:
        """Work goes on: from now on there may be something to keep; what was asked to end, ends."""
        if self.interrupted and not self._will_keep:
            raise KeyboardInterrupt
        self._keeping = self._will_keep and (self._keeping or done > 0)

    def _close_bar(self) -> None:
        if self._bar_open:
            self._bar_open = False
            _tell("\n")

    def _interrupt(self, _number: int, frame: FrameType | None) -> None:
        if self.interrupted or not self._keeping:
            self.interrupted = True
            self._last_resort.start()
            if not would_be_lost(frame):
                raise KeyboardInterrupt
            return
        self.interrupted = True
        self.say("stopping; what is finished is kept (Ctrl-C again ends at once)")
        for function in self._on_interrupt:
            function()


def ending_signals() -> list[int]:
    """What asks a process to end: Ctrl-C, a farm, a terminal that closes. One that whoever started
    us has switched off, as `nohup` does, stays off."""
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    known = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [n for n in known if n == signal.SIGINT or signal.getsignal(n) != signal.SIG_IGN]


def would_be_lost(frame: FrameType | None) -> bool:
    """Whether what is raised now is printed and forgotten: Blender's own scripts are at work, such
    as the render engine's or an importer's, or Blender imports, or Python tidies up after that."""
    if frame is not None and _place(frame) == (IMPORTS, "_find_and_load"):
        return True
    while frame is not None:
        if BLENDERS_SCRIPTS.search(frame.f_code.co_filename) or _place(frame) == (IMPORTS, "cb"):
            return True
        frame = frame.f_back
    return False


def _place(frame: FrameType) -> tuple[str, str]:
    """File and name of the function that is at work."""
    return frame.f_code.co_filename, frame.f_code.co_name


def interrupted_by_signals() -> None:
    """Let every ending signal be Ctrl-C, for work that is stopped by KeyboardInterrupt."""
    for number in ending_signals():
        with suppress(ValueError):
            signal.signal(number, signal.default_int_handler)


def ensure_streams() -> None:
    """Give a process that was started without stdin, stdout or stderr ones that lead nowhere: a
    file that is opened later would take their numbers, and what libraries print would go there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number is this one
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def from_here(text: str) -> str:
    """A text for a person in which the paths of files below the present folder begin there, as most
    were given; the worker knows only absolute ones."""
    try:
        here = os.getcwd()
    except OSError:
        return text
    if here == os.path.dirname(here):  # all files of a disk lie below its root
        return text
    inside = re.escape(here.rstrip(os.sep) + os.sep)
    return re.sub(rf"(?<![\w.~\\/-]){inside}(?=[^\s{re.escape(os.sep)}])", "", text)


def _tell(text: str) -> None:
    """Write to stderr; names in other bytes become escapes, a stderr that takes nothing is none."""
    with suppress(OSError, ValueError):
        encoding = sys.stderr.encoding or "utf-8"
        sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stderr.flush()


@contextmanager
def quiet() -> Iterator[None]:
    """What is printed to stdout meanwhile is not shown, by Python or, as Blender does, from C."""
    _flush()
    kept = os.dup(1)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        try:
            with redirect_stdout(nowhere):
                yield
        finally:
            _flush()
            os.dup2(kept, 1)
            os.close(kept)


def _flush() -> None:
    """Empty the buffers of Python and of the C library, which Blender prints through."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    with suppress(OSError, AttributeError):
        (ctypes.cdll.msvcrt if os.name == "nt" else ctypes.CDLL(None)).fflush(None)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}" if whole >= 60 else f"{whole} s"


def check_file(path: str | Path, suffixes: tuple[str, ...]) -> Path:
    """A file that can be written, found out before the long work begins.

    Raises:
        UsageError: another suffix.
        OutputError: a folder of that name, no such folder, or read-only.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError("is a folder", file=path, fix="give a file name")
    if path.suffix.lower() not in suffixes:
        raise UsageError(
            "has the wrong ending", file=path, fix=f"let it end in {' or '.join(suffixes)}"
        )
    if not path.parent.is_dir():
        # On a drive that is not there no folder above it is either.
        above = next((p for p in path.absolute().parents if p.exists()), None)
        if above is not None and not above.is_dir():
            raise OutputError("lies in a file, not in a folder", file=path, fix="choose a folder")
        raise OutputError("its folder does not exist", file=path, fix=f"make {path.parent} first")
    if path.exists() and not _writable(path):
        raise OutputError("is read-only", file=path, fix="choose another name or make it writable")
    _try_folder(path.parent, path)
    return path


def check_folder(path: str | Path) -> Path:
    """A folder that can be written into, made if need be; it goes again if the command fails and
    nothing has come into it.

    Raises:
        OutputError: it is a file, or can't be made or written into.
    """
    path = output_folder(path)
    _try_folder(path, path)
    return path


def _try_folder(folder: Path, asked: Path) -> None:
    if not _writable(folder):
        fix = "choose a writable folder"
        raise OutputError("can't be written (read-only folder)", file=asked, fix=fix)
    _sweep(os.path.abspath(folder))
    try:
        try_folder(folder)
    except OSError as error:
        raise unwritable(asked, error) from error


@functools.lru_cache(4096)
def _sweep(folder: str) -> None:
    """Remove what a command that was killed left there, such as half a .blend; once is enough, for
    lists have thousands of outputs in a folder."""
    sweep(folder)


def _writable(path: Path) -> bool:
    """Some write bit is set. Asked of the bits, since an administrator may write anywhere."""
    return bool(path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
