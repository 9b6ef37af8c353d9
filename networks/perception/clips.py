"""What an actor feels over a clip, for people and `--json`: phrases."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..phrases import Phrase
from ..track import FaceTrack
from ..vocabulary import AFFECT
from .phrasing import felt

TRACK = ".npz"
"""Ending of a clip that was analysed before."""


def told(file: str | Path, track: FaceTrack) -> dict:
    """{"file", "seconds", "frames", "found", "phrases"} of a clip's track; each phrase as
    `Phrase.to_json`, with "valence" and "arousal" where they were read."""
    track = felt(track)
    return {
        "file": str(file),
        "seconds": round(float(track.times[-1] - track.times[0]), 3),
        "frames": len(track),
        "found": int(track.found.sum()),
        "phrases": [_phrase(track, p) for p in track.phrases or ()],
    }


def untold(file: str | Path, problem: str) -> dict:
    """The same of a clip that can't be read, with its "problem"."""
    return {
        "file": str(file),
        "seconds": None,
        "frames": 0,
        "found": 0,
        "phrases": [],
        "problem": problem,
    }


def _phrase(track: FaceTrack, phrase: Phrase) -> dict:
    """A phrase, with the mean affect of its frames where that was read."""
    out = phrase.to_json()
    rows = track.found & (track.times >= phrase.start) & (track.times < phrase.end)
    if track.affect is not None and rows.any():
        out |= affect_json(track.affect[rows].mean(0))
    return out


def affect_json(affect: np.ndarray) -> dict[str, float]:
    """Valence and arousal (2,) by their names."""
    return {name: round(float(v), 4) for name, v in zip(AFFECT, affect, strict=True)}
