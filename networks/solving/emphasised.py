"""Emphasis as a step from what a character does without it: quick motion keeps its way.

A solution with emphasis that knows nothing of the plain one reaches its targets by other controls
than that, and at their limits: a corner that the actor draws down for an "oh" can go up in it,
because a smile's control ended at rest. So the plain solution comes first; what the emphasis
changes of targets and prior is asked for on top of what *it* shows, and steps that are turned all
the same, and contacts that are broken, are asked for anew.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..tracking.lost_frames import ramp
from .fit import Fit
from .relations import LID_GAPS, LIP_GAPS, NAMES, RELATIONS
from .shown_feeling import along_motion
from .smoothing import slow

AIMS = 2
"""How often the response is made linear anew on the way from the plain solution."""
TARGETS_ALIKE, PRIORS_ALIKE = 1e-4, 1e-3
"""Eye distances, and unit values, of which emphasis that changes less changes nothing."""
ACTS = 0.01
"""Eye distances by which emphasis changes something from which on what is slow is asked for anew,
as the plain fit asks for it: what that could not reach the emphasis may."""
QUICK_HERTZ = 1.5
"""What is faster is quick motion."""
TURNED = 0.003
"""Eye distances a frame from which on a quick step has a direction."""
CLOSED, PARTED = 0.01, 0.01
"""Eye distances from contact up to which lips and lids are closed without emphasis, and by which
they may then be further apart with it."""
AJAR = 0.003
"""Eye distances that what is parted is asked to be further apart at most: all that is left of what
emphasis asks there."""
ROUNDS = 6
"""How often what is turned or parted is asked for anew, each time with more weight."""
NEAR, FAR = 0.04, 0.12
"""Seconds around a step that is turned up to which quick motion is to be the plain solution's, and
from which on it is not."""
LEAST, BINDS = 2.0, 2.0
"""What such a relation weighs at least; and the factor on that, times the round's number."""
BARE = [i for i, r in enumerate(RELATIONS.values()) if r.region == "cheek"]
"""Relations whose quick motion goes as it goes: skin that hardly anything binds."""
GAPS = LIP_GAPS + LID_GAPS


def emphasised(
    times: np.ndarray, own: np.ndarray, plain: Fit, felt: Fit, contact: np.ndarray
) -> np.ndarray:
    """Unit values (N, C) with emphasis.

    Args:
        times: (N,) seconds. own: (N, C) what solves `plain`. plain, felt: what is asked without
            emphasis and with it, of `Geometry.bound`. contact: (5,) the gaps at which lips and
            lids touch.
    """
    shown = plain.response.predict(own)
    more, wish = felt.targets - plain.targets, felt.prior - plain.prior
    rows = (np.abs(more) > TARGETS_ALIKE).any(1) | (np.abs(wish) > PRIORS_ALIKE).any(1)
    out = np.where(np.isfinite(felt.hold), own, felt.prior)
    acts = ramp(np.abs(slow(times, more)).max(1), 0.0, ACTS)[:, None]
    missed, left = shown - plain.targets, own - plain.prior
    asked = replace(
        felt,
        targets=shown + along_motion(times, more, shown) - acts * slow(times, missed),
        prior=own + wish - acts * slow(times, left),
        low=np.minimum(felt.low, own),
        high=np.maximum(felt.high, own),
    )
    if rows.any():
        out[rows] = asked.at(rows).solve(AIMS, (own + wish)[rows])
    closed = shown[:, GAPS] < contact + CLOSED
    return _kept(times, out, asked, shown, closed)


def turned(times: np.ndarray, own: np.ndarray, shown: np.ndarray, least: float) -> np.ndarray:
    """(N - 1, K) bool, quick steps of motions (N, K) that are at least so large (eye distances) in
    both and go the other way in the second."""
    a, b = (np.diff(quick(times, x), axis=0) for x in (own, shown))
    return (np.abs(a) > least) & (np.abs(b) > least) & (a * b < 0.0)


def quick(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What of motions (N, K) is faster than QUICK_HERTZ."""
    return values - slow(times, values, QUICK_HERTZ)


def _kept(
    times: np.ndarray, units: np.ndarray, asked: Fit, own: np.ndarray, closed: np.ndarray
) -> np.ndarray:
    """Unit values (N, C), solved anew where quick steps are turned and contacts parted: of all
    rounds those with which the fewest are.

    Args:
        own: (N, K + 2) the measures without emphasis. closed: (N, 5) which gaps are closed then.
    """
    out = kept = units
    share, parted = np.zeros((2, len(times), len(NAMES)))
    least = np.inf
    for again in range(1, ROUNDS + 2):
        now = asked.response.predict(out)
        steps, open_ = _turned_steps(times, own, now), _parted(own, now, closed)
        if (wrong := steps.sum() + open_.sum()) < least:
            kept, least = out, wrong
        if not wrong or again > ROUNDS:
            break
        share = np.maximum(share, _about(times, _frames_of(steps)))
        parted = np.maximum(parted, open_)
        rows = ((share > 0.0) | (parted > 0.0)).any(1)
        fit = _asked_anew(times, asked, out, now, own, share, parted, BINDS * again)
        out = out.copy()
        out[rows] = fit.at(rows).solve(1)
    return kept


def _turned_steps(times: np.ndarray, own: np.ndarray, now: np.ndarray) -> np.ndarray:
    """(N - 1, K) bool, quick steps that are turned."""
    steps = turned(times, own[:, : len(NAMES)], now[:, : len(NAMES)], TURNED)
    steps[:, BARE] = False
    return steps


def _frames_of(steps: np.ndarray) -> np.ndarray:
    """(N, K) bool, the frames between which steps (N - 1, K) are."""
    none = np.zeros((1, steps.shape[1]), bool)
    return np.concatenate([steps, none]) | np.concatenate([none, steps])


def _parted(own: np.ndarray, now: np.ndarray, closed: np.ndarray) -> np.ndarray:
    """(N, K) bool, gaps that are `closed` (N, 5) in `own` and further apart `now`."""
    out = np.zeros((len(now), len(NAMES)), bool)
    out[:, GAPS] = closed & (now[:, GAPS] > own[:, GAPS] + PARTED)
    return out


def _about(times: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """(N, K) 1..0 how near in time frames are to some that are wrong (N, K)."""
    out = np.zeros(wrong.shape)
    for k in np.flatnonzero(wrong.any(0)):
        away = np.abs(times[:, None] - times[wrong[:, k]]).min(1)
        out[:, k] = ramp(away, FAR, NEAR)
    return out


def _asked_anew(
    times: np.ndarray,
    asked: Fit,
    units: np.ndarray,
    now: np.ndarray,
    own: np.ndarray,
    share: np.ndarray,
    parted: np.ndarray,
    binds: float,
) -> Fit:
    """What is asked of unit values (N, C) that show `now` (N, K + 2): to stay as they are, with the
    quick motion of `own` by a `share` (N, K), and with its gaps where they are `parted` (N, K; 1
    or 0), or little more."""
    targets, weights, relations = now.copy(), asked.weights.copy(), slice(len(NAMES))
    targets[:, relations] += share * (quick(times, own) - quick(times, now))[:, relations]
    ajar = np.minimum(now, own + AJAR)[:, relations]
    targets[:, relations] = np.where(parted > 0.0, ajar, targets[:, relations])
    amiss = np.maximum(share, parted)
    bound = np.maximum(weights[:, relations], LEAST * amiss)
    weights[:, relations] = bound * (1.0 + (binds - 1.0) * amiss)
    weights[:, -1] *= 1.0 - share.max(1)  # lips and chin are asked for by themselves there
    return replace(asked, targets=targets, weights=weights, prior=units)
