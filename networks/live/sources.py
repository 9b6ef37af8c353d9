"""Where live frames come from: a camera, or a clip that plays at its own rate.

Each has a thread that only fetches. It keeps one frame, the newest: who is slow misses frames and
never falls behind.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..errors import InputError
from ..footage.frames import Frame
from ..footage.media import open_reference

OPENING = 15.0
"""Seconds that a camera may take to open and to give its first picture."""
SILENT = 5.0
"""Seconds without a picture after which a camera counts as gone."""
LATE = 0.1
"""Seconds after its moment from which on a clip's frame counts as one that a camera had missed."""


@dataclass(frozen=True)
class Shot:
    """A frame, and when it was taken by time.monotonic; its `time` counts from the first one."""

    frame: Frame
    captured: float


class Newest:
    """A place for one thing, the newest. missed: things that nobody took in time."""

    def __init__(self):
        self.missed = 0
        self._item = None
        self._ended = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, item) -> None:
        with self._changed:
            self.missed += self._item is not None
            self._item = item
            self._changed.notify()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Nothing more comes, and nothing is left."""
        with self._changed:
            return self._ended and self._item is None

    def take(self, timeout: float):
        """The newest thing, or None if none comes within `timeout` seconds.

        Raises:
            what it was ended with.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._ended, timeout)
            if self._item is None and self._error is not None:
                raise self._error
            item, self._item = self._item, None
            return item


class Source:
    """Frames fetched by a thread; a context manager. `newest` has them, `name` is for a person."""

    def __init__(self, name: str):
        self.name = name
        self.newest = Newest()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def __enter__(self) -> Source:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join(2.0)  # a driver that hangs ends with the process

    @property
    def missed(self) -> int:
        """Frames that came and that nobody looked at."""
        return self.newest.missed

    def shots(self) -> Iterator[Shot]:
        """What is fetched, as it comes; runs in the thread."""
        raise NotImplementedError

    def _run(self) -> None:
        try:
            for shot in self.shots():
                if self._stop.is_set():
                    break
                self.newest.put(shot)
            self.newest.end()
        except BaseException as error:  # handed over to who takes
            self.newest.end(error)


class ClipSource(Source):
    """A clip that plays at its own rate.

    Args:
        loop: begin anew at its end, without end.
    """

    def __init__(self, path: str, *, loop: bool = False):
        super().__init__(str(path))
        self._path, self._loop = path, loop
        self._left_out = 0
        with open_reference(path) as reader:  # refuses at once what can't be read
            if reader.stills:
                raise InputError("is no clip", file=path, fix="give a video")
            self.fps = reader.fps

    @property
    def missed(self) -> int:
        return super().missed + self._left_out

    def shots(self) -> Iterator[Shot]:
        began, offset, index = None, 0.0, 0
        while not self._stop.is_set():
            last = 0.0
            with open_reference(self._path) as reader:
                for frame in reader:
                    began = time.monotonic() if began is None else began
                    last = frame.time
                    due = began + offset + frame.time
                    if self._stop.wait(max(0.0, due - time.monotonic())):
                        return
                    late = time.monotonic() - due
                    if late > LATE:  # the machine is behind: play on from here, as if it had paused
                        self._left_out += round(late * self.fps)
                        began, due = began + late, due + late
                    yield Shot(replace(frame, index=index, time=offset + frame.time), due)
                    index += 1
            if not self._loop:
                return
            gc.collect()  # a reader's decoders hold each other: 5 MB a round, until somebody looks
            offset += last + 1 / self.fps


class CameraSource(Source):
    """A camera by its number, through OpenCV; whatever its driver does stays in this process."""

    def __init__(self, number: int):
        super().__init__(f"camera {number}")
        self._number = number
        self._heard = time.monotonic() + OPENING - SILENT

    @property
    def silent(self) -> bool:
        """It has not given a picture for too long."""
        return time.monotonic() - self._heard > SILENT

    def shots(self) -> Iterator[Shot]:
        import cv2

        camera = cv2.VideoCapture(self._number)
        try:
            if not camera.isOpened():
                raise gone(self.name, "is not there, or another program uses it")
            camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            first, index, failed = None, 0, 0
            while not self._stop.is_set():
                seen, picture = camera.read()
                now = time.monotonic()
                if not seen or picture is None:
                    failed += 1
                    if failed > 30:
                        raise gone(self.name, "gives no pictures any more")
                    time.sleep(0.02)
                    continue
                failed, self._heard = 0, now
                first = now if first is None else first
                rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
                yield Shot(Frame(index, now - first, rgb, rgb.shape[1::-1]), now)
                index += 1
        finally:
            camera.release()


def gone(name: str, why: str) -> InputError:
    """A camera that can't be used."""
    return InputError(
        f"{name} {why}", fix="plug it in, close what uses it, or choose another number"
    )
