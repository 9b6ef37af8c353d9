"""Make all avatars and measure how far they come: a table for docs/avatars.md.

python -m exprgen.tests.support.avatars OUT [--only NAME ...] [--clip FILE ...] [--table FILE.md]

Goes on with what is in OUT. FILE.md keeps its words, only the table of avatars in it is replaced.
An hour for all of them on two cores.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

import bpy

from exprgen.networks.characters.profile import SAMPLE_RIGS
from exprgen.networks.files import write_text
from exprgen.networks.reading import read_object
from exprgen.networks.records import json_text

from . import measuring
from .building import Avatar, build
from .files import save
from .rigs import AVATARS
from .table import put_into, table

AT_ONCE = 5
"""So many avatars play at once beside the lead: what is done is kept."""
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
    figures = {a.name: _kept(folder, a, "profile", _profiled) for a in chosen}
    playable = [a for a in chosen if plays(figures[a.name])]
    played = _played(playable, folder, clips)
    for avatar in playable:
        figures[avatar.name]["faults"] = played[avatar.name]["faults"]
    _tell(args.table, chosen, figures, played)
    for avatar in chosen:
        if "landmark_error" in figures[avatar.name]:
            figures[avatar.name]["poses"] = _kept(folder, avatar, "poses", measuring.posed)
            _tell(args.table, chosen, figures, played)
    print(table(chosen, figures, played, LEAD))


def _tell(path: Path | None, chosen: list[Avatar], figures: dict, played: dict) -> None:
    """What is known so far, in a file of Markdown."""
    if path:
        put_into(path, table(chosen, figures, played, LEAD))


def _played(avatars: list[Avatar], folder: Path, clips: list[Path]) -> dict:
    """Character -> its mean figures, with its `faults`; the lead's too. A few at a time, kept in
    the folder."""
    kept = {name: folder / f"{name}.performance.figures.json" for name in (LEAD, *_names(avatars))}
    left = [a for a in avatars if not kept[a.name].exists()]
    for i in range(0, len(left), AT_ONCE):
        some = left[i : i + AT_ONCE]
        measured = measuring.performed(some, folder, clips, LEAD)
        write_text(kept[LEAD], json_text(measured[LEAD], indent=1))
        for avatar in some:
            faults = measuring.faults(avatar, some, folder, clips)
            told = json_text({**measured[avatar.name], "faults": faults}, indent=1)
            write_text(kept[avatar.name], told)
        print(f"{', '.join(_names(some))}: played", file=sys.stderr, flush=True)
    return {name: read_object(path, "remove it") for name, path in kept.items() if path.exists()}


def _names(avatars: list[Avatar]) -> list[str]:
    return [a.name for a in avatars]


def _profiled(avatar: Avatar, folder: Path) -> dict:
    path = save(build(avatar), folder)
    bpy.ops.wm.read_factory_settings(use_empty=True)  # a sample is open, and is looked at by itself
    return measuring.profiled(avatar, path, folder)


def _kept(folder: Path, avatar: Avatar, what: str, measure: Callable) -> dict:
    """What `measure` gives, kept in the folder for the next time."""
    kept = folder / f"{avatar.name}.{what}.figures.json"
    if not kept.exists():
        write_text(kept, json_text(measure(avatar, folder), indent=1))
        print(f"{avatar.name}: {what} measured", file=sys.stderr, flush=True)
    return read_object(kept, "remove it")


def plays(figures: dict) -> bool:
    """It can be solved without training."""
    return "landmark_error" in figures and not figures["lacks"]


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # the bpy module can hang at the end
