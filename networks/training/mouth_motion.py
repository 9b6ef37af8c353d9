"""What lips and jaw do quickly, by a mouth's landmarks, from talkers whose mouths are known."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np

from ..footage.truth import ClipTruth
from ..solving.actor import own_motion
from ..solving.mouth_motion import (
    ANSWERS,
    CHANNELS,
    FILE,
    MouthMotion,
    feature_names,
    motion_features,
    quick,
)
from ..vocabulary import LANDMARK_INDEX
from .shared.options import option, run_command
from .shared.talkers import eye_distance, talkers

LEAST_SCALE = 1e-3
_INNER = {
    lip: [LANDMARK_INDEX[f"lip_{lip}_inner_{i}"] for i in (1, 2, 3)] for lip in ("top", "bottom")
}
_LIPS = [
    LANDMARK_INDEX[f"lip_{lip}_{edge}"]
    for lip in ("top", "bottom")
    for edge in ("outer_3", "inner_2")
]


@dataclass(frozen=True)
class MouthMotionSettings:
    """What the regression needs; each option's help says what it is."""

    tracks: str = option(MISSING, "folder of face tracks (NAME.npz) of talkers")
    truth: str = option(MISSING, "folder of their truth (NAME.truth.npz)")
    out: str = option(str(FILE), "file to write")
    ridge: float = option(100.0, "weight decay, in frames")


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("mouth_motion", __doc__.partition("\n")[0], MouthMotionSettings, learn, args)


def learn(settings: MouthMotionSettings) -> dict:
    """Read the clips and write the file; the correlations on the clips that it learned from.

    Raises:
        InputError: no clip has both a track and a truth.
    """
    clips = list(_clips(Path(settings.tracks), Path(settings.truth)))
    seen, true = (np.concatenate(columns) for columns in zip(*clips, strict=True))
    found = fit(seen, true, settings.ridge)
    found.save(Path(settings.out), {"clips": len(clips), "frames": len(seen)})
    told = found.told(seen).T
    right = [round(float(np.corrcoef(a, b)[0, 1]), 4) for a, b in zip(told, true.T, strict=True)]
    return {"clips": len(clips), "frames": len(seen), **dict(zip(ANSWERS, right, strict=True))}


def fit(seen: np.ndarray, true: np.ndarray, ridge: float) -> MouthMotion:
    """Features (N, F) and ANSWERS (N, 3) -> the regression; the lips' gap by landmarks alone."""
    scale = np.maximum(seen.std(0), LEAST_SCALE)
    channel = np.array([name.partition(" ")[0] in CHANNELS for name in feature_names()])
    weights = np.zeros((seen.shape[1], len(ANSWERS)))
    for column, name in enumerate(ANSWERS):
        used = ~channel if name == "gap" else np.ones_like(channel)
        x = (seen / scale)[:, used]
        square = x.T @ x + ridge * np.eye(x.shape[1])
        weights[used, column] = np.linalg.solve(square, x.T @ true[:, column])
    return MouthMotion(scale, weights)


def _clips(tracks: Path, truth: Path):
    """Features and ANSWERS of the frames of each clip that show the face."""
    for track, known in talkers(tracks, truth):
        seen = motion_features(track.times, *own_motion(track))
        yield seen[track.found], true_motion(known, track.times)[track.found]


def true_motion(truth: ClipTruth, times: np.ndarray) -> np.ndarray:
    """(N, 3) the quick part of ANSWERS at these moments (N,), eye distances."""
    top, bottom = (truth.landmarks[:, rows, 1].mean(1) for rows in _INNER.values())
    gap = top - bottom
    forward = truth.landmarks[:, _LIPS, 2].mean(1)
    known = np.stack([gap, -truth.chin[:, 1] - gap, forward], axis=1) / eye_distance(truth)
    columns = [np.interp(times, truth.times, column) for column in known.T]
    return quick(times, np.stack(columns, axis=1))


if __name__ == "__main__":
    sys.exit(main())
