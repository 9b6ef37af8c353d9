"""`exprgen mimic`: how near an attempt comes to a target face, and what to do otherwise."""

from __future__ import annotations

import argparse
from pathlib import Path

from ....networks.errors import UsageError
from ....networks.files import is_track, write_text
from ..console import Console, check_file
from ..options import face_option
from ..places import check_outputs
from ..verb_steps import (
    check_face_heeded,
    check_references,
    exit_code,
    run_job,
    running_worker,
    tell_part,
    tracks_folder,
)

NAME, ORDER = "mimic", 7
HELP = "How near a performance comes to another one, and what to do otherwise"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("target", metavar="TARGET", help="a clip, a picture or a face track")
    parser.add_argument("attempt", metavar="ATTEMPT", help="likewise, of whoever mimics it")
    parser.add_argument("--sheet", metavar="FILE.png", help="faces side by side, score, words")
    parser.add_argument("--curve", metavar="FILE.csv", help="the score over time")
    face_option(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Two performances -> score, blends of emotive expressions, words."""
    given = {"target": args.target, "attempt": args.attempt}
    check_references(given.values())
    check_face_heeded(args, given.values())
    outputs = {"sheet": args.sheet, "curve": args.curve}
    check_outputs(outputs, given.values())
    sheet = check_file(args.sheet, (".png",)) if args.sheet else None
    curve = check_file(args.curve, (".csv",)) if args.curve else None
    with tracks_folder(None) as folder, running_worker(console) as worker:
        seen = {n: _seen(n, path, args.face, folder, worker, console) for n, path in given.items()}
        title = " / ".join(Path(path).name for path in given.values())
        tracks = {n: s["track"] for n, s in seen.items()}
        request = {**tracks, "sheet": str(sheet.resolve()) if sheet else None, "title": title}
        request["references"] = [_pictures(path) for path in given.values()]
        result = run_job(worker, "mimic", request, console)
    result["partial"] = any(s["partial"] for s in seen.values())
    if curve:
        write_text(curve, _csv(result["curve"]))
        result["curve_file"] = str(curve)
    console.result(result, _text(result))
    return exit_code(result, console)


def _seen(what: str, path: str, face: str, folder: Path, worker, console: Console) -> dict:
    """{"track", "partial", ...} of one performance: the track that was given, or the worker's
    analysis."""
    if is_track(path):
        return {"track": str(Path(path).resolve()), "partial": tell_part(path, console)}
    request = {
        "reference": [str(Path(path).resolve())],
        "out": str((folder / f"{what}.npz").resolve()),
        "face": face,
    }
    analysis = run_job(worker, "analyse", request, console)
    if not analysis["found"]:
        raise UsageError(f"{path} shows no face", fix="give a picture or clip of a face")
    return analysis


def _pictures(path: str) -> list[str]:
    """What a performance's track was made from, where it was given."""
    return [] if is_track(path) else [str(Path(path).resolve())]


def _csv(curve: list) -> str:
    rows = [f"{a:.4f},{b:.4f},{score:.4f}" for a, b, score in curve]
    return "\n".join(["target_seconds,attempt_seconds,score", *rows]) + "\n"


def _text(result: dict) -> str:
    lines = [f"score {result['score']:.3f}  (1: alike; as emotive blends {result['blended']:.3f})"]
    if len(result["curve"]) > 1:
        lines[0] += f", {abs(result['lag']):.2f} s {'late' if result['lag'] > 0 else 'early'}"
    names = list(result["blends"]["target"])
    lines.append(f"{'':<9}" + "".join(f"{name:>10}" for name in names))
    for who, blend in result["blends"].items():
        lines.append(f"{who:<9}" + "".join(f"{blend[name]:>10.2f}" for name in names))
    lines += [f"- {note['words']}" for note in result["notes"]] or ["nothing to do otherwise"]
    return "\n".join([*lines, *filter(None, [result.get("sheet"), result.get("curve_file")])])
