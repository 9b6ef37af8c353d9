"""What a reference is read into: timed, upright frames, and the reader that gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Frame:
    """One upright picture.

    index: number in its reference, from 0; time: its timestamp in seconds, 0 at the first frame;
    rgb: (h, w, 3) uint8, perhaps reduced; size: (width, height) in pixels of the full upright
    picture, which coordinates are given in; name: the file's stem, for pictures; full: gives the
    picture unreduced, as long as the reader stands at this frame or a few behind; None where `rgb`
    is the full picture.
    """

    index: int
    time: float
    rgb: np.ndarray
    size: tuple[int, int]
    name: str = ""
    full: Callable[[], np.ndarray] | None = None

    @property
    def scale(self) -> np.ndarray:
        """(2,) full pixels per pixel of `rgb`, x and y."""
        return np.array(self.size) / self.rgb.shape[1::-1]

    def unreduced(self) -> Frame:
        """The same frame in its full size."""
        return self if self.full is None else replace(self, rgb=self.full(), full=None)

    def turned(self, turns: int) -> Frame:
        """The frame turned counterclockwise by quarters."""
        turns %= 4
        if not turns:
            return self
        full = self.full
        return replace(
            self,
            rgb=_turned(self.rgb, turns),
            size=self.size[::-1] if turns % 2 else self.size,
            full=None if full is None else lambda: _turned(full(), turns),
        )


def _turned(rgb: np.ndarray, turns: int) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(rgb, turns))


class Reader:
    """A reference being read; iterate over it for its `Frame`s. A context manager.

    source: what was given, by its name; given: by its path, for messages; stills: separate
    pictures, not a clip; fps: mean rate (0 for pictures); size: (width, height) of the upright
    frames, of the first picture for pictures; count: how many frames to expect (0 unknown); notes:
    what was skipped or mended and why, one line each; partial: some of what the reference promises
    could not be read. `notes` and `partial` are complete when the iteration has ended.
    """

    stills = False

    def __init__(self, source: str, given: str | Path = ""):
        self.source, self.given = source, str(given or source)
        self.fps = 0.0
        self.size = (0, 0)
        self.count = 0
        self.notes: list[str] = []
        self.partial = False

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""

    def __iter__(self) -> Iterator[Frame]:
        raise NotImplementedError
