"""`exprgen perceive`: what faces express, on pictures and over clips."""

from __future__ import annotations

import argparse
from pathlib import Path

from ....networks.vocabulary import EXPRESSIONS
from ..console import Console, from_here
from ..options import face_option
from ..verb_steps import (
    check_face_heeded,
    check_references,
    exit_code,
    run_job,
    running_worker,
    shots_lines,
)

NAME, ORDER = "perceive", 6
HELP = "What faces express: seven probabilities of each picture, phrases of a clip"
SURE = 0.95
"""That a picture is a person's or a character's: below this it is told to be a guess."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE|CLIP|TRACK.npz",
        help="pictures and folders of them; clips (a Live Link Face .csv is one), or tracks of "
        "clips, for what is felt over time; of tracks of pictures each picture",
    )
    parser.add_argument(
        "--frames",
        action="store_true",
        help="of clips each frame too: the seven, valence and arousal over time",
    )
    face_option(parser, of="of clips: ")
    parser.add_argument(
        "--as",
        dest="kind",
        choices=("auto", "human", "character"),
        default="auto",
        help="of pictures, whose readers look at them; auto: as each looks, and where that is a "
        "guess it is told (default: %(default)s)",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Pictures -> probabilities; clips -> phrases."""
    check_references(args.images)
    check_face_heeded(args, args.images)
    files = [str(Path(p).resolve()) for p in args.images]
    request = {"files": files, "as": args.kind, "frames": args.frames, "face": args.face}
    with running_worker(console) as worker:
        result = run_job(worker, "perceive", request, console)
    lines = _picture_lines(result.get("pictures", []))
    for clip in result.get("clips", []):
        lines += clip_lines(clip) + _frame_lines(clip.get("curves"))
    console.result(result, "\n".join(lines))
    return exit_code(result, console)


def _picture_lines(pictures: list[dict]) -> list[str]:
    if not pictures:
        return []
    lines = [f"{'':<28}" + "".join(f"{name[:8]:>9}" for name in EXPRESSIONS)]
    for picture in pictures:
        name = _shortened(" ".join([from_here(picture["file"]), *_in_track(picture)]))
        if picture["probabilities"] is None:
            lines.append(f"{name:<28}  {picture.get('problem', 'no face found')}")
            continue
        numbers = [f"{picture['probabilities'][e]:>9.3f}" for e in EXPRESSIONS]
        named = f"  {picture['expression']} ({_kind_words(picture)})"
        lines.append(f"{name:<28}" + "".join(numbers) + named + affect_words(picture))
    return lines


def _in_track(picture: dict) -> list[str]:
    """The name of a picture in the track that tells of it."""
    return [picture["name"]] if "name" in picture else []


def _kind_words(picture: dict) -> str:
    """Person or character; and where that was guessed without being sure, how to say otherwise."""
    kind = "person" if picture["as"] == "human" else "character"
    sure = picture.get("sure", 1.0)
    if sure >= SURE:
        return kind
    other = "character" if picture["as"] == "human" else "human"
    return f"taken for a {kind}, {sure:.0%} sure: else give --as {other}"


def _shortened(file: str) -> str:
    """The end of a long path, which tells most of it."""
    return file if len(file) < 28 else f"...{file[-24:]}"


def clip_lines(clip: dict) -> list[str]:
    """A line for each phrase of a clip, as `clips.told` gives it, below its name."""
    if "problem" in clip:
        return [f"{from_here(clip['file'])}: {clip['problem']}"]
    lines = [f"{from_here(clip['file'])}, {clip['seconds']:.1f} s"]
    lines += shots_lines(clip.get("cuts", ()))
    for p in clip["phrases"]:
        span = f"{p['start']:8.2f} -{p['end']:7.2f} s"
        first = f"{p['expression']} {p['confidence']:.0%}"
        line = f"{span}  {first:<14}  else {p['second']} {p['second_confidence']:.0%}"
        lines.append(line + affect_words(p))
    return lines


def _frame_lines(curves: dict[str, list] | None) -> list[str]:
    """A line for each frame of a clip, below the names of its numbers."""
    if not curves:
        return []
    names = [name for name in curves if name not in ("times", "found")]
    lines = [f"{'seconds':>10}" + "".join(f"{name[:8]:>9}" for name in names)]
    for i, (time, found) in enumerate(zip(curves["times"], curves["found"], strict=True)):
        numbers = "".join(f"{curves[name][i]:>9.3f}" for name in names)
        lines.append(f"{time:>10.3f}{numbers}" + ("" if found else "  no face found"))
    return lines


def affect_words(told: dict) -> str:
    """Valence and arousal of a picture or a phrase, after two blanks; "" where there are none."""
    if "valence" not in told:
        return ""
    return f"  valence {told['valence']:+.2f}, arousal {told['arousal']:+.2f}"
