"""`exprgen landmarks`: a character's landmarks, found or placed, into its profile."""

from __future__ import annotations

import argparse
from pathlib import Path

from ....networks.characters.profile import find_character
from ....networks.errors import EXIT_OK
from ....networks.files import scratch_folder
from ..console import Console, check_file
from ..places import check_outputs
from ..verb_steps import draw_sheet, run_job, running_worker

NAME, ORDER = "landmarks", 10
HELP = "Find a character's landmarks and keep them in its profile"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("character", metavar="NAME")
    parser.add_argument(
        "--points", metavar="FILE.json", help="points placed by hand, where no face is found"
    )
    parser.add_argument(
        "--view", metavar="FILE.png", help="only write the neutral view, to place points in"
    )
    parser.add_argument("--sheet", metavar="FILE.png", help="also draw them on some key poses")


def run(args: argparse.Namespace, console: Console) -> int:
    """A character's landmarks, found or placed, into its profile."""
    profile = find_character(args.character)
    from ...characters import landmark_points
    from ...studio import landmark_finding, motion_naming
    from ...studio.response import ensure_response

    for file in filter(None, [args.view, args.sheet]):
        check_file(file, (".png",))
    outputs = {"view": args.view, "sheet": args.sheet}
    check_outputs(outputs, filter(None, [args.points]), [profile])
    points = landmark_points.load_points(args.points) if args.points else None
    console.catch_interrupts()
    if args.view:
        landmark_finding.neutral_view(profile, Path(args.view))
        console.result({"view": args.view}, args.view)
        return EXIT_OK
    check_file(profile.path, (".json",))
    with running_worker(console) as worker:
        locate = landmark_finding.locate_with(lambda c, a: run_job(worker, c, a, console))
        poses = console.counter(f"poses of {profile.name}")
        placed = motion_naming.place_on_any(profile, locate, points, poses)
    placed.profile.save(profile.path)
    note = ensure_response(placed.profile, poses)
    named, said = motion_naming.named_where_names_say_nothing(placed.profile)
    if said:
        named.save(profile.path)
    result = {
        "character": profile.name,
        "profile": str(profile.path),
        "found": placed.found,
        "looked": placed.looked,
        "template": placed.template,
        "moved": list(placed.moved),
        "named": said,
        "warnings": placed.warnings,
    }
    for warning in [*placed.warnings, *filter(None, [note])]:
        console.say(f"warning: {warning}")
    seen = f"in {placed.found} of {placed.looked} views"
    how = "by the points given" if placed.template else seen
    lines = [f"49 landmarks of {profile.name} placed {how}", said, str(profile.path)]
    text = "\n".join(filter(None, lines))
    if args.sheet:
        with scratch_folder() as folder:
            cells = landmark_finding.sheet_cells(placed.profile, folder)
            side = landmark_finding.sheet_side(len(cells))
            result["sheet"] = draw_sheet(
                console, cells, args.sheet, f"{profile.title}: landmarks", 4, side
            )
        text += f"\n{result['sheet']}"
    console.result(result, text)
    return EXIT_OK
