"""Jitter taken off without delay, and blinks, closures and saccades kept."""

from __future__ import annotations

import numpy as np

from ..characters.profile import Control
from ..settings import RetargetSettings
from ..track import FaceTrack

SIGMA_SECONDS = 0.15  # of the time window at strength 1
JUMP_UNITS = 0.15  # changes well above this (a blink, lips that seal) are motion, not noise
SLOW_HERTZ = 0.8
"""Below it motion is meaning, above it speech."""
FEELING_HERTZ = 0.4
"""Below it what is felt may move a face: a feeling lasts two seconds or so, and what is quicker is
the actor's own."""
FARTHEST = 4.0
"""Deviations of a Gaussian mean beyond which a frame has no weight."""
# Region -> the setting that smooths it.
STRENGTH = {
    **dict.fromkeys(("brow", "eye", "gaze"), "smoothing_eyes"),
    **dict.fromkeys(("nose", "cheek", "mouth", "jaw"), "smoothing_mouth"),
    "head": "smoothing_head",
}


def smooth(times: np.ndarray, values: np.ndarray, strength: float, jump: float) -> np.ndarray:
    """Values (N, ...) with their jitter taken off, without delay.

    A mean over the frames before and after, weighted by nearness in time and in value (a bilateral
    filter): symmetric, so nothing comes late; and frames on the other side of a quick change have
    no weight, so its height and its moment stay. Uses the frames' own times.

    Args:
        times: (N,) seconds, increasing.
        strength: 0 none .. 1 strong.
        jump: changes well below it are smoothed, well above it kept.
    """
    values = np.asarray(values, float)
    if strength <= 0 or len(values) < 3:
        return values.copy()
    sigma = strength * SIGMA_SECONDS
    total, weight = values.copy(), np.ones_like(values)
    shape = (-1, *([1] * (values.ndim - 1)))
    for lag in range(1, len(values)):
        apart = (times[lag:] - times[:-lag]) / sigma
        if apart.min() > 3.0:
            break
        difference = values[lag:] - values[:-lag]
        w = np.exp(-0.5 * apart**2).reshape(shape) * np.exp(-0.5 * (difference / jump) ** 2)
        total[:-lag] += w * values[lag:]
        weight[:-lag] += w
        total[lag:] += w * values[:-lag]
        weight[lag:] += w
    return total / weight


def slow(times: np.ndarray, values: np.ndarray, hertz: float = SLOW_HERTZ) -> np.ndarray:
    """The part of values (N, ...) that is slower than `hertz`, without delay: a Gaussian mean over
    the frames' own times, half as strong at that frequency."""
    sigma = np.sqrt(np.log(2.0) / 2.0) / (np.pi * hertz)
    shape = (-1, *([1] * (np.ndim(values) - 1)))
    total, weight = np.array(values, float), np.ones((len(values), *shape[1:]))
    for lag in range(1, len(total)):
        apart = (times[lag:] - times[:-lag]) / sigma
        if apart.min() > FARTHEST:
            break
        w = np.exp(-0.5 * apart**2).reshape(shape)
        total[:-lag] += w * values[lag:]
        total[lag:] += w * values[:-lag]
        weight[:-lag] += w
        weight[lag:] += w
    return total / weight


def without_dips(times: np.ndarray, values: np.ndarray, seconds: float) -> np.ndarray:
    """Values (N, ...) without what dips and comes back within `seconds`: the least of the highest
    about each frame (a closing)."""
    if len(times) < 3:
        return np.array(values, float)
    half = round(0.5 * seconds / max(float(np.median(np.diff(times))), 1e-9))
    out = np.asarray(values, float)
    for extreme in (np.max, np.min):
        edges = [(half, half), *[(0, 0)] * (out.ndim - 1)]
        around = np.lib.stride_tricks.sliding_window_view(
            np.pad(out, edges, "edge"), 2 * half + 1, 0
        )
        out = extreme(around, axis=-1)
    return out


def smooth_units(
    track: FaceTrack, controls: tuple[Control, ...], units: np.ndarray, settings: RetargetSettings
) -> np.ndarray:
    smoothed = units.copy()
    blink = track.blink.max(1, keepdims=True)
    for setting in sorted({STRENGTH[c.region] for c in controls}):
        columns = [i for i, c in enumerate(controls) if STRENGTH[c.region] == setting]
        strength = getattr(settings, setting)
        smoothed[:, columns] = smooth(track.times, units[:, columns], strength, JUMP_UNITS)
    lids = [i for i, c in enumerate(controls) if c.region == "eye"]
    # While the eye shuts, the lids' own curve counts, whatever the strength.
    smoothed[:, lids] = (1.0 - blink) * smoothed[:, lids] + blink * units[:, lids]
    return smoothed
