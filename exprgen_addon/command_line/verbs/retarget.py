"""`exprgen retarget`: footage to keyed characters in a .blend, a film and pictures."""

from __future__ import annotations

import argparse
import time

from ....networks.models.playable import check_cast
from ..console import Console
from ..options import retarget_options, settings_of
from ..take_files import check_take, write_take_files
from ..verb_steps import (
    analysis_request,
    analysis_summary,
    check_references,
    chosen_profiles,
    run_job,
    running_worker,
    solve_tracks,
    tracks_folder,
)

NAME, ORDER = "retarget", 1
HELP = "Footage to keyed characters in a .blend"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    retarget_options(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Reference -> worker -> tracks -> .blend, preview, pictures."""
    began = time.monotonic()
    profiles, settings = chosen_profiles(args), settings_of(args)
    check_references(args.reference)
    check_take(args, profiles, args.reference)
    check_cast(profiles)
    with tracks_folder(args.tracks) as folder, running_worker(console) as worker:
        request = analysis_request(args, folder / "face.npz", [p.path for p in profiles])
        with console.keeping(from_first=True):
            analysis = run_job(worker, "analyse", request, console)
        tracks = solve_tracks(worker, analysis["track"], profiles, settings, folder, console)
        result = {**analysis_summary(analysis), "seconds": {"analysis": analysis["seconds"]}}
        return write_take_files(args, console, profiles, tracks, analysis["track"], result, began)
