"""`exprgen export`: a keyed take out of a .blend, for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

from ....networks.errors import EXIT_OK
from ...exchange.formats import FORMATS
from ..console import Console, check_file, quiet
from ..options import range_option
from ..places import check_outputs
from ..verb_steps import check_references

NAME, ORDER = "export", 5
HELP = "A character's take out of a .blend: Live Link CSV, VRM animation, glTF, FBX"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("shot", metavar="SHOT.blend", help="whoever keyed it; it is not changed")
    parser.add_argument(
        "--character",
        metavar="NAME",
        help="its collection, or the profile of the character whose own file SHOT is (default: the "
        "only one)",
    )
    parser.add_argument(
        "--to",
        required=True,
        action="append",
        metavar="FILE",
        help="ends in .csv (Live Link Face), .vrma, .glb or .fbx; may be given again",
    )
    range_option(parser)
    parser.add_argument(
        "--perfect-sync",
        action="store_true",
        help="a .vrma gets the 52 ARKit coefficients as custom expressions, not VRM's presets",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """A .blend -> files of other formats."""
    check_references([args.shot])
    places = [Path(p) for p in args.to]
    for place in places:
        check_file(place, tuple(FORMATS))
    check_outputs({f"to {p.name}": p for p in places}, [args.shot], [])
    from ...exchange import keyed_take
    from ...exchange.exporting import export_take
    from ...profiling.scenes import open_scene

    console.catch_interrupts()
    with quiet():
        open_scene(args.shot)
    scene = keyed_take.shot_scene(*args.range)
    character = keyed_take.chosen(scene, args.character)
    with quiet():  # Blender's exporters tell of every object
        made = export_take(
            character, scene, places, custom=args.perfect_sync, counter=console.counter
        )
    frames = len(keyed_take.frames_of(scene))
    result = {"shot": args.shot, "character": character.profile.name, "frames": frames}
    lines = [f"{frames} frames of {character.profile.name}", *(m["out"] for m in made)]
    console.result({**result, "files": made}, "\n".join(lines))
    return EXIT_OK
