"""What an actor's relations do, seen from the actor's own neutral; nothing of any character."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..settings import RetargetSettings
from ..track import FaceTrack
from ..tracking.lost_frames import fill_lost
from .contact import (
    LIDS_MEET,
    LIDS_PART,
    LIDS_SHUT_GAP,
    LIPS_MEET,
    LIPS_PART,
    deepen_blinks,
    held_below,
    lips_bias,
    opening,
)
from .head_and_gaze import head_angles
from .neutral import ACTIVE, OPEN_EYE, Neutral, find_neutral, weighted_median
from .people import people
from .relations import LID_GAPS, LIP_GAPS, NAMES, RELATIONS, actor_points, measure
from .smoothing import STRENGTH, smooth

JUMP = 0.012
"""Eye distances; changes well above it are motion, not noise: the landmarks of a still face waver
by .0005 (lips) to .003 (brows)."""

CALM = 0.3
"""Activity (strongest ARKit coefficient) above which a face is hardly calm."""
SURE_SECONDS = 1.0
"""Seconds of neutral frames from which on they alone tell the neutral."""
CALM_SAY = 0.05
"""Weight of a calm frame beside one that is perceived as neutral."""


@dataclass(frozen=True)
class ActorRelations:
    """A clip's performance. N frames, K relations (`relations.NAMES`), eye distances.

    moved (N, K): relations less the neutral's; 0 where the face was lost for long. neutral (K,).
    facing (N,): 1 for a face that looks at the camera .. 0 in profile. lip_gaps (N, 3): openings, 0 exactly where lips touch; lips_meet (N,) bool. lids (N, 2): share
    of the open eye, left and right, 0 exactly where lids touch. source: where the neutral is from.
    """

    moved: np.ndarray
    neutral: np.ndarray
    facing: np.ndarray
    lip_gaps: np.ndarray
    lips_meet: np.ndarray
    lids: np.ndarray
    source: str

    def at(self, rows: np.ndarray) -> ActorRelations:
        """The same at some frames."""
        of_frames = ("moved", "facing", "lip_gaps", "lips_meet", "lids")
        return replace(self, **{name: getattr(self, name)[rows] for name in of_frames})


def actor_relations(track: FaceTrack, settings: RetargetSettings) -> ActorRelations:
    """The relations of a clip's actor, smoothed as the settings say, lost frames filled.

    Raises:
        UsageError: no face at the calibration's second.
    """
    values = measure(actor_points(track))
    neutral, source = actor_neutral(track, values, settings)
    raw = fill_lost(track.times, track.state, values - neutral)
    moved = _smoothed(track.times, raw, settings)
    bias = lips_bias(values[:, LIP_GAPS].mean(1), track.found)
    # Whether lips touch is told by the frame itself: smoothing would open a quick "p".
    shut = held_below(raw[:, LIP_GAPS].mean(1) - bias, LIPS_MEET, LIPS_PART)
    gaps = moved[:, LIP_GAPS] + neutral[LIP_GAPS] - bias
    lips = np.stack([opening(gap, shut, LIPS_MEET) for gap in gaps.T], axis=1)
    facing = np.cos(head_angles(track.head_pose)[:, 1]).clip(0.0, 1.0)
    lids = _lids(track, moved, neutral)
    return ActorRelations(moved, neutral, facing, lips, shut, lids, source)


def actor_neutral(
    track: FaceTrack, values: np.ndarray, settings: RetargetSettings
) -> tuple[np.ndarray, str]:
    """((K,) the relations of the actor's neutral face, where they are from)."""
    found, known = find_neutral(track, settings.calibration), people()
    bare = known.without_expression(values, track.arkit)
    if not isinstance(settings.calibration, str):  # the user says that this is the neutral
        bare = values
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
    trust = found.trust
    if isinstance(settings.calibration, str):
        trust *= min(_seconds(track.times, found.weights) / SURE_SECONDS, 1.0)
    neutral = trust * neutral + (1.0 - trust) * known.drawn(seen, neutral)
    neutral[LIP_GAPS] = 0.0
    return neutral, "clip" if trust > 0.5 else "clip and people"


def _seconds(times: np.ndarray, weights: np.ndarray) -> float:
    """How long the frames with a weight are together."""
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
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


def _smoothed(times: np.ndarray, moved: np.ndarray, settings: RetargetSettings) -> np.ndarray:
    out = moved.copy()
    for setting in sorted({STRENGTH[r.region] for r in RELATIONS.values()}):
        columns = [k for k, r in enumerate(RELATIONS.values()) if STRENGTH[r.region] == setting]
        out[:, columns] = smooth(times, moved[:, columns], getattr(settings, setting), JUMP)
    return out


def _lids(track: FaceTrack, moved: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """(N, 2) share of the open eye; in touching frames 0."""
    out = []
    for k in LID_GAPS:
        whole = max(neutral[k] - LIDS_SHUT_GAP, 0.02)
        share = deepen_blinks(track.times, (moved[:, k] + whole) / whole)
        out.append(opening(share, held_below(share, LIDS_MEET, LIDS_PART), LIDS_MEET))
    return np.stack(out, axis=1)
