"""`exprgen rig`: a bare head to a character that acts."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ....networks.errors import UsageError
from ....networks.files import all_or_none
from ....networks.head_rig.methods import METHODS
from ..console import Console, check_file
from ..places import check_outputs
from ..verb_steps import draw_sheet, exit_code, run_job, running_worker

NAME, ORDER = "rig", 11
HELP = "Give a bare head the 52 ARKit shapes: a sculpt becomes a character"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("scene", metavar="HEAD", help="a .blend, .glb, .gltf, .vrm or .fbx")
    parser.add_argument("--object", metavar="NAME", help="the mesh of the head")
    parser.add_argument("--out", metavar="HERO.blend", help="the character; HEAD stays as it is")
    parser.add_argument(
        "--method",
        choices=METHODS,
        default=METHODS[0],
        help="how the shapes are found (%(default)s)",
    )
    parser.add_argument(
        "--points", metavar="FILE.json", help="landmarks placed by hand, where no face is found"
    )
    parser.add_argument(
        "--view", metavar="FILE.png", help="only write the view in which points are placed"
    )
    parser.add_argument(
        "--sheet", metavar="FILE.png", help="also draw the landmarks that were used"
    )
    parser.add_argument(
        "--no-profile", action="store_true", help="only make the .blend, no profile beside it"
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """A bare head -> a .blend with its shapes, and its profile with landmarks."""
    began = time.monotonic()
    if args.view:
        return _view(args, console)
    if not args.out:
        raise UsageError("where does the character go?", fix="give --out HERO.blend")
    out = check_file(args.out, (".blend",))
    outputs = {"out": out, "sheet": args.sheet}
    if args.sheet and args.no_profile:
        raise UsageError("--sheet shows a profile's landmarks", fix="leave out --no-profile")
    if args.sheet:
        check_file(args.sheet, (".png",))
    made_too = {} if args.no_profile else _beside(out)
    outputs |= {name: check_file(path, (path.suffix,)) for name, path in made_too.items()}
    check_outputs(outputs, [args.scene, *filter(None, [args.points])])
    from ...characters.landmark_points import load_points
    from ...head_rig.making import rig_file
    from ...profiling import profile_before
    from ...studio.landmark_finding import locate_with

    if not args.no_profile:
        profile_before(made_too["profile"], out)
    points = load_points(args.points) if args.points else None
    console.catch_interrupts()
    with running_worker(console) as worker, all_or_none(out, *made_too.values()):
        locate = locate_with(lambda c, a: run_job(worker, c, a, console))
        made = rig_file(
            args.scene,
            out,
            locate,
            mesh_name=args.object,
            points=points,
            method=args.method,
            progress=console.counter("laying"),
        )
        result = {
            "out": str(out),
            "object": made.mesh,
            "keys": made.keys,
            "method": args.method,
            "symmetric": made.shapes.symmetric,
            "off": round(made.shapes.off, 3),
            "told": list(made.told),
        }
        lines = [f"{made.mesh}: {made.keys} shape keys", *made.told, str(out)]
        if not args.no_profile:
            lines += _profile(args, out, made.mesh, locate, points, console, result)
    result["seconds"] = round(time.monotonic() - began, 1)
    console.result(result, "\n".join(lines))
    return exit_code(result, console)


def _beside(out: Path) -> dict[str, Path]:
    """What belongs to a character's .blend, by the words that tell what it is."""
    from ....networks.characters.response import SUFFIX

    return {"profile": out.with_suffix(".json"), "response": out.with_suffix(SUFFIX)}


def _profile(args, out: Path, mesh: str, locate, points, console: Console, result: dict) -> list:
    """The profile beside the character, with landmarks that are looked for again with the jaw
    open, and how its controls move them; lines to say."""
    from ....networks.files import scratch_folder
    from ... import profiling
    from ...head_rig.marking import speaking_of
    from ...studio import landmark_finding, motion_naming
    from ...studio.response import ensure_response

    path = out.with_suffix(".json")
    proposal = profiling.profile_file(out, path, mesh_name=mesh, progress=console.counter("trying"))
    profiling.close_scene()
    poses = console.counter(f"poses of {proposal.profile.name}")
    with speaking_of(mesh, args.scene):
        placed = motion_naming.place_on_any(proposal.profile, locate, points, poses)
    placed.profile.save(path)
    note = ensure_response(placed.profile, poses)
    result |= {"profile": str(path), "controls": len(proposal.profile.controls)}
    result["warnings"] = [*placed.warnings, *filter(None, [note])]
    for warning in result["warnings"]:
        console.say(f"warning: {warning}")
    if args.sheet:
        with scratch_folder() as folder:
            cells = landmark_finding.sheet_cells(placed.profile, folder)
            side = landmark_finding.sheet_side(len(cells))
            title = f"{placed.profile.title}: landmarks"
            result["sheet"] = draw_sheet(console, cells, args.sheet, title, 4, side)
    return [f"{len(proposal.profile.controls)} controls, 49 landmarks", str(path)]


def _view(args: argparse.Namespace, console: Console) -> int:
    view = check_file(args.view, (".png",))
    check_outputs({"view": view}, [args.scene])
    from ...head_rig import marking, reading
    from ...profiling.scenes import character_objects, open_scene

    open_scene(args.scene)
    head = reading.bare_head(args.object, file=args.scene)
    marking.view_of(head, character_objects(head), Path(view))
    console.result({"view": str(view)}, str(view))
    return 0
