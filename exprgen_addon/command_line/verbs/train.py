"""`exprgen train`: a training of networks/training by its name."""

from __future__ import annotations

import argparse

from ....networks.worker import training, trainings
from ..console import Console, interrupted_by_signals

NAME, ORDER = "train", 15
HELP = "Run a training; `exprgen train NAME --help` shows its options"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    told = trainings()
    width = max(map(len, told), default=0) + 2
    parser.epilog = "trainings:\n" + "\n".join(f"  {n:<{width}}{t}" for n, t in told.items())
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...")


def run(args: argparse.Namespace, console: Console) -> int:
    """Hand over to networks/training/<name>.py; its Ctrl-C is its own."""
    run = training(args.name)  # takes seconds, in which Ctrl-C is only noted
    if console.interrupted:
        raise KeyboardInterrupt
    words = [*(w for w in args.words if w != "--json"), *(["--json"] if args.json else [])]
    console.release()
    interrupted_by_signals()
    return int(run(words) or 0)
