"""When lips touch, by landmarks and coefficients together, from talkers whose lips are known."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..footage.truth import ClipTruth
from ..solving.actor import own_lip_gap
from ..solving.lips_touch import FILE, LEAST_SCALE, LipsTouch, touch_features
from ..track import FaceTrack
from ..vocabulary import LANDMARK_NAMES
from .shared.options import option, run_command

TOUCHING, APART = 0.02, 0.08
"""Eye distances between true lips below which they touch, above which they are apart; what lies
between teaches nothing."""
_EYES = [
    [LANDMARK_NAMES.index(f"eye_{side}_{end}") for end in ("inner", "outer")]
    for side in ("left", "right")
]
ROUNDS = 40
"""Steps of Newton's method; it stands still long before."""


@dataclass(frozen=True)
class ContactSettings:
    """What the regression needs; each option's help says what it is."""

    tracks: str = option(MISSING, "folder of face tracks (NAME.npz) of talkers")
    truth: str = option(MISSING, "folder of their truth (NAME.truth.npz)")
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
    return {"clips": len(clips), "frames": len(seen), "right": round(float(right.mean()), 4)}


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
    for path in sorted(tracks.glob("*.npz")):
        known = truth / f"{path.stem}.truth.npz"
        if not known.is_file():
            continue
        track, apart = FaceTrack.load(path), _lips_apart(ClipTruth.load(known), known)
        gap = np.interp(track.times, *apart)
        used = track.found & ((gap < TOUCHING) | (gap > APART))
        out.append((touch_features(track, own_lip_gap(track))[used], gap[used] < TOUCHING))
    if not out:
        raise InputError("holds no track of a talker", file=tracks, fix="analyse talkers first")
    return out


def _lips_apart(truth: ClipTruth, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(N,) seconds, (N,) eye distances between the lips.

    Raises:
        InputError: it does not tell.
    """
    if "lip_gap" not in truth.extra:
        raise InputError("tells nothing of the lips", file=path, fix="make the talkers again")
    left, right = (truth.landmarks[:, eye].mean(1) for eye in _EYES)
    size = np.median(np.linalg.norm(left - right, axis=1))
    return truth.times, np.asarray(truth.extra["lip_gap"], float).mean(1) / size


if __name__ == "__main__":
    sys.exit(main())
