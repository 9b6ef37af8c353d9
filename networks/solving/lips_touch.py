"""How likely an actor's lips touch, told by landmarks and coefficients together.

The landmarker draws most closed mouths a little apart, some by as much as others part them for a
vowel; its coefficients come from another network, which knows a jaw that is up behind closed lips.
Neither is enough: a logistic regression over both, and over how the gap changes about the frame,
learned from people who talk and whose lips are known (`exprgen train contact`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ..track import FaceTrack, load_arrays, save_arrays
from ..tracking.lost_frames import fill_lost
from ..vocabulary import ARKIT_INDEX

KIND = "exprgen.lips_touch"
FILE = Path(__file__).with_name("lips_touch.npz")
NEAR = (0.04, 0.08, 0.16)
"""Seconds before and after a frame at which its gap and jaw are looked at too."""
CHANNELS = (
    ("jawOpen",), ("mouthClose",), ("mouthRollUpper",), ("mouthRollLower",), ("mouthFunnel",),
    ("mouthPucker",), ("mouthPressLeft", "mouthPressRight"), ("mouthSmileLeft", "mouthSmileRight"),
    ("mouthStretchLeft", "mouthStretchRight"), ("mouthUpperUpLeft", "mouthUpperUpRight"),
    ("mouthLowerDownLeft", "mouthLowerDownRight"), ("mouthShrugLower",),
)  # fmt: skip
"""ARKit channels that are looked at, both sides as one."""
NAMES = (
    "gap", "gap_squared", *(f"gap_{n}_{w}" for n in NEAR for w in ("less", "most")),
    *(f"jaw_{n}" for n in NEAR), *(c[0] for c in CHANNELS),
)  # fmt: skip
"""The features, in order."""
LEAST_SCALE = 1e-3


@dataclass(frozen=True)
class LipsTouch:
    """A logistic regression over F features (NAMES). middle, scale, weights: (F,); bias."""

    middle: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: float

    def chance(self, seen: np.ndarray) -> np.ndarray:
        """(N,) 0..1 from features (N, F)."""
        score = (seen - self.middle) / self.scale @ self.weights + self.bias
        return 1.0 / (1.0 + np.exp(-np.clip(score, -30.0, 30.0)))

    def save(self, path: Path, meta: dict) -> None:
        arrays = {n: np.asarray(v, np.float32).reshape(-1) for n, v in vars(self).items()}
        save_arrays(path, KIND, {**meta, "features": list(NAMES)}, arrays)


@cache
def lips_touch() -> LipsTouch:
    """The numbers that ship with ExprGen."""
    meta, arrays = load_arrays(FILE, KIND)
    rows = [meta["features"].index(name) for name in NAMES]
    of = {n: arrays[n][rows].astype(float) for n in ("middle", "scale", "weights")}
    return LipsTouch(**of, bias=float(arrays["bias"][0]))


def touch_features(track: FaceTrack, gap: np.ndarray) -> np.ndarray:
    """(N, F) the features of a clip whose lip gap is `gap` (N,), eye distances, seen from the
    actor's own closed mouth."""
    arkit = fill_lost(track.times, track.state, track.arkit.astype(float))
    jaw = arkit[:, ARKIT_INDEX["jawOpen"]]
    columns = [gap, np.maximum(gap, 0.0) ** 2]
    for apart in NEAR:
        before, after = (_at(track.times, gap, sign * apart) for sign in (-1.0, 1.0))
        columns += [np.minimum(before, after) - gap, np.maximum(before, after) - gap]
    columns += [np.minimum(_at(track.times, jaw, -n), _at(track.times, jaw, n)) - jaw for n in NEAR]
    columns += [arkit[:, [ARKIT_INDEX[c] for c in names]].mean(1) for names in CHANNELS]
    return np.stack(columns, axis=1)


def touch_chance(track: FaceTrack, gap: np.ndarray) -> np.ndarray:
    """(N,) how likely the lips touch in each frame of a clip; see `touch_features`."""
    return lips_touch().chance(touch_features(track, gap))


def _at(times: np.ndarray, values: np.ndarray, seconds: float) -> np.ndarray:
    """(N,) the values that many seconds later."""
    return np.interp(times + seconds, times, values)
