"""`exprgen response`: how a character's controls move its landmarks, measured and kept."""

from __future__ import annotations

import argparse

from ....networks.characters.profile import find_character
from ....networks.characters.response import response_path
from ....networks.errors import EXIT_INTERRUPTED, EXIT_OK
from ..console import Console

NAME, ORDER = "response", 11
HELP = "Measure how a character's controls move its landmarks, by posing it, for solving"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("character", metavar="NAME")


def run(args: argparse.Namespace, console: Console) -> int:
    """Measure a character's response and keep it beside its profile."""
    profile = find_character(args.character)
    from ...studio import response

    console.catch_interrupts()
    counter = console.counter(f"poses of {profile.name}")
    model = response.measure_response(profile, counter, lambda: console.interrupted)
    if console.interrupted:
        return EXIT_INTERRUPTED
    path = response_path(profile)
    model.save(path)
    found = model.meta["accuracy"]
    result = {"character": profile.name, "response": str(path), "pairs": len(model.pairs), **found}
    text = (
        f"{len(model.controls)} controls of {profile.name} measured; of {found['poses']} random "
        f"poses {found['r2']:.2%} is predicted\n{path}"
    )
    console.result(result, text)
    return EXIT_OK
