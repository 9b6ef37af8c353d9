"""What a mouth does quickly, told from all of its landmarks together, not from each by itself.

The landmarker draws quick openings smaller than they are, a little of a smile into each, and hardly
knows a jaw that moves behind closed lips; but its errors are alike from mouth to mouth. A linear
regression from the quick motion of the mouth's relations, a frame's length before and after too,
learned from people who talk and whose mouths are known (`exprgen train mouth_motion`), tells how
far the lips are apart, how low the chin hangs beside that, and how far forward the lips come, which
a single camera does not see at all. What is slow stays as measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ..track import load_arrays, save_arrays
from ..vocabulary import ARKIT_INDEX
from .relations import FORWARD, INDEX, JAW, LIP_GAPS, LOWER_LIP, NAMES, UPPER_LIP
from .smoothing import slow

KIND = "exprgen.mouth_motion"
FILE = Path(__file__).with_name("mouth_motion.npz")
NEAR = (-0.04, 0.0, 0.04)
"""Seconds from a frame at which it is looked at."""
SEEN = tuple(
    name
    for name in NAMES
    if name.startswith(("lip_gap", "mouth_width", "mouth_outline", "mouth_bend", "jaw_height"))
    or name.endswith("lip_full")
)
"""Relations that are looked at."""
CHANNELS = (
    "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRollUpper", "mouthRollLower",
    "mouthShrugLower", "mouthShrugUpper", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthUpperUpLeft", "mouthUpperUpRight", "mouthPressLeft", "mouthPressRight",
)  # fmt: skip
"""ARKit channels that are looked at, but not for how far lips are apart: what they say of that is
worse than the landmarks."""
ANSWERS = ("gap", "jaw_apart", "forward")
"""What is told: lips apart, how much lower the chin is than that, how far forward both lips are,
eye distances."""
BELIEVED = 0.9
"""Share of what is told in the motion that is shown; the rest is as it was measured: real mouths
are not rendered ones."""
LOWER_SHARE = 0.7
"""Share of what lips are further apart by which the lower one is lower."""


@dataclass(frozen=True)
class MouthMotion:
    """A linear regression. scale (F,): deviations of the features; weights (F, 3), of each over its
    scale to ANSWERS."""

    scale: np.ndarray
    weights: np.ndarray

    def told(self, seen: np.ndarray) -> np.ndarray:
        """(N, 3) ANSWERS, their quick part, from features (N, F)."""
        return seen / self.scale @ self.weights

    def save(self, path: Path, meta: dict) -> None:
        arrays = {n: np.asarray(v, np.float32) for n, v in vars(self).items()}
        save_arrays(path, KIND, {**meta, "features": list(feature_names())}, arrays)


@cache
def mouth_motion() -> MouthMotion:
    """The numbers that ship with ExprGen."""
    meta, arrays = load_arrays(FILE, KIND)
    rows = [meta["features"].index(name) for name in feature_names()]
    return MouthMotion(arrays["scale"][rows].astype(float), arrays["weights"][rows].astype(float))


def feature_names() -> tuple[str, ...]:
    """The features, in order."""
    return tuple(f"{name} {seconds:+.2f}" for seconds in NEAR for name in (*SEEN, *CHANNELS))


def motion_features(times: np.ndarray, moved: np.ndarray, arkit: np.ndarray) -> np.ndarray:
    """(N, F) the quick motion of relations (N, K) and coefficients (N, 52) about each frame."""
    seen = moved[:, [INDEX[name] for name in SEEN]]
    values = np.c_[seen, arkit[:, [ARKIT_INDEX[name] for name in CHANNELS]]]
    columns = quick(times, values).T
    near = [[np.interp(times + s, times, column) for column in columns] for s in NEAR]
    return np.concatenate(near).T


def quick(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What of values (N, ...) is no slower than speech."""
    return values - slow(times, values)


def with_mouth_motion(times: np.ndarray, moved: np.ndarray, arkit: np.ndarray) -> np.ndarray:
    """Relations (N, K) whose lips and jaw move as `mouth_motion` tells, as far as it is believed.

    Args:
        times: (N,) seconds. arkit: (N, 52). Both, and the relations, without gaps.
    """
    told = dict(
        zip(ANSWERS, mouth_motion().told(motion_features(times, moved, arkit)).T, strict=True)
    )
    out = moved.copy()
    wider = BELIEVED * (told["gap"] - quick(times, moved[:, LIP_GAPS].mean(1)))
    out[:, LIP_GAPS] += wider[:, None]
    out[:, LOWER_LIP] -= LOWER_SHARE * wider[:, None]
    out[:, UPPER_LIP] += (1.0 - LOWER_SHARE) * wider[:, None]
    lower = told["jaw_apart"] + quick(times, out[:, LIP_GAPS].mean(1))
    out[:, JAW] -= BELIEVED * (lower + quick(times, moved[:, JAW]))
    out[:, FORWARD] += told["forward"][:, None] - quick(times, moved[:, FORWARD])
    return out
