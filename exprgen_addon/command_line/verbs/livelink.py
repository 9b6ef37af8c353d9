"""`exprgen livelink`: a track as the CSV of Live Link Face, for Unreal and MotionBuilder."""

from __future__ import annotations

import argparse

from ....networks.characters.profile import find_character
from ..console import Console, check_file
from ..places import check_outputs
from ..verb_steps import exit_code, tell_part

NAME, ORDER = "livelink", 5
HELP = "A face track, or a character's track, to a Live Link Face CSV"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("track", metavar="TRACK.npz", help="of `analyse`, or of `--tracks`")
    parser.add_argument("--out", required=True, metavar="FILE.csv")
    parser.add_argument(
        "--character",
        metavar="NAME",
        help="whose track it is: what its controls stand for is written, by their channels "
        "(default: the coefficients that the tracker saw)",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Track -> CSV. A Live Link Face CSV comes in as a reference of `analyse` or `retarget`."""
    from ...exchange.live_link import seen_in, shown_by

    out = check_file(args.out, (".csv",))
    profile = find_character(args.character) if args.character else None
    check_outputs({"out": out}, [args.track], [profile] if profile else [])
    part = tell_part(args.track, console)
    take = shown_by(args.track, profile) if profile else seen_in(args.track)
    from ....networks.footage.live_link import write_live_link

    path = write_live_link(out, take)
    result = {"out": str(path), "frames": len(take.times), "partial": part}
    console.result(result, f"{len(take.times)} frames\n{path}")
    return exit_code(result, console)
