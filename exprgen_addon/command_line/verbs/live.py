"""`exprgen live`: a camera, a clip as a camera or a phone drives characters, now."""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ....networks.errors import EXIT_INTERRUPTED, EXIT_OK, InputError, UsageError
from ....networks.models.playable import check_cast
from ....networks.settings import RetargetSettings
from ..console import Console, check_file
from ..live_recording import Recording, live_recording
from ..options import character_options, face_option, finite, whole
from ..places import check_outputs
from ..verb_steps import check_references, chosen_profiles, measure_changed, running_worker

if TYPE_CHECKING:
    from ...engine.live import Live

NAME, ORDER = "live", 6
HELP = "A camera, a clip at its own rate, or a phone drives characters; --record keeps a take"
LEAST_FPS = 24.0
"""A recorded take's scene has at least this rate, however few frames a second came."""
TOLD_EVERY = 1.0
"""Seconds between two lines on rate and delay."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--camera", type=whole(0, 99), metavar="N", help="by its number, from 0")
    source.add_argument("--clip", metavar="FILE", help="a clip, at its own rate, as a camera")
    source.add_argument(
        "--udp",
        type=whole(1, 65535),
        metavar="PORT",
        help="listen to Live Link Face (the app sends to 11111) on this machine alone",
    )
    source.add_argument(
        "--tape",
        metavar="FILE",
        help="what a --record that was killed has left beside its take: it becomes one, nothing "
        "is played",
    )
    parser.add_argument(
        "--address",
        default="127.0.0.1",
        metavar="A",
        help="of --udp: this machine's own in the network, for a phone; 0.0.0.0 is all of its own "
        "(default: %(default)s)",
    )
    character_options(parser)
    parser.add_argument("--loop", action="store_true", help="of --clip: begin anew at its end")
    face_option(parser)
    parser.add_argument(
        "--calibrate",
        type=finite,
        default=2.0,
        metavar="SECONDS",
        help="of looking at the face first, to learn its neutral (default: %(default)s)",
    )
    parser.add_argument(
        "--actor", default="", metavar="NAME", help="start from what other footage of them showed"
    )
    parser.add_argument("--seconds", type=finite, help="end after these (default: Ctrl-C)")
    parser.add_argument("--out", metavar="TRACK.npz", help="what was seen, for `apply`")
    parser.add_argument(
        "--record", metavar="TAKE.blend", help="what was played, with keys at its exact times"
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Drive until Ctrl-C, the clip's end or --seconds; what it came to."""
    profiles = chosen_profiles(args)
    _check(args, profiles)
    if args.tape:
        return _run_tape(args, console, profiles)
    check_cast(profiles)
    measure_changed(profiles, console)
    with live_recording(args.record, console) as recording:
        session = _play(args, console, profiles, recording)
        failed = session.job.error
        if failed is not None and not (args.record and session.tape):
            raise failed
        result = {**(session.job.result or {}), "delay": session.delays()}
        if args.out and "track" not in result and not (console.interrupted or failed):
            fix = "play what shows a face, or look at it a little longer"
            raise InputError("no face was seen that could be kept", file=args.clip, fix=fix)
        if args.record:
            result |= _record(args, console, profiles, session.recorded(recording.source))
    if failed is not None:
        console.say(f"what was played until then is in {args.record}")
        raise failed
    console.result(result, _text(result))
    return EXIT_INTERRUPTED if console.interrupted and not result["frames"] else EXIT_OK


def _play(args: argparse.Namespace, console: Console, profiles, recording: Recording) -> Live:
    """The session, when it has ended; what went wrong with it is in its job."""
    from ...engine.live import Live

    with running_worker(console) as worker, contextlib.ExitStack() as until_end:
        session = Live(_request(args, profiles), worker)
        session.on_recorded = recording.add
        console.on_interrupt(session.job.stop)
        told = _Told(console)
        while not session.job.done:
            time.sleep(0.005)
            for message in session.job.messages():
                console.message(message)
            frames = session.take(recording=bool(args.record))
            if frames and not session.shown:  # from now on there is something to keep
                until_end.enter_context(console.keeping())
            session.arrived(frames)
            told.show(session, frames)
        return session


class _Told:
    """A line now and then: the rate, the delay, what was missed."""

    def __init__(self, console: Console):
        self._console, self._last = console, time.monotonic()
        self._count = 0

    def show(self, session, frames: list) -> None:
        self._count += len(frames)
        spent = time.monotonic() - self._last
        if not self._count or spent < TOLD_EVERY:
            return
        self._last += spent
        newest = session.newest
        middle, worst = (round(1000 * d) for d in session.delays(last=self._count))
        self._console.say(
            f"{newest.state}  {self._count / spent:.1f} frames a second  delay {middle} ms "
            f"(95%: {worst} ms)  missed {newest.missed}"
            + (f"  refused {newest.refused}" if newest.refused else "")
        )
        self._count = 0


def _check(args: argparse.Namespace, profiles) -> None:
    """Refuse what makes no sense before anything is started."""
    if args.tape:
        _check_tape(args)
    if args.out and args.udp is not None:
        raise UsageError("a phone sends no pictures to keep", fix="use --record TAKE.blend")
    if args.loop and args.clip is None:
        raise UsageError("--loop is of a clip", fix="give --clip FILE, or leave --loop out")
    if args.seconds is not None and args.seconds <= 0:
        raise UsageError("a session needs some seconds", fix="give a number above 0")
    read = [*filter(None, [args.clip, args.tape])]
    check_references(read)
    outputs = {"out": args.out, "record": args.record}
    check_outputs({n: p for n, p in outputs.items() if p}, read, profiles)
    for path, ending in ((args.out, ".npz"), (args.record, ".blend")):
        if path:
            check_file(path, (ending,))


def _request(args: argparse.Namespace, profiles) -> dict:
    return {
        "profiles": [str(p.path) for p in profiles],
        "camera": args.camera,
        "clip": str(Path(args.clip).resolve()) if args.clip else None,
        "port": args.udp,
        "address": args.address,
        "loop": args.loop,
        "face": args.face,
        "calibrate": args.calibrate,
        "settings": RetargetSettings(actor=args.actor).to_json(),
        "out": str(Path(args.out).resolve()) if args.out else "",
        "seconds": args.seconds,
    }


def _check_tape(args: argparse.Namespace) -> None:
    if not args.record:
        raise UsageError("a tape becomes a take", fix="say where with --record TAKE.blend")
    if args.out or args.seconds is not None:
        raise UsageError("--out and --seconds are of a session", fix="leave them out")


def _run_tape(args: argparse.Namespace, console: Console, profiles) -> int:
    """What a session has left to a take."""
    from ...engine.live_tape import read_tape

    result = _record(args, console, profiles, read_tape(args.tape))
    console.result(result, _take_text(result))
    return EXIT_OK


def _record(args: argparse.Namespace, console: Console, profiles, tracks: list) -> dict:
    """The take as a .blend."""
    from ...keying import takes
    from ...keying.key_options import KeyOptions
    from ..console import quiet

    if not tracks:
        fix = (
            "play it again with --loop and --seconds" if args.clip else "look at it a little longer"
        )
        raise InputError("nothing was played to record: the neutral was not known yet", fix=fix)
    console.catch_interrupts()
    tracks = takes.matched(tracks, profiles)
    # Keys lie between frames anyway; who works on them wants no scene as slow as a busy machine.
    fps = max(LEAST_FPS, takes.reference_fps(tracks[0]))
    options = KeyOptions(subframes=True)
    take = takes.build_take(tracks, profiles, name="Live", options=options, fps=fps)
    with quiet():
        path = takes.save_file(args.record, fsync=True)
    first, last = take.report.first, take.report.last
    return {"record": str(path), "keys": take.report.keys, "keyed_frames": [first, last]}


def _text(result: dict) -> str:
    middle, worst = (round(1000 * d) for d in result["delay"])
    lines = [
        f"{result['frames']} frames in {result['seconds']:g} s: {result['rate']:g} a second, "
        f"delay {middle} ms (95%: {worst} ms), missed {result['missed']}"
    ]
    if result.get("refused"):
        lines.append(f"{result['refused']} packets refused")
    return "\n".join([*lines, *filter(None, [result.get("track"), _take_text(result)])])


def _take_text(result: dict) -> str:
    if "keys" not in result:
        return ""
    first, last = result["keyed_frames"]
    return f"{result['keys']} keys, frames {first:g} to {last:g}\n{result['record']}"
