"""Animated pictures, which are clips: which they are, and WebP's frames by their own times.

FFmpeg reads animated PNG, GIF, AVIF and HEIC as video; animated WebP it does not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import InputError, UsageError
from ..reading import why_unreadable
from .frames import Frame, Reader
from .pictures import check_file, check_size, over_grey, read_bytes

SHORTEST, USUAL = 0.010, 0.100
"""Seconds: a frame that is to stay no longer than SHORTEST stays USUAL, as browsers do it."""
_SEQUENCES = (b"avis", b"msf1", b"hevc", b"hevx", b"hevm", b"hevs")
"""Brands of AVIF and HEIC files that are to be shown as sequences (ISO/IEC 23008-12)."""
_ALPHA = 0x10
_ANIMATED = 0x02


def is_animated(path: Path) -> bool:
    """A PNG, WebP, AVIF or HEIC file holds more than one picture."""
    head = _head(path)
    png = head[:8] == b"\x89PNG\r\n\x1a\n" and 0 < head.find(b"acTL") < _before(head, b"IDAT")
    heif = head[4:8] == b"ftyp" and head[8:12] in _SEQUENCES
    return png or heif or _is_animated_webp(head)


def is_animated_webp(path: Path) -> bool:
    """A WebP file holds more than one picture."""
    return _is_animated_webp(_head(path))


def _is_animated_webp(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20] & _ANIMATED)


def _head(path: Path) -> bytes:
    """A file's first bytes, in which it says so."""
    check_file(path)
    try:
        with open(path, "rb") as f:
            return f.read(1 << 16).ljust(32, b"\0")
    except OSError as error:
        raise InputError(why_unreadable(error), file=path) from error


def _before(data: bytes, name: bytes) -> int:
    at = data.find(name)
    return len(data) if at < 0 else at


@dataclass(frozen=True)
class _Part:
    """One frame of the file: what it changes of the canvas, and for how long it is shown."""

    left: int
    top: int
    width: int
    height: int
    seconds: float
    blended: bool
    cleared: bool  # afterwards
    chunks: bytes

    def decoded(self) -> np.ndarray | None:
        """(h, w, 4) BGRA, or None where it is damaged."""
        header = b""
        if self.chunks[:4] == b"ALPH":
            sides = b"".join((n - 1).to_bytes(3, "little") for n in (self.width, self.height))
            header = struct.pack("<4sII", b"VP8X", 10, _ALPHA) + sides
        body = b"WEBP" + header + self.chunks
        data = np.frombuffer(b"RIFF" + struct.pack("<I", len(body)) + body, np.uint8)
        try:
            bgr = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        except cv2.error:
            return None
        if bgr is None or bgr.shape[:2] != (self.height, self.width):
            return None
        return bgr if bgr.shape[2] == 4 else cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA)


class WebpReader(Reader):
    """An animated WebP as a clip.

    Source: "WebP Container Specification", Animation (RFC 9649, 2.7.1).

    Args:
        start, end: seconds; only frames with start <= time < end are given.

    Raises:
        InputError: it is damaged, or too large. UsageError: no frame of it is in the range.
    """

    def __init__(self, path: Path, *, start: float | None = None, end: float | None = None):
        super().__init__(path.name, path)
        self.path = path
        self._start, self._end = start or 0.0, np.inf if end is None else end
        self._data = read_bytes(path)
        check_size(self._data, path)
        self.size = tuple(1 + _u24(self._data, at) for at in (24, 27))
        self._parts = list(_parts(self._data))
        times = self._times()
        self.count = sum(self._inside(t) for t in times[:-1])
        self.fps = len(self._parts) / times[-1] if self._parts else 0.0

    def __iter__(self) -> Iterator[Frame]:
        width, height = self.size
        canvas, index = np.zeros((height, width, 4), np.uint8), 0
        for part, seconds in zip(self._parts, self._times(), strict=False):
            if not self._draw(canvas, part):
                break
            if self._inside(seconds):
                yield Frame(index, seconds, over_grey(canvas), self.size)
                index += 1
            if part.cleared:
                _place(canvas, part)[:] = 0
        if not index:
            if self.partial or (self._start <= 0.0 and np.isinf(self._end)):
                raise InputError(
                    "no frame of it can be decoded.", file=self.path, fix="export it again"
                )
            raise UsageError(
                "has no frame in the range.", file=self.path, fix="choose a range inside it"
            )

    def _draw(self, canvas: np.ndarray, part: _Part) -> bool:
        picture = part.decoded()
        where = _place(canvas, part)
        if picture is None or picture.shape != where.shape:
            self.partial = True
            self.notes.append(f"{self.given}: breaks off")
            return False
        where[:] = _blended(picture, where) if part.blended else picture
        return True

    def _inside(self, seconds: float) -> bool:
        return self._start - 1e-6 <= seconds < self._end - 1e-6

    def _times(self) -> list[float]:
        """When each frame begins, and when the last one ends."""
        return [0.0, *np.cumsum([part.seconds for part in self._parts]).tolist()]


def _place(canvas: np.ndarray, part: _Part) -> np.ndarray:
    return canvas[part.top : part.top + part.height, part.left : part.left + part.width]


def _blended(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """One BGRA picture over another; alpha is straight."""
    if (above[..., 3] == 255).all():
        return above
    a, b = above[..., 3:] / np.float32(255), below[..., 3:] / np.float32(255)
    alpha = a + b * (1 - a)
    colour = (above[..., :3] * a + below[..., :3] * b * (1 - a)) / np.maximum(alpha, 1e-6)
    return np.rint(np.concatenate([colour, 255 * alpha], axis=2)).astype(np.uint8)


def _parts(data: bytes) -> Iterator[_Part]:
    """The frames of an animated WebP, as far as the file goes."""
    at = 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        at += 8
        if kind == b"ANMF" and at + size <= len(data) and size > 16:
            left, top, width, height, milliseconds = (_u24(data, at + 3 * i) for i in range(5))
            seconds, flags = milliseconds / 1000, data[at + 15]
            yield _Part(
                2 * left,
                2 * top,
                width + 1,
                height + 1,
                seconds if seconds > SHORTEST else USUAL,
                not flags & 2,
                bool(flags & 1),
                data[at + 16 : at + size],
            )
        at += size + size % 2


def _u24(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")
