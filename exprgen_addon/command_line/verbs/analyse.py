"""`exprgen analyse`: footage to a FaceTrack."""

from __future__ import annotations

import argparse

from ....networks.characters.profile import RigProfile, find_character, sample_characters
from ....networks.models.playable import can_lead, check_cast
from ....networks.perception.clips import told
from ....networks.settings import RetargetSettings
from ....networks.track import FaceTrack
from ..console import Console, check_file
from ..options import reference_options
from ..places import check_outputs
from ..verb_steps import (
    analysis_request,
    analysis_summary,
    analysis_text,
    check_references,
    exit_code,
    run_job,
    running_worker,
)

NAME, ORDER = "analyse", 3
HELP = "Footage to a face track, for `exprgen apply`"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    reference_options(parser)
    parser.add_argument("--out", required=True, metavar="TRACK.npz")
    parser.add_argument(
        "--primary",
        metavar="NAME",
        help="run this character's network too, so that `apply` need not look at the faces again "
        "(default: the sample primary)",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Reference -> FaceTrack."""
    out = check_file(args.out, (".npz",))
    check_references(args.reference)
    RetargetSettings(start=args.range[0], end=args.range[1])  # refuses an empty range
    primary = find_character(args.primary) if args.primary else _solvable_primary()
    if primary:
        check_cast([primary])
    check_outputs({"out": out}, args.reference, [primary] if primary else [])
    profiles = [primary.path] if primary else []
    with console.keeping(from_first=True), running_worker(console) as worker:
        request = analysis_request(args, out, profiles)
        analysis = run_job(worker, "analyse", request, console)
    summary = analysis_summary(analysis)
    result = {"out": analysis["track"], **summary, "seconds": analysis["seconds"]}
    if console.as_json:  # the text tells none, and a long clip's track is large
        track = FaceTrack.load(analysis["track"])
        result["phrases"] = told(args.reference[0], track)["phrases"]
    console.result(result, analysis_text(result) + f"\n{result['out']}")
    return exit_code(result, console)


def _solvable_primary() -> RigProfile | None:
    """The sample primary, if its network is there."""
    found = next((p for p in sample_characters() if p.primary), None)
    return found if found and can_lead(found) else None
