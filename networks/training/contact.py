"""When lips touch, by landmarks and coefficients together, from talkers whose lips are known."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np

from ..solving.actor import own_lip_gap
from ..solving.lips_touch import FILE, LEAST_SCALE, LipsTouch, touch_features
from .shared.loop import say_written
from .shared.options import option, run_command
from .shared.talkers import eye_distance, talkers

TOUCHING, APART = 0.02, 0.08
"""Eye distances between true lips below which they touch, above which they are apart; what lies
between teaches nothing."""
ROUNDS = 40
"""Steps of Newton's method; it stands still long before."""


@dataclass(frozen=True)
class ContactSettings:
    """What the regression needs; each option's help says what it is."""

    tracks: str = option(MISSING)
    truth: str = option(MISSING)
    out: str = option(str(FILE), "file to write")
    ridge: float = option(3.0, "weight decay, in frames")


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("contact", __doc__.partition("\n")[0], ContactSettings, learn, args)


def learn(settings: ContactSettings) -> dict:
    """Read the clips and write the file; what it gets right of the frames it learned from.

    Raises:
        InputError: no clip has both a track and a truth.
    """
    clips = _clips(Path(settings.tracks), Path(settings.truth))
    seen, touching = (np.concatenate(columns) for columns in zip(*clips, strict=True))
    found = fit(seen, touching, settings.ridge)
    found.save(Path(settings.out), {"clips": len(clips), "frames": len(seen)})
    right = (found.chance(seen) > 0.5) == touching
    told = {"clips": len(clips), "frames": len(seen), "right": round(float(right.mean()), 4)}
    say_written(settings.out, told)
    return told


def fit(seen: np.ndarray, touching: np.ndarray, ridge: float) -> LipsTouch:
    """Features (N, F) and (N,) bool -> the regression, touching frames and others with the same
    say; by Newton's method."""
    middle, scale = seen.mean(0), np.maximum(seen.std(0), LEAST_SCALE)
    x = np.c_[(seen - middle) / scale, np.ones(len(seen))]
    share = touching.mean()
    say = np.where(touching, 0.5 / max(share, 1e-6), 0.5 / max(1.0 - share, 1e-6))
    hold = ridge * np.r_[np.ones(seen.shape[1]), 0.0]
    w = np.zeros(x.shape[1])
    for _ in range(ROUNDS):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ w, -30.0, 30.0)))
        slope = x.T @ (say * (touching - p)) - hold * w
        bend = (x * (say * p * (1.0 - p))[:, None]).T @ x + np.diag(hold + 1e-9)
        w = w + np.linalg.solve(bend, slope)
    return LipsTouch(middle, scale, w[:-1], float(w[-1]))


def _clips(tracks: Path, truth: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Features and whether the lips touch, of the frames in which they do or clearly don't."""
    out = []
    for track, known in talkers(tracks, truth):
        apart = np.asarray(known.extra["lip_gap"], float).mean(1) / eye_distance(known)
        gap = np.interp(track.times, known.times, apart)
        used = track.found & ((gap < TOUCHING) | (gap > APART))
        out.append((touch_features(track, own_lip_gap(track))[used], gap[used] < TOUCHING))
    return out


if __name__ == "__main__":
    sys.exit(main())
