"""What is felt over time: against the truth of made clips, and how steady and what in others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from ..footage.acted import ActedTruth
from ..perception.phrasing import felt
from ..track import FaceTrack
from ..training.shared.feeling_measures import FeltClip, changes, measures
from ..training.shared.performance_set import affect_of, said_of
from ..vocabulary import AFFECT, EXPRESSIONS
from .correlation import told


def measure(tracks: list[str], truths: list[str]) -> dict:
    """Of clips together: {"clips": count, measure: value or null}; see `feeling_measures.measures`.

    Args:
        tracks, truths: files of FaceTracks and of the clips' truth, in one order.

    Raises:
        InputError: one can't be read, or they are not of one clip.
    """
    clips = [_clip(Path(t), Path(a)) for t, a in zip(tracks, truths, strict=True)]
    return {"clips": len(clips), **{k: told(v) for k, v in measures(clips).items()}}


def describe(track_file: str | Path) -> dict:
    """Of a clip of which no truth is known: {"seconds", "changes": a second, "by_itself": the same
    of single frames' readings, "shares": expression -> share of the frames in which the face is
    seen, "valence", "arousal": their mean, or null}.

    Raises:
        InputError: the track can't be read.
    """
    track = felt(FaceTrack.load(track_file))
    seconds = max(float(track.times[-1] - track.times[0]), 1e-9)
    label, found = track.expression.argmax(1), track.found
    counts = np.bincount(label[found], minlength=len(EXPRESSIONS)) / max(int(found.sum()), 1)
    affect = dict.fromkeys(AFFECT)
    if track.affect is not None and found.any():
        affect = dict(zip(AFFECT, map(told, track.affect[found].mean(0)), strict=True))
    return {
        "seconds": round(seconds, 3),
        "changes": told(len(changes(label)) / seconds),
        "by_itself": told(len(changes(track.momentary.argmax(1))) / seconds),
        "shares": {e: told(x) for e, x in zip(EXPRESSIONS, counts, strict=True) if x > 0},
        **affect,
    }


def _clip(file: Path, truth_file: Path) -> FeltClip:
    track, truth = felt(FaceTrack.load(file)), ActedTruth.load(truth_file)
    if len(track) != len(truth):
        raise InputError(
            f"tells of {len(truth)} frames, its clip has {len(track)}",
            file=truth_file,
            fix="put the clip beside it that it was made with, or make both again",
        )
    strength = np.asarray(truth.felt, float)
    return FeltClip(
        track.times, track.expression, said_of(strength), track.affect, affect_of(strength)
    )
