"""A live session as this side sees it: the newest frame, all that are recorded, the delay.

For the command line and the window alike; it knows nothing of a scene.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ...networks.footage.clock import own_rate
from ...networks.track import HELD, TRACKED, RigTrack
from ...networks.vocabulary import EXPRESSIONS
from .jobs import Job
from .worker_process import WorkerProcess

CALIBRATING, LOST = "calibrating", "lost"
MOST_DELAYS = 20_000
"""Frames whose delays are remembered."""
LONGEST_TAKE = 200_000
"""Frames of a recording; an hour and a half."""
LIVE = "live, "
"""How the source of a take begins that was recorded live; the time follows."""


def live_source() -> str:
    """The source of a take that is recorded live now."""
    return f"{LIVE}{datetime.now():%Y-%m-%d %H:%M:%S}"


@dataclass(frozen=True)
class LiveFrame:
    """A message of networks/live/session.py. values: (controls,) of each character."""

    time: float
    captured: float
    state: str
    values: tuple[np.ndarray, ...]
    expression: np.ndarray
    missed: int
    refused: int


class LiveJob(Job):
    """The session's job, whose frames go their own way: to `frames`, past what a window shows."""

    def __init__(self, arguments: dict, worker: WorkerProcess | None):
        self.frames: deque[dict] = deque(maxlen=LONGEST_TAKE)
        self.cast: list[dict] = []
        super().__init__("live", arguments, worker)

    def tell(self, words: dict) -> None:
        """Leave words for the session."""
        self.worker.send({"command": "tell", "id": self.number, "arguments": words})

    def _take(self, message: dict | None) -> list[dict]:
        if message is not None and message["type"] == "live":
            self.frames.append(message)
            return []
        if message is not None and message["type"] == "cast":
            self.cast = message["characters"]
            return []
        return super()._take(message)


class Live:
    """A session in a worker.

    Args:
        request: as networks/live/session.LiveRequest. worker: a running one; None starts one that
            ends with the session.
    """

    def __init__(self, request: dict, worker: WorkerProcess | None = None):
        self.job = LiveJob(request, worker)
        self.newest: LiveFrame | None = None
        self.come = self.shown = 0
        """Frames that have come, and those of them that went where they should."""
        self.tape: list[LiveFrame] = []
        """Frames that are recorded."""
        self.on_recorded: Callable[[list, list[dict]], None] = lambda cast, messages: None
        """Called with the cast and the messages of frames that are recorded, as they come."""
        self._drives = False
        self._delays: deque[float] = deque(maxlen=MOST_DELAYS)
        self._moments: deque[float] = deque(maxlen=30)

    @property
    def cast(self) -> list[tuple[str, tuple[str, ...]]]:
        """(character, its controls) in the order of a frame's values; empty until it is known."""
        return [(c["character"], tuple(c["controls"])) for c in self.job.cast]

    @property
    def rate(self) -> float:
        """Frames a second over the last ones that were shown."""
        moments = self._moments
        spent = moments[-1] - moments[0] if len(moments) > 1 else 0.0
        return (len(moments) - 1) / spent if spent > 0 else 0.0

    def take(self, recording: bool = False) -> list[LiveFrame]:
        """The frames that have come since the last call; what fits no cast is left out."""
        widths = [len(controls) for _, controls in self.cast]
        frames, recorded = [], []
        while self.job.frames:
            message = self.job.frames.popleft()
            if [len(row) for row in message["values"]] != widths:
                continue
            frame = frame_of(message)
            frames.append(frame)
            self._drives |= frame.state != CALIBRATING  # later on it calibrates while it drives
            if recording and self._drives and len(self.tape) < LONGEST_TAKE:
                self.tape.append(frame)
                recorded.append(message)
        if recorded:
            self.on_recorded(self.cast, recorded)
        self.come += len(frames)
        self.newest = frames[-1] if frames else self.newest
        return frames

    def arrived(self, frames: list[LiveFrame]) -> None:
        """These frames are where they should go, now. A window that draws slowly shows but the
        newest of those that have come."""
        now = time.monotonic()
        self.shown += len(frames)
        self._moments.extend(frame.captured for frame in frames)
        self._delays.extend(now - frame.captured for frame in frames)

    def delays(self, last: int = MOST_DELAYS) -> list[float]:
        """Seconds from a frame's capture until here: the median and the 95th percentile."""
        recent = list(itertools.islice(reversed(self._delays), last)) or [0.0]
        return [round(float(np.percentile(recent, q)), 4) for q in (50, 95)]

    def recorded(self, source: str) -> list[RigTrack]:
        """What is recorded; see `tracks_of`."""
        return tracks_of(self.tape, self.cast, source)


def tracks_of(
    frames: list[LiveFrame], cast: list[tuple[str, tuple[str, ...]]], source: str
) -> list[RigTrack]:
    """Frames as a track a character, from zero; empty where they are too few.

    Args:
        cast: (character, its controls), in the order of a frame's values.
    """
    latest = itertools.accumulate((f.time for f in frames), max, initial=-math.inf)
    frames = [f for f, before in zip(frames, latest, strict=False) if f.time > before]
    if len(frames) < 2:
        return []
    times = np.array([f.time for f in frames], float) - frames[0].time
    meta = {"source": source, "fps": round(float(own_rate(times)), 6)}
    state = np.array([HELD if f.state == LOST else TRACKED for f in frames], np.uint8)
    expression = np.array([f.expression for f in frames], np.float32)
    return [
        RigTrack(
            character=name,
            times=times,
            controls=controls,
            values=np.array([f.values[i] for f in frames], np.float32),
            state=state,
            expression=expression,
            meta=dict(meta),
        )
        for i, (name, controls) in enumerate(cast)
    ]


def frame_of(message: dict) -> LiveFrame:
    """A message of a session's as a frame."""
    expression = np.array(message["expression"], np.float32)
    if len(expression) != len(EXPRESSIONS):
        expression = np.full(len(EXPRESSIONS), 1 / len(EXPRESSIONS), np.float32)
    return LiveFrame(
        time=float(message["time"]),
        captured=float(message["captured"]),
        state=message["state"],
        values=tuple(np.array(row, float) for row in message["values"]),
        expression=expression,
        missed=int(message["missed"]),
        refused=int(message.get("refused") or 0),
    )
