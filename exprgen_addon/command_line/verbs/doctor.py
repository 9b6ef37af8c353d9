"""`exprgen doctor`: what is installed, what is missing, how to mend it."""

from __future__ import annotations

import argparse

from ....networks.errors import EXIT_MODEL, EXIT_OK
from ..console import Console

NAME, ORDER = "doctor", 8
HELP = "What is installed, what is missing, how to mend it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("--fetch", action="store_true", help="fetch the face landmark model")


def run(args: argparse.Namespace, console: Console) -> int:
    """Look at everything the main job needs."""
    from ..doctor import examine

    findings = examine(console, fetch=args.fetch)
    ok = all(f.ok for f in findings)
    lines = [f"{'ok  ' if f.ok else 'MEND'}  {f.what:<34} {f.detail}" for f in findings]
    lines += [f"  fix {f.what}: {f.fix}" for f in findings if not f.ok]
    data = {"ok": ok, "findings": [f.to_json() for f in findings]}
    console.result(data, "\n".join([*lines, "all is well" if ok else "something is missing"]))
    return EXIT_OK if ok else EXIT_MODEL
