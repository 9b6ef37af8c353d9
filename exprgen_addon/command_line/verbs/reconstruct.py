"""`exprgen reconstruct`: the actor's head in three dimensions, keyed before its camera."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from ....networks.errors import UsageError
from ....networks.face_model.steps import METHODS, check_angle
from ....networks.files import all_or_none, scratch_folder
from ....networks.vocabulary import LARGEST
from ...keying.key_options import KeyOptions, check_fps
from ..console import Console, check_file, check_folder, quiet
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
    tell_other_footage,
    tell_part,
)

NAME, ORDER = "reconstruct", 8
HELP = "The actor's own head in three dimensions, matched to the footage, in a .blend"
HEIGHT = 1080
"""Pixels of the footage's pictures behind the head, at most."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    reference_options(parser)
    parser.add_argument("--out", required=True, metavar="HEAD.blend")
    parser.add_argument("--track", metavar="FACE.npz", help="of `analyse`: it need not look again")
    parser.add_argument("--fit", metavar="FIT.npz", help="also keep the numbers there")
    parser.add_argument(
        "--footage",
        metavar="DIR",
        help="where the camera's background goes, as pictures (default: beside the .blend)",
    )
    parser.add_argument("--texture", action="store_true", help="project the actor onto the head")
    parser.add_argument(
        "--angle",
        type=finite,
        metavar="DEGREES",
        help="vertical angle of view of the camera that filmed (default: 63)",
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default=METHODS[0],
        help="what tells the face: the pictures too (%(default)s), or the landmarks alone (fit)",
    )
    parser.add_argument(
        "--consistency",
        action="store_true",
        help="better the expressions until the head reads as the pictures do (needs torch; slow)",
    )
    parser.add_argument("--fps", type=finite, help="of the scene (default: the reference's)")
    parser.add_argument("--start-frame", type=finite, default=1.0, help="frame of time zero")


def run(args: argparse.Namespace, console: Console) -> int:
    """Reference -> FaceTrack -> FaceFit -> a head in a .blend."""
    out = check_file(args.out, (".blend",))
    fit = check_file(args.fit, (".npz",)) if args.fit else None
    footage = Path(args.footage or out.with_name(f"{out.stem}_footage"))
    _check_track(args)
    check_angle(args.angle)
    check_fps(args.fps)
    options = KeyOptions(start_frame=args.start_frame)
    read = [*args.reference, *filter(None, [args.track])]
    check_references(read)
    outputs = {"out": out, "fit": fit, "footage": footage}
    check_outputs(outputs, read, filled={"footage": [footage]})
    with all_or_none(*filter(None, outputs.values())):
        check_folder(footage)
        result = _made(args, fit, footage, options, out, console)
    console.result(result, _text(result))
    return exit_code(result, console)


def _check_track(args: argparse.Namespace) -> None:
    """Refuse what only an analysis heeds where there is a track."""
    if args.track and (args.range != (None, None) or args.face != LARGEST):
        raise UsageError(
            "--range and --face are of an analysis, and --track is one",
            fix="leave them out, or --track",
        )


def _made(args, fit: Path | None, footage: Path, options, out: Path, console: Console) -> dict:
    """What was made, from the footage to the .blend."""
    with contextlib.ExitStack() as open_:
        folder = open_.enter_context(scratch_folder())
        worker = open_.enter_context(running_worker(console))
        analysis = _track(args, folder, worker, console)
        if console.interrupted:  # what was seen until then is to be kept
            open_.enter_context(console.keeping())
        made = run_job(worker, "reconstruct", {
            "track": analysis["track"], "out": str((fit or folder / "fit.npz").resolve()),
            "angle": args.angle, "method": args.method, "consistency": args.consistency,
            "reference": [str(Path(p).resolve()) for p in args.reference],
        }, console)  # fmt: skip
        fps = args.fps or _usual_fps(made["fit"])
        shown = run_job(worker, "frames", {
            "reference": [str(Path(p).resolve()) for p in args.reference],
            "track": analysis["track"], "out": str(footage.resolve()), "fps": fps,
            "start_frame": args.start_frame, "height": HEIGHT, "whole": True,
        }, console)  # fmt: skip
        result = {**analysis_summary(analysis), **made, "footage": str(footage)}
        result["partial"] = any(step.get("partial") for step in (analysis, made, shown))
        result |= _build(args, made["fit"], footage, shown, fps, options, out)
    return result | {"fit": str(fit) if fit else None}


def _track(args: argparse.Namespace, folder: Path, worker, console: Console) -> dict:
    """What was seen: the track that was given, or the worker's analysis."""
    if args.track:
        tell_other_footage(args.track, args.reference, console)
        part = tell_part(args.track, console)
        return {"track": str(Path(args.track).resolve()), "partial": part}
    request = analysis_request(args, folder / "face.npz", [])
    with console.keeping(from_first=True):
        return run_job(worker, "analyse", request, console)


def _usual_fps(fit: str) -> float:
    from ....networks.face_model.face_fit import FaceFit
    from ...keying.takes import reference_fps

    return reference_fps(FaceFit.load(fit))


def _build(args, fit_file: str, footage: Path, shown: dict, fps: float, options, out: Path) -> dict:
    """The .blend with the head; what a result tells of it."""
    from ....networks.face_model.face_fit import FaceFit
    from ...actor_head.build import build_head
    from ...actor_head.footage import Pictures
    from ...actor_head.scene import finish_scene, picture_of
    from ...actor_head.texture import best_frame
    from ...keying.keyframes import set_scene_fps
    from ...keying.takes import new_file, save_file

    fit = FaceFit.load(fit_file)
    pictures = Pictures(str(footage.resolve()), shown["pattern"], shown["count"], shown["first"])
    frame = best_frame(fit)
    texture = (frame, picture_of(fit, frame, pictures, fps, options)) if args.texture else None
    with quiet():
        scene = new_file()
        fps = set_scene_fps(scene, fps)
        head = build_head(fit, scene, Path(args.reference[0]).stem, fps, options=options,
                          pictures=pictures, texture=texture)  # fmt: skip
        finish_scene(scene, head, fit.camera)
        saved = save_file(out)
    told = {"out": str(saved), "fps": fps, "keys": head.keys}
    return {**told, "keyed_frames": [head.first, head.last]}


def _text(result: dict) -> str:
    lines = [analysis_text(result)] if "found" in result else []
    first, last = result["keyed_frames"]
    lines.append(
        f"keyed frames {first} to {last} at {result['fps']:g} fps; landmarks lie "
        f"{result['residual']:.1f} mm from the head's"
    )
    return "\n".join([*lines, result["out"], result["footage"]])
