"""What a face track tells, for people and `--json`: a clip its phrases, separate pictures each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..phrases import Phrase
from ..track import FaceTrack
from ..vocabulary import AFFECT, EXPRESSIONS
from .phrasing import felt

MOST_FRAMES = 100_000
"""Of all clips together that can be told one by one: an hour of film. An answer has an end."""


def told(file: str | Path, track: FaceTrack, each_frame: bool = False) -> dict:
    """{"file", "seconds", "frames", "found", "cuts", "phrases"} of a clip's track; cuts: seconds of
    the first frames after them; each phrase as `Phrase.to_json`, with "valence" and "arousal" where
    they were read.

    Args:
        each_frame: "curves" too, see `_curves`.
    """
    track = felt(track)
    curves = {"curves": _curves(track)} if each_frame else {}
    return curves | {
        "file": str(file),
        "seconds": round(float(track.times[-1] - track.times[0]), 3),
        "frames": len(track),
        "found": int(track.found.sum()),
        "cuts": [round(c, 3) for c in track.cuts],
        "phrases": [_phrase(track, p) for p in track.phrases or ()],
    }


def told_pictures(file: str | Path, track: FaceTrack) -> list[dict]:
    """Of a track of separate pictures, which are no clip, each as `pictures.perceive` tells one of
    a person, with "file", the track's, and the picture's "name"."""
    names = track.meta.get("names") or [str(i) for i in range(len(track))]
    return [{"file": str(file), "name": n, **_picture(track, i)} for i, n in enumerate(names)]


def _picture(track: FaceTrack, row: int) -> dict:
    said = {"as": "human", "face": bool(track.found[row])}
    if not said["face"]:
        return said | dict.fromkeys(("expression", "probabilities"))
    chances = np.asarray(track.expression[row], float)
    said["expression"] = EXPRESSIONS[int(chances.argmax())]
    said["probabilities"] = dict(zip(EXPRESSIONS, chances.round(5).tolist(), strict=True))
    return said | (affect_json(track.affect[row]) if track.affect is not None else {})


def untold(file: str | Path, problem: str) -> dict:
    """The same of a clip that can't be read, with its "problem"."""
    return {
        "file": str(file),
        "seconds": None,
        "frames": 0,
        "found": 0,
        "cuts": [],
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


def _curves(track: FaceTrack) -> dict[str, list]:
    """Lists of a value a frame: "times" in seconds, "found", the chances of the seven expressions
    as they are felt over time, and valence and arousal where they were read."""
    columns = dict(zip(EXPRESSIONS, np.asarray(track.expression, float).T, strict=True))
    if track.affect is not None:
        columns |= zip(AFFECT, np.asarray(track.affect, float).T, strict=True)
    return {
        "times": np.round(track.times, 6).tolist(),
        "found": track.found.tolist(),
        **{name: np.round(column, 4).tolist() for name, column in columns.items()},
    }


def affect_json(affect: np.ndarray) -> dict[str, float]:
    """Valence and arousal (2,) by their names."""
    return {name: round(float(v), 4) for name, v in zip(AFFECT, affect, strict=True)}
