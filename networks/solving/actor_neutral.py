"""The actor's neutral face as relations: from the clip, from people, from other footage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..track import FaceTrack
from ..tracking.lost_frames import ease, ramp
from ..vocabulary import ARKIT_INDEX, NEUTRAL
from .actor_file import Actor
from .contact import LIPS_MEET
from .neutral import ACTIVE, OPEN_EYE, Neutral, find_neutral, weighted_median
from .people import people
from .relations import LID_GAPS, LIP_GAPS, NAMES, RELATIONS

CALM = 0.3
"""Activity (strongest ARKit coefficient) above which a face is hardly calm."""
CALM_SAY = 0.05
"""Weight of a calm frame beside one that is perceived as neutral."""
SURE_SECONDS = 1.0
"""Seconds of neutral frames from which on they alone tell the neutral."""
PICTURE_SECONDS = 1.0
"""What a separate picture of a neutral face is worth: who gives one of an actor has chosen it."""
GUESSED = 0.2
"""Seconds of neutral frames that a guess from no neutral frame is worth."""

NO_DOUBT = (0.8, 0.95)
"""Mean chance of neutral in its frames from which on they may be, and are, the face as it is built;
below it what the coefficients say of expression is taken off: people hold small ones for long."""

EYES = np.array([r.region == "eye" for r in RELATIONS.values()])
"""Relations of lids, of which OWN_EYES tells: for the others phrases that are heard neutral
throughout count as well, which know more than a frame."""

OWN_EYES = 0.5
"""How far open eyes are what this actor's mostly are, where people's would be wider: narrow eyes
are a build more often than a squint, and look sleepy on a face with large ones,"""
SQUINT = (0.25, 0.55)
"""except where the tracker's coefficient for squints says one throughout: from the first on they
may be one, from the second on they are."""

SQUINTS = [ARKIT_INDEX[f"eyeSquint{side}"] for side in ("Left", "Right")]

NAMED, CLIP = "the frame you named", "neutral frames of the clip"
PEOPLE = "how people look, since the clip shows no neutral moment"


@dataclass(frozen=True)
class NeutralEstimate:
    """relations (K,) of the neutral face; seconds of neutral frames behind it; source: for the
    user, where it is from; trust: 0 (guessed) .. 1 (seen)."""

    relations: np.ndarray
    seconds: float
    source: str
    trust: float = 1.0

    def beside(self, others: Actor, name: str) -> NeutralEstimate:
        """The same with what other footage of the actor `name` showed."""
        if not len(others.seconds) or self.source == NAMED:
            return self
        say = np.array([self.seconds + GUESSED, *(others.seconds + GUESSED)])
        each = np.concatenate([[self.relations], others.neutral])
        more = float(others.seconds.sum()) > self.seconds
        source = f"other footage of {name}" if more else self.source
        trust = max(self.trust, min(float(others.seconds.sum()) / SURE_SECONDS, 1.0))
        return NeutralEstimate(say @ each / say.sum(), self.seconds, source, trust)


def estimate_neutral(
    track: FaceTrack, values: np.ndarray, calibration: str | float
) -> NeutralEstimate:
    """What one clip shows of its actor's neutral face.

    Args:
        values: (N, K) the relations of its frames. calibration: as in RetargetSettings.

    Raises:
        UsageError: no face at the calibration's second.
    """
    named = not isinstance(calibration, str)
    return neutral_from(track, values, find_neutral(track, calibration), named)


def neutral_from(
    track: FaceTrack, values: np.ndarray, found: Neutral, named: bool
) -> NeutralEstimate:
    """The same, where the neutral frames are known. named: the user says that they are."""
    known = people()
    # What the user, or the networks without a doubt, call neutral is this face's build.
    sure = np.ones(len(NAMES)) if named else _without_doubt(track, found)
    bare = sure * values + (1.0 - sure) * known.without_expression(values, track.arkit)
    frames = _calm_frames(track, found)
    lips = frames * _closed(values, track.found)
    neutral, seen = np.zeros(len(NAMES)), np.zeros(len(NAMES))
    for k, relation in enumerate(RELATIONS.values()):
        weights = frames
        if relation.region in ("mouth", "jaw") and lips.any():
            weights = lips
        elif relation.region == "eye":
            weights = frames * (track.blink.max(1) < OPEN_EYE)
        weights = weights if weights.any() else track.found.astype(float)
        neutral[k] = weighted_median(bare[:, k], weights)
        seen[k] = weighted_median(values[:, k], weights)
    seconds = found.trust * _seconds(track, found.weights)
    trust = 1.0 if named else min(seconds / SURE_SECONDS, found.trust)
    neutral = trust * neutral + (1.0 - trust) * known.drawn(seen, neutral)
    neutral[LIP_GAPS] = 0.0
    if not named and track.found.any():
        wide = np.percentile(values[track.found][:, LID_GAPS], 80, axis=0)
        own = OWN_EYES * (1.0 - _squinting(track))
        neutral[LID_GAPS] -= own * np.maximum(neutral[LID_GAPS] - wide, 0.0)
    source = NAMED if named else CLIP if trust > 0.5 else PEOPLE
    return NeutralEstimate(neutral, seconds, source, trust)


def sure(trust: float) -> float:
    """0..1 how far a neutral of that `trust` is more than half seen."""
    return max(2.0 * trust - 1.0, 0.0)


def _without_doubt(track: FaceTrack, neutral: Neutral) -> np.ndarray:
    """(K,) 0..1 how far the neutral frames are called neutral and nothing else: by what is read in
    each, or over their phrases."""
    if not neutral.weights.any():
        return np.zeros(len(NAMES))
    own, heard = (
        float(np.average(read[:, NEUTRAL], weights=neutral.weights))
        for read in (track.momentary, track.expression)
    )
    called = np.where(EYES, own, max(own, heard))
    return neutral.trust * ease(ramp(called, *NO_DOUBT))


def _squinting(track: FaceTrack) -> float:
    """0..1 how certainly narrow eyes are a squint that lasts as long as the clip."""
    said = np.median(track.arkit[track.found][:, SQUINTS])
    return float(ramp(said, *SQUINT))


def _seconds(track: FaceTrack, weights: np.ndarray) -> float:
    """How long the frames with a weight are together, or what pictures are worth."""
    times = track.times
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    step = PICTURE_SECONDS if track.meta.get("stills") else step
    return step * float(np.count_nonzero(weights))


def _calm_frames(track: FaceTrack, neutral: Neutral) -> np.ndarray:
    activity = track.arkit[:, ACTIVE].max(1)
    calm = track.found * np.exp(-((activity / CALM) ** 2))
    calm = calm if calm.sum() > 1e-6 else track.found.astype(float)
    return neutral.trust * neutral.weights + CALM_SAY * calm


def _closed(values: np.ndarray, found: np.ndarray) -> np.ndarray:
    gap = values[:, LIP_GAPS].mean(1)
    least = max(2 * LIPS_MEET, float(np.percentile(gap[found], 10)) if found.any() else 0.0)
    return gap <= least
