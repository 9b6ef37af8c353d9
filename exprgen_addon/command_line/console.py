"""The terminal's side of the command line: results on stdout, everything else on stderr, Ctrl-C."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path

from ...networks.errors import ExprGenError, OutputError, UsageError

BAR_WIDTH = 24
PLAIN_INTERVAL = 5.0  # seconds between progress lines where a line can't be rewritten


class Console:
    """One command's conversation with the terminal; a context manager.

    While open, only `result` reaches stdout: Blender and other libraries print there from C, and
    `--json` promises one JSON object on stdout and nothing else.
    The first Ctrl-C sets `interrupted` and tells the running work to stop; the second ends at once.
    """

    def __init__(self, as_json: bool = False):
        self.as_json = as_json
        self.interrupted = False
        self._on_interrupt: list[Callable[[], None]] = []
        self._stage = ""
        self._last_print = 0.0
        self._bar_open = False
        self._ended: tuple | None = None
        self._old_handler = None
        self._stdout: int | None = None

    def __enter__(self) -> Console:
        _flush()
        self._stdout = os.dup(1)
        os.dup2(2, 1)
        self._python_stdout, sys.stdout = sys.stdout, sys.stderr
        self.catch_interrupts()
        return self

    def __exit__(self, *_) -> None:
        self._close_bar()
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
        if self._old_handler is not None:
            signal.signal(signal.SIGINT, self._old_handler)

    def catch_interrupts(self) -> None:
        """Take Ctrl-C; again after importing bpy, which brings a handler of its own."""
        with suppress(ValueError):  # not in the main thread: then the caller has it
            old = signal.signal(signal.SIGINT, self._interrupt)
            if self._old_handler is None:
                self._old_handler = old

    def on_interrupt(self, function: Callable[[], None]) -> None:
        """Call `function` at the first Ctrl-C."""
        self._on_interrupt.append(function)

    def result(self, data: dict, text: str) -> None:
        """The command's result: `data` as one line of JSON with --json, else `text`."""
        self._close_bar()
        line = json.dumps(data, default=str) if self.as_json else text
        if line:
            stdout = 1 if self._stdout is None else self._stdout
            with suppress(BrokenPipeError):
                os.write(stdout, (line + "\n").encode("utf-8", "replace"))

    def say(self, line: str) -> None:
        """A line for the person who watches."""
        self._close_bar()
        print(line, file=sys.stderr, flush=True)

    def fail(self, error: ExprGenError) -> int:
        """Report an error and return its exit code."""
        if self.as_json:
            message = error.to_message()
            del message["type"]
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
        began = time.monotonic()

        def show(done: int, total: int) -> None:
            spent = time.monotonic() - began
            # The first one holds the start of Blender: no measure of the others.
            rate = done / spent if spent > 0.5 and done > 1 else None
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
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
            self._bar_open = True
            if last:
                self._close_bar()
        else:
            print(line, file=sys.stderr, flush=True)

    def _close_bar(self) -> None:
        if self._bar_open:
            self._bar_open = False
            sys.stderr.write("\n")
            sys.stderr.flush()

    def _interrupt(self, *_) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        self.say("stopping; what is finished is kept (Ctrl-C again ends at once)")
        for function in self._on_interrupt:
            function()


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
        raise OutputError("its folder does not exist", file=path, fix=f"make {path.parent} first")
    if path.exists() and not _writable(path):
        raise OutputError("is read-only", file=path, fix="choose another name or make it writable")
    _try_folder(path.parent, path)
    return path


def check_folder(path: str | Path) -> Path:
    """A folder that can be written into, made if need be.

    Raises:
        OutputError: it is a file, or can't be made or written into.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise OutputError("is a file, not a folder", file=path, fix="choose a folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"can't be made ({error.strerror})", file=path, fix="choose a writable place"
        ) from error
    _try_folder(path, path)
    return path


def _try_folder(folder: Path, asked: Path) -> None:
    reason = "" if _writable(folder) else "read-only folder"
    try:
        if not reason:
            handle, name = tempfile.mkstemp(".part", ".exprgen-", folder)
            os.close(handle)
            os.unlink(name)
    except OSError as error:
        reason = error.strerror
    if reason:
        raise OutputError(
            f"can't be written ({reason})", file=asked, fix="choose a writable folder"
        )


def _writable(path: Path) -> bool:
    """Some write bit is set. Asked of the bits, since an administrator may write anywhere."""
    return bool(path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
