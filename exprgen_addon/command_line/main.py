"""The command line: one parser for `exprgen ...` and `blender --command exprgen ...`.

Thin: each command checks what it is given, asks the worker (engine/jobs.py), then calls the
functions that the operators call. Exit codes: 0 done, 2 a request that makes no sense, 3 unusable
input, 4 done in part (marked so), 5 a model is missing or damaged, 6 output can't be written, 130
interrupted; 1 is a fault of ExprGen's own.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from ...networks.characters.profile import (
    SAMPLE_RIGS,
    RigProfile,
    find_character,
    sample_characters,
)
from ...networks.errors import (
    EXIT_INTERRUPTED,
    EXIT_MODEL,
    EXIT_OK,
    EXIT_PARTIAL,
    ExprGenError,
    InputError,
    UsageError,
)
from ...networks.models.playable import can_lead, check_cast
from ...networks.settings import RetargetSettings
from ...networks.vocabulary import EXPRESSIONS, OUTPUTS, REGIONS
from ...networks.worker import training, trainings
from ..engine.jobs import Job, WorkerProcess
from ..keying.key_options import KeyOptions, check_fps
from .console import Console, check_file, check_folder, quiet

REFERENCE = SAMPLE_RIGS / "reference" / "reference.mp4"
DEMO_FOLDER = "exprgen_demo"


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code; without `words` the process's own, which ends."""
    code = run_words(sys.argv[1:] if words is None else words)
    if words is None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code)  # the bpy module can hang a normal exit; everything is written by now
    return code


def run_words(words: list[str], make_console: Callable[[bool], Console] = Console) -> int:
    """Parse the words and run their command; its exit code.

    Args:
        make_console: who is told; see command_line/hosted.py for one that is no terminal.
    """
    try:
        args = build_parser().parse_args(words)
    except SystemExit as stop:  # argparse: 0 after --help, 2 after a bad option
        return int(stop.code or 0)
    if "--json" in getattr(args, "words", ()):  # `train NAME --json`: its own words follow its name
        args.json = True
    with make_console(args.json) as console:
        try:
            return args.run(args, console)
        except ExprGenError as error:
            code = console.fail(error)
            return EXIT_INTERRUPTED if console.interrupted else code
        except KeyboardInterrupt:
            console.say("interrupted")
            return EXIT_INTERRUPTED
        except Exception as error:
            traceback.print_exc()
            fix = "this is a fault in ExprGen: report it with the lines above"
            return console.fail(ExprGenError(f"{type(error).__name__}: {error}", fix=fix))


# --- the parser ----------------------------------------------------------------------------------


class CommandParser(argparse.ArgumentParser):
    """A parser with commands, which names the nearest one where a word is none of them."""

    commands: Collection[str] = ()

    def parse_known_args(self, args=None, namespace=None):
        word = next((w for w in args or () if not w.startswith("-")), None)
        if word is not None and word not in self.commands:
            near = difflib.get_close_matches(word.lower(), self.commands, n=1)
            known = f"the commands are {', '.join(self.commands)}"
            self.error(f"no command {word!r}: {f'did you mean {near[0]!r}?' if near else known}")
        return super().parse_known_args(args, namespace)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; `args.run(args, console)` runs the one that was chosen."""
    parser = CommandParser(
        prog="exprgen",
        description="Reference footage of a human face becomes keyframes on your characters.",
        epilog="Exit codes: 0 done, 1 a fault of ExprGen's own, 2 bad request, 3 bad input, 4 done "
        "in part, 5 model missing or damaged, 6 can't write, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"exprgen {_version()}")
    commands = parser.add_subparsers(
        dest="command",
        required=True,
        metavar="COMMAND",
        parser_class=argparse.ArgumentParser,
    )
    parser.commands = commands.choices

    def add(name: str, run, help_text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help_text, description=help_text)
        sub.add_argument("--json", action="store_true", help="one JSON object on stdout")
        sub.set_defaults(run=run)
        return sub

    sub = add("retarget", retarget, "Footage to keyed characters in a .blend")
    retarget_options(sub)

    sub = add("batch", batch, "Retarget every shot of a list; goes on where it was stopped")
    sub.add_argument("list", metavar="SHOTS.csv|.json", help="columns: docs/farm.md")
    sub.add_argument("--processes", type=int, default=1, help="shots at a time (%(default)s)")
    sub.add_argument("--shot", action="append", metavar="NAME", help="only this; may be repeated")
    sub.add_argument("--numbers", metavar="N|N-M", help="only these, counted from 1")
    sub.add_argument("--logs", metavar="DIR", help="logs and states (default: SHOTS.exprgen)")
    sub.add_argument("--again", action="store_true", help="also what is done already")
    sub.add_argument("--check", action="store_true", help="only look at the list and say its state")
    sub.add_argument("--verbose", action="store_true", help="show the shots' logs as they grow")

    sub = add("analyse", analyse, "Footage to a face track, for `exprgen apply`")
    _reference_options(sub)
    sub.add_argument("--out", required=True, metavar="TRACK.npz")
    sub.add_argument(
        "--primary",
        metavar="NAME",
        help="run this character's network too, so that `apply` need not look at the faces again "
        "(default: the sample primary)",
    )

    sub = add("apply", apply, "A face track to keyed characters in a .blend")
    sub.add_argument("track", metavar="TRACK.npz")
    _character_options(sub)
    _take_options(sub)
    _range_option(sub)
    sub.add_argument("--reference", metavar="FILE", help="the footage, for the preview's left side")

    add("characters", characters, "List the characters, the primary first")

    sub = add("perceive", perceive, "The seven expressions' probabilities of pictures of faces")
    sub.add_argument("images", nargs="+", metavar="IMAGE")
    sub.add_argument("--as", dest="kind", choices=("auto", "human", "character"), default="auto")

    sub = add("demo", demo, "The main job on the embedded reference, with three characters")
    sub.add_argument("--out", metavar="DIR", default=DEMO_FOLDER, help="default: %(default)s")

    sub = add("doctor", doctor, "What is installed, what is missing, how to mend it")
    sub.add_argument("--fetch", action="store_true", help="fetch the face landmark model")

    sub = add("capture", capture, "Render labelled pictures of a character (CED) for training")
    sub.add_argument("character", metavar="NAME")
    sub.add_argument("--out", required=True, metavar="DIR")
    sub.add_argument("--count", type=int, default=1000, help="pictures (default: %(default)s)")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--size", type=int, default=256, help="side in pixels (default: %(default)s)")
    sub.add_argument("--processes", type=int, help="Blender processes (default: as cores)")
    sub.add_argument(
        "--samples", type=int, default=4, help="renderer's paths a pixel (default: %(default)s)"
    )
    sub.add_argument("--sheet", metavar="FILE.png", help="also 64 random pictures as one")

    sub = add("landmarks", landmarks, "Find a character's landmarks and keep them in its profile")
    sub.add_argument("character", metavar="NAME")
    sub.add_argument(
        "--points", metavar="FILE.json", help="points placed by hand, where no face is found"
    )
    sub.add_argument(
        "--view", metavar="FILE.png", help="only write the neutral view, to place points in"
    )
    sub.add_argument("--sheet", metavar="FILE.png", help="also draw them on some key poses")

    sub = add("clarity", clarity, "How surely a character's key poses read: a sheet and a table")
    sub.add_argument("character", metavar="NAME")
    sub.add_argument("--out", metavar="DIR", default="exprgen_clarity", help="default: %(default)s")
    sub.add_argument("--processes", type=int, help="Blender processes (default: as cores)")
    sub.add_argument("--blind", action="store_true", help="also numbered sheets for viewers")
    sub.add_argument(
        "--ratings",
        action="append",
        default=[],
        metavar="FILE.csv",
        help="NUMBER,EXPRESSION lines of a viewer of the blind sheets in DIR; may be given again: "
        "kept in the profile, nothing is rendered",
    )

    sub = add("profile", profile, "Propose a profile for a rig: what moves its face, tried out")
    sub.add_argument("scene", metavar="FILE.blend", help="a .blend, .glb, .gltf or .fbx")
    sub.add_argument("--object", metavar="NAME", help="the mesh of the face, or of the body")
    sub.add_argument("--library", metavar="FILE", help="of two objects of one name: whose")
    sub.add_argument("--out", metavar="X.json", help="default: beside FILE, with its name")

    sub = add("propose", propose, "Propose key poses for a character, to accept or refuse")
    sub.add_argument("character", metavar="PROFILE.json|FILE.blend")
    sub.add_argument("--object", metavar="NAME", help="of a FILE.blend without profile: its face")
    sub.add_argument("--out", metavar="SHEET.png", help="default: beside the profile")
    sub.add_argument("--method", choices=("auto", "names", "search"), default="auto")
    sub.add_argument("--budget", type=int, default=240, help="pictures of a search (%(default)s)")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--accept", metavar="NAME,...|all", help="NAME=EXPRESSION relabels")
    sub.add_argument("--refuse", metavar="NAME,...|all")

    sub = add("evaluate", evaluate, "Measure recognition and transfer; one report, one JSON")
    _evaluation_options(sub)

    sub = add("train", train, "Run a training; `exprgen train NAME --help` shows its options")
    sub.formatter_class = argparse.RawDescriptionHelpFormatter
    sub.epilog = "trainings:\n" + "\n".join(f"  {n:<14}{t}" for n, t in trainings().items())
    sub.add_argument("name", metavar="NAME")
    sub.add_argument("words", nargs=argparse.REMAINDER, metavar="...")
    return parser


def retarget_options(sub: argparse.ArgumentParser) -> None:
    """All that `exprgen retarget` takes; the columns of a shot list are the same."""
    _reference_options(sub)
    _character_options(sub)
    _take_options(sub)
    sub.add_argument("--tracks", metavar="DIR", help="also keep the solved tracks (.npz) there")


def _evaluation_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--out", required=True, metavar="DIR", help="goes on with what is there")
    sub.add_argument("--hed", metavar="DIR", help="prepared human faces (exprgen train hed)")
    sub.add_argument("--source", metavar="DIR", help="what they were prepared from")
    sub.add_argument("--ced", metavar="DIR", help="prepared character pictures")
    sub.add_argument("--part", action="append", metavar="PACK/val", help="default: ferplus/val")
    sub.add_argument("--clip", metavar="FILE", help="footage to compare over its time")
    sub.add_argument("--primary", metavar="NAME", help="default: the sample primary")
    sub.add_argument("--secondary", action="append", default=[], metavar="NAME")
    sub.add_argument("--each", type=int, default=20, help="pictures an expression (%(default)s)")
    sub.add_argument(
        "--agreement", type=float, default=0.6, help="least share of votes (default: %(default)s)"
    )
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--sheet-each", type=int, default=5, help="of them on the blind sheets")
    sub.add_argument(
        "--only",
        action="append",
        choices=("recognition", "clarity", "transfer", "motion", "clip"),
        help="may be given again; default: all that the options allow",
    )
    sub.add_argument("--folds", action="append", default=[], metavar="FILE.json")
    sub.add_argument("--ratings", action="append", default=[], metavar="FILE.csv")
    sub.add_argument("--processes", type=int, help="Blender processes (default: as cores)")


def _reference_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "reference", nargs="+", metavar="REFERENCE", help="a clip, pictures, or a folder of them"
    )
    sub.add_argument(
        "--face",
        default="largest",
        metavar="WHICH",
        help="largest, left, right, or a number from the left, from 0 (default: %(default)s)",
    )
    _range_option(sub)


def _range_option(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--range",
        type=_range,
        default=(None, None),
        metavar="START:END",
        help="seconds of the reference, such as 2:6; either side may be empty (2: is from 2 s on)",
    )


def _character_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--primary", required=True, metavar="NAME", help="name, or a profile's .json")
    sub.add_argument(
        "--secondary", action="append", default=[], metavar="NAME", help="may be given again"
    )


def _take_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--out", required=True, metavar="FILE.blend")
    sub.add_argument("--preview", metavar="FILE.mp4", help="film of reference and characters")
    sub.add_argument("--render", metavar="DIR", help="one picture a character and frame")
    sub.add_argument("--size", type=int, default=256, help="of --render (default: %(default)s)")
    defaults = RetargetSettings()
    solving = sub.add_argument_group("solving")
    for part in ("eyes", "mouth", "head"):
        name = f"smoothing_{part}"
        solving.add_argument(
            f"--smoothing-{part}",
            type=float,
            default=getattr(defaults, name),
            metavar="0..1",
            help="default: %(default)s",
        )
    solving.add_argument(
        "--calibrate",
        type=_calibration,
        default=defaults.calibration,
        metavar="auto|none|SECONDS",
        help="the actor's neutral: found, unused, or at this time (default: %(default)s)",
    )
    solving.add_argument(
        "--emphasis",
        type=float,
        default=defaults.emphasis,
        metavar="0..1",
        help="pull towards key poses of the perceived expression (default: %(default)s)",
    )
    solving.add_argument(
        "--gain",
        type=_gain,
        action="append",
        default=[],
        metavar="REGION=X",
        help=f"may be given again; regions: {', '.join(REGIONS)}",
    )
    for output in OUTPUTS:
        solving.add_argument(
            f"--no-{output}", action="store_true", help=f"leave the {output} unkeyed"
        )
    keying = sub.add_argument_group("keying")
    keying.add_argument("--fps", type=float, help="of the scene (default: the reference's)")
    keying.add_argument("--start-frame", type=float, default=1.0, help="frame of time zero")
    keying.add_argument("--interpolation", choices=("linear", "bezier"), default="linear")
    keying.add_argument(
        "--reduce",
        type=float,
        default=0.0,
        metavar="ERROR",
        help="leave out keys; largest error as a part of a control's range, such as 0.01",
    )
    keying.add_argument(
        "--subframes", action="store_true", help="keys at the reference's own times"
    )


def _range(text: str) -> tuple[float | None, float | None]:
    start, colon, end = text.partition(":")
    try:
        if colon:
            return (float(start) if start else None, float(end) if end else None)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not START:END in seconds")


def _calibration(text: str) -> str | float:
    if text in ("auto", "none"):
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not auto, none or seconds") from None


def _gain(text: str) -> tuple[str, float]:
    region, _, number = text.partition("=")
    try:
        return region, float(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not REGION=NUMBER") from None


# --- commands ------------------------------------------------------------------------------------


def retarget(args: argparse.Namespace, console: Console) -> int:
    """Reference -> worker -> tracks -> .blend, preview, pictures."""
    began = time.monotonic()
    profiles, settings = _profiles(args), _settings(args)
    _check_take(args)
    _check_references(args.reference)
    check_cast(profiles)
    with _folder(args.tracks) as folder, _worker(console) as worker:
        request = _analysis_request(args, folder / "face.npz", [p.path for p in profiles])
        analysis = _work(worker, "analyse", request, console)
        tracks = _solve(worker, analysis["track"], profiles, settings, folder, console)
        result = {**_analysis_summary(analysis), "seconds": {"analysis": analysis["seconds"]}}
        return _finish(args, console, profiles, tracks, analysis["track"], result, began)


def batch(args: argparse.Namespace, console: Console) -> int:
    """`retarget` of every shot of a list, each in a process of its own."""
    from .batch import run

    return run(args, console)


def analyse(args: argparse.Namespace, console: Console) -> int:
    """Reference -> FaceTrack."""
    out = check_file(args.out, (".npz",))
    _check_references(args.reference)
    RetargetSettings(start=args.range[0], end=args.range[1])  # refuses an empty range
    primary = find_character(args.primary) if args.primary else _solvable_primary()
    if primary:
        check_cast([primary])
    profiles = [primary.path] if primary else []
    with _worker(console) as worker:
        request = _analysis_request(args, out, profiles)
        analysis = _work(worker, "analyse", request, console)
    result = {"out": str(out), **_analysis_summary(analysis), "seconds": analysis["seconds"]}
    console.result(result, _analysis_text(result) + f"\n{out}")
    return _exit_code(result, console)


def apply(args: argparse.Namespace, console: Console) -> int:
    """FaceTrack -> .blend, without the footage."""
    began = time.monotonic()
    profiles, settings = _profiles(args), _settings(args)
    _check_take(args)
    _check_references([args.track, *filter(None, [args.reference])])
    if args.preview and not args.reference:
        raise UsageError("the preview needs the footage", fix="give it with --reference FILE")
    check_cast(profiles)
    _say_what_takes_long(args, profiles[0], console)
    with _folder(None) as folder, _worker(console) as worker:
        tracks = _solve(worker, args.track, profiles, settings, folder, console)
        meta = tracks[0].meta
        result = {"frames": len(tracks[0]), "partial": bool(meta.get("partial"))}
        return _finish(args, console, profiles, tracks, args.track, result, began)


def demo(args: argparse.Namespace, console: Console) -> int:
    """`retarget` of the embedded reference."""
    if not REFERENCE.is_file():
        raise InputError("the embedded reference is missing", file=REFERENCE, fix="build it again")
    names = [p.name for p in sample_characters()]
    if not names:
        raise _no_characters()
    folder = check_folder(args.out)
    words = ["retarget", str(REFERENCE), "--primary", names[0]]
    for name in names[1:3]:  # enough to see it carried over; each more costs a minute of film
        words += ["--secondary", name]
    words += ["--out", str(folder / "demo.blend"), "--preview", str(folder / "demo.mp4")]
    full = build_parser().parse_args(words)
    return retarget(full, console)


def characters(args: argparse.Namespace, console: Console) -> int:
    """The characters that ship with ExprGen."""
    found = sample_characters()
    if not found:
        raise _no_characters()
    rows = [
        {
            "name": p.name,
            "title": p.title,
            "primary": p.primary,
            "family": p.family,
            "control_count": len(p.controls),
            "expression_count": len(p.expression_controls),
            "controls": list(p.names),
            "profile": str(p.path),
            "license": p.license,
        }
        for p in found
    ]
    lines = [
        f"{r['name']:<12} {r['title']:<16} {r['expression_count']:>3} controls"
        f" + {r['control_count'] - r['expression_count']} head and gaze  {r['family']}"
        f"{'  primary' if r['primary'] else ''}"
        for r in rows
    ]
    console.result({"characters": rows}, "\n".join(lines))
    return EXIT_OK


def perceive(args: argparse.Namespace, console: Console) -> int:
    """Pictures -> probabilities."""
    _check_references(args.images)
    with _worker(console) as worker:
        request = {"images": [str(Path(p).resolve()) for p in args.images], "as": args.kind}
        result = _work(worker, "perceive", request, console)
    lines = [f"{'':<28}" + "".join(f"{name[:8]:>9}" for name in EXPRESSIONS)]
    for picture in result["pictures"]:
        name = Path(picture["file"]).name[:27]
        if picture["probabilities"] is None:
            lines.append(f"{name:<28}  no face found")
            continue
        numbers = [f"{picture['probabilities'][e]:>9.3f}" for e in EXPRESSIONS]
        kind = "person" if picture["as"] == "human" else "character"
        lines.append(f"{name:<28}" + "".join(numbers) + f"  {picture['expression']} ({kind})")
    console.result(result, "\n".join(lines))
    return _exit_code(result, console)


def capture(args: argparse.Namespace, console: Console) -> int:
    """Labelled pictures of a character."""
    profile = find_character(args.character)
    if args.count < 1:
        raise UsageError(f"{args.count} pictures can't be made", fix="give a count of at least 1")
    folder = check_folder(args.out)
    from ..studio import capture as capturing

    if args.sheet:
        check_file(args.sheet, (".png",))
    console.catch_interrupts()
    if not profile.landmarks:
        console.say(
            f"warning: {profile.name} has no landmarks, so training will have to look for faces; "
            f"to place them: exprgen landmarks {args.character}"
        )
    made = capturing.capture_ced(
        profile,
        folder,
        args.count,
        seed=args.seed,
        processes=args.processes,
        settings=capturing.StudioSettings(size=args.size, samples=args.samples),
        progress=console.counter("capture"),
        stop=lambda: console.interrupted,
    )
    names = ("count", "done", "rejected", "classes", "landmarks", "seconds")
    result = {
        "out": str(folder / profile.name),
        "character": profile.name,
        **{name: made[name] for name in names},
        "partial": not capturing.is_complete(made),
    }
    text = f"{made['done']} of {made['count']} pictures of {profile.name} in {result['out']}"
    lost = [f"{n} {reason}" for reason, n in made["rejected"].items() if n]
    if lost:
        text += f"; rejected: {', '.join(lost)}"
    if args.sheet and made["done"] and not console.interrupted:
        cells = capturing.sheet_cells(folder / profile.name, args.seed)
        result["sheet"] = _sheet(console, cells, args.sheet, f"{profile.title}: capture", 8, 150)
        text += f"\n{result['sheet']}"
    console.result(result, text)
    return _exit_code(result, console)


def landmarks(args: argparse.Namespace, console: Console) -> int:
    """A character's landmarks, found or placed, into its profile."""
    profile = find_character(args.character)
    from ..characters import landmarks as placing

    for file in filter(None, [args.view, args.sheet]):
        check_file(file, (".png",))
    points = placing.load_points(args.points) if args.points else None
    console.catch_interrupts()
    if args.view:
        placing.neutral_view(profile, Path(args.view))
        console.result({"view": args.view}, args.view)
        return EXIT_OK
    check_file(profile.path, (".json",))
    with _worker(console) as worker:
        locate = placing.locate_with(lambda c, a: _work(worker, c, a, console))
        placed = placing.place_landmarks(profile, locate, points)
    placed.profile.save(profile.path)
    result = {
        "character": profile.name,
        "profile": str(profile.path),
        "found": placed.found,
        "looked": placed.looked,
        "template": placed.template,
        "moved": list(placed.moved),
        "warnings": placed.warnings,
    }
    for warning in placed.warnings:
        console.say(f"warning: {warning}")
    seen = f"in {placed.found} of {placed.looked} views"
    how = "by the points given" if placed.template else seen
    text = f"49 landmarks of {profile.name} placed {how}\n{profile.path}"
    if args.sheet:
        with tempfile.TemporaryDirectory(prefix="exprgen-") as folder:
            cells = placing.sheet_cells(placed.profile, Path(folder))
            result["sheet"] = _sheet(
                console, cells, args.sheet, f"{profile.title}: landmarks", 4, 320
            )
        text += f"\n{result['sheet']}"
    console.result(result, text)
    return EXIT_OK


def clarity(args: argparse.Namespace, console: Console) -> int:
    """How a character's key poses read."""
    profile = find_character(args.character)
    folder = check_folder(args.out)
    from ..studio import clarity as reading

    console.catch_interrupts()
    with _worker(console) as worker:

        def run(command: str, arguments: dict) -> dict:
            return _work(worker, command, arguments, console)

        if args.ratings:
            made = reading.keep_ratings(profile, folder, [Path(f) for f in args.ratings], run)
            return _tell_ratings(made, console)
        report = reading.check_clarity(
            profile,
            folder,
            run,
            processes=args.processes,
            progress=console.counter("rendering"),
            stop=lambda: console.interrupted,
        )
        if args.blind and report is not None and not console.interrupted:
            for sheet in reading.write_blind_sheets(profile, folder, run):
                console.say(sheet)
    if console.interrupted or report is None:
        return EXIT_INTERRUPTED
    for warning in report.warnings:
        console.say(f"warning: {warning}")
    console.result(report.to_json(), report.to_text())
    return EXIT_OK


def _tell_ratings(profile, console: Console) -> int:
    """What viewers named right, as the profile now holds it."""
    shares = {p.name: p.clarity for p in profile.key_poses}
    unclear = [f"{name} {share:.0%}" for name, share in shares.items() if share < 0.5]
    mean = sum(shares.values()) / len(shares)
    text = f"viewers name {mean:.0%} right; kept in {profile.path}"
    if unclear:
        text += f"\nhardly readable: {', '.join(unclear)}"
    console.result({"profile": str(profile.path), "clarity": shares}, text)
    return EXIT_OK


def profile(args: argparse.Namespace, console: Console) -> int:
    """A scene -> a proposed profile beside it."""
    began = time.monotonic()
    out = check_file(args.out or Path(args.scene).with_suffix(".json"), (".json",))
    from .. import profiling

    console.catch_interrupts()
    proposal = profiling.profile_file(
        args.scene,
        out,
        mesh_name=args.object,
        library=args.library,
        progress=console.counter("trying"),
    )
    made = proposal.profile
    result = {
        "out": str(out),
        "blend": str(made.blend),
        "name": made.name,
        "controls": len(made.controls),
        "tried": proposal.tried,
        "families": proposal.families,
        "regions": dict(Counter(c.region for c in made.controls)),
        "with_channels": sum(bool(c.channels) for c in made.controls),
        "pairs": sum(bool(c.mirror) for c in made.controls) // 2,
        "left_out": list(proposal.left_out),
        "undecided": list(proposal.undecided),
        "seconds": round(time.monotonic() - began, 1),
    }
    lines = [f"{made.title}: {len(made.controls)} of {proposal.tried} candidates move the face"]
    lines += [f"  {n} {region}" for region, n in result["regions"].items()]
    lines += [f"left out: {line}" for line in proposal.left_out]
    lines += [f"to decide: {line}" for line in proposal.undecided]
    console.result(result, "\n".join([*lines, str(out)]))
    return _exit_code(result, console)


def propose(args: argparse.Namespace, console: Console) -> int:
    """Proposed key poses: a sheet and a list, or what was decided about them."""
    from ..profiling import pose_proposals as proposing

    path = Path(args.character)
    out = path.with_suffix(".json")
    if path.suffix == ".blend" and not out.exists() and not (args.accept or args.refuse):
        from .. import profiling

        check_file(out, (".json",))
        character = profiling.profile_file(path, out, mesh_name=args.object).profile
        profiling.close_scene()
    else:
        name = out if path.suffix == ".blend" else args.character
        character = find_character(str(name))
    if args.accept or args.refuse:
        gone = proposing.refuse(character, args.refuse) if args.refuse else []
        made, gained = proposing.accept(character, args.accept) if args.accept else (character, [])
        result = {"accepted": gained, "refused": gone, "key_poses": len(made.key_poses)}
        text = f"{len(gained)} accepted, {len(gone)} refused: {made.name} has "
        console.result(result, f"{text}{len(made.key_poses)} key poses")
        return EXIT_OK
    began = time.monotonic()
    sheet = check_file(args.out or character.path.with_suffix(".proposals.png"), (".png",))
    console.catch_interrupts()
    with _worker(console) as worker:
        proposals = proposing.propose_poses(
            character,
            sheet,
            lambda command, arguments: Job(command, arguments, worker).run_blocking(),
            method=args.method,
            budget=args.budget,
            seed=args.seed,
            progress=console.counter("proposing"),
            stop=lambda: console.interrupted,
        )
    rows = [
        {"name": p.name, "expression": p.expression, "origin": p.origin, "own": p.own}
        for p in proposals
    ]
    result = {
        "profile": str(character.path),
        "sheet": str(sheet),
        "proposals": rows,
        "clear": sum(p.own >= proposing.CLEAR for p in proposals),
        "seconds": round(time.monotonic() - began, 1),
    }
    lines = [f"{r['name']:<28}{r['origin']:<8}{r['own']:>5.0%}" for r in rows]
    console.result(result, "\n".join([*lines, f"{result['clear']} read clearly", str(sheet)]))
    return _exit_code(result, console)


def evaluate(args: argparse.Namespace, console: Console) -> int:
    """All measures of `exprgen evaluate`, into one folder."""
    from ..studio import evaluation as evaluating

    if not args.primary and not sample_characters():
        raise _no_characters()
    primary = find_character(args.primary) if args.primary else sample_characters()[0]
    plan = evaluating.Plan(
        out=check_folder(args.out).resolve(),
        profiles=(primary, *map(find_character, args.secondary)),
        hed=args.hed,
        source=args.source,
        ced=args.ced,
        clip=args.clip,
        parts=tuple(args.part or evaluating.PARTS),
        each=args.each,
        agreement=args.agreement,
        seed=args.seed,
        sheet_each=args.sheet_each,
        only=tuple(args.only or evaluating.SECTIONS),
        folds=tuple(args.folds),
        ratings=tuple(args.ratings),
        processes=args.processes,
    )
    console.catch_interrupts()
    with _worker(console) as worker:
        figures = evaluating.evaluate(
            plan,
            lambda command, arguments: _work(worker, command, arguments, console),
            counter=console.counter,
            stop=lambda: console.interrupted,
            say=console.say,
        )
    if figures is None:
        return EXIT_INTERRUPTED
    console.result(figures, evaluating.summary(figures))
    return _exit_code(figures, console)


def train(args: argparse.Namespace, console: Console) -> int:
    """Hand over to networks/training/<name>.py; its Ctrl-C is its own."""
    import signal

    run = training(args.name)
    words = [*(w for w in args.words if w != "--json"), *(["--json"] if args.json else [])]
    console.release()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return int(run(words) or 0)


def doctor(args: argparse.Namespace, console: Console) -> int:
    """Look at everything the main job needs."""
    from .doctor import examine

    findings = examine(console, fetch=args.fetch)
    ok = all(f.ok for f in findings)
    lines = [f"{'ok  ' if f.ok else 'MEND'}  {f.what:<34} {f.detail}" for f in findings]
    lines += [f"  fix {f.what}: {f.fix}" for f in findings if not f.ok]
    data = {"ok": ok, "findings": [f.to_json() for f in findings]}
    console.result(data, "\n".join([*lines, "all is well" if ok else "something is missing"]))
    return EXIT_OK if ok else EXIT_MODEL


# --- what commands share -------------------------------------------------------------------------


def _profiles(args: argparse.Namespace) -> list[RigProfile]:
    profiles = [find_character(name) for name in [args.primary, *args.secondary]]
    names = [p.name for p in profiles]
    if len(set(names)) != len(names):
        raise UsageError("a character is named twice", fix="name each character once")
    return profiles


def _settings(args: argparse.Namespace) -> RetargetSettings:
    return RetargetSettings(
        smoothing_eyes=args.smoothing_eyes,
        smoothing_mouth=args.smoothing_mouth,
        smoothing_head=args.smoothing_head,
        calibration=args.calibrate,
        emphasis=args.emphasis,
        gain=dict(args.gain),
        start=args.range[0],
        end=args.range[1],
        outputs=tuple(o for o in OUTPUTS if not getattr(args, f"no_{o}")),
    )


def _check_take(args: argparse.Namespace) -> None:
    """Refuse bad options and places before the long work begins."""
    check_options(args)
    check_file(args.out, (".blend",))
    if args.preview:
        check_file(args.preview, (".mp4",))
    if args.render:
        check_folder(args.render)


def check_options(args: argparse.Namespace) -> None:
    """Refuse options of a retarget that make no sense; looks at no file.

    Raises:
        UsageError: what is wrong and what to write instead.
    """
    _settings(args)
    check_fps(args.fps)
    _key_options(args)
    if not 16 <= args.size <= 4096:
        raise UsageError(f"pictures of {args.size} pixels can't be made", fix="use 16 to 4096")


def _check_references(paths: list[str]) -> None:
    for path in paths:
        if not Path(path).exists():
            raise InputError("does not exist", file=path, fix="check the path")


@contextlib.contextmanager
def _folder(kept: str | None) -> Iterator[Path]:
    """Where the tracks go: the user's folder, or one that vanishes."""
    if kept:
        yield check_folder(kept)
        return
    with tempfile.TemporaryDirectory(prefix="exprgen-") as folder:
        yield Path(folder)


@contextlib.contextmanager
def _worker(console: Console) -> Iterator[WorkerProcess]:
    worker = WorkerProcess()
    try:
        yield worker
    except BaseException:
        worker.kill()
        raise
    worker.close()


def _work(worker: WorkerProcess, command: str, arguments: dict, console: Console) -> dict:
    """One job, with progress on the console; Ctrl-C asks it to stop."""
    job = Job(command, arguments, worker)
    console.on_interrupt(job.stop)
    return job.run_blocking(console.message)


def _sheet(console: Console, cells: list, out: str, title: str, columns: int, side: int) -> str:
    """Have the worker draw a sheet of pictures; its path."""
    request = {"cells": cells, "out": str(Path(out).resolve()), "columns": columns, "side": side}
    with _worker(console) as worker:
        return _work(worker, "sheet", {**request, "title": title}, console)["sheet"]


def _analysis_request(args: argparse.Namespace, out: Path, profiles: list) -> dict:
    return {
        "reference": [str(Path(p).resolve()) for p in args.reference],
        "out": str(out.resolve()),
        "face": args.face,
        "start": args.range[0],
        "end": args.range[1],
        "profiles": [str(p) for p in profiles],
    }


def _solvable_primary() -> RigProfile | None:
    """The sample primary, if its network is there."""
    found = next((p for p in sample_characters() if p.primary), None)
    return found if found and can_lead(found) else None


def _say_what_takes_long(args, primary: RigProfile, console: Console) -> None:
    """Tell why `apply` has to look at every face, and how to spare it."""
    from ...networks.track import FaceTrack

    kept = FaceTrack.load(args.track).rig_units
    if not any(key.startswith(f"{primary.name}:") for key in kept):
        console.say(
            f"{primary.name}'s network looks at every face first; "
            f"`exprgen analyse ... --primary {args.primary}` does so once for all"
        )


def _solve(worker, track, profiles, settings, folder: Path, console: Console) -> list:
    from ...networks.track import RigTrack

    request = {
        "track": str(Path(track).resolve()),
        "primary": str(profiles[0].path),
        "secondary": [str(p.path) for p in profiles[1:]],
        "settings": settings.to_json(),
        "out": str(folder.resolve()),
    }
    solved = _work(worker, "solve", request, console)
    return [RigTrack.load(t["path"]) for t in solved["tracks"]]


def _finish(args, console, profiles, tracks, face_track, result: dict, began: float) -> int:
    """Tracks -> the files that were asked for; what is finished stays if the rest is stopped."""
    began_blender = time.monotonic()
    from ..keying import takes

    console.catch_interrupts()
    options = _key_options(args)
    tracks = takes.matched(tracks, profiles)
    take = takes.build_take(tracks, profiles, name=_name(args), fps=args.fps, options=options)
    with quiet():  # Blender would tell the temporary name
        result = {"out": str(takes.save_file(args.out)), **result}
    result["fps"] = take.fps
    result["characters"] = [
        {"name": p.name, "controls": len(t.controls)} for p, t in zip(profiles, tracks, strict=True)
    ]
    result["keys"], result["curves"] = take.report.keys, take.report.curves
    result["keyed_frames"] = [take.report.first, take.report.last]
    seconds = result.setdefault("seconds", {})
    seconds["keying"] = round(take.report.seconds, 4)
    seconds["blend"] = round(time.monotonic() - began_blender, 2)
    if args.render and not console.interrupted:
        result["pictures"] = _render(args, console, profiles, tracks)
        result["render"] = str(args.render)
    if args.preview and not console.interrupted:
        result["preview"] = _preview(args, console, profiles, tracks, face_track, take.fps)
    seconds["total"] = round(time.monotonic() - began, 2)
    console.result(result, _take_text(result))
    return _exit_code(result, console)


def _key_options(args: argparse.Namespace) -> KeyOptions:
    return KeyOptions(
        start_frame=args.start_frame,
        subframes=args.subframes,
        interpolation=args.interpolation.upper(),
        reduce=args.reduce,
    )


def _name(args: argparse.Namespace) -> str:
    """The take's name: the footage's, or the track's."""
    return Path(args.track if args.command == "apply" else args.reference[0]).resolve().stem


def _render(args, console: Console, profiles, tracks) -> int:
    """Pictures of every frame in which a face was seen; their number."""
    import dataclasses

    from ...networks.track import TRACKED
    from ..studio import capture as capturing

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
        )
        paths = capturing.render_stills(
            profile,
            part,
            args.render,
            stems,
            args.size,
            progress=console.counter(f"render {profile.name}"),
            stop=lambda: console.interrupted,
        )
        count += sum(p.is_file() for p in paths)
    return count


def _preview(args, console: Console, profiles, tracks, face_track, fps: float) -> str | None:
    """The film's path, or None if it was stopped."""
    from ...networks.track import FaceTrack
    from ..studio import preview

    reference = args.reference if args.command == "apply" else args.reference[0]
    made = preview.make_preview(
        reference,
        FaceTrack.load(face_track),
        tracks,
        args.preview,
        fps=min(fps, preview.MAX_FPS),
        profiles=profiles,
        progress=console.counter("preview, pictures and film frames"),
        stop=lambda: console.interrupted,
    )
    return None if made is None else str(made)


def _mask(seen, n: int) -> list[bool]:
    return [True] * n if isinstance(seen, slice) else list(seen)


def _exit_code(result: dict, console: Console) -> int:
    if console.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_PARTIAL if result.get("partial") else EXIT_OK


def _analysis_summary(analysis: dict) -> dict:
    names = ("frames", "found", "partial", "reason", "stopped", "without_face", "rate", "stages")
    return {name: analysis[name] for name in names if name in analysis}


def _analysis_text(result: dict) -> str:
    lines = [f"{result['found']} of {result['frames']} frames show the face"]
    if result.get("partial"):
        lines.append(f"PARTIAL: {result.get('reason') or 'not all of it could be read'}")
    return "\n".join(lines)


def _take_text(result: dict) -> str:
    names = ", ".join(f"{c['name']} ({c['controls']} controls)" for c in result["characters"])
    first, last = result["keyed_frames"]
    lines = [_analysis_text(result)] if "found" in result else []
    lines.append(
        f"keyed {names}: {result['keys']} keys, "
        f"frames {first:g} to {last:g} at {result['fps']:g} fps"
    )
    if "pictures" in result:
        lines.append(f"{result['pictures']} pictures in {result['render']}")
    return "\n".join([*lines, result["out"], *filter(None, [result.get("preview")])])


def _no_characters() -> InputError:
    return InputError(
        "there are no characters", file=SAMPLE_RIGS, fix="build them: make characters"
    )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("exprgen")
    except PackageNotFoundError:
        import tomllib

        manifest = Path(__file__).resolve().parents[2] / "blender_manifest.toml"
        return tomllib.loads(manifest.read_text("utf-8"))["version"]


if __name__ == "__main__":
    main()
