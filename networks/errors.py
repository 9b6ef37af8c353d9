"""The errors a user can meet, each with the file it is about, the fix, and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

EXIT_OK = 0
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_INPUT = 3
EXIT_PARTIAL = 4
EXIT_MODEL = 5
EXIT_OUTPUT = 6
EXIT_INTERRUPTED = 130

LONGEST = 2000
"""Characters of what an error says."""


class ExprGenError(Exception):
    """Something the user can mend.

    Args:
        problem: what is wrong, one sentence without the file's name; kept without a full stop.
        file: the file (or folder) it is about, if any.
        fix: what to do about it, one sentence.
    """

    exit_code = EXIT_BUG

    def __init__(self, problem: str, *, file: str | Path | None = None, fix: str = ""):
        self.problem = _one_line(problem).removesuffix(".")
        self.file = None if file is None else str(file)
        self.fix = _one_line(fix)
        super().__init__(str(self))

    def __str__(self) -> str:
        head = f"{_one_line(self.file)}: {self.problem}" if self.file else self.problem
        return f"{head}. Fix: {self.fix}" if self.fix else head

    def skipping(self, path: str | Path) -> str:
        """What is said of one of several files that is left out, while the others are read."""
        left = f"{_one_line(str(path))}: skipped, {self.problem}"
        return f"{left}. Fix: {self.fix}" if self.fix else left

    def to_message(self) -> dict:
        """The error as a worker message (see networks/worker.py)."""
        return {
            "type": "error",
            "kind": type(self).__name__,
            "problem": self.problem,
            "file": self.file,
            "fix": self.fix,
            "exit_code": self.exit_code,
        }

    @staticmethod
    def from_message(message: dict) -> ExprGenError:
        """The inverse of `to_message`; unknown kinds become plain ExprGenErrors."""
        kinds = {c.__name__: c for c in (InputError, ModelError, OutputError, UsageError)}
        cls = kinds.get(str(message.get("kind")), ExprGenError)
        return cls(message["problem"], file=message.get("file"), fix=message.get("fix") or "")


def _one_line(text: str) -> str:
    """A text as one line that every terminal can show, whatever a file has brought into it; the
    middle of a very long one is left out."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else repr(c)[1:-1] for c in text)


class UsageError(ExprGenError):
    """The request itself makes no sense: unknown character, empty range, bad option."""

    exit_code = EXIT_USAGE


class InputError(ExprGenError):
    """A file that was given can't be read or holds nothing usable."""

    exit_code = EXIT_INPUT


class ModelError(ExprGenError):
    """A network's weights or the landmark model are missing or damaged."""

    exit_code = EXIT_MODEL


class OutputError(ExprGenError):
    """The result can't be written where it was asked for."""

    exit_code = EXIT_OUTPUT


def exit_code_of(work: Callable[[], object]) -> int:
    """Do what a module does that is run by itself: EXIT_OK, or the code of the error that ended it
    and that is told on stderr."""
    try:
        work()
    except ExprGenError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return EXIT_OK
