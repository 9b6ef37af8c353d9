"""`exprgen clarity`: how a character's key poses read."""

from __future__ import annotations

import argparse
from pathlib import Path

from ....networks.characters.profile import find_character
from ....networks.errors import EXIT_INTERRUPTED, EXIT_OK
from ..console import Console, check_folder
from ..options import processes
from ..places import check_outputs
from ..verb_steps import check_references, run_job, running_worker

NAME, ORDER = "clarity", 11
HELP = "How surely a character's key poses read: a sheet and a table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("character", metavar="NAME")
    parser.add_argument(
        "--out", metavar="DIR", default="exprgen_clarity", help="default: %(default)s"
    )
    parser.add_argument("--processes", type=processes, help="Blender processes (default: as cores)")
    parser.add_argument("--blind", action="store_true", help="also numbered sheets for viewers")
    parser.add_argument(
        "--ratings",
        action="append",
        default=[],
        metavar="FILE.csv",
        help="NUMBER,EXPRESSION lines of a viewer of the blind sheets in DIR; may be given again: "
        "kept in the profile, nothing is rendered",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """How a character's key poses read."""
    profile = find_character(args.character)
    folder = check_folder(args.out)
    check_references(args.ratings)
    check_outputs({"out": folder}, args.ratings, [profile])
    from ...studio import key_pose_clarity as reading

    console.catch_interrupts()
    with running_worker(console) as worker:

        def run(command: str, arguments: dict) -> dict:
            return run_job(worker, command, arguments, console)

        if args.ratings:
            made = reading.keep_ratings(profile, folder, [Path(f) for f in args.ratings], run)
            return _tell_ratings(made, console)
        report = reading.check_clarity(
            profile,
            folder,
            run,
            processes=args.processes,
            progress=console.counter("rendering"),
            stop=lambda: console.interrupted,
        )
        if args.blind and report is not None and not console.interrupted:
            for sheet in reading.write_blind_sheets(profile, folder, run):
                console.say(sheet)
    if console.interrupted or report is None:
        return EXIT_INTERRUPTED
    for warning in report.warnings:
        console.say(f"warning: {warning}")
    console.result(report.to_json(), report.to_text())
    return EXIT_OK


def _tell_ratings(profile, console: Console) -> int:
    """What viewers named right, as the profile now holds it."""
    shares = {p.name: p.clarity for p in profile.key_poses}
    unclear = [f"{name} {share:.0%}" for name, share in shares.items() if share < 0.5]
    mean = sum(shares.values()) / len(shares)
    text = f"viewers name {mean:.0%} right; kept in {profile.path}"
    if unclear:
        text += f"\nhardly readable: {', '.join(unclear)}"
    console.result({"profile": str(profile.path), "clarity": shares}, text)
    return EXIT_OK
