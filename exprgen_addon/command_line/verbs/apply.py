"""`exprgen apply`: a FaceTrack to keyed characters, without the footage."""

from __future__ import annotations

import argparse
import time

from ....networks.characters.profile import RigProfile
from ....networks.errors import UsageError
from ....networks.models.playable import by_channels, check_cast
from ..console import Console
from ..options import character_options, range_option, settings_of, take_options
from ..take_files import check_take, write_take_files
from ..verb_steps import (
    check_references,
    chosen_profiles,
    running_worker,
    solve_tracks,
    tracks_folder,
)

NAME, ORDER = "apply", 4
HELP = "A face track to keyed characters in a .blend"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("track", metavar="TRACK.npz")
    character_options(parser)
    take_options(parser)
    range_option(parser)
    parser.add_argument(
        "--reference", metavar="FILE", help="the footage, for the preview's left side"
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """FaceTrack -> .blend, without the footage."""
    began = time.monotonic()
    profiles, settings = chosen_profiles(args), settings_of(args)
    read = [args.track, *filter(None, [args.reference])]
    check_references(read)
    check_take(args, profiles, read)
    if args.preview and not args.reference:
        raise UsageError("the preview needs the footage", fix="give it with --reference FILE")
    check_cast(profiles)
    _say_what_takes_long(args, profiles[0], console)
    with tracks_folder(None) as folder, running_worker(console) as worker:
        tracks = solve_tracks(worker, args.track, profiles, settings, folder, console)
        meta = tracks[0].meta
        result = {"frames": len(tracks[0]), "partial": bool(meta.get("partial"))}
        return write_take_files(args, console, profiles, tracks, args.track, result, began)


def _say_what_takes_long(args, primary: RigProfile, console: Console) -> None:
    """Tell why `apply` has to look at every face, and how to spare it."""
    from ....networks.track import FaceTrack

    kept = FaceTrack.load(args.track).rig_units
    if by_channels(primary, primary):
        return
    if not any(key.startswith(f"{primary.name}:") for key in kept):
        console.say(
            f"{primary.name}'s network looks at every face first; "
            f"`exprgen analyse ... --primary {args.primary}` does so once for all"
        )
