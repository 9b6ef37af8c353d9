"""`exprgen capture`: labelled pictures of a character (CED)."""

from __future__ import annotations

import argparse

from ....networks.characters.profile import find_character
from ....networks.errors import UsageError
from ..console import Console, check_file, check_folder
from ..options import processes, seed, whole
from ..places import check_outputs
from ..verb_steps import draw_sheet, exit_code

NAME, ORDER = "capture", 9
HELP = "Render labelled pictures of a character (CED) for training"


MOST = 10_000_000
"""Pictures of one capture."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("character", metavar="NAME")
    parser.add_argument("--out", required=True, metavar="DIR")
    most = whole(-MOST, MOST)
    parser.add_argument("--count", type=most, default=1000, help="pictures (default: %(default)s)")
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument(
        "--size", type=int, default=256, help="side in pixels (default: %(default)s)"
    )
    parser.add_argument("--processes", type=processes, help="Blender processes (default: as cores)")
    parser.add_argument(
        "--samples",
        type=whole(1, 4096),
        default=4,
        help="renderer's paths a pixel (default: %(default)s)",
    )
    parser.add_argument(
        "--poses-only",
        action="store_true",
        help="render no pictures: all that `train cmlp` learns from, in a twentieth of the time",
    )
    parser.add_argument("--sheet", metavar="FILE.png", help="also 64 random pictures as one")


def run(args: argparse.Namespace, console: Console) -> int:
    """Labelled pictures of a character."""
    profile = find_character(args.character)
    if args.count < 1:
        raise UsageError(f"{args.count} pictures can't be made", fix="give a count of at least 1")
    folder = check_folder(args.out)
    from ...studio import ced_capture, face_studio

    if args.sheet:
        check_file(args.sheet, (".png",))
        check_outputs({"sheet": args.sheet}, [], [profile])
    console.catch_interrupts()
    if not profile.landmarks:
        console.say(
            f"warning: {profile.name} has no landmarks, so training will have to look for faces; "
            f"to place them: exprgen landmarks {args.character}"
        )
    with console.keeping():
        made = ced_capture.capture_ced(
            profile,
            folder,
            args.count,
            seed=args.seed,
            processes=args.processes,
            settings=face_studio.StudioSettings(size=args.size, samples=args.samples),
            pictures=not args.poses_only,
            progress=console.counter("capture"),
            stop=lambda: console.interrupted,
        )
    names = ("count", "done", "rejected", "classes", "landmarks", "seconds")
    result = {
        "out": str(folder / profile.name),
        "character": profile.name,
        **{name: made[name] for name in names},
        "partial": not ced_capture.is_complete(made),
    }
    what = "poses" if args.poses_only else "pictures"
    text = f"{made['done']} of {made['count']} {what} of {profile.name} in {result['out']}"
    lost = [f"{n} {reason}" for reason, n in made["rejected"].items() if n]
    if lost:
        text += f"; rejected: {', '.join(lost)}"
    if args.sheet and made["done"] and not args.poses_only and not console.interrupted:
        cells = ced_capture.sheet_cells(folder / profile.name, args.seed)
        result["sheet"] = draw_sheet(
            console, cells, args.sheet, f"{profile.title}: capture", 8, 150
        )
        text += f"\n{result['sheet']}"
    console.result(result, text)
    return exit_code(result, console)
