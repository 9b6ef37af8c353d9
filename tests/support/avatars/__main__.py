"""Make all avatars and measure how far they come: a table for docs/avatars.md.

python -m exprgen.tests.support.avatars OUT [--only NAME ...] [--clip FILE ...] [--table FILE.md]

Goes on with what is in OUT. An hour for all of them on two cores.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from exprgen.networks.characters.profile import SAMPLE_RIGS
from exprgen.networks.files import write_text
from exprgen.networks.reading import read_object
from exprgen.networks.records import json_text

from . import measuring
from .building import Avatar, build
from .files import save
from .rigs import AVATARS
from .table import table

LEAD = "tobi"
"""The sample whose face the avatars wear leads, and is measured beside them."""


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="avatars", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--clip", action="append", type=Path, default=[], metavar="FILE")
    parser.add_argument("--table", type=Path, metavar="FILE.md")
    args = parser.parse_args(words)
    clips = args.clip or [SAMPLE_RIGS / "reference" / "reference.mp4"]
    folder = args.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [a for a in AVATARS if not args.only or a.name in args.only]
    figures = {a.name: measure(a, folder) for a in chosen}
    playable = [a for a in chosen if plays(figures[a.name])]
    played = measuring.performed(playable, folder, clips, LEAD) if playable else {}
    for avatar in playable:
        figures[avatar.name]["faults"] = measuring.faults(avatar, folder, clips)
    text = table(chosen, figures, played, LEAD)
    print(text)
    if args.table:
        write_text(args.table, text)


def measure(avatar: Avatar, folder: Path) -> dict:
    """The figures of one avatar up to its key poses; kept in the folder."""
    kept = folder / f"{avatar.name}.figures.json"
    if kept.exists():
        return read_object(kept, "remove it")
    path = save(build(avatar), folder)
    figures = measuring.profiled(avatar, path, folder)
    if "landmark_error" in figures:
        figures["poses"] = measuring.posed(avatar, folder)
    write_text(kept, json_text(figures, indent=1))
    print(avatar.name, "measured", file=sys.stderr, flush=True)
    return figures


def plays(figures: dict) -> bool:
    """It can be solved without training."""
    return "landmark_error" in figures and not figures["lacks"]


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # the bpy module can hang at the end
