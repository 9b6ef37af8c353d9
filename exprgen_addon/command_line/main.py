"""The command line: one parser for `exprgen ...` and `blender --command exprgen ...`.

Thin: each command checks what it is given, asks the worker (engine/jobs.py), then calls the
functions that the operators call. Exit codes: 0 done, 2 a request that makes no sense, 3 unusable
input, 4 done in part (marked so), 5 a model is missing or damaged, 6 output can't be written, 130
interrupted; 1 is a fault of ExprGen's own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ...networks.errors import EXIT_INTERRUPTED, ExprGenError
from ...networks.files import is_full, made_folders, unwritable

if TYPE_CHECKING:
    from .console import Console


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code; without `words` the process's own, which ends."""
    code = run_words(sys.argv[1:] if words is None else words)
    if words is None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code)  # the bpy module can hang a normal exit; everything is written by now
    return code


def run_words(words: list[str], make_console: Callable[[bool], Console] | None = None) -> int:
    """Parse the words and run their command; its exit code.

    Args:
        make_console: who is told, by default the terminal; see command_line/hosted.py.
    """
    try:
        with _noted_interrupts() as noted:
            return _run_words(words, make_console, noted)
    except KeyboardInterrupt:  # before there was a console: all verbs load there
        print("interrupted", file=sys.stderr, flush=True)
        return EXIT_INTERRUPTED


@contextlib.contextmanager
def _noted_interrupts() -> Iterator[list[int]]:
    """Ctrl-C ends, and is noted too: a library that is just loading may swallow what is raised."""
    noted: list[int] = []

    def note(number: int, _frame) -> None:
        noted.append(number)
        raise KeyboardInterrupt

    old: object = note
    with contextlib.suppress(ValueError):  # not in the main thread: then the caller has it
        old = signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        if old is not note:
            signal.signal(signal.SIGINT, signal.SIG_DFL if old is None else old)


def _run_words(
    words: list[str], make_console: Callable[[bool], Console] | None, noted: list[int]
) -> int:
    from .console import Console, ensure_streams
    from .own_folder import check_here, own_temporary_folder
    from .parser import build_parser

    ensure_streams()
    try:
        args = build_parser().parse_args(words)
    except SystemExit as stop:  # argparse: 0 after --help, 2 after a bad option
        return int(stop.code or 0)
    if "--json" in getattr(args, "words", ()):  # `train NAME --json`: its own words follow its name
        args.json = True
    with (make_console or Console)(args.json) as console:
        try:
            if noted or console.interrupted:
                raise KeyboardInterrupt
            check_here()
            with own_temporary_folder(), made_folders():
                return args.run(args, console)
        except ExprGenError as error:
            code = console.fail(error)
            return EXIT_INTERRUPTED if console.interrupted else code
        except KeyboardInterrupt:
            console.say("interrupted")
            return EXIT_INTERRUPTED
        except Exception as error:
            if is_full(error):
                return console.fail(unwritable(error.filename or "the result", error))
            with contextlib.suppress(OSError):
                traceback.print_exc()
            fix = "this is a fault in ExprGen: report it with the lines above"
            return console.fail(ExprGenError(f"{type(error).__name__}: {error}", fix=fix))


if __name__ == "__main__":
    main()
