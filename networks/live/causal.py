"""What solving knows of the past alone: jitter taken off, lids, closures, a face that is lost.

The offline solver's own (smoothing.py, contact.py, lost_frames.py) look at the frames on both
sides of each; these are what stands for them when the next frame is not there yet.
"""

from __future__ import annotations

import numpy as np

from ..solving.contact import (
    BLINK_BEGINS,
    BLINK_SECONDS,
    LIDS_HELD,
    LIDS_MEET,
    LIDS_PART,
    deepened,
    lids_measure,
    opening,
    together,
)
from ..solving.smoothing import JUMP_UNITS, SIGMA_SECONDS
from ..solving.tongue import EASE_SECONDS, LASTS_SECONDS, may_last, readings, way_out
from ..tracking.lost_frames import HOLD_SECONDS, RELAX_SECONDS, RETURN_SECONDS, ease

LEAST_HERTZ = 0.2
"""Times the strength's own scale: the cutoff of a still face at strength 1 is about 1.3 Hz."""
SPEED_HERTZ = 5.0
"""Cutoff of the speed that decides on the cutoff."""
OPENS = 0.5
"""Hertz that a speed of one jump a second adds to the cutoff."""
LONGEST_STEP = 0.1
"""Seconds that count at most between two frames of a face that comes or goes."""
DEEP, FALLS = 0.35, 0.15
"""A lid that is below the first within so many seconds is on its way down: the frame in which lids
meet is often missed, and it can't be waited for. Filmed blinks are there in .03 to .12 s, lids that
narrow slowly in .2 and more,"""
RESTS, NEAR_LEAST, WAVERS = 0.12, 0.1, 0.02
"""unless it stays for longer than this within the second of its lowest, which it no longer passes
by the third: a blink that was seen down to .13 and no lower turns at once (.08 s at most)."""


class OneEuro:
    """The 1 euro filter (Casiez, Roussel and Vogel 2012, equations 3 to 7) on columns of values.

    A low pass whose cutoff grows with the speed: a still face is steadied, a quick motion passes
    almost at once.

    Args:
        strength: 0 none .. 1 strong, as `smoothing.smooth` takes it. jump: likewise.
    """

    def __init__(self, strength: float, jump: float):
        self._strength, self._jump = strength, jump
        self._time: float | None = None
        self._value = self._speed = np.zeros(0)

    def __call__(self, time: float, value: np.ndarray) -> np.ndarray:
        """The value (...,) at a time in seconds, steadied."""
        value = np.asarray(value, float)
        if self._strength <= 0:
            return value
        step = 0.0 if self._time is None else time - self._time
        if step <= 0:
            self._time, self._value, self._speed = time, value, np.zeros_like(value)
            return value
        speed = (value - self._value) / step
        self._speed = self._speed + _share(SPEED_HERTZ, step) * (speed - self._speed)
        least = LEAST_HERTZ / (self._strength * SIGMA_SECONDS)
        cutoff = least + OPENS * np.abs(self._speed) / self._jump
        self._value = self._value + _share(cutoff, step) * (value - self._value)
        self._time = time
        return self._value


def _share(hertz: np.ndarray | float, step: float) -> np.ndarray | float:
    """Of a new value in a first-order low pass."""
    return 1.0 / (1.0 + 1.0 / (2.0 * np.pi * hertz * step))


class Touch:
    """Whether what nears zero touches: from below `meet` on, until it is above `part`."""

    def __init__(self, meet: float, part: float):
        self._meet, self._part = meet, part
        self.now = False

    def __call__(self, gap: float) -> bool:
        self.now = gap < (self._part if self.now else self._meet)
        return self.now


class Lids:
    """Shares of the open eye (2,), deepened where a blink is under way, 0 where lids touch."""

    def __init__(self):
        self._dips, self._eyes = (Dip(), Dip()), (LidsTouch(), LidsTouch())

    def __call__(self, time: float, shares: np.ndarray) -> np.ndarray:
        deep = [dip(time, share) for dip, share in zip(self._dips, shares, strict=True)]
        both = together(np.array([deep, shares])).T
        each = zip(self._eyes, both, shares, strict=True)
        return np.array([eye(time, *alike, own) for eye, alike, own in each])


class Dip:
    """A lid's share of the open eye, as `contact.deepen_blinks` gives it, by the lowest that this
    dip has been so far: while it is a blink's, which falls quickly and does not rest half-way."""

    def __init__(self):
        self._began: float | None = None
        self._lowest, self._least = -np.inf, np.inf
        self._fell = self._rested = False

    def __call__(self, time: float, share: float) -> float:
        if share >= BLINK_BEGINS:
            self._began = None
            return share
        if self._began is None:
            self._began = self._lowest = time
            self._least, self._fell, self._rested = share, False, False
        self._look(time, share)
        blinks = self._fell and not self._rested and time - self._began <= BLINK_SECONDS
        return deepened(share, self._least) if blinks else share

    def _look(self, time: float, share: float) -> None:
        if share < self._least - WAVERS:
            self._lowest = time
        self._least = min(self._least, share)
        self._fell |= self._least < DEEP and time - self._began < FALLS
        self._rested |= share < self._least + NEAR_LEAST and time - self._lowest > RESTS


class LidsTouch:
    """As `contact.lids_opening`, of one eye that is narrow for as long as it has been so far."""

    def __init__(self):
        self._in_blink, self._held = (Touch(*lids_measure(s)) for s in (0.0, np.inf))
        self._since: float | None = None

    def __call__(self, time: float, deep: float, share: float, own: float) -> float:
        """The opening, by the share of the open eye with a blink deepened and without: of lids that
        turn out to be held nothing should have been.

        Args:
            own: the share before `together`, which lifts a held lid while the other eye blinks.
        """
        if own >= LIDS_PART:
            self._since = None
        elif self._since is None:
            self._since = time
        meet, _ = lids_measure(0.0 if self._since is None else time - self._since)
        shut = {LIDS_MEET: self._in_blink(deep), LIDS_HELD: self._held(share)}
        return float(opening(deep, shut[meet], meet))


class Tongue:
    """How far the tongue is out, 0..1, from mouths (4,) in the order of MOUTH."""

    def __init__(self, strength: float):
        self._steady = OneEuro(strength, JUMP_UNITS)
        self._shown, self._amount, self._time = False, 0.0, -np.inf
        self._since: float | None = None

    def __call__(self, time: float, mouth: np.ndarray) -> float:
        steady = self._steady(time, mouth)[None]
        reading, comes, goes = readings(steady)
        if not may_last(steady)[0]:
            self._since = None
        elif self._since is None:
            self._since = time
        lasts = self._since is not None and time - self._since >= LASTS_SECONDS
        self._shown = bool(not goes[0] and (comes[0] or lasts or self._shown))
        goal = float(way_out(np.array([self._shown]), reading)[0])
        step, self._time = min(time - self._time, 1.0), time
        self._amount += (1.0 - np.exp(-step / EASE_SECONDS)) * (goal - self._amount)
        return self._amount


class OpenGaze:
    """Where eyes look: behind a lid that is nearly shut, where they looked before."""

    def __init__(self):
        self._kept: np.ndarray | None = None
        self._shut = [0.0, 0.0]

    def __call__(self, time: float, gaze: np.ndarray, blink: np.ndarray) -> np.ndarray:
        """Gaze (2, 2) with blink amounts (2,). Who looks down for long does lower the lids."""
        if self._kept is None:
            self._kept, self._shut = gaze.copy(), [time, time]
        for eye in (0, 1):
            if blink[eye] < 0.5:
                self._shut[eye] = time
            if blink[eye] < 0.5 or time - self._shut[eye] > 2 * HOLD_SECONDS:
                self._kept[eye] = gaze[eye]
        return self._kept.copy()


class Presence:
    """How much of the last seen face counts, and not rest: 1 while it is seen, held for a moment
    when it is lost, then less and less; it comes back as smoothly."""

    def __init__(self):
        self._share = 0.0
        self._seen, self._time = -np.inf, np.inf

    def __call__(self, time: float, found: bool) -> float:
        step = min(max(time - self._time, 0.0), LONGEST_STEP)
        self._time = time
        if found:
            self._seen = time
            self._share = min(1.0, self._share + step / RETURN_SECONDS)
        elif time - self._seen > HOLD_SECONDS:
            self._share = max(0.0, self._share - step / RELAX_SECONDS)
        return float(ease(self._share))
