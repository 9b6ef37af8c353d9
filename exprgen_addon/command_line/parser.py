"""The parser of all commands, made of the verbs."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Collection, Sequence

from ..addon import version
from .verbs import verbs

_NEGATIVE = re.compile(r"-\.?\d")
"""How a number begins that is below zero."""
_OPTION = re.compile(r"--[a-z][a-z-]*")


class CommandParser(argparse.ArgumentParser):
    """A parser with commands, which names the nearest one where a word is none of them, and takes
    what begins with a minus and a digit for a value."""

    commands: Collection[str] = ()

    def parse_known_args(self, args=None, namespace=None):
        word = next((w for w in args or () if not w.startswith("-")), None)
        if word is not None and word not in self.commands:
            near = difflib.get_close_matches(word.lower(), self.commands, n=1)
            known = f"the commands are {', '.join(self.commands)}"
            self.error(f"no command {word!r}: {f'did you mean {near[0]!r}?' if near else known}")
        return super().parse_known_args(None if args is None else _joined(args), namespace)


def _joined(words: Sequence[str]) -> list[str]:
    """Words in which an option and a value such as -1:2=joy are one, `--phrase=-1:2=joy`: argparse
    knows plain negative numbers, and takes other values that begin so for options."""
    out: list[str] = []
    for word in words:
        if _NEGATIVE.match(word) and out and _OPTION.fullmatch(out[-1]):
            out[-1] += f"={word}"
        else:
            out.append(word)
    return out


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; `args.run(args, console)` runs the one that was chosen."""
    parser = CommandParser(
        prog="exprgen",
        description="Reference footage of a human face becomes keyframes on your characters.",
        epilog="Exit codes: 0 done, 1 a fault of ExprGen's own, 2 bad request, 3 bad input, 4 done "
        "in part, 5 model missing or damaged, 6 can't write, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"exprgen {version()}")
    commands = parser.add_subparsers(
        dest="command",
        required=True,
        metavar="COMMAND",
        parser_class=argparse.ArgumentParser,
    )
    parser.commands = commands.choices

    for verb in verbs():
        sub = commands.add_parser(verb.NAME, help=verb.HELP, description=verb.HELP)
        sub.add_argument("--json", action="store_true", help="one JSON object on stdout")
        sub.set_defaults(run=verb.run)
        verb.add_arguments(sub)
    return parser
