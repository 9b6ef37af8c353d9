"""`exprgen characters`: who can be driven."""

from __future__ import annotations

import argparse

from ....networks.characters.profile import sample_characters
from ....networks.errors import EXIT_OK
from ..console import Console
from ..verb_steps import no_characters

NAME, ORDER = "characters", 5
HELP = "List the characters, the primary first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""


def run(args: argparse.Namespace, console: Console) -> int:
    """The characters that ship with ExprGen."""
    found = sample_characters()
    if not found:
        raise no_characters()
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
