"""The actor at rest: silent moments of a clip that look neutral; and what readers of pixels see in
them beside neutral, which is the face's build and no expression."""

from __future__ import annotations

import numpy as np

from ..track import FaceTrack
from ..vocabulary import EXPRESSIONS, NEUTRAL

QUIET = 0.4
"""How far a mouth may seem to speak in a silent frame."""
OPEN = 0.3
"""Share of a blink from which eyes no longer count as open."""
SECONDS = 0.25
"""Of such frames that a clip must show."""
LOOKS, MORE, PRIOR = 2.6, 11.9, -1.2
"""Log odds that such frames are rest: so much for each of their look's own log odds of neutral, for
all by which they look more neutral than the clip's other frames do, and beside that. Learned from
what is found so in rendered clips, and in spans of one feeling and of speech cut out of them, by
looks in which what convolutions give had a part (docs/measured/felt_over_time.md); doubled, since
what is believed by half is half taken off, and neither a build nor a feeling is left, and with 1
more beside, since rest that is missed costs more than a feeling taken for it. A build can look like
joy or anger for half; what is held through all pauses is less neutral there, and looks alike
elsewhere."""
ALIKE, APART = 0.85, 0.5
"""Share of the best frames' chance of neutral from which others are at rest too, and how far their
chances may differ: an expression that one reader misses looks otherwise to the other."""
PIXELS = 0.6
"""Share of readers of pixels in how neutral a frame looks; measurements have the rest."""
BUILD = 0.8
"""Share of what is seen in an actor at rest that is taken for the build."""
LEAST = 0.01
"""Chance below which a reader's chances say nothing of a build or of rest; not LEAST_CHANCE, since
LOOKS, MORE and PRIOR were learned with this one, and a smaller one lets a build outweigh more."""


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
    alike = np.abs(looks - looks[best].mean(0)).sum(1) < APART
    rest = np.where(alike & (neutral >= ALIKE * neutral[best[-1]]), neutral, 0.0)
    return rest, chance_of_rest(track, rest)


def chance_of_rest(track: FaceTrack, weights: np.ndarray) -> float:
    """How likely, 0..1, it is that an actor is at rest in frames with weights (N,), by how neutral
    they look and by how much more than the others do; see LOOKS."""
    if not np.any(weights):
        return 0.0
    looks = track.momentary[:, NEUTRAL]
    there = float(np.clip(weights @ looks / np.sum(weights), LEAST, 1.0 - LEAST))
    others = track.found & (np.asarray(weights) <= 0.0)
    more = there - float(np.median(looks[others])) if others.any() else 0.0
    odds = LOOKS * np.log(there / (1.0 - there)) + MORE * more + PRIOR
    return float(1.0 / (1.0 + np.exp(-odds)))


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
