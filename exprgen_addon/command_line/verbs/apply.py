"""`exprgen apply`: a FaceTrack to keyed characters, without the footage."""

from __future__ import annotations

import argparse
import time

from ....networks.characters.profile import RigProfile
from ....networks.errors import UsageError
from ....networks.models.playable import by_channels, check_cast
from ....networks.settings import PARTS
from ..console import Console
from ..options import character_options, range_option, settings_of, take_options, whole
from ..take_files import check_take, write_take_files
from ..verb_steps import (
    check_references,
    chosen_profiles,
    running_worker,
    solve_tracks,
    tell_other_footage,
    tell_part,
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
        "--reference", metavar="FILE", help="the footage, for its sound and the preview's left side"
    )
    into = parser.add_argument_group("takes of a file that is there")
    into.add_argument("--into", metavar="FILE.blend", help="key its characters, as one more take")
    into.add_argument("--take", metavar="NAME", default="", help="default: the track's file name")
    into.add_argument(
        "--punch",
        type=_frames,
        metavar="FIRST:LAST",
        help="key only these scene frames of the take anew",
    )
    into.add_argument("--blend", type=whole(0, 10_000), default=0, metavar="FRAMES",
                      help="over which a punch fades into what was there")  # fmt: skip
    into.add_argument("--parts", type=_parts, default=tuple(PARTS), metavar="PART,...",
                      help=f"key only these: {', '.join(PARTS)}")  # fmt: skip


def run(args: argparse.Namespace, console: Console) -> int:
    """FaceTrack -> .blend, without the footage."""
    began = time.monotonic()
    profiles, settings = chosen_profiles(args), settings_of(args)
    read = [args.track, *filter(None, [args.reference, args.into])]
    check_references(read)
    _check_into(args)
    check_take(args, profiles, read)
    if args.preview and not args.reference:
        raise UsageError("the preview needs the footage", fix="give it with --reference FILE")
    check_cast(profiles)
    if args.reference:
        tell_other_footage(args.track, [args.reference], console)
    part = tell_part(args.track, console)
    _say_what_takes_long(args, profiles[0], console)
    with tracks_folder(None) as folder, running_worker(console) as worker:
        tracks = solve_tracks(worker, args.track, profiles, settings, folder, console)
        result = {"frames": len(tracks[0]), "partial": part}
        return write_take_files(args, console, profiles, tracks, args.track, result, began)


def _check_into(args: argparse.Namespace) -> None:
    """Refuse what only makes sense in a file that is there."""
    partly = args.punch is not None or args.blend or set(args.parts) != set(PARTS)
    if not args.into and (args.take or partly):
        fix = "say which file with --into FILE.blend"
        raise UsageError("--take, --punch, --blend and --parts are for takes of a file", fix=fix)
    if args.into and args.fps is not None:
        raise UsageError("--fps is for new files", fix="the file of --into keeps its own rate")


def _frames(text: str) -> tuple[int, int]:
    first, _, last = text.partition(":")
    try:
        return int(first), int(last)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not FIRST:LAST in frames") from None


def _parts(text: str) -> tuple[str, ...]:
    chosen = tuple(filter(None, (t.strip() for t in text.split(","))))
    if not chosen or (unknown := set(chosen) - set(PARTS)):
        what = f"there is no part {unknown.pop()!r}" if chosen else "no part is named"
        raise argparse.ArgumentTypeError(f"{what}: use {', '.join(PARTS)}")
    return chosen


def _say_what_takes_long(args, primary: RigProfile, console: Console) -> None:
    """Tell why `apply` has to look at every face, and how to spare it."""
    from ....networks.track import FaceTrack

    track = FaceTrack.load(args.track)
    if by_channels(primary, primary) or track.meta.get("coefficients"):
        return
    if not any(key.startswith(f"{primary.name}:") for key in track.rig_units):
        console.say(
            f"{primary.name}'s network looks at every face first; "
            f"`exprgen analyse ... --primary {args.primary}` does so once for all"
        )
