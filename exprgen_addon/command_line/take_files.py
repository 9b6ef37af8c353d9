"""Solved tracks to the files that were asked for: .blend, pictures, film."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

from ...networks.characters.profile import RigProfile
from ...networks.errors import UsageError
from ...networks.files import kept_beside, partial_name
from ...networks.footage.live_link import is_live_link
from .console import Console, check_file, check_folder, quiet
from .options import check_options, key_options_of
from .places import check_outputs, picture_folders
from .verb_steps import analysis_text, exit_code


def check_take(
    args: argparse.Namespace, profiles: Iterable[RigProfile], inputs: Iterable[str]
) -> None:
    """Refuse bad options and places before the long work begins."""
    check_options(args)
    outputs = {name: getattr(args, name, None) for name in ("out", "preview", "render", "tracks")}
    filled = {"render": picture_folders(args.render, profiles)}
    check_outputs(outputs, inputs, profiles, filled)
    check_file(args.out, (".blend",))
    if args.preview:
        check_file(args.preview, (".mp4",))
        _check_shown(_reference(args))
    if args.render:
        check_folder(args.render)


def _check_shown(reference: str) -> None:
    """Refuse a film of what has no pictures."""
    if is_live_link([reference]):
        raise UsageError(
            "holds no pictures, and a preview shows them",
            file=reference,
            fix="leave --preview out; --render shows the characters",
        )


def write_take_files(
    args, console, profiles, tracks, face_track, result: dict, began: float
) -> int:
    """Tracks -> the files that were asked for; what is finished stays if the rest is stopped."""
    began_blender = time.monotonic()
    from ..keying import takes

    console.catch_interrupts()
    options = key_options_of(args)
    tracks = takes.matched(tracks, profiles)
    known = {
        "name": _name(args),
        "options": options,
        "sound": "" if args.no_sound else _reference(args),
    }
    if getattr(args, "into", None):
        with quiet():  # Blender tells what it opens, and why it can't beside our error
            take = takes.add_take(tracks, profiles, args.into, punch=_punch(args), **known)
    else:
        take = takes.build_take(tracks, profiles, fps=args.fps, **known)
    part = bool(result.get("partial"))
    with quiet():  # Blender would tell the temporary name
        result = {"out": str(takes.save_file(_place(args.out, part, console))), **result}
    result["fps"] = take.fps
    result["characters"] = [
        {"name": p.name, "controls": len(t.controls)} for p, t in zip(profiles, tracks, strict=True)
    ]
    result["keys"], result["curves"] = take.report.keys, take.report.curves
    result["keyed_frames"] = [take.report.first, take.report.last]
    result["sound"] = take.sound
    if neutral := tracks[0].meta.get("neutral"):
        result["neutral"] = neutral
    seconds = result.setdefault("seconds", {})
    seconds["keying"] = round(take.report.seconds, 4)
    seconds["blend"] = round(time.monotonic() - began_blender, 2)
    with console.keeping():
        if args.render and not console.interrupted:
            folder = _place(args.render, part, console)
            result["pictures"] = _render(folder, args.size, console, profiles, tracks)
            result["render"] = str(folder)
        if args.preview and not console.interrupted:
            film = _place(args.preview, part, console)
            shown = _preview(args, film, console, profiles, tracks, face_track, take.fps)
            result["preview"] = shown
    seconds["total"] = round(time.monotonic() - began, 2)
    console.result(result, _take_text(result))
    return exit_code(result, console)


def _punch(args: argparse.Namespace):
    """What of a take of `--into` is keyed."""
    from ..keying.punch import Punch

    first, last = args.punch or (None, None)
    return Punch(first, last, args.blend, args.blend, args.parts)


def _reference(args: argparse.Namespace) -> str:
    """The footage, "" where `apply` was not told."""
    return (args.reference or "") if args.command == "apply" else args.reference[0]


def _place(path: str, partial: bool, console: Console) -> Path:
    """Where an output goes: what was made in part goes beside what is there already."""
    place = Path(path)
    there = any(place.iterdir()) if place.is_dir() else place.exists()
    if not (partial and there):
        return place
    beside = partial_name(place)
    console.say(kept_beside(place, beside))
    return beside


def _name(args: argparse.Namespace) -> str:
    """The take's name: the one that was given, else the footage's, or the track's."""
    if getattr(args, "take", ""):
        return args.take
    return Path(args.track if args.command == "apply" else args.reference[0]).resolve().stem


def _render(folder: Path, size: int, console: Console, profiles, tracks) -> int:
    """Pictures of every frame in which a face was seen; their number."""
    import dataclasses

    from ...networks.track import TRACKED
    from ..studio import render_processes

    count = 0
    for profile, track in zip(profiles, tracks, strict=True):
        if console.interrupted:
            break
        seen = track.state == TRACKED if track.meta.get("stills") else slice(None)
        names = track.meta.get("names") or [f"{i:06d}" for i in range(len(track))]
        stems = [n for n, keep in zip(names, _mask(seen, len(track)), strict=True) if keep]
        part = dataclasses.replace(
            track,
            times=track.times[seen],
            values=track.values[seen],
            state=track.state[seen],
            expression=track.expression[seen],
            affect=None if track.affect is None else track.affect[seen],
        )
        paths = render_processes.render_stills(
            profile,
            part,
            folder,
            stems,
            size,
            progress=console.counter(f"render {profile.name}"),
            stop=lambda: console.interrupted,
        )
        count += sum(p.is_file() for p in paths)
    return count


def _preview(
    args, out: Path, console: Console, profiles, tracks, face_track, fps: float
) -> str | None:
    """The film's path, or None if it was stopped."""
    from ...networks.track import FaceTrack
    from ..studio import preview_film

    made = preview_film.make_preview(
        _reference(args),
        FaceTrack.load(face_track),
        tracks,
        out,
        fps=min(fps, preview_film.MAX_FPS),
        profiles=profiles,
        sound=not args.no_sound,
        progress=console.counter("preview, pictures and film frames"),
        stop=lambda: console.interrupted,
    )
    return None if made is None else str(made)


def _mask(seen, n: int) -> list[bool]:
    return [True] * n if isinstance(seen, slice) else list(seen)


def _take_text(result: dict) -> str:
    names = ", ".join(f"{c['name']} ({c['controls']} controls)" for c in result["characters"])
    first, last = result["keyed_frames"]
    lines = [analysis_text(result)] if "found" in result else []
    lines.append(
        f"keyed {names}: {result['keys']} keys, "
        f"frames {first:g} to {last:g} at {result['fps']:g} fps"
    )
    if "neutral" in result:
        lines.append(f"neutral: {result['neutral']}")
    if "pictures" in result:
        lines.append(f"{result['pictures']} pictures in {result['render']}")
    return "\n".join([*lines, result["out"], *filter(None, [result.get("preview")])])
