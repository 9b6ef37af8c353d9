"""`exprgen perceive`: what faces on pictures express."""

from __future__ import annotations

import argparse
from pathlib import Path

from ....networks.vocabulary import EXPRESSIONS
from ..console import Console
from ..verb_steps import check_references, exit_code, run_job, running_worker

NAME, ORDER = "perceive", 6
HELP = "The seven expressions' probabilities of pictures of faces"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument("--as", dest="kind", choices=("auto", "human", "character"), default="auto")


def run(args: argparse.Namespace, console: Console) -> int:
    """Pictures -> probabilities."""
    check_references(args.images)
    with running_worker(console) as worker:
        request = {"images": [str(Path(p).resolve()) for p in args.images], "as": args.kind}
        result = run_job(worker, "perceive", request, console)
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
    return exit_code(result, console)
