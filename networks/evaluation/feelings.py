"""What is felt over time in clips of which the truth is known: frames, changes, onsets, affect."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from ..footage.acted import ActedTruth
from ..perception.phrasing import felt
from ..track import FaceTrack
from ..training.shared.feeling_measures import FeltClip, measures
from ..training.shared.performance_set import affect_of, said_of
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


def _clip(file: Path, truth_file: Path) -> FeltClip:
    track, truth = felt(FaceTrack.load(file)), ActedTruth.load(truth_file)
    if len(track) != len(truth):
        raise InputError(
            f"has {len(track)} frames, its truth {len(truth)}", file=file, fix="make it again"
        )
    strength = np.asarray(truth.felt, float)
    return FeltClip(
        track.times, track.expression, said_of(strength), track.affect, affect_of(strength)
    )
