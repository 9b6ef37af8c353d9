"""A command of the command line in a Blender of its own, as a job: messages instead of a terminal.

Started by `jobs.Command`. The words are those behind `exprgen`; stdout carries messages as the
worker's does (see networks/worker.py); the end of stdin is Ctrl-C, and so is the end of whoever
started it, so nothing goes on that nobody waits for.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import sys
import threading
import time

from ...networks.errors import EXIT_OK, ExprGenError, UsageError
from ...networks.messages import keep_alive
from ...networks.records import json_text
from ...networks.worker import GRACE, step_back
from .console import Console
from .main import run_words

INTERVAL = 0.1  # seconds between progress messages


class MessageConsole(Console):
    """A console whose other end is a program."""

    def __init__(self, as_json: bool = True):
        super().__init__(True)
        self.answered = False
        self._last = 0.0

    def result(self, data: dict, text: str) -> None:
        if "error" in data:  # `fail` has sent it
            return
        self.answered = True
        self.send({"type": "result", "partial": False, **data, "text": text})

    def say(self, line: str) -> None:
        level = "warning" if line.startswith("warning: ") else "info"
        self.send({"type": "log", "level": level, "text": line.removeprefix("warning: ")})
        with contextlib.suppress(OSError, ValueError):
            print(line, file=sys.stderr, flush=True)

    def fail(self, error: ExprGenError) -> int:
        self.answered = True
        self.send(error.to_message())
        return error.exit_code

    def message(self, message: dict) -> None:
        if message["type"] in ("stage", "progress", "log"):
            self.send({k: v for k, v in message.items() if k != "id"})

    def progress(self, stage, done, total, rate=None, eta=None) -> None:
        self._go_on(done)
        now = time.monotonic()
        if now - self._last < INTERVAL and done != total:
            return
        self._last = now
        message = {"stage": stage, "done": done, "total": total, "rate": rate, "eta": eta}
        self.send({"type": "progress", **message})

    def send(self, message: dict) -> None:
        """Write one message; nobody listening is no fault."""
        line = json_text(message) + "\n"
        with contextlib.suppress(OSError, TypeError):
            os.write(self._stdout, line.encode())

    def interrupt(self) -> None:
        """Ctrl-C, from any thread."""
        if self.interrupted:
            return
        self.interrupted = True
        if self._keeping:
            for function in self._on_interrupt:
                function()
        else:
            self._last_resort.start()
            _thread.interrupt_main()


def main(words: list[str]) -> None:
    """Run a command, send its messages, end the process."""
    step_back()
    made: list[MessageConsole] = []

    def make_console(as_json: bool) -> MessageConsole:
        made.append(MessageConsole())
        keep_alive(made[0].send)
        return _Kept(made[0], words)

    code = run_words(words, make_console)
    if not made:  # the words were refused before there was a console
        error = UsageError(f"the command {' '.join(words)!r} makes no sense")
        print(json_text(error.to_message()), flush=True)
    sys.stderr.flush()
    os._exit(code)  # some Blender add-ons hang the interpreter's own ending


class _Kept:
    """`with` around a console that still answers for a command that ended without a result."""

    def __init__(self, console: MessageConsole, words: list[str]):
        self._console, self._words = console, words

    def __enter__(self) -> MessageConsole:
        console = self._console.__enter__()
        # Only now can the end be answered; one that is told at once is asked for by `run_words`.
        with contextlib.suppress(KeyboardInterrupt):
            threading.Thread(target=_wait_for_the_end, args=(console,), daemon=True).start()
        return console

    def __exit__(self, *error) -> None:
        console = self._console
        if not console.answered:
            stopped = console.interrupted
            console.send({"type": "result", "partial": stopped, "stopped": stopped})
        console.__exit__(*error)


def _wait_for_the_end(console: MessageConsole) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    console.interrupt()
    time.sleep(GRACE)
    os._exit(EXIT_OK)
