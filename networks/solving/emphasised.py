"""Emphasis as a step from what a character does without it: quick motion keeps its way.

A solution with emphasis that knows nothing of the plain one reaches its targets by other controls
than that, and at their limits: a corner that the actor draws down for an "oh" can go up in it,
because a smile's control ended at rest. So the plain solution comes first; what the emphasis
changes of targets and prior is asked for on top of what *it* shows, and steps that are turned all
the same, and contacts that are broken, are asked for anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class _Amiss:
    """What was turned or parted in any round so far.

    turned: (N, K) 1..0, how near in time frames are to a step that was. parted: (N, K) 1 or 0.
    """

    turned: np.ndarray
    parted: np.ndarray

    def either(self) -> np.ndarray:
        return np.maximum(self.turned, self.parted)

    def joined(self, other: _Amiss) -> _Amiss:
        """What is so in either."""
        parted = np.maximum(self.parted, other.parted)
        return _Amiss(np.maximum(self.turned, other.turned), parted)


def emphasised(
    times: np.ndarray, plain_units: np.ndarray, plain_fit: Fit, felt_fit: Fit, contact: np.ndarray
) -> np.ndarray:
    """Unit values (N, C) with emphasis.

    Args:
        times: (N,) seconds. plain_units: (N, C) what solves `plain_fit`. plain_fit, felt_fit: what
            is asked without emphasis and with it, of `Geometry.bound`. contact: (5,) the gaps at
            which lips and lids touch.
    """
    plain_measures = plain_fit.response.predict(plain_units)
    step_fit, start = _step_fit(times, plain_units, plain_measures, plain_fit, felt_fit)
    more, wish = felt_fit.targets - plain_fit.targets, felt_fit.prior - plain_fit.prior
    rows = (np.abs(more) > TARGETS_ALIKE).any(1) | (np.abs(wish) > PRIORS_ALIKE).any(1)
    out = np.where(np.isfinite(felt_fit.hold), plain_units, felt_fit.prior)
    if rows.any():
        out[rows] = step_fit.at(rows).solve(AIMS, start[rows])
    closed = plain_measures[:, GAPS] < contact + CLOSED
    return _kept(times, out, step_fit, plain_measures, closed)


def _step_fit(
    times: np.ndarray,
    plain_units: np.ndarray,
    plain_measures: np.ndarray,
    plain_fit: Fit,
    felt_fit: Fit,
) -> tuple[Fit, np.ndarray]:
    """What emphasis changes of what is asked, asked on top of what is shown without it; and unit
    values (N, C) near what solves that."""
    more = felt_fit.targets - plain_fit.targets
    start = plain_units + (felt_fit.prior - plain_fit.prior)
    acts = ramp(np.abs(slow(times, more)).max(1), 0.0, ACTS)[:, None]
    missed, left = plain_measures - plain_fit.targets, plain_units - plain_fit.prior
    onwards = along_motion(times, more, plain_measures)
    step_fit = replace(
        felt_fit,
        targets=plain_measures + onwards - acts * slow(times, missed),
        prior=start - acts * slow(times, left),
        low=np.minimum(felt_fit.low, plain_units),
        high=np.maximum(felt_fit.high, plain_units),
    )
    return step_fit, start


def turned(times: np.ndarray, plain: np.ndarray, felt: np.ndarray, least: float) -> np.ndarray:
    """(N - 1, K) bool, quick steps of motions (N, K) that are at least so large (eye distances) in
    both and go the other way in the second."""
    a, b = (np.diff(quick(times, motion), axis=0) for motion in (plain, felt))
    return (np.abs(a) > least) & (np.abs(b) > least) & (a * b < 0.0)


def quick(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What of motions (N, K) is faster than QUICK_HERTZ."""
    return values - slow(times, values, QUICK_HERTZ)


def _kept(
    times: np.ndarray,
    units: np.ndarray,
    step_fit: Fit,
    plain_measures: np.ndarray,
    closed: np.ndarray,
) -> np.ndarray:
    """Unit values (N, C), solved anew where quick steps are turned and contacts parted: of all
    rounds those with which the fewest are.

    Args:
        plain_measures: (N, K + 2) without emphasis. closed: (N, 5) which gaps are closed then.
    """
    out = kept = units
    amiss = _Amiss(*np.zeros((2, len(times), len(NAMES))))
    least = np.inf
    for again in range(1, ROUNDS + 2):
        measures = step_fit.response.predict(out)
        steps = _turned_steps(times, plain_measures, measures)
        parted = _parted(plain_measures, measures, closed)
        if (wrong := steps.sum() + parted.sum()) < least:
            kept, least = out, wrong
        if not wrong or again > ROUNDS:
            break
        amiss = amiss.joined(_Amiss(_about(times, _frames_of(steps)), parted))
        targets = _targets_anew(times, measures, plain_measures, amiss)
        rows = (amiss.either() > 0.0).any(1)
        anew = _fit_anew(step_fit, targets, out, amiss, BINDS * again)
        out = out.copy()
        out[rows] = anew.at(rows).solve(1)
    return kept


def _turned_steps(
    times: np.ndarray, plain_measures: np.ndarray, measures: np.ndarray
) -> np.ndarray:
    """(N - 1, K) bool, quick steps that are turned."""
    relations = slice(len(NAMES))
    steps = turned(times, plain_measures[:, relations], measures[:, relations], TURNED)
    steps[:, BARE] = False
    return steps


def _frames_of(steps: np.ndarray) -> np.ndarray:
    """(N, K) bool, the frames between which steps (N - 1, K) are."""
    none = np.zeros((1, steps.shape[1]), bool)
    return np.concatenate([steps, none]) | np.concatenate([none, steps])


def _parted(plain_measures: np.ndarray, measures: np.ndarray, closed: np.ndarray) -> np.ndarray:
    """(N, K) bool, gaps that are `closed` (N, 5) without emphasis and further apart with it."""
    out = np.zeros((len(measures), len(NAMES)), bool)
    out[:, GAPS] = closed & (measures[:, GAPS] > plain_measures[:, GAPS] + PARTED)
    return out


def _about(times: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """(N, K) 1..0 how near in time frames are to some that are wrong (N, K)."""
    out = np.zeros(wrong.shape)
    for k in np.flatnonzero(wrong.any(0)):
        away = np.abs(times[:, None] - times[wrong[:, k]]).min(1)
        out[:, k] = ramp(away, FAR, NEAR)
    return out


def _targets_anew(
    times: np.ndarray, measures: np.ndarray, plain_measures: np.ndarray, amiss: _Amiss
) -> np.ndarray:
    """Measures (N, K + 2) as they are, with their quick motion as it is without emphasis where
    steps are turned, and with gaps hardly further apart than without it where they are parted."""
    out, relations = measures.copy(), slice(len(NAMES))
    astray = quick(times, plain_measures) - quick(times, measures)
    out[:, relations] += amiss.turned * astray[:, relations]
    ajar = np.minimum(measures, plain_measures + AJAR)[:, relations]
    out[:, relations] = np.where(amiss.parted > 0.0, ajar, out[:, relations])
    return out


def _fit_anew(
    step_fit: Fit, targets: np.ndarray, units: np.ndarray, amiss: _Amiss, binds: float
) -> Fit:
    """What is asked of unit values (N, C) that are to stay as they are, but for targets (N, K + 2)
    that weigh more where something is amiss."""
    weights, relations, either = step_fit.weights.copy(), slice(len(NAMES)), amiss.either()
    bound = np.maximum(weights[:, relations], LEAST * either)
    weights[:, relations] = bound * (1.0 + (binds - 1.0) * either)
    weights[:, -1] *= 1.0 - amiss.turned.max(1)  # lips and chin are asked for by themselves there
    return replace(step_fit, targets=targets, weights=weights, prior=units)
