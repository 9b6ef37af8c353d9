"""Frames in which the face is lost: bridged, held, or sent to rest, and how they are filled."""

from __future__ import annotations

import numpy as np

from ..track import BRIDGED, HELD, RESTING, TRACKED

BRIDGE_SECONDS = 0.4  # a loss up to this long is interpolated
HOLD_SECONDS = 0.4  # a longer one keeps the last face this long,
RELAX_SECONDS = 0.8  # then goes to rest in this time,
RETURN_SECONDS = 0.4  # and leaves it this long before the face is seen again


def classify_losses(times: np.ndarray, found: np.ndarray) -> np.ndarray:
    """What each frame of a clip is: (N,) uint8 of TRACKED, BRIDGED, HELD, RESTING.

    Args:
        times: (N,) seconds, increasing.
        found: (N,) bool, the face was seen.
    """
    times, found = np.asarray(times, float), np.asarray(found, bool)
    last, following = _neighbours(found)
    since = np.where(last >= 0, times - times[last], np.inf)
    gap = np.where((last >= 0) & (following >= 0), times[following] - times[last], np.inf)
    state = np.full(len(times), RESTING, np.uint8)
    state[since <= HOLD_SECONDS + 1e-9] = HELD
    state[gap <= BRIDGE_SECONDS + 1e-9] = BRIDGED
    state[found] = TRACKED
    return state


def loss_weights(times: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, ...]:
    """How lost frames are made of the seen ones around them.

    Returns:
        last, following (N,): indices of the seen frames before and after (the frame itself where it
        was seen; any where there is none, with weight 0); from_last, from_following (N,): their
        shares; what is missing to 1 is the share of rest. All change smoothly in time, and a seen
        frame is wholly itself.
    """
    times, found = np.asarray(times, float), np.asarray(state) == TRACKED
    last, following = _neighbours(found)
    since = np.where(last >= 0, times - times[last], np.inf)
    until = np.where(following >= 0, times[following] - times, np.inf)
    from_last = 1.0 - ease((since - HOLD_SECONDS) / RELAX_SECONDS)
    from_following = 1.0 - ease(until / RETURN_SECONDS)
    bridged = np.asarray(state) == BRIDGED
    if bridged.any():
        ago, gap = since[bridged], since[bridged] + until[bridged]
        # Before the first seen frame there is nothing but the next one.
        share = ease(np.divide(ago, gap, out=np.ones_like(ago), where=np.isfinite(ago)))
        from_last[bridged], from_following[bridged] = 1.0 - share, share
    from_last = np.where(bridged, from_last, from_last * (1.0 - from_following))
    from_last[found], from_following[found] = 1.0, 0.0
    return np.maximum(last, 0), np.maximum(following, 0), from_last, from_following


def fill_lost(
    times: np.ndarray,
    state: np.ndarray,
    values: np.ndarray,
    rest: np.ndarray | float = 0.0,
    *,
    stills: bool = False,
) -> np.ndarray:
    """The rows of `values` (N, ...) with those of lost frames made anew, by `loss_weights`.

    Args:
        rest: what a face at rest has, broadcast against a row.
        stills: separate pictures know nothing of each other: a lost one is at rest.
    """
    values = np.asarray(values, float)
    found = np.asarray(state) == TRACKED
    shape = (-1, *([1] * (values.ndim - 1)))
    if stills or not found.any():
        return np.where(found.reshape(shape), values, rest)
    last, following, a, b = loss_weights(times, state)
    a, b = a.reshape(shape), b.reshape(shape)
    return a * values[last] + b * values[following] + (1.0 - a - b) * rest


def _neighbours(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each frame the seen frame at or before it, and at or after it; -1 where there is none."""
    n = len(found)
    index = np.arange(n)
    last = np.maximum.accumulate(np.where(found, index, -1))
    following = np.minimum.accumulate(np.where(found, index, n)[::-1])[::-1]
    return last, np.where(following == n, -1, following)


def ramp(values: np.ndarray, start: float, whole: float) -> np.ndarray:
    """Values as 0 up to `start` .. 1 from `whole` on, on a line between them."""
    return np.clip((values - start) / (whole - start), 0.0, 1.0)


def ease(x: np.ndarray) -> np.ndarray:
    """0 up to 0, 1 from 1 on, and between them a curve that starts and ends level."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)
