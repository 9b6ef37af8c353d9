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
    FILE,
    MouthMotion,
    measured,
    motion_features,
    nearness,
    quick,
)
from ..vocabulary import LANDMARK_INDEX
from .shared.loop import say_written
from .shared.options import option, run_command
from .shared.talkers import eye_distance, talkers

LEAST_SCALE = 1e-3
ROUNDS = 20
"""Rounds of k-means."""
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

    tracks: str = option(MISSING)
    truth: str = option(MISSING)
    out: str = option(str(FILE), "file to write")
    ridge: float = option(100.0, "weight decay, in frames")
    moments: int = option(128, "moments about which what the regression misses of chins is kept")
    calm: float = option(0.1, "weight decay of what is kept there, in frames")
    seed: int = option(0, "seed of the choice of moments")


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
    found = fit(seen, true, settings)
    found.save(Path(settings.out), {"clips": len(clips), "frames": len(seen)})
    told = found.told(seen).T
    right = [round(float(np.corrcoef(a, b)[0, 1]), 4) for a, b in zip(told, true.T, strict=True)]
    made = {"clips": len(clips), "frames": len(seen), **dict(zip(ANSWERS, right, strict=True))}
    say_written(settings.out, made)
    return made


def fit(seen: np.ndarray, true: np.ndarray, settings: MouthMotionSettings) -> MouthMotion:
    """Features (N, F) and ANSWERS (N, 3) -> the regression; the lips' gap by landmarks alone."""
    scale = np.maximum(seen.std(0), LEAST_SCALE)
    seen = seen / scale
    weights = np.zeros((seen.shape[1], len(ANSWERS)))
    for column, name in enumerate(ANSWERS):
        used = measured() if name == "gap" else np.ones(seen.shape[1], bool)
        x = seen[:, used]
        square = x.T @ x + settings.ridge * np.eye(x.shape[1])
        weights[used, column] = np.linalg.solve(square, x.T @ true[:, column])
    left = (true - seen @ weights)[:, ANSWERS.index("jaw_apart")]
    return MouthMotion(scale, weights, *_about_moments(seen, left, settings))


def _about_moments(
    seen: np.ndarray, left: np.ndarray, settings: MouthMotionSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Moments (R, F) in the middle of groups of alike ones, and what of the rest (N,) each adds:
    ridge regression."""
    import cv2

    count = min(settings.moments, len(seen))
    cv2.setRNGSeed(settings.seed)
    until = (cv2.TERM_CRITERIA_MAX_ITER, ROUNDS, 0.0)
    data = np.ascontiguousarray(seen, np.float32)
    moments = cv2.kmeans(data, count, None, until, 1, cv2.KMEANS_PP_CENTERS)[2].astype(float)
    near = nearness(seen, moments)
    square = near.T @ near + settings.calm * np.eye(count)
    return moments, np.linalg.solve(square, near.T @ left)


def _clips(tracks: Path, truth: Path):
    """Features and ANSWERS of the frames of each clip that show the face."""
    for track, known in talkers(tracks, truth):
        seen = motion_features(track.times, own_motion(track))
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
