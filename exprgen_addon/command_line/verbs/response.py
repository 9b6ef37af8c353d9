"""`exprgen response`: how a character's controls move its landmarks, measured and kept."""

from __future__ import annotations

import argparse

from ....networks.characters.profile import RigProfile, find_character
from ....networks.characters.response import response_path
from ....networks.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PARTIAL
from ..console import Console
from ..verb_steps import measure_changed

NAME, ORDER = "response", 11
HELP = "Measure how a character's controls move its landmarks, by posing it, for solving"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("character", nargs="+", metavar="NAME", help="name, or a profile's .json")
    parser.add_argument(
        "--changed",
        action="store_true",
        help="only where there is none, or rig, landmarks or controls have changed since",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Measure characters' responses and keep them beside their profiles."""
    profiles, notes = [find_character(name) for name in args.character], []
    console.catch_interrupts()
    if args.changed:
        notes = measure_changed(profiles, console)
        found = [_kept(*of) for of in zip(profiles, notes, strict=True)]
    else:
        found = [_measured(profile, console) for profile in profiles]
    if console.interrupted:
        return EXIT_INTERRUPTED
    results, texts = zip(*found, strict=True)
    told = results[0] if len(results) == 1 else {"characters": list(results)}
    console.result(told, "\n".join(texts))
    return EXIT_PARTIAL if any(notes) else EXIT_OK


def _measured(profile: RigProfile, console: Console) -> tuple[dict, str]:
    """The result and its text; nothing is kept of one that was interrupted."""
    from ...studio import response

    counter = console.counter(f"poses of {profile.name}")
    model = response.measure_response(profile, counter, lambda: console.interrupted)
    path = response_path(profile)
    if not console.interrupted:
        model.save(path)
    found, dense = model.meta["accuracy"], model.meta["dense"]
    result = {"character": profile.name, "response": str(path), "pairs": len(model.pairs), **found}
    result["dense"] = dense
    text = (
        f"{len(model.controls)} controls of {profile.name} measured; of the motion in "
        f"{found['poses']} poses as a capture draws them {found['r2']:.2%} is predicted, in "
        f"{dense['poses']} with all controls at random at once {dense['r2']:.2%}\n{path}"
    )
    return result, text


def _kept(profile: RigProfile, note: str) -> tuple[dict, str]:
    path = str(response_path(profile))
    return {"character": profile.name, "response": path, "note": note}, note or path
