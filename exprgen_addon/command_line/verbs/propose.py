"""`exprgen propose`: proposed key poses, to accept or refuse."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ....networks.characters.profile import find_character
from ....networks.errors import EXIT_OK
from ...engine.jobs import Job
from ..console import Console, check_file
from ..options import seed, whole
from ..places import check_outputs
from ..verb_steps import exit_code, running_worker

NAME, ORDER = "propose", 13
HELP = "Propose key poses for a character, to accept or refuse"


MOST = 1_000_000
"""Pictures of one search."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("character", metavar="PROFILE.json|FILE.blend")
    parser.add_argument(
        "--object", metavar="NAME", help="of a FILE.blend without profile: its face"
    )
    parser.add_argument("--out", metavar="SHEET.png", help="default: beside the profile")
    parser.add_argument("--method", choices=("auto", "names", "search"), default="auto")
    parser.add_argument(
        "--budget", type=whole(-MOST, MOST), default=240, help="pictures of a search (%(default)s)"
    )
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument("--accept", metavar="NAME,...|all", help="NAME=EXPRESSION relabels")
    parser.add_argument("--refuse", metavar="NAME,...|all")


def run(args: argparse.Namespace, console: Console) -> int:
    """Proposed key poses: a sheet and a list, or what was decided about them."""
    from ...profiling import pose_proposals as proposing
    from ...studio.key_pose_clarity import CLEAR

    path = Path(args.character)
    out = path.with_suffix(".json")
    if path.suffix == ".blend" and not out.exists() and not (args.accept or args.refuse):
        from ... import profiling

        check_file(out, (".json",))
        character = profiling.profile_file(path, out, mesh_name=args.object).profile
        profiling.close_scene()
    else:
        name = out if path.suffix == ".blend" else args.character
        character = find_character(str(name))
    if args.accept or args.refuse:
        return _decide(args, character, console)
    began = time.monotonic()
    sheet = check_file(args.out or character.path.with_suffix(".proposals.png"), (".png",))
    check_outputs({"out": sheet}, [path], [character])
    console.catch_interrupts()
    with running_worker(console) as worker:
        proposals = proposing.propose_poses(
            character,
            sheet,
            lambda command, arguments: Job(command, arguments, worker).run_blocking(),
            method=args.method,
            budget=args.budget,
            seed=args.seed,
            progress=console.counter("proposing"),
            stop=lambda: console.interrupted,
        )
    rows = [
        {
            "name": p.name,
            "expression": p.expression,
            "origin": p.origin,
            "own": round(p.own, 4),
            "verdict": p.verdict,
        }
        for p in proposals
    ]
    result = {
        "profile": str(character.path),
        "sheet": str(sheet),
        "proposals": rows,
        "clear": sum(p.verdict == CLEAR for p in proposals),
        "seconds": round(time.monotonic() - began, 1),
    }
    lines = [f"{r['name']:<28}{r['origin']:<8}{r['own']:>5.0%}  {r['verdict']}" for r in rows]
    console.result(result, "\n".join([*lines, f"{result['clear']} read clearly", str(sheet)]))
    return exit_code(result, console)


def _decide(args: argparse.Namespace, character, console: Console) -> int:
    """Accept and refuse proposals; what hardly reads is accepted with a warning."""
    from ...profiling import pose_proposals as proposing

    gone = proposing.refuse(character, args.refuse) if args.refuse else []
    made, gained, doubtful = character, [], []
    if args.accept:
        before = proposing.load_proposals(character)
        made, gained = proposing.accept(character, args.accept)
        doubtful = proposing.hardly_read(before, [p for p in made.key_poses if p.name in gained])
    if doubtful:
        console.say(
            f"warning: {len(doubtful)} of them hardly read: {', '.join(doubtful[:8])}"
            f"{f' and {len(doubtful) - 8} more' if len(doubtful) > 8 else ''}; look at the sheet, "
            "and take those out of key_poses that you don't name so yourself"
        )
    result = {
        "accepted": gained,
        "refused": gone,
        "hardly_read": doubtful,
        "key_poses": len(made.key_poses),
    }
    text = f"{len(gained)} accepted, {len(gone)} refused: {made.name} has "
    console.result(result, f"{text}{len(made.key_poses)} key poses")
    return EXIT_OK
