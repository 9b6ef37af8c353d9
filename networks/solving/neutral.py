"""The actor's neutral: found in the clip or at a second that is named, and taken off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..characters.profile import Control
from ..errors import UsageError
from ..track import FaceTrack
from ..tracking.lost_frames import ease
from ..vocabulary import ARKIT_CHANNELS, NEUTRAL

NEUTRAL_SPAN = 0.15  # seconds on each side of a frame that the user calls neutral
ACTIVITY_SCALE = 0.3  # of the strongest ARKit coefficient; above it a face is hardly neutral
TRUST = (0.15, 0.5)  # how neutral the best frames must be: below nothing, above all is believed
MIN_SECONDS = 0.2  # of neutral frames that a clip must show for automatic calibration
MAX_OFFSET = 0.35  # unit value; a larger one is not a face's build but an expression
OPEN_EYE = 0.2  # blink amount below which an eye is open
# The channels that tell activity: not gaze, which a neutral face is free in; not lids, see below.
ACTIVE = np.array([not c.startswith(("eyeLook", "eyeBlink", "eyeSquint")) for c in ARKIT_CHANNELS])
# Where brows sit and how full lips are is a build: of people whom photographs show neutral one in
# seven reaches this without moving anything. Low brows are a build as often, but they are also all
# that anger shows when it is held in. It counts where the networks call the face neutral: not below
# the first chance, wholly from the second on.
CALLED = (0.5, 0.8)
BUILD, OF_BUILD = ("browInnerUp", "browOuterUp", "mouthPucker"), 0.43
USUAL = np.array([OF_BUILD if c.startswith(BUILD) else 0.0 for c in ARKIT_CHANNELS])[ACTIVE]


@dataclass(frozen=True)
class Neutral:
    """The frames in which the actor is neutral, and how far to believe it.

    weights (N,): 0 for all others; lids (N,): the same, but only of frames with open eyes, since a
    blink in a neutral moment must not become the lids' neutral; trust: 0..1.
    """

    weights: np.ndarray
    lids: np.ndarray
    trust: float


def find_neutral(track: FaceTrack, calibration: str | float) -> Neutral:
    """The actor's neutral frames.

    "auto" takes the frames that the perceptual network calls neutral *and* in which no ARKit
    channel is strong, but for those in which builds differ, so that a small expression held for
    long is not mistaken for the face's build. Where no such frames exist (a clip that is sad and
    then glad), nothing is subtracted. Separate pictures may show different people and are not
    calibrated automatically.

    Raises:
        UsageError: no face was seen at the given second.
    """
    found, open_eyes = track.found, track.blink.max(1) < OPEN_EYE
    if isinstance(calibration, str):
        if calibration == "none" or track.meta.get("stills"):
            nothing = np.zeros(len(track))
            return Neutral(nothing, nothing, 0.0)
        step = float(np.median(np.diff(track.times))) if len(track) > 1 else 1.0
        return _find_automatically(track, max(1, round(MIN_SECONDS / step)))
    near = found & (np.abs(track.times - calibration) <= NEUTRAL_SPAN)
    if not near.any():
        raise UsageError(
            f"no face was seen at {calibration:g} s to calibrate to.",
            fix=f"choose a second from {track.times[0]:.2f} to {track.times[-1]:.2f} with a face",
        )
    weights = near.astype(float)
    lids = weights * open_eyes
    return Neutral(weights, lids if lids.any() else weights, 1.0)


def neutral_pictures(track: FaceTrack) -> Neutral:
    """The neutral ones of separate pictures that all show one person; see `find_neutral`."""
    return _find_automatically(track, 1)


def _find_automatically(track: FaceTrack, enough: int) -> Neutral:
    """See `find_neutral`; enough: how many frames are believed."""
    found, open_eyes = track.found, track.blink.max(1) < OPEN_EYE
    called = track.momentary[:, NEUTRAL]
    build = ease((called - CALLED[0]) / (CALLED[1] - CALLED[0]))[:, None] * USUAL
    activity = (track.arkit[:, ACTIVE] - build).max(1).clip(0.0)
    score = called * np.exp(-((activity / ACTIVITY_SCALE) ** 2))
    score = np.where(found, score, 0.0)
    if len(score) < enough:
        nothing = np.zeros(len(track))
        return Neutral(nothing, nothing, 0.0)
    best = float(np.sort(score)[-enough])
    trust = float(ease((best - TRUST[0]) / (TRUST[1] - TRUST[0])))
    weights = np.where(score >= 0.5 * max(best, 1e-9), score, 0.0)
    return Neutral(weights, weights * open_eyes, trust)


def neutral_offset(
    units: np.ndarray, controls: tuple[Control, ...], neutral: Neutral
) -> np.ndarray:
    """What each control (M,) says, in unit values (N, M), while the actor is neutral."""
    offset = np.zeros(units.shape[1])
    for column, control in enumerate(controls):
        weights = neutral.lids if control.region == "eye" else neutral.weights
        if weights.any():
            offset[column] = weighted_median(units[:, column], weights)
    return neutral.trust * np.clip(offset, -MAX_OFFSET, MAX_OFFSET)


def subtract_neutral(units: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Unit values (N, M) seen from the neutral: `offset` becomes 0, 1 and -1 stay in reach."""
    span = np.where(units >= offset, 1.0 - offset, 1.0 + offset)
    return (units - offset) / span


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value with half of the weight on each side of it."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, 0.5 * reached[-1])])
