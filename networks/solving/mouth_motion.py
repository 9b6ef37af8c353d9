"""What a mouth does quickly, told from all of its landmarks together, not from each by itself.

The landmarker draws quick openings smaller than they are, a little of a smile into each, and hardly
knows a jaw that moves behind closed lips; but its errors are alike from mouth to mouth. A linear
regression from the quick motion of the mouth's relations, a frame's length before and after too,
learned from people who talk and whose mouths are known (`exprgen train mouth_motion`), tells how
far the lips are apart, how low the chin hangs beside that, and how far forward the lips come, which
a single camera does not see at all. Landmarks mean something else where lips touch, so the chin is
told from that chance (`lips_touch`) and the teeth that are seen (`teeth_seen`) as well. What is
slow stays as measured.
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
"""ARKit channels that are looked at."""
TOUCH, TEETH = "lips_touch", "teeth"
"""Names of the chance that lips touch, and of how far teeth are seen together; "touching NAME" is a
relation as far as lips touch."""
ANSWERS = ("gap", "jaw_apart", "forward")
"""What is told: lips apart, how much lower the chin is than that, how far forward both lips are,
eye distances."""
KEPT_AS = {"moments": np.float16}
"""How numbers are kept that need no more; float32 otherwise."""
BELIEVED = 0.9
"""Share of what is told of the lips in the motion that is shown; the rest is as it was measured:
real mouths are not rendered ones. Of chins and of how far forward lips are it is all."""
LOWER_SHARE = 0.7
"""Share of what lips are further apart by which the lower one is lower."""


@dataclass(frozen=True)
class MouthMotion:
    """A linear regression, and for the chin what that misses near moments that were seen. scale
    (F,): deviations of the features; weights (F, 3), of each over its scale to ANSWERS; moments
    (R, F), over their scale, and missed (R,): radial basis functions."""

    scale: np.ndarray
    weights: np.ndarray
    moments: np.ndarray
    missed: np.ndarray

    def told(self, seen: np.ndarray) -> np.ndarray:
        """(N, 3) ANSWERS, their quick part, from features (N, F)."""
        seen = seen / self.scale
        out = seen @ self.weights
        out[:, ANSWERS.index("jaw_apart")] += nearness(seen, self.moments) @ self.missed
        return out

    def save(self, path: Path, meta: dict) -> None:
        arrays = {n: np.asarray(v, KEPT_AS.get(n, np.float32)) for n, v in vars(self).items()}
        save_arrays(path, KIND, {**meta, "features": list(feature_names())}, arrays)


def nearness(seen: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """(N, R) -1..1, how much nearer features (N, F) are to moments (R, F) than a mouth that holds
    still, both over their scale: Gaussians of the mean squares of their differences."""
    still, squares = (moments**2).mean(1), (seen**2).mean(1)[:, None]
    apart = still + squares - 2.0 / seen.shape[1] * seen @ moments.T
    return np.exp(-np.maximum(apart, 0.0)) - np.exp(-still)


@cache
def mouth_motion() -> MouthMotion:
    """The numbers that ship with ExprGen."""
    meta, arrays = load_arrays(FILE, KIND)
    arrays = {name: values.astype(float) for name, values in arrays.items()}
    rows = [meta["features"].index(name) for name in feature_names()]
    of = {"scale": arrays["scale"][rows], "weights": arrays["weights"][rows]}
    return MouthMotion(**of, moments=arrays["moments"][:, rows], missed=arrays["missed"])


def feature_names() -> tuple[str, ...]:
    """The features, in order."""
    names = (*SEEN, *CHANNELS, TOUCH, TEETH, *(f"touching {name}" for name in SEEN))
    return tuple(f"{name} {seconds:+.2f}" for seconds in NEAR for name in names)


def measured() -> np.ndarray:
    """(F,) bool: the features of which how far lips are apart is told: what others say of that is
    worse than the landmarks."""
    return np.array([name.partition(" ")[0] in SEEN for name in feature_names()])


@dataclass(frozen=True)
class MouthSeen:
    """What a mouth's motion is told from, of each of the N frames. moved (N, K): relations; arkit
    (N, 52): coefficients; touch (N,): the chance that lips touch; teeth (N,): how far teeth are
    seen together. None has gaps."""

    moved: np.ndarray
    arkit: np.ndarray
    touch: np.ndarray
    teeth: np.ndarray


def motion_features(times: np.ndarray, mouth: MouthSeen) -> np.ndarray:
    """(N, F) the quick motion of what is seen of a mouth about each frame."""
    seen = mouth.moved[:, [INDEX[name] for name in SEEN]]
    said = mouth.arkit[:, [ARKIT_INDEX[name] for name in CHANNELS]]
    touching = mouth.touch[:, None] * quick(times, seen)
    values = np.c_[seen, said, mouth.touch, mouth.teeth, touching]
    columns = quick(times, values).T
    near = [[np.interp(times + s, times, column) for column in columns] for s in NEAR]
    return np.concatenate(near).T


def quick(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What of values (N, ...) is no slower than speech."""
    return values - slow(times, values)


def with_mouth_motion(
    times: np.ndarray, mouth: MouthSeen, more: np.ndarray | float = 0.0
) -> np.ndarray:
    """Relations (N, K) whose lips and jaw move as `mouth_motion` tells, as far as believed.

    Args:
        more: (N,) eye distances by which the jaw is farther apart than that (`jaw_seen`).
    """
    told = dict(zip(ANSWERS, mouth_motion().told(motion_features(times, mouth)).T, strict=True))
    moved = mouth.moved
    out = moved.copy()
    wider = BELIEVED * (told["gap"] - quick(times, moved[:, LIP_GAPS].mean(1)))
    out[:, LIP_GAPS] += wider[:, None]
    out[:, LOWER_LIP] -= LOWER_SHARE * wider[:, None]
    out[:, UPPER_LIP] += (1.0 - LOWER_SHARE) * wider[:, None]
    lower = told["jaw_apart"] + more + quick(times, out[:, LIP_GAPS].mean(1))
    out[:, JAW] -= lower + quick(times, moved[:, JAW])
    out[:, FORWARD] += told["forward"][:, None] - quick(times, moved[:, FORWARD])
    return out
