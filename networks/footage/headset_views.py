"""Clips of cameras in a headset -> triples of small grey pictures at common times.

Three clips (left eye, right eye, mouth), or one with the three side by side. Each has timestamps of
its own; the fastest one's times are the triples', and of the others the nearest picture stands for
each. What lies too far off, since frames were dropped, is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError, UsageError
from ..vocabulary import HEADSET_SIZE, HEADSET_VIEWS
from .frames import Frame, Reader
from .media import open_reference

LEAST_SIDE = 32
"""Pixels of a view; in less there is no lid to be seen."""
COLOURED = 16.0
"""Grey levels by which channels may differ on average: what a codec makes of grey is less."""
LONG, LONG_SHARE = 0.5, 0.02
"""Seconds, or the share of their length, by which clips of one take may end apart."""
TOO_FAR = 0.12
"""Seconds from a triple's time beyond which a picture tells nothing of it."""
SHAPES = (0.4, 2.5)
"""Width to height of a single view; what is wider is a row of several."""
FIX = "give three grey clips (left eye, right eye, mouth), or one with them side by side"


@dataclass(frozen=True)
class Triple:
    """time: seconds from the first; views (3, S, S) uint8 in the order of HEADSET_VIEWS; late: how
    many seconds off the time the farthest of them was taken."""

    time: float
    views: np.ndarray
    late: float

    @property
    def whole(self) -> bool:
        """All views are of this time."""
        return self.late <= TOO_FAR


class HeadsetClips:
    """Clips being read; iterate for `Triple`s. A context manager.

    fps: of the fastest; count: triples to expect; notes, partial: as of `Reader`.

    Raises:
        UsageError: neither one clip nor three.
        InputError: one is missing, no video, in colour, too small, or the three are no one take.
    """

    def __init__(self, paths: Sequence[str | Path], start=None, end=None):
        if len(paths) not in (1, len(HEADSET_VIEWS)):
            raise UsageError(f"a headset has {len(HEADSET_VIEWS)} views, not {len(paths)}", fix=FIX)
        if len({str(Path(p).resolve()) for p in paths}) < len(paths):
            raise UsageError("a clip is given twice", fix=FIX)
        self.tiled = len(paths) == 1
        with ExitStack() as opening:
            self._readers = [opening.enter_context(_opened(path, start, end)) for path in paths]
            self._open = opening.pop_all()
        self.paths = [Path(p) for p in paths]
        self._lead = max(range(len(paths)), key=lambda i: self._readers[i].fps)
        self.fps = self._readers[self._lead].fps
        self.count = self._readers[self._lead].count
        try:
            _check_lengths(self.paths, self._readers)
        except InputError:
            self._open.close()
            raise

    def __enter__(self) -> HeadsetClips:
        return self

    def __exit__(self, *_) -> None:
        self._open.close()

    @property
    def notes(self) -> list[str]:
        return [note for reader in self._readers for note in reader.notes]

    @property
    def partial(self) -> bool:
        return any(reader.partial for reader in self._readers)

    def __iter__(self) -> Iterator[Triple]:
        if self.tiled:
            for frame in self._readers[0]:
                yield Triple(frame.time, tiles(frame, self.paths[0]), 0.0)
            return
        streams = [_Nearest(r, p) for r, p in zip(self._readers, self.paths, strict=True)]
        while (time := streams[self._lead].ahead()) is not None:
            taken = [stream.at(time) for stream in streams]
            late = max(abs(time - when) for when, _ in taken)
            yield Triple(time, np.stack([view for _, view in taken]), late)


class _Nearest:
    """One clip's views, asked for by times that grow."""

    def __init__(self, reader: Reader, path: Path):
        self._frames = iter(reader)
        self._path = path
        self._now, self._next = None, self._read()

    def _read(self) -> tuple[float, np.ndarray] | None:
        frame = next(self._frames, None)
        return None if frame is None else (frame.time, grey_view(frame, self._path))

    def ahead(self) -> float | None:
        """Time of the next view, None at the end."""
        return None if self._next is None else self._next[0]

    def at(self, time: float) -> tuple[float, np.ndarray]:
        """(time, view) of that which lies nearest."""
        while self._next is not None and (
            self._now is None or abs(self._next[0] - time) <= abs(self._now[0] - time)
        ):
            self._now, self._next = self._next, self._read()
        return self._now


def _opened(path: str | Path, start: float | None, end: float | None) -> Reader:
    reader = open_reference(path, start=start, end=end)
    if reader.stills:
        reader.close()
        raise InputError("is no clip", file=path, fix=FIX)
    return reader


def _check_lengths(paths: list[Path], readers: list[Reader]) -> None:
    """Refuse clips that can't be of one take."""
    lengths = [r.count / r.fps if r.fps else 0.0 for r in readers]
    if len(paths) < 2 or not all(lengths):
        return
    longest, shortest = max(lengths), min(lengths)
    if longest - shortest > max(LONG, LONG_SHARE * longest):
        odd = paths[lengths.index(shortest)]
        raise InputError(
            f"lasts {shortest:.2f} s, another of the views {longest:.2f} s",
            file=odd,
            fix="cut the three clips to the same take, --range does not",
        )


def grey_view(frame: Frame, path: Path) -> np.ndarray:
    """A frame as the network looks at it: grey, its middle square, (S, S) uint8.

    Raises:
        InputError: it is in colour, too small or too long.
    """
    if frame.index == 0:
        _check_view(frame.rgb, path)
    return _small(frame.rgb)


def tiles(frame: Frame, path: Path) -> np.ndarray:
    """The three views (3, S, S) of a frame that shows them side by side; raises as `grey_view`."""
    wide = frame.rgb.shape[1] // len(HEADSET_VIEWS)
    parts = [frame.rgb[:, i * wide : (i + 1) * wide] for i in range(len(HEADSET_VIEWS))]
    if frame.index == 0:
        for part in parts:
            _check_view(part, path)
    return np.stack([_small(part) for part in parts])


def _check_view(rgb: np.ndarray, path: Path) -> None:
    height, width = rgb.shape[:2]
    if not SHAPES[0] <= width / height <= SHAPES[1]:
        what = f"has a view of {width} x {height} pixels, which is no single one"
        raise InputError(what, file=path, fix=FIX)
    if min(height, width) < LEAST_SIDE:
        what = f"has a view of {width} x {height} pixels, {LEAST_SIDE} at least are needed"
        raise InputError(what, file=path, fix="record larger ones")
    if (rgb.max(2).astype(float) - rgb.min(2)).mean() > COLOURED:
        raise InputError("is in colour, no infrared view of a headset", file=path, fix=FIX)


def _small(rgb: np.ndarray) -> np.ndarray:
    import cv2

    side = min(rgb.shape[:2])
    top, left = ((n - side) // 2 for n in rgb.shape[:2])
    grey = cv2.cvtColor(rgb[top : top + side, left : left + side], cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (HEADSET_SIZE, HEADSET_SIZE), interpolation=cv2.INTER_AREA)
