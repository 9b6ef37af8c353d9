"""Named parts of the databases: "ferplus/val", "mux/val" of the HED cache, "mira/val" of a CED.

What a network is measured on must be told apart from what it learned from, so every measurement
names the part it was made on and how many pictures of it could not be used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError, UsageError
from ..training.shared.copies import seen_in_training
from ..training.shared.datasets import load_ced
from ..training.shared.hed_cache import load_hed, load_table
from ..training.shared.sets import TRAIN, VALIDATION, CharacterSet
from ..vocabulary import EXPRESSIONS

RELIABLE = {"mux": ("joy", "neutral", "surprise")}
"""Packs whose other labels are too loose to measure by (see the data's own notes)."""


@dataclass(frozen=True)
class Part:
    """N labelled faces.

    name: "<pack>/<split>" or "<character>/<split>". faces: uint8 (M, 256, 256), usually a memory
    map, of which `rows` (N,) belong to the part. targets: float32 (N, 7), rows sum to 1. sources:
    (N,) "<pack>/<file>", empty for characters. seen: (N,) those with a near copy among the training
    pictures. missing: pictures of the part without a face.
    """

    name: str
    faces: np.ndarray
    rows: np.ndarray
    targets: np.ndarray
    sources: np.ndarray
    seen: np.ndarray
    missing: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> np.ndarray:
        """(N,) the likeliest class of each face."""
        return self.targets.argmax(1)

    @property
    def agreement(self) -> np.ndarray:
        """(N,) share of people's votes that the label has; 1 where there was one label only."""
        return self.targets.max(1)

    def take(self, chosen: np.ndarray, name: str = "") -> Part:
        """The part's pictures `chosen` (indices or a mask)."""
        return Part(
            name or self.name,
            self.faces,
            self.rows[chosen],
            self.targets[chosen],
            self.sources[chosen],
            self.seen[chosen],
            self.missing,
        )


def split_name(name: str) -> tuple[str, str]:
    """ "ferplus/val" -> ("ferplus", "val").

    Raises:
        UsageError: another form.
    """
    pack, slash, split = name.partition("/")
    if not pack or not slash or split not in (TRAIN, VALIDATION):
        raise UsageError(f"{name!r} names no part of the data", fix="write PACK/val or PACK/train")
    return pack, split


def human_part(folder: str | Path, name: str) -> Part:
    """A part of a HED cache; of packs in RELIABLE only the classes that can be trusted.

    Raises:
        InputError: no cache there, or it holds no such part. UsageError: see `split_name`.
    """
    pack, split = split_name(name)
    data = load_hed(folder)  # checks the cache
    table = load_table(folder)
    targets = np.asarray(data.targets, np.float32)
    wanted = (table["pack"] == pack) & (table["split"] == split)
    if pack in RELIABLE:
        kept = [EXPRESSIONS.index(e) for e in RELIABLE[pack]]
        wanted &= np.isin(targets.argmax(1), kept)
    if not wanted.any():
        packs = sorted(set(table["pack"].tolist()))
        raise InputError(f"has no part {name!r}", file=folder, fix=f"packs: {', '.join(packs)}")
    found = wanted & (data.split == split)
    rows = np.flatnonzero(found)
    missing = int(wanted.sum() - found.sum())
    seen = seen_in_training(folder, data)[rows]
    return Part(name, data.faces, rows, targets[rows], table["source"][rows], seen, missing)


def whole_part(folder: str | Path) -> str:
    """The name of the one part to check on of a HED cache of one pack.

    Raises:
        InputError: it holds several packs.
    """
    packs = sorted(set(load_table(folder)["pack"].tolist()))
    if len(packs) != 1:
        raise InputError(
            f"holds {len(packs)} packs", file=folder, fix="prepare the posed faces by themselves"
        )
    return f"{packs[0]}/{VALIDATION}"


def character_part(folder: str | Path, name: str) -> Part:
    """The labelled pictures of "<character>/<split>" of a prepared CED.

    Raises:
        InputError: the capture or its preparation is missing. UsageError: see `split_name`.
    """
    character, split = split_name(name)
    return _labelled(load_ced(folder, character), split, name)


def _labelled(posed: CharacterSet, split: str, name: str) -> Part:
    rows = np.flatnonzero((posed.split == split) & (posed.labels >= 0))
    targets = np.eye(len(EXPRESSIONS), dtype=np.float32)[posed.labels[rows]]
    nobody = np.full(len(rows), "", dtype="<U1")
    return Part(name, posed.faces, rows, targets, nobody, np.zeros(len(rows), bool))
