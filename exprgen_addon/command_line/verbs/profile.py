"""`exprgen profile`: a scene to a proposed profile beside it."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

from ..console import Console, check_file
from ..places import check_outputs
from ..verb_steps import exit_code

NAME, ORDER = "profile", 12
HELP = "Propose a profile for a rig: what moves its face, tried out"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("scene", metavar="FILE", help="a .blend, .glb, .gltf, .vrm or .fbx")
    parser.add_argument("--object", metavar="NAME", help="the mesh of the face, or of the body")
    parser.add_argument("--library", metavar="FILE", help="of two objects of one name: whose")
    parser.add_argument(
        "--all",
        action="store_true",
        help="of a rig of very many bones try those too that look like its machinery",
    )
    parser.add_argument("--out", metavar="X.json", help="default: beside FILE, with its name")


def run(args: argparse.Namespace, console: Console) -> int:
    """A scene -> a proposed profile beside it."""
    began = time.monotonic()
    out = check_file(args.out or Path(args.scene).with_suffix(".json"), (".json",))
    check_outputs({"out": out}, [args.scene])
    from ... import profiling

    console.catch_interrupts()
    proposal = profiling.profile_file(
        args.scene,
        out,
        mesh_name=args.object,
        library=args.library,
        everything=args.all,
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
        "told": list(proposal.told),
        "left_out": list(proposal.left_out),
        "undecided": list(proposal.undecided),
        "seconds": round(time.monotonic() - began, 1),
    }
    lines = list(proposal.told)
    lines += [f"{made.title}: {len(made.controls)} of {proposal.tried} candidates move the face"]
    lines += [f"  {n} {region}" for region, n in result["regions"].items()]
    lines += [f"left out: {line}" for line in proposal.left_out]
    lines += [f"to decide: {line}" for line in proposal.undecided]
    console.result(result, "\n".join([*lines, str(out)]))
    return exit_code(result, console)
