"""The parser of all commands, made of the verbs."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Collection

from ..addon import version
from .verbs import verbs


class CommandParser(argparse.ArgumentParser):
    """A parser with commands, which names the nearest one where a word is none of them."""

    commands: Collection[str] = ()

    def parse_known_args(self, args=None, namespace=None):
        word = next((w for w in args or () if not w.startswith("-")), None)
        if word is not None and word not in self.commands:
            near = difflib.get_close_matches(word.lower(), self.commands, n=1)
            known = f"the commands are {', '.join(self.commands)}"
            self.error(f"no command {word!r}: {f'did you mean {near[0]!r}?' if near else known}")
        return super().parse_known_args(args, namespace)


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
