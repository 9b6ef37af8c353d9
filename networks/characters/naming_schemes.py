"""The names that avatar tools give their controls: a table a scheme, read from `schemes/`.

Each file of that folder is one scheme with the public source of its names:

- exact: name -> the ARKit channel that the control makes, as it is meant, or {channel: value}.
- near: the same, for what makes a channel only roughly (a viseme, an eye that smiles): it is used
  where nothing makes the channel exactly.
- poses: name -> the expression that the control shows by itself.
- still: of the face, and no channel stands for it. apart: not of the face (ears, hair, fangs).

{S} in a name stands for each of the file's `sides` (left first), {V} for each of its `halves`
(upper first); in a channel they are Left and Right, Upper and Lower. A channel without its side
takes the name's; a name without a side gets half of each. Words that many rigs share are in
control_names.py. This file knows no rig.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ..vocabulary import ARKIT_CHANNELS

FOLDER = Path(__file__).with_name("schemes")
EXACT, COMPOSED, NEAR = 0, 1, 2
NOWHERE = [("", "")]
_KNOWN = frozenset(ARKIT_CHANNELS)
_NOISE = re.compile(r"^(?:[^_]*\d[^_]*|m|face|head|mesh|body|morph|shape|mix|bs)_", re.IGNORECASE)
"""Leading words that exporters put before a name."""


@dataclass(frozen=True)
class Meaning:
    """What a name says.

    scheme: who says so. channels: ARKit channel -> unit value of the control when that channel is
    1. rank: EXACT, COMPOSED (exact, but of several channels) or NEAR. side: "Left", "Right" or "";
    half: "Upper", "Lower" or "". pose: the expression that it shows by itself, or "". apart: it is
    not of the face.
    """

    scheme: str
    channels: dict[str, float] = field(default_factory=dict)
    rank: int = EXACT
    side: str = ""
    half: str = ""
    pose: str = ""
    apart: bool = False


@dataclass(frozen=True)
class Scheme:
    """A scheme's table: name as in `_key` -> its meaning. source: where its names are public."""

    name: str
    source: str
    table: dict[str, Meaning]

    def meaning(self, name: str, bare: bool = False) -> Meaning | None:
        """What it says of a name; None if it is not its. bare: without what exporters add to it."""
        keys = bare_keys(name) if bare else [_key(name)]
        return next((m for key in keys if (m := self.table.get(key))), None)


@cache
def schemes() -> tuple[Scheme, ...]:
    """All schemes of the folder, by name of file."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.json")))


def sided(stems: dict[str, float], side: str) -> dict[str, float]:
    """Channels, or stems of them without their side -> channels on a side, or half on each."""
    out: dict[str, float] = {}
    for stem, share in stems.items():
        if stem in _KNOWN:
            out[stem] = share
        elif side:
            out[f"{stem}{side}"] = share
        else:
            out[f"{stem}Left"] = out[f"{stem}Right"] = share / 2
    return out


def _read(path: Path) -> Scheme:
    data = json.loads(path.read_text("utf-8"))
    table: dict[str, Meaning] = {}
    for name, side, half in _spread(data, [*data["still"], *data["apart"]]):
        table[_key(name)] = Meaning(data["scheme"], {}, NEAR, side, half)
    for name, side, half in _spread(data, data["apart"]):
        table[_key(name)] = Meaning(data["scheme"], {}, NEAR, side, half, apart=True)
    for rank, word in ((NEAR, "near"), (EXACT, "exact")):
        for pattern, made in data[word].items():
            for name, side, half in _spread(data, [pattern]):
                table[_key(name)] = _meant(data["scheme"], made, rank, side, half)
    for name, expression in data["poses"].items():
        table[_key(name)] = Meaning(data["scheme"], rank=NEAR, pose=expression)
    return Scheme(data["scheme"], data["source"], table)


def _meant(scheme: str, made: str | dict, rank: int, side: str, half: str) -> Meaning:
    stems = {made: 1.0} if isinstance(made, str) else made
    stems = {k.replace("{S}", side).replace("{V}", half): float(v) for k, v in stems.items()}
    channels = sided(stems, side)
    if not side:
        ends = {s for s in ("Left", "Right") for c in channels if c.endswith(s)}
        one = len(ends) == 1 and all(c.endswith(tuple(ends)) for c in channels)
        side = ends.pop() if one and not set(channels) & _ACROSS else ""
    if rank == EXACT and len(stems) > 1 and not _opposed(stems):
        rank = COMPOSED
    return Meaning(scheme, channels, rank, side, half)


def _opposed(stems: dict[str, float]) -> bool:
    """Channels of which a control makes one upwards and the other downwards."""
    return len(stems) == 2 and min(stems.values()) < 0 < max(stems.values())


_ACROSS = {"jawLeft", "jawRight", "mouthLeft", "mouthRight"}
"""Channels whose name tells a direction, not a side."""


def _spread(data: dict, patterns: list[str]) -> Iterator[tuple[str, str, str]]:
    """(name, side, half) for each name that the patterns stand for."""
    sides = list(zip(data["sides"], ("Left", "Right"), strict=True))
    halves = list(zip(data["halves"], ("Upper", "Lower"), strict=True))
    for pattern in patterns:
        for letter, side in sides if "{S}" in pattern else NOWHERE:
            for word, half in halves if "{V}" in pattern else NOWHERE:
                yield pattern.replace("{S}", letter).replace("{V}", word), side, half


def _key(name: str) -> str:
    """Spelling aside: without case, width of letters, spaces, underscores, dots and hyphens."""
    return re.sub(r"[\s_.\-]", "", unicodedata.normalize("NFKC", name).casefold())


def bare_keys(name: str) -> Iterator[str]:
    """Keys of a name without what exporters put before and behind it, the longest first."""
    name = re.sub(r"[._]\d{3}$", "", name)
    *before, last = re.split(r"[.:|]|__", name)
    if before and last.casefold() in ("l", "r"):  # a bone's side, and no viseme R
        return
    while last:
        yield _key(last)
        shorter = _NOISE.sub("", last, count=1)
        if shorter == last:
            return
        last = shorter
