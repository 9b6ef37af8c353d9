"""The prepared HED: opening what `exprgen train hed` has made."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...arrays import ROWS, Column, check_columns, read_archive, read_array
from ...errors import InputError
from ...reading import read_object
from ...vocabulary import (
    ARKIT_CHANNELS,
    EXPRESSIONS,
    GEOMETRIC_FEATURES,
    LANDMARK_NAMES,
    REGISTERED_SIZE,
)
from .sets import FaceSet

VERSION = 1
NO_FACE = "none"  # the split of pictures without a face: they are kept, but nobody learns from them
FIX = "run `exprgen train hed` for it"

_COLUMNS = {
    "faces": ((REGISTERED_SIZE, REGISTERED_SIZE), np.uint8),  # registered, grey
    "landmarks49": ((len(LANDMARK_NAMES), 2), np.float32),  # pixels of the registered face
    "geometry": ((len(GEOMETRIC_FEATURES),), np.float32),  # zeros where not found
    "arkit": ((len(ARKIT_CHANNELS),), np.float32),  # zeros where not found
    "head_pose": ((4, 4), np.float32),  # face -> camera; identity where not found
    "found": ((), np.bool_),  # False: no face was found, the picture's middle stands in
    "done": ((), np.bool_),
}
_TABLE = {
    "target": Column((ROWS, len(EXPRESSIONS)), np.floating, 0.0, 1.0 + 1e-6),
    "label": Column((ROWS,), np.integer, 0, len(EXPRESSIONS) - 1),
    **dict.fromkeys(("split", "source", "pack", "subject"), Column((ROWS,), str)),
    "posed": Column((ROWS, len(ARKIT_CHANNELS)), np.floating, gaps=True),
}


def load_hed(folder: str | Path) -> FaceSet:
    """Open a finished cache; the pictures stay on disk. Faces not found have the split "none".

    The targets are people's votes for the seven classes (votes for others are left out).

    Raises:
        InputError: there is none, it is not finished, or it is of another version.
    """
    folder = Path(folder)
    if not (folder / "hed.json").is_file():
        raise InputError("holds no HED cache.", file=folder, fix=FIX)
    meta = read_object(folder / "hed.json", FIX)
    table = load_table(folder)
    rows = len(table["target"])
    columns = {}
    for name, (shape, dtype) in _COLUMNS.items():
        path = folder / f"{name}.npy"
        columns[name] = read_array(path, fix=FIX)
        check_columns(path, columns, {name: Column((ROWS, *shape), dtype)}, FIX, rows)
    if meta.get("version") != VERSION:
        raise InputError("holds a HED cache of another version.", file=folder, fix=FIX)
    if not columns["done"].all():
        raise InputError("holds a HED cache that is not finished.", file=folder, fix=FIX)
    return FaceSet(
        faces=columns["faces"],
        targets=table["target"],
        split=np.where(columns["found"], table["split"], NO_FACE),
        geometry=np.array(columns["geometry"]),
        arkit=np.array(columns["arkit"]),
        name=str(folder),
        posed=table.get("posed", np.empty((0, len(ARKIT_CHANNELS)), np.float32)),
    )


def load_table(folder: str | Path) -> dict[str, np.ndarray]:
    """What a cache knows of its N pictures: target (N, 7), label, split, source, pack, subject (N,)
    and, where faces were rendered, posed (N, 52).

    Raises:
        InputError: it is missing or damaged.
    """
    path = Path(folder) / "table.npz"
    table = read_archive(path, FIX)
    there = {n: c for n, c in _TABLE.items() if n in table or n != "posed"}
    check_columns(path, table, there, FIX)
    return table
