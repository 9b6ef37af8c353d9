"""What made faces are doing and feel, frame by frame: the truth beside a performance or a sheet of
stills, from which readers of feelings learn.

It lies as <name>.acted.npz beside the clip <name>.mp4, or beside the folder <name> of pictures
000.jpg and on. Nothing in it depends on a tracker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..arrays import ROWS, Column, check_columns
from ..track import load_arrays, save_arrays
from ..vocabulary import ARKIT_CHANNELS, EXPRESSIONS

KIND = "exprgen.acted"
SUFFIX = ".acted.npz"
FIX = "make it again"
NO_PHONEME = "rest"

_COLUMNS = {
    "times": Column((ROWS,), np.float64),
    "arkit": Column((ROWS, len(ARKIT_CHANNELS)), np.float32, 0.0, 1.0),
    "felt": Column((ROWS, len(EXPRESSIONS)), np.float32, 0.0, 1.0),
    "speaking": Column((ROWS,), np.float32, 0.0, 1.0),
    "phoneme": Column((ROWS,), np.int16, 0, 1000),
    "blink": Column((ROWS,), np.float32, 0.0, 1.0),
    "head": Column((ROWS, 3), np.float32, -4.0, 4.0),
    "gaze": Column((ROWS, 2), np.float32, -4.0, 4.0),
}


@dataclass(frozen=True)
class ActedTruth:
    """What is true of N frames or pictures.

    times (N,): seconds of a clip, numbers of pictures. arkit (N, 52): weights that the mesh is
    posed by, the face's own rest among them. felt (N, 7): how strongly each of EXPRESSIONS is
    shown, 0..1 of its full pose; that of neutral is always 0. speaking (N,): 0..1, how much the
    mouth is busy with speech (in a still: how far it has the shape of a sound). phoneme (N,): index
    in meta["phonemes"], classes of sounds. blink (N,) 0..1. head (N, 3): pitch, yaw, roll and gaze
    (N, 2): yaw, pitch, radians (vocabulary.ROLES).
    meta: "person" (people who differ in their rest count as several), "mesh" (the person of whom
    they are), "split", "rest" (52 weights), "phonemes" (names of the classes), and what more the
    maker tells.
    """

    times: np.ndarray
    arkit: np.ndarray
    felt: np.ndarray
    speaking: np.ndarray
    phoneme: np.ndarray
    blink: np.ndarray
    head: np.ndarray
    gaze: np.ndarray
    meta: dict = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)

    def save(self, path: str | Path) -> None:
        """Write it whole.

        Raises:
            InputError: a field is of another shape or out of its range. OutputError: the place
            can't be written.
        """
        arrays = {n: np.asarray(getattr(self, n), c.dtype) for n, c in _COLUMNS.items()}
        check_columns(path, arrays, _COLUMNS, FIX)
        save_arrays(path, KIND, self.meta, arrays)

    @staticmethod
    def load(path: str | Path) -> ActedTruth:
        """Read and check it.

        Raises:
            InputError: it is none, or a field is of the wrong shape or out of its range.
        """
        meta, arrays = load_arrays(path, KIND, FIX)
        check_columns(path, arrays, _COLUMNS, FIX)
        return ActedTruth(**arrays, meta=meta)


def acted_path(performance: str | Path) -> Path:
    """Where the truth of a clip or of a folder of stills lies."""
    performance = Path(performance)
    return performance.with_name(performance.name.removesuffix(".mp4") + SUFFIX)
