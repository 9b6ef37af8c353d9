"""A clip's timestamps -> seconds that begin at 0 and only grow; and the rate that they tell.

Numbers alone: no file is known here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

from ..track import LONGEST_STEP

T = TypeVar("T")

HICCUP = 8  # frames of which the timestamps may stand still or be in disorder
LONGEST_PAUSE = LONGEST_STEP  # seconds without a frame; what is longer is a clock that was set
LONGEST_GAP = 10.0  # the same where takes may have been joined: streams made to be cut anywhere
SLOWEST = 50  # steps of its own that a clip with few frames a minute may pause in any case
REMEMBERED = 48  # steps of which the median is the clip's own step


class Clock:
    """The seconds of one clip's frames, from their timestamps in the order of presentation.

    - A timestamp that falls behind by more than HICCUP steps, or leaps too far ahead, is a clock
      that started again (takes that were joined, a recorder that was set): time is carried on at
      the clip's own step. `jumps` holds the seconds at which that happened.
    - Fewer frames whose timestamps stand still or are in disorder share the time until the next
      one that goes on.
    - Frames without timestamps follow each other at the clip's own step.

    Args:
        step: seconds between two frames as the header tells, until the frames tell their own.
        joined: takes may have been joined in this kind of file, so that a shorter leap counts.
        origin: timestamp of the clip's first frame, where the first one that comes is another.
    """

    def __init__(self, step: float, *, joined: bool = False, origin: float | None = None):
        self.jumps: list[float] = []
        self._step, self._pause = step, LONGEST_GAP if joined else LONGEST_PAUSE
        self._shift = None if origin is None else -origin
        self._steps: deque[float] = deque(maxlen=REMEMBERED)
        self._last: float | None = None

    @property
    def step(self) -> float:
        """Seconds between two frames that follow each other: the clip's own."""
        return float(np.median(self._steps)) if len(self._steps) >= HICCUP else self._step

    def place(self, stamped: Iterable[tuple[float | None, T]]) -> Iterator[tuple[float, T]]:
        """(timestamp in seconds or None, item)s -> (seconds, item)s, in the same order."""
        waiting: list[tuple[float, T]] = []
        for stamp, item in stamped:
            seconds = self._seconds(stamp)
            if self._last is None:
                yield self._go_to(seconds), item
            elif seconds > self._last:
                seconds = self._after_pause(seconds)
                yield from self._spread(waiting, seconds)
                waiting = []
                yield self._go_to(seconds), item
            else:
                waiting.append((seconds, item))
                if len(waiting) > HICCUP or self._last - seconds > HICCUP * self.step:
                    yield from self._start_again(waiting)
                    waiting = []
        yield from self._start_again(waiting)

    def _seconds(self, stamp: float | None) -> float:
        """A timestamp by the clock so far; without one, a step after the last frame."""
        if stamp is None or self._shift is None:
            following = 0.0 if self._last is None else self._last + self.step
            if stamp is None:
                return following
            self._shift = following - stamp
        return stamp + self._shift

    def _after_pause(self, seconds: float) -> float:
        """The same, unless it is too long after the last frame for a pause."""
        pause = seconds - self._last
        slow = min(SLOWEST * self.step, LONGEST_PAUSE)  # no track takes a longer one
        if pause <= max(self._pause, slow, 1.5 * self.step):
            return seconds
        self._jump(seconds)
        return self._last + self.step

    def _jump(self, seconds: float) -> None:
        following = self._last + self.step
        self._shift += following - seconds
        self.jumps.append(following)

    def _go_to(self, seconds: float) -> float:
        if self._last is not None:
            self._steps.append(seconds - self._last)
        self._last = seconds
        return seconds

    def _spread(self, waiting: list[tuple[float, T]], until: float) -> Iterator[tuple[float, T]]:
        """Frames of a hiccup share the time between their neighbours."""
        start, parts = self._last, len(waiting) + 1
        for number, (_, item) in enumerate(waiting, 1):
            self._last = start + (until - start) * number / parts
            yield self._last, item

    def _start_again(self, waiting: list[tuple[float, T]]) -> Iterator[tuple[float, T]]:
        """The clock started again at the first of these frames."""
        if not waiting:
            return
        before, (first, _) = self._shift, waiting[0]
        self._jump(first)
        moved = self._shift - before
        for seconds, item in waiting:
            seconds = max(seconds + moved, self._last + min(1e-3, self.step / 2))
            yield self._go_to(seconds), item


def own_rate(times: np.ndarray) -> float:
    """Frames a second by timestamps (N,) in seconds: 1 over the clip's own step, 0 where there are
    fewer than two.

    Dropped frames and pauses do not count: the step is the mean of those within half of the median
    one. (The median alone would suffer from containers that round to a millisecond.)
    """
    steps = np.diff(np.asarray(times, float))
    if not len(steps):
        return 0.0
    median = float(np.median(steps))
    usual = steps[np.abs(steps - median) <= 0.5 * median]
    return 1.0 / float(usual.mean() if len(usual) else median)
