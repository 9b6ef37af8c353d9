"""Box-limited weighted least squares for all frames at once: the controls that make a response meet
its targets, near a prior. Numpy only; it knows nothing of faces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..characters.response import LinearResponse

AIMS = 6
"""How often the response is made linear anew, at what was found so far."""
SWEEPS = 16
"""Rounds of coordinate descent for each."""
STEPS = (1.0, 0.5, 0.2)
"""Shares of a step that are tried; the best is taken."""
STILL = 0.01
"""Unit value below which a control may leave rest to either side."""
SETTLED = 1e-4
"""Largest change of a unit value in a round from which on a single frame has settled."""


@dataclass(frozen=True)
class Fit:
    """What is asked: unit values (N, C) that minimise, frame by frame,

        sum_k (weights_k (F_k(u) - targets_k))^2 + sum_c (hold_c (u_c - prior_c))^2

    with low <= u <= high. The problem is convex where the response is linear, so its solution moves
    continuously with targets and prior: smooth targets give smooth controls.

    response: C controls seen through K measures. targets, weights: (N, K). prior: (N, C). hold:
    (C,), above 0; infinite keeps a control where it is. low, high: (C,) or (N, C).
    """

    response: LinearResponse
    targets: np.ndarray
    weights: np.ndarray
    prior: np.ndarray
    hold: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def last(self) -> Fit:
        """What is asked of the last frame alone."""
        return self.at(slice(-1, None))

    def at(self, rows: np.ndarray | slice) -> Fit:
        """What is asked of these frames."""
        of_frames = ["targets", "weights", "prior"]
        of_frames += [name for name in ("low", "high") if getattr(self, name).ndim == 2]
        return replace(self, **{name: getattr(self, name)[rows] for name in of_frames})

    def solve(self, aims: int = AIMS, start: np.ndarray | None = None) -> np.ndarray:
        """The unit values (N, C). start (N, C): something near them; the prior by default.

        What moves nothing alone ends no further than what wakes it lets it. On the way it is free:
        it must be there before the other one can be.
        """
        free = np.isfinite(self.hold)
        begin = self.prior if start is None else start
        units = np.where(free, np.clip(begin, self.low, self.high), self.prior)
        if not free.any():
            return units
        cost = self.cost(units)
        for _ in range(aims):
            step = np.zeros_like(units)
            step[:, free] = self._step(units, np.flatnonzero(free))
            cost = _best_step(self, units, step, cost)
        return np.where(free, self.response.useful(units), units)

    def cost(self, units: np.ndarray) -> np.ndarray:
        """(N,) what is minimised."""
        hold = np.where(np.isfinite(self.hold), self.hold, 0.0)
        missed = self.weights * (self.response.predict(units) - self.targets)
        return (missed**2).sum(1) + ((hold * (units - self.prior)) ** 2).sum(1)

    def _step(self, units: np.ndarray, free: np.ndarray) -> np.ndarray:
        """(N, len(free)) the step that is best for the response made linear at `units`.

        Both halves of a control have slopes of their own, so no step leads across rest; from rest
        it goes to the side on which it gains.
        """
        now, (gram, pull, below) = units[:, free], self._pull(units, free)
        low = np.where(below, self.low[..., free], np.maximum(self.low[..., free], 0.0))
        high = np.where(below, np.minimum(self.high[..., free], 0.0), self.high[..., free])
        return _descend(gram, pull, np.minimum(low - now, 0.0), np.maximum(high - now, 0.0))

    def _pull(
        self, units: np.ndarray, free: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The least-squares problem (N, F, F), (N, F) of F free controls, and which go downwards
        from rest (N, F)."""
        missing = self.weights * (self.targets - self.response.predict(units))
        up, down = self.response.slopes(units, free)
        for slopes in (up, down):
            slopes *= self.weights[:, :, None]
        now, hold = units[:, free], self.hold[free] ** 2
        back = hold * (self.prior[:, free] - now)
        gain_up, gain_down = (np.einsum("nkc,nk->nc", s, missing) + back for s in (up, down))
        still = np.abs(now) <= STILL
        below = np.where(still, (gain_down < 0) & (-gain_down > gain_up), now < 0)
        jacobian = np.where(below[:, None], down, up)
        gram = np.swapaxes(jacobian, 1, 2) @ jacobian
        diagonal = np.arange(len(free))
        gram[:, diagonal, diagonal] += hold
        return gram, np.where(below, gain_down, gain_up), below


def _best_step(fit: Fit, units: np.ndarray, step: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Take, frame by frame, the share of a step that costs least, in place; the cost (N,) then."""
    start, best = units.copy(), cost
    for share in STEPS:
        tried = start + share * step
        now = fit.cost(tried)
        better = now < best
        units[better] = tried[better]
        best = np.where(better, now, best)
    return best


def _descend(gram: np.ndarray, pull: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(N, C) the steps x in [low, high] that minimise x'Gx/2 - x'p, by coordinate descent."""
    if len(gram) == 1:
        return _descend_alone(gram[0], pull[0], low[0], high[0])[None]
    # Frames last, so that each operation runs over memory in order.
    gram = np.ascontiguousarray(np.moveaxis(gram, 0, -1))
    left, low, high = (np.ascontiguousarray(x.T) for x in (pull, low, high))
    step, new, change = np.zeros_like(left), np.empty(len(left.T)), np.empty_like(left)
    over = 1.0 / np.maximum(np.einsum("ccn->cn", gram), 1e-12)
    for _ in range(SWEEPS):
        for c in range(len(step)):
            np.multiply(left[c], over[c], out=new)
            np.add(step[c], new, out=new)
            np.clip(new, low[c], high[c], out=new)
            moved = new - step[c]
            if moved.any():
                np.multiply(gram[c], moved, out=change)
                left -= change
                step[c] = new
    return step.T


def _descend_alone(
    gram: np.ndarray, pull: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """The same (C,) of one frame, on plain numbers: many small arrays cost more than their sums."""
    left, over = pull.copy(), 1.0 / np.maximum(np.diag(gram), 1e-12)
    step, bounds = [0.0] * len(pull), list(zip(low.tolist(), high.tolist(), strict=True))
    over = over.tolist()
    for _ in range(SWEEPS):
        moved = 0.0
        for c, (least, most) in enumerate(bounds):
            new = min(max(step[c] + float(left[c]) * over[c], least), most)
            if change := new - step[c]:
                left -= gram[c] * change
                step[c] = new
                moved = max(moved, abs(change))
        if moved < SETTLED:
            break
    return np.array(step)
