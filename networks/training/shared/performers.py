"""Performances as a set of faces: rendered people who talk, act and hold back, of whom each one's
neutral is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .hed_cache import NO_FACE, load_table
from .performance_set import SUFFIX, PerformancePart, load_performances
from .sets import FaceSet

APART = 0.2
"""Seconds from one frame of a clip that is learned from to the next at least: what lies between
shows the same."""


def holds_performances(folder: str | Path) -> bool:
    """A folder is a set of performances (`exprgen train performances`), not one of pictures."""
    return any(Path(folder).glob(f"*{SUFFIX}"))


def load_performers(folder: str | Path) -> FaceSet:
    """The frames of all performances of a folder as faces (128x128), some frames of each clip.

    Raises:
        InputError: there is none, or one is damaged.
    """
    chosen = [(part, chosen_frames(part)) for part in load_performances(folder)]

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name)[rows] for part, rows in chosen])

    return FaceSet(
        faces=column("faces"),
        targets=column("target"),
        split=np.where(column("found"), _told(chosen, "split"), NO_FACE),
        geometry=column("geometry"),
        arkit=column("arkit"),
        name=str(folder),
        posed=column("posed"),
    )


def subjects_of(folder: str | Path) -> np.ndarray:
    """(N,) whose face each one of a prepared set is; "" where nobody knows.

    Raises:
        InputError: the set is missing or damaged.
    """
    if not holds_performances(folder):
        return load_table(folder)["subject"]
    parts = load_performances(folder)
    return _told([(part, chosen_frames(part)) for part in parts], "person")


def fold_of(person: str, folds: int) -> int:
    """In which of so many parts of the people one is who is left out with all siblings: by the
    number in the name ("performer_003b"), whose letter tells siblings apart."""
    return int("".join(filter(str.isdigit, person)) or 0) % folds


def chosen_frames(part: PerformancePart) -> np.ndarray:
    """Frames of a clip that are APART at least; every one of stills."""
    if part.meta["kind"] == "stills" or len(part) < 2:
        return np.arange(len(part))
    step = float(np.median(np.diff(part.times)))
    return np.arange(0, len(part), max(1, round(APART / max(step, 1e-6))))


def _told(chosen: Sequence[tuple[PerformancePart, np.ndarray]], name: str) -> np.ndarray:
    return np.concatenate([np.full(len(rows), str(part.meta[name])) for part, rows in chosen])
