"""A clip's sound: when it begins, and its samples over a range, in step with the pictures.

Seconds are the project's own: 0 at the clip's first picture. Sound that can't be read is silence:
a film without sound is better than none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from ..files import IMAGE_SUFFIXES
from .video import is_cover

RATE = 48_000
"""Samples a second of what is given."""
CHANNELS = 2
_JITTER = 0.05
"""Seconds by which containers' timestamps of sound may waver; more is a gap, or an overlap."""


def sound_start(reference: str | Path) -> float | None:
    """Seconds at which a clip's sound begins, below zero where it begins before the first picture;
    None for pictures and for a clip that has no sound."""
    with contextlib.suppress(av.FFmpegError, OSError, ValueError), _opened(reference) as found:
        if found is None:
            return None
        container, stream, origin = found
        first = next(container.decode(stream), None)
        return None if first is None or first.time is None else float(first.time) - origin
    return None


def sound_samples(reference: str | Path, start: float, end: float) -> Iterator[np.ndarray]:
    """(CHANNELS, n) float32 pieces that follow each other from `start` to `end`, seconds; all
    together exactly that long. Silence where there is no sound."""
    wanted, given = round((end - start) * RATE), 0
    for place, piece in _pieces(reference, start):
        gap = min(place - given, wanted - given)
        within = given and abs(gap) <= _JITTER * RATE
        if gap > 0 and not within:
            yield _silence(gap)
            given += gap
        elif not within:
            piece = piece[:, -gap:] if gap else piece
        piece = piece[:, : wanted - given]
        if piece.shape[1]:
            yield piece
        given += piece.shape[1]
        if given >= wanted:
            return
    yield from (_silence(b - a) for a, b in pairwise([*range(given, wanted, RATE), wanted]))


def _pieces(reference: str | Path, start: float) -> Iterator[tuple[int, np.ndarray]]:
    """(place in samples counted from `start`, samples (CHANNELS, n)) of the sound as it comes."""
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)
    with contextlib.suppress(av.FFmpegError, OSError, ValueError), _opened(reference) as found:
        if found is None:
            return
        container, stream, origin = found
        first = origin + start
        for frame in container.decode(stream):
            if (
                frame.time is None
                or frame.time + frame.samples / frame.sample_rate < origin + start
            ):
                continue
            for out in resampler.resample(frame):
                yield round((out.time - first) * RATE), out.to_ndarray()


@contextlib.contextmanager
def _opened(reference: str | Path) -> Iterator[tuple | None]:
    """(container, its sound's stream, seconds of the first picture by the file's own clock); None
    where there is no sound to be read."""
    path = Path(reference)
    if not path.is_file() or path.suffix.lower() in (*IMAGE_SUFFIXES, ".csv", ".gif"):
        yield None
        return
    with contextlib.ExitStack() as stack:
        try:
            container = stack.enter_context(av.open(str(path)))
            sounds = [s for s in container.streams.audio if s.codec_context is not None]
            origin = _first_picture(path) if sounds else None
        except (av.FFmpegError, OSError, ValueError):
            sounds, origin = [], None
        yield (container, sounds[0], origin) if sounds and origin is not None else None


def _first_picture(path: Path) -> float | None:
    """Seconds of the first picture by the file's own clock."""
    with av.open(str(path)) as container:
        films = [s for s in container.streams.video if not is_cover(s)]
        first = next(container.decode(films[0]), None) if films else None
        return None if first is None or first.time is None else float(first.time)


def _silence(samples: int) -> np.ndarray:
    return np.zeros((CHANNELS, samples), np.float32)


class SoundWriter:
    """Samples -> a stream of a film that is being written, no further than its pictures are.

    Args:
        pieces: (CHANNELS, n) float32 at `RATE`, as of `sound_samples`.
    """

    def __init__(self, pieces: Iterator[np.ndarray]):
        self._pieces = pieces
        self._waiting = _silence(0)
        self._written, self._ended = 0, False

    def begin(self, container: av.OutputContainer) -> None:
        """Declare the stream, before anything is written."""
        self._stream = container.add_stream("aac", rate=RATE, layout="stereo")
        self._stream.bit_rate = 128_000

    def write(self, container: av.OutputContainer, until: float) -> None:
        """Write what is heard up to `until`, seconds of the film."""
        while not self._ended and self._written < until * RATE:
            size = self._stream.codec_context.frame_size or 1024
            while self._waiting.shape[1] < size and not self._ended:
                piece = next(self._pieces, None)
                self._ended = piece is None
                if piece is not None:
                    self._waiting = np.concatenate([self._waiting, piece], axis=1)
            self._encode(container, size)

    def finish(self, container: av.OutputContainer) -> None:
        """Write the rest."""
        self.write(container, float("inf"))
        container.mux(self._stream.encode())

    def _encode(self, container: av.OutputContainer, size: int) -> None:
        piece, self._waiting = self._waiting[:, :size], self._waiting[:, size:]
        if not piece.shape[1]:
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._written, Fraction(1, RATE)
        self._written += piece.shape[1]
        container.mux(self._stream.encode(frame))
