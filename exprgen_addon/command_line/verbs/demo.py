"""`exprgen demo`: `retarget` of the embedded reference."""

from __future__ import annotations

import argparse

from ....networks.characters.profile import SAMPLE_RIGS, sample_characters
from ....networks.errors import InputError
from ..console import Console, check_folder
from ..verb_steps import no_characters
from . import retarget

NAME, ORDER = "demo", 7
HELP = "The main job on the embedded reference, with three characters"


REFERENCE = SAMPLE_RIGS / "reference" / "reference.mp4"
DEMO_FOLDER = "exprgen_demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("--out", metavar="DIR", default=DEMO_FOLDER, help="default: %(default)s")


def run(args: argparse.Namespace, console: Console) -> int:
    """`retarget` of the embedded reference."""
    if not REFERENCE.is_file():
        raise InputError("the embedded reference is missing", file=REFERENCE, fix="build it again")
    names = [p.name for p in sample_characters()]
    if not names:
        raise no_characters()
    folder = check_folder(args.out)
    words = [str(REFERENCE), "--primary", names[0]]
    for name in names[1:3]:  # enough to see it carried over; each more costs a minute of film
        words += ["--secondary", name]
    words += ["--out", str(folder / "demo.blend"), "--preview", str(folder / "demo.mp4")]
    parser = argparse.ArgumentParser(prog="exprgen demo")
    retarget.add_arguments(parser)
    full = parser.parse_args(words)
    full.command = retarget.NAME
    return retarget.run(full, console)
