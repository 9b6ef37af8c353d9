"""The actor at rest: silent moments of a clip that look neutral; and what readers of pixels see in
them beside neutral, which is the face's build and no expression."""

from __future__ import annotations

import numpy as np

from ..track import FaceTrack
from ..tracking.lost_frames import ease
from ..vocabulary import EXPRESSIONS, NEUTRAL

QUIET = 0.4
"""How far a mouth may seem to speak in a silent frame."""
OPEN = 0.3
"""Share of a blink from which eyes no longer count as open."""
SECONDS = 0.25
"""Of such frames that a clip must show."""
SURE = (0.2, 0.35)
"""How neutral the best of them must look: below nothing is believed, above all of it. A build can
look like joy or anger for half, an expression that is held through all pauses looks so wholly."""
ALIKE, APART = 0.85, 0.5
"""Share of the best frames' chance of neutral from which others are at rest too, and how far their
chances may differ: an expression that one reader misses looks otherwise to the other."""
PIXELS = 0.6
"""Share of readers of pixels in how neutral a frame looks; measurements have the rest."""
BUILD = 0.8
"""Share of what is seen in an actor at rest that is taken for the build."""
LEAST = 0.01
"""Chance below which a reader's chances say nothing."""


def find_rest(
    track: FaceTrack, speaking: np.ndarray, numbers: np.ndarray
) -> tuple[np.ndarray, float]:
    """Weights (N,) of the frames in which the actor is at rest, and how far to believe them, 0..1.

    Args:
        speaking: (N,) 0..1. numbers: (N, 7) what is read in measurements against people's neutral:
            it takes other builds for expressions than readers of pixels do.
    """
    silent = track.found & (speaking < QUIET) & (track.blink.max(1) < OPEN)
    looks, measured = track.momentary, numbers[:, NEUTRAL]
    neutral = (PIXELS * looks[:, NEUTRAL] + (1.0 - PIXELS) * measured) * silent
    step = float(np.median(np.diff(track.times))) if len(track) > 1 else SECONDS
    enough = max(2, round(SECONDS / max(step, 1e-6)))
    if silent.sum() < enough:
        return np.zeros(len(track)), 0.0
    best = np.argsort(-neutral, kind="stable")[:enough]
    least = float(neutral[best[-1]])
    sure = float(ease(np.array((least - SURE[0]) / (SURE[1] - SURE[0]))))
    alike = np.abs(looks - looks[best].mean(0)).sum(1) < APART
    return np.where(alike & (neutral >= ALIKE * least), neutral, 0.0), sure


def less_build(said: np.ndarray, rest: np.ndarray, sure: float) -> np.ndarray:
    """Chances (N, 7) without what a face expresses at rest: whatever is seen there beside neutral
    is as likely as any other. How neutral the face looks at rest stays.

    Args:
        rest, sure: as `find_rest` gives them.
    """
    if sure <= 0.0 or not np.any(rest):
        return said
    return less_seen(said, rest @ np.clip(said, LEAST, 1.0) / np.sum(rest), sure)


def less_seen(said: np.ndarray, seen: np.ndarray, sure: float) -> np.ndarray:
    """Chances (N, 7) without those (7,) that are seen in the actor at rest, as far as it is sure
    that that is rest, 0..1; see `less_build`."""
    chances = np.clip(said, LEAST, 1.0)
    seen = np.clip(seen, LEAST, 1.0)
    seen = seen / seen.sum()
    even = np.full(len(EXPRESSIONS), (1.0 - seen[NEUTRAL]) / (len(EXPRESSIONS) - 1))
    even[NEUTRAL] = seen[NEUTRAL]
    out = chances * (even / seen) ** (BUILD * sure)
    return (out / out.sum(1, keepdims=True)).astype(np.float32)
