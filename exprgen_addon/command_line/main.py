"""The command line: one parser for `exprgen ...` and `blender --command exprgen ...`.

Thin: each command checks what it is given, asks the worker (engine/jobs.py), then calls the
functions that the operators call. Exit codes: 0 done, 2 a request that makes no sense, 3 unusable
input, 4 done in part (marked so), 5 a model is missing or damaged, 6 output can't be written, 130
interrupted; 1 is a fault of ExprGen's own.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...networks.errors import EXIT_INTERRUPTED, ExprGenError
from ...networks.files import is_full, unwritable

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
        return _run_words(words, make_console)
    except KeyboardInterrupt:  # before there was a console: all verbs load there
        print("interrupted", file=sys.stderr, flush=True)
        return EXIT_INTERRUPTED


def _run_words(words: list[str], make_console: Callable[[bool], Console] | None) -> int:
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
            check_here()
            with own_temporary_folder():
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
