"""What an actor feels over a clip, for people and `--json`: phrases."""

from __future__ import annotations

from pathlib import Path

from ..track import FaceTrack
from .phrasing import felt

TRACK = ".npz"
"""Ending of a clip that was analysed before."""


def told(file: str | Path, track: FaceTrack) -> dict:
    """{"file", "seconds", "frames", "found", "phrases": [Phrase.to_json()]} of a clip's track."""
    track = felt(track)
    return {
        "file": str(file),
        "seconds": round(float(track.times[-1] - track.times[0]), 3),
        "frames": len(track),
        "found": int(track.found.sum()),
        "phrases": [p.to_json() for p in track.phrases or ()],
    }
