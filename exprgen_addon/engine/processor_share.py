"""Whether processes get the processor, or stand ready and wait for it. No Blender.

Linux counts for each thread how long it ran and how long it was ready and did not run
(/proc/PID/task/TID/schedstat); where nobody counts, nobody is said to wait.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

LOOK = 2.0
"""Seconds over which a process is judged."""
WAITED = 0.5
"""Share of these that it waits at least, where it is said to wait."""
SHORT = 3.0
"""How much longer it waits than it runs then: less than a fair share of two or three."""
PROC = Path("/proc")


@dataclass
class ProcessorShare:
    """Looks now and then at processes, and at those that they started.

    waits: they were mostly kept waiting since the look before.
    """

    waits: bool = False
    _looked: float = 0.0
    _known: dict[int, tuple[float, float]] = field(default_factory=dict)

    def look(self, leaders: Iterable[int], now: float | None = None) -> bool:
        """Look again if LOOK seconds are over; True if `waits` has changed.

        Args:
            leaders: processes that began a session of their own. now: by a monotonic clock.
        """
        now = time.monotonic() if now is None else now
        elapsed = now - self._looked
        if elapsed < LOOK:
            return False
        known = dict(_times(leaders))
        ran, waited = (
            sum(known[p][i] - self._known[p][i] for p in known if p in self._known) for i in (0, 1)
        )
        before, self._known, self._looked = self.waits, known, now
        self.waits = waited > WAITED * elapsed and waited > SHORT * ran
        return self.waits != before


def _times(leaders: Iterable[int]) -> Iterator[tuple[int, tuple[float, float]]]:
    """(thread, seconds that it ran and seconds that it was ready and waited) of every thread of
    these processes' sessions."""
    sessions = set(leaders)
    for process in _processes() if sessions else ():
        if _session(process) not in sessions:
            continue
        with contextlib.suppress(OSError, ValueError):
            for thread in os.listdir(PROC / str(process) / "task"):
                text = (PROC / str(process) / "task" / thread / "schedstat").read_text("ascii")
                ran, waited, _ = text.split()
                yield int(thread), (int(ran) / 1e9, int(waited) / 1e9)


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir(PROC) if name.isdecimal()]
    except OSError:  # another system
        return []


def _session(process: int) -> int:
    try:
        return os.getsid(process)
    except OSError:  # it has just ended
        return 0
