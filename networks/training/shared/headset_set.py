"""Simulated captures of cameras in a headset, with their truth, for the headset network.

Made by `sample_rigs/build/headset.py`: a file a person, `person_000.npz`, so that an interrupted
run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ...arrays import ANY, ROWS, Column, check_columns
from ...errors import InputError
from ...track import load_arrays, save_arrays
from ...vocabulary import ARKIT_CHANNELS, HEADSET_SIZE, HEADSET_VIEWS
from .headset_lens import CAMERA

KIND = "exprgen.headset"
MAKE_AGAIN = "make it again with `python -m exprgen.sample_rigs.build headset`"
CHANGES = ("base", "headset", "light", "appearance", "all")
"""What is other than in a person's first capture."""
DEPTH_UNIT = 0.5
"""Millimetres a step of `depth`."""

_VIEWS = len(HEADSET_VIEWS)
_COLUMNS = {
    "pictures": Column((ROWS, _VIEWS, HEADSET_SIZE, HEADSET_SIZE), np.uint8),
    "depth": Column((ROWS, _VIEWS, HEADSET_SIZE, HEADSET_SIZE), np.uint8),
    "truth": Column((ROWS, len(ARKIT_CHANNELS)), np.float32, 0.0, 1.0),
    "neutral": Column((ROWS,), np.uint8, 0, 1),
    "change": Column((ROWS,), np.uint8, 0, len(CHANGES) - 1),
}
_PERSON = {
    "cameras": Column((len(CHANGES), _VIEWS, CAMERA), np.float32, -1e4, 1e4),
    "moves": Column((len(ARKIT_CHANNELS), ANY, 3), np.float32, -1e3, 1e3),
    "identity": Column((ANY,), np.float32, -20.0, 20.0),
    "region": Column((ANY,), np.uint8, 0, 7),
}
REGIONS = ("face", "eyes", "mouth")
"""Of `region`: bit k says that a point counts for REGIONS[k]."""


@dataclass(frozen=True)
class HeadsetPerson:
    """N triples of pictures of one person.

    pictures (N, 3, S, S) uint8 in the order of HEADSET_VIEWS, as the cameras see them; depth alike:
    distance from the camera in DEPTH_UNIT, 0 where no face is; truth (N, 52) in the order of
    ARKIT_CHANNELS; neutral (N,) the frame shows the neutral; change (N,) index in CHANGES.
    cameras (5, 3, CAMERA) of each change. moves (52, P, 3): millimetres by which each channel at 1
    moves P points that a camera sees; region (P,), see REGIONS; identity (I,): the neutral shape as
    numbers of the face model. split: "train" or "val".
    """

    pictures: np.ndarray
    depth: np.ndarray
    truth: np.ndarray
    neutral: np.ndarray
    change: np.ndarray
    cameras: np.ndarray
    moves: np.ndarray
    identity: np.ndarray
    region: np.ndarray
    split: str = "train"

    def __len__(self) -> int:
        return len(self.truth)

    def save(self, path: str | Path) -> Path:
        """Write it, whole or not at all. Raises OutputError."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "split"}
        return save_arrays(path, KIND, {"split": self.split}, arrays)

    @staticmethod
    def load(path: str | Path) -> HeadsetPerson:
        """Read and check one.

        Raises:
            InputError: it is none, or damaged.
        """
        meta, arrays = load_arrays(path, KIND, MAKE_AGAIN)
        own = {name: arrays[name] for name in _PERSON if name in arrays}
        rows = {name: array for name, array in arrays.items() if name not in own}
        check_columns(path, rows, _COLUMNS, MAKE_AGAIN)
        check_columns(path, own, _PERSON, MAKE_AGAIN)
        if own["moves"].shape[1] != len(own["region"]) or meta.get("split") not in ("train", "val"):
            raise InputError("its points or its split are wrong", file=path, fix=MAKE_AGAIN)
        return HeadsetPerson(**arrays, split=meta["split"])

    def errors(self, coefficients: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(R, P) millimetres by which coefficients (R, 52) misplace each point in some rows."""
        off = np.einsum("re,epc->rpc", coefficients - self.truth[rows], self.moves)
        return np.linalg.norm(off, axis=-1)

    def gram(self) -> np.ndarray:
        """(52, 52) with which the mean square of `errors` is d gram d for a difference d (52,):
        equation 2 of MIA, its mask the choice of points."""
        flat = self.moves.reshape(len(self.moves), -1)
        return (flat @ flat.T / self.moves.shape[1]).astype(np.float32)


def load_people(folder: str | Path) -> list[HeadsetPerson]:
    """Everybody of a folder.

    Raises:
        InputError: nobody is there, or a file is damaged.
    """
    files = sorted(Path(folder).glob("person_*.npz"))
    if not files:
        raise InputError("holds no captures of a headset", file=folder, fix=MAKE_AGAIN)
    return [HeadsetPerson.load(path) for path in files]
