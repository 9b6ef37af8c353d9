"""Recordings on the disk while the window records, for a Blender that ends without ending them.

They lie in the cache, whatever file is open. One whose Blender runs is its own matter; those that
were left are offered in the panel, and `exprgen live --tape` reads them too.
"""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import bpy

from ...networks.files import remove
from ..engine import engine_python
from ..engine.live_tape import LiveTape, tapes_left_in

LOOK_EVERY = 2.0
"""Seconds for which is believed what was seen of the disk: a panel is drawn often."""
UNSAVED = "untitled"

_given_up: list[Path] = []
"""Tapes that this Blender has ended without a take."""
_seen: tuple[float, list[Path]] = (float("-inf"), [])


def folder() -> Path:
    """Where they lie."""
    return engine_python.cache_folder() / "live"


def begin(source: str) -> LiveTape:
    """A tape of a recording that begins now. A place that can't be written is told by its `error`
    when the first frame comes."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"ExprGen: {folder()} can't be made: {error.strerror}")
    name = Path(bpy.data.filepath).stem or UNSAVED
    return LiveTape(folder() / f"{name}.blend", source, synced=False)


def give_up(tape: LiveTape) -> None:
    """Its recording has become no take: it is offered."""
    tape.close()
    if tape.is_begun:
        _given_up.append(tape.path)
    look_again()


def left(anew: bool = False) -> list[Path]:
    """Those that are nobody's any more, the oldest first."""
    global _seen
    if anew or time.monotonic() - _seen[0] > LOOK_EVERY:
        own = [p for p in _given_up if p.is_file()]
        found = {*tapes_left_in(folder()), *own}
        _seen = (time.monotonic(), sorted(found, key=_written))
    return _seen[1]


def look_again() -> None:
    """What is on the disk has changed."""
    global _seen
    _seen = (float("-inf"), [])


def discard(tape: Path) -> None:
    """It has become a take, or nobody wants it."""
    remove(tape)
    look_again()


def titled(tape: Path) -> str:
    """The file that was open and when the last frame came, for a person."""
    name = tape.name.rpartition(".live~")[0]
    return f"{name}, {datetime.fromtimestamp(_written(tape)):%Y-%m-%d %H:%M}"


def _written(tape: Path) -> float:
    try:
        return tape.stat().st_mtime
    except OSError:  # somebody was quicker
        return 0.0
