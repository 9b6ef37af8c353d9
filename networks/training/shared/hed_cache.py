"""The prepared HED: opening what `exprgen train hed` has made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...vocabulary import ARKIT_CHANNELS, GEOMETRIC_FEATURES, LANDMARK_NAMES, REGISTERED_SIZE
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


def load_hed(folder: str | Path) -> FaceSet:
    """Open a finished cache; the pictures stay on disk. Faces not found have the split "none".

    The targets are people's votes for the seven classes (votes for others are left out).

    Raises:
        InputError: there is none, it is not finished, or it is of another version.
    """
    folder = Path(folder)
    try:
        meta = json.loads((folder / "hed.json").read_text(encoding="utf-8"))
        columns = {n: np.load(folder / f"{n}.npy", mmap_mode="r") for n in _COLUMNS}
        table = dict(np.load(folder / "table.npz"))
    except (OSError, ValueError) as error:
        raise InputError(f"holds no HED cache ({error}).", file=folder, fix=FIX) from error
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
