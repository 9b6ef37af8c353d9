"""`exprgen batch`: `retarget` of every shot of a list, each in a process of its own."""

from __future__ import annotations

import argparse

from ..console import Console

NAME, ORDER = "batch", 2
HELP = "Retarget every shot of a list; goes on where it was stopped"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("list", metavar="SHOTS.csv|.json", help="columns: docs/farm.md")
    parser.add_argument("--processes", type=int, default=1, help="shots at a time (%(default)s)")
    parser.add_argument(
        "--shot", action="append", metavar="NAME", help="only this; may be repeated"
    )
    parser.add_argument("--numbers", metavar="N|N-M", help="only these, counted from 1")
    parser.add_argument("--logs", metavar="DIR", help="logs and states (default: SHOTS.exprgen)")
    parser.add_argument("--again", action="store_true", help="also what is done already")
    parser.add_argument(
        "--check", action="store_true", help="only look at the list and say its state"
    )
    parser.add_argument("--verbose", action="store_true", help="show the shots' logs as they grow")


def run(args: argparse.Namespace, console: Console) -> int:
    """`retarget` of every shot of a list, each in a process of its own."""
    from ..batch import run

    return run(args, console)
