"""Steps that verbs share: their characters, a worker, a job, its exit code."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ...networks.characters.profile import SAMPLE_RIGS, RigProfile, find_character
from ...networks.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PARTIAL, InputError, UsageError
from ...networks.files import is_track, scratch_folder, sweep
from ...networks.reading import plain_file
from ...networks.vocabulary import LARGEST
from ..engine.jobs import Job
from ..engine.worker_process import WorkerProcess
from .console import Console, check_folder, from_here

CUTS_TOLD = 8
"""Cuts that a line names, at most; `--json` has them all."""


def chosen_profiles(args: argparse.Namespace) -> list[RigProfile]:
    profiles = [find_character(name) for name in [args.primary, *args.secondary]]
    names = [p.name for p in profiles]
    if len(set(names)) != len(names):
        raise UsageError("a character is named twice", fix="name each character once")
    return profiles


def check_references(paths: Iterable[str]) -> None:
    """Refuse, before the work, what is neither a folder nor a plain file."""
    for path in paths:
        if not Path(path).is_dir():
            plain_file(path)


def tell_other_footage(track: str, reference: Sequence[str], console: Console) -> None:
    """Warn where what is shown beside a track is not what the track was made from."""
    from ...networks.footage.stamp import is_replaced
    from ...networks.track import FaceTrack

    meta = FaceTrack.load(track).meta
    if is_replaced(meta.get("stamp"), reference):
        made_from = meta.get("source") or "other footage"
        console.say(f"warning: {track} was made from {made_from}, not from this {reference[0]}")


def tell_part(track: str, console: Console) -> bool:
    """Whether a track holds less than its footage, which is then warned of.

    Raises:
        InputError: it is none by its ending; see `track.holds_part`.
    """
    from ...networks.track import HOLDS_PART, holds_part

    if not is_track(track):
        fix = "make one by `exprgen analyse`, or see `exprgen retarget`"
        raise InputError("is no track", file=track, fix=fix)
    if not holds_part(track):
        return False
    console.say(f"warning: {track}: {HOLDS_PART}")
    return True


def check_face_heeded(args: argparse.Namespace, given: Iterable[str]) -> None:
    """Refuse a choice of face where all that is given are tracks, in which one is followed."""
    if args.face != LARGEST and all(map(is_track, given)):
        raise UsageError(
            "--face is of an analysis, and a track is one",
            fix=f"leave it out, or `exprgen analyse ... --face {args.face}`",
        )


@contextlib.contextmanager
def tracks_folder(kept: str | None) -> Iterator[Path]:
    """Where the tracks go: the user's folder, or one that vanishes."""
    if kept:
        yield check_folder(kept)
        return
    with scratch_folder() as folder:
        yield folder


@contextlib.contextmanager
def running_worker(console: Console) -> Iterator[WorkerProcess]:
    worker = WorkerProcess()
    try:
        yield worker
    except BaseException:
        worker.kill()
        raise
    worker.close()


def run_job(worker: WorkerProcess, command: str, arguments: dict, console: Console) -> dict:
    """One job, with progress on the console; Ctrl-C asks it to stop. Where there is nothing to keep
    yet the worker ends at once, and what it was writing goes."""
    job = Job(command, arguments, worker)
    console.on_interrupt(job.stop)
    try:
        return job.run_blocking(console.message)
    except KeyboardInterrupt:
        worker.kill()
        if out := arguments.get("out"):
            sweep(Path(out).parent)
        raise


def draw_sheet(console: Console, cells: list, out: str, title: str, columns: int, side: int) -> str:
    """Have the worker draw a sheet of pictures; its path."""
    request = {"cells": cells, "out": str(Path(out).resolve()), "columns": columns, "side": side}
    with running_worker(console) as worker:
        return run_job(worker, "sheet", {**request, "title": title}, console)["sheet"]


def analysis_request(args: argparse.Namespace, out: Path, profiles: list) -> dict:
    return {
        "reference": [str(Path(p).resolve()) for p in args.reference],
        "out": str(out.resolve()),
        "face": args.face,
        "start": args.range[0],
        "end": args.range[1],
        "profiles": [str(p) for p in profiles],
    }


def measure_changed(profiles: Sequence[RigProfile], console: Console) -> list[str]:
    """Measure the response of each character whose geometry is not known, or has changed; what
    stands in the way of each is said, and returned."""
    from ..studio.response import ensure_response

    notes = []
    for profile in profiles:
        counter = console.counter(f"poses of {profile.name}")
        notes.append(ensure_response(profile, counter, lambda: console.interrupted))
        if notes[-1]:
            console.say(f"warning: {notes[-1]}")
    return notes


def solve_tracks(worker, track, profiles, settings, folder: Path, console: Console) -> list:
    """Have the worker solve a face track; the tracks, in the order of the profiles.

    A character whose geometry is not known, or has changed, is measured first.
    """
    from ...networks.track import RigTrack

    measure_changed(profiles, console)
    request = {
        "track": str(Path(track).resolve()),
        "primary": str(profiles[0].path),
        "secondary": [str(p.path) for p in profiles[1:]],
        "settings": settings.to_json(),
        "out": str(folder.resolve()),
    }
    solved = run_job(worker, "solve", request, console)
    return [RigTrack.load(t["path"]) for t in solved["tracks"]]


def exit_code(result: dict, console: Console) -> int:
    if console.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_PARTIAL if result.get("partial") else EXIT_OK


def analysis_summary(analysis: dict) -> dict:
    names = ("frames", "found", "partial", "reason", "stopped", "without_face", "rate", "stages")
    return {name: analysis[name] for name in (*names, "cuts") if name in analysis}


def analysis_text(result: dict) -> str:
    lines = [f"{result['found']} of {result['frames']} frames show the face"]
    lines += shots_lines(result.get("cuts", ()))
    if result.get("partial"):
        lines.append(f"PARTIAL: {from_here(result.get('reason') or 'not all of it could be read')}")
    return "\n".join(lines)


def shots_lines(cuts: Sequence[float]) -> list[str]:
    """How many shots a clip has that is cut at these seconds, and the first cuts; nothing of one
    without cuts."""
    if not cuts:
        return []
    told = ", ".join(f"{c:.2f}" for c in cuts[:CUTS_TOLD])
    more = ", ..." if len(cuts) > CUTS_TOLD else ""
    return [f"{len(cuts) + 1} shots, each taken by itself: cut at {told}{more} s"]


def no_characters() -> InputError:
    return InputError(
        "there are no characters", file=SAMPLE_RIGS, fix="build them: make characters"
    )
