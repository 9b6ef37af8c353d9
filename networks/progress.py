"""Progress messages and seconds of work, as every long job tells them; and what stops it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

Emit = Callable[[dict], None]
PROGRESS_INTERVAL = 0.1  # seconds
MOST_TOLD = 1000
"""Words that wait for a job; of more the oldest are forgotten."""


class Stop(threading.Event):
    """Asks a job to end soon; and brings what it is told meanwhile.

    unheard: whoever asked for it is gone. Then a partial result is written nowhere: nobody could be
    told that it is one.
    """

    unheard = False

    def __init__(self):
        super().__init__()
        self._told: deque[dict] = deque(maxlen=MOST_TOLD)

    def tell(self, words: dict) -> None:
        """Leave words for the job."""
        self._told.append(words)

    def told(self) -> list[dict]:
        """What was left since the last call."""
        words = []
        while self._told:
            words.append(self._told.popleft())
        return words


def is_unheard(stop: threading.Event) -> bool:
    """A stop because nobody waits for the result any more."""
    return stop.is_set() and isinstance(stop, Stop) and stop.unheard


class Progress:
    """Progress messages of one stage, at most ten a second, with rate and time left."""

    def __init__(self, emit: Emit, stage: str, total: int | None):
        self._emit, self._stage, self._total = emit, stage, total or None
        self._began = self._last = time.monotonic()
        emit({"type": "stage", "stage": stage})

    def show(self, done: int, *, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self._last < PROGRESS_INTERVAL:
            return
        self._last = now
        spent = now - self._began
        rate = done / spent if spent > 0 else 0.0
        total = done if last else self._total
        left = None if not total or not rate else max(0.0, (total - done) / rate)
        self._emit(
            {
                "type": "progress",
                "stage": self._stage,
                "done": done,
                "total": total,
                "rate": round(rate, 1),
                "eta": None if left is None else round(left, 1),
            }
        )


class Stopwatch:
    """Seconds that each stage worked, added up over threads."""

    def __init__(self):
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            with self._lock:
                self.seconds[name] = self.seconds.get(name, 0.0) + spent

    def items(self, name: str, source: Iterable) -> Iterator:
        """The same items; the time it takes to make each is booked on `name`."""
        iterator = iter(source)
        while True:
            with self.stage(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item
