"""Face tracks of talkers, each beside the truth of its clip."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...footage.truth import ClipTruth
from ...track import FaceTrack
from ...vocabulary import LANDMARK_NAMES

_EYES = [
    [LANDMARK_NAMES.index(f"eye_{side}_{end}") for end in ("inner", "outer")]
    for side in ("left", "right")
]


def talkers(tracks: Path, truth: Path) -> Iterator[tuple[FaceTrack, ClipTruth]]:
    """The clips of which `tracks` has NAME.npz and `truth` NAME.truth.npz, in order of their names.

    Raises:
        InputError: there is none, or a truth doesn't tell how far the lips are apart.
    """
    found = False
    for path in sorted(tracks.glob("*.npz")):
        known = truth / f"{path.stem}.truth.npz"
        if path.name.endswith(".truth.npz") or not known.is_file():
            continue
        clip, found = ClipTruth.load(known), True
        if "lip_gap" not in clip.extra:
            raise InputError("tells nothing of the lips", file=known, fix="make the talkers again")
        yield FaceTrack.load(path), clip
    if not found:
        raise InputError("holds no track of a talker", file=tracks, fix="analyse talkers first")


def eye_distance(truth: ClipTruth) -> float:
    """In the truth's own unit; the median over its frames."""
    left, right = (truth.landmarks[:, eye].mean(1) for eye in _EYES)
    return float(np.median(np.linalg.norm(left - right, axis=1)))
