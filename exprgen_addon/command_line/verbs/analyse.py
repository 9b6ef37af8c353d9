"""`exprgen analyse`: footage to a FaceTrack."""

from __future__ import annotations

import argparse
from pathlib import Path

from ....networks.characters.profile import RigProfile, find_character, sample_characters
from ....networks.errors import UsageError
from ....networks.models.playable import can_lead, check_cast
from ....networks.perception.clips import told
from ....networks.settings import RetargetSettings
from ....networks.track import FaceTrack
from ....networks.vocabulary import LARGEST
from ..console import Console, check_file
from ..options import finite, reference_options
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
    parser.add_argument(
        "--headset",
        action="store_true",
        help="the reference is three grey clips of cameras in a headset (left eye, right eye, "
        "mouth), or one with the three side by side",
    )
    parser.add_argument(
        "--calibrate",
        type=finite,
        default=0.0,
        metavar="SECONDS",
        help="of --headset: so long at the beginning the face is neutral",
    )
    parser.add_argument(
        "--network",
        default="",
        metavar="FILE.safetensors",
        help="of --headset: the network that `exprgen train headset` made",
    )
    parser.add_argument("--out", required=True, metavar="TRACK.npz")
    parser.add_argument(
        "--primary",
        metavar="NAME",
        help="run this character's network too, so that `apply` need not look at the faces again "
        "(default: the sample primary)",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Reference -> FaceTrack."""
    _check_headset(args)
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
        if args.headset:
            network = str(Path(args.network).resolve()) if args.network else ""
            own = {"headset": True, "calibrate": args.calibrate, "network": network}
            request |= own
        analysis = run_job(worker, "analyse", request, console)
    summary = analysis_summary(analysis)
    result = {"out": analysis["track"], **summary, "seconds": analysis["seconds"]}
    if console.as_json:  # the text tells none, and a long clip's track is large
        track = FaceTrack.load(analysis["track"])
        result["phrases"] = told(args.reference[0], track)["phrases"]
    console.result(result, analysis_text(result) + f"\n{result['out']}")
    return exit_code(result, console)


def _check_headset(args: argparse.Namespace) -> None:
    """Refuse what makes no sense of a headset, or without one.

    Raises:
        UsageError: what to write instead.
    """
    if args.calibrate < 0:
        raise UsageError("--calibrate takes seconds from 0 up", fix="such as --calibrate 3")
    if args.network and not args.headset:
        raise UsageError("--network is of --headset", fix="give --headset too")
    if args.calibrate and not args.headset:
        fix = "give --calibrate to `exprgen retarget` or `exprgen apply`, or --headset here"
        raise UsageError("--calibrate is of --headset", fix=fix)
    if args.headset and (args.face != LARGEST or args.primary):
        fix = "leave them out: a headset sees one face, and no network looks at it"
        raise UsageError("--face and --primary are not of --headset", fix=fix)


def _solvable_primary() -> RigProfile | None:
    """The sample primary, if its network is there."""
    found = next((p for p in sample_characters() if p.primary), None)
    return found if found and can_lead(found) else None
