"""Width and height that a picture's header declares, read before anything is decoded.

A few kilobytes can declare gigabytes. Every kind in IMAGE_SUFFIXES is known here; what is not, is
no picture.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

MAX_PIXELS = 1 << 28  # 268 million: more than today's largest cameras, 0.8 GB as RGB

_PNM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)")
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_TIFF_NUMBER = {1: "B", 3: "H", 4: "I", 16: "Q"}  # field types that a size may have
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif", b"miaf")


def declared_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels by a file's bytes; None where it is no known picture."""
    try:
        for begins, read in _KINDS:
            if begins(data):
                return read(data)
    except (struct.error, IndexError, ValueError, OverflowError):
        pass
    return None


def is_heif(data: bytes) -> bool:
    """A still in ISO boxes: HEIC or AVIF."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS


def _png(data: bytes) -> tuple[int, int]:
    return struct.unpack_from(">II", data, 16)


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while True:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]


def _webp(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return tuple(1 + int.from_bytes(data[i : i + 3], "little") for i in (24, 27))
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return (width & 0x3FFF, height & 0x3FFF) if kind == b"VP8 " else None


def _gif(data: bytes) -> tuple[int, int]:
    return struct.unpack_from("<HH", data, 6)


def _bmp(data: bytes) -> tuple[int, int]:
    if struct.unpack_from("<I", data, 14)[0] == 12:
        return struct.unpack_from("<HH", data, 18)
    width, height = struct.unpack_from("<ii", data, 18)
    return abs(width), abs(height)


def _pnm(data: bytes) -> tuple[int, int] | None:
    header = _PNM.match(data[:4096])
    return (int(header[1]), int(header[2])) if header else None


def _jp2(data: bytes) -> tuple[int, int]:
    at = data.index(b"\xff\x4f\xff\x51")  # SOC and SIZ begin the codestream
    right, bottom, left, top = struct.unpack_from(">4I", data, at + 8)
    return right - left, bottom - top


def _tiff(data: bytes) -> tuple[int, int] | None:
    fields = dict(next(_tiff_pages(data)))
    width, height = fields.get(_TIFF_WIDTH), fields.get(_TIFF_HEIGHT)
    return (width, height) if width and height else None


def _tiff_pages(data: bytes) -> Iterator[list[tuple[int, int]]]:
    """(tag, value) of the whole-number fields of each page of a TIFF or BigTIFF, in order."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    link, count, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    at, seen = struct.unpack_from(f"{order}{link}", data, 8 if big else 4)[0], set()
    while at and at not in seen:
        seen.add(at)
        number = struct.unpack_from(f"{order}{count}", data, at)[0]
        at += struct.calcsize(count)
        page = []
        for start in range(at, at + min(number, 4096) * entry, entry):
            tag, kind = struct.unpack_from(f"{order}HH", data, start)
            if kind in _TIFF_NUMBER:
                where = start + (12 if big else 8)
                page.append((tag, struct.unpack_from(order + _TIFF_NUMBER[kind], data, where)[0]))
        yield page
        at = struct.unpack_from(f"{order}{link}", data, at + number * entry)[0]


def pages(data: bytes) -> int:
    """How many pictures a file holds one after the other, as far as a TIFF tells; otherwise 1."""
    if data[:4] not in _TIFF:
        return 1
    try:
        return sum(1 for _ in _tiff_pages(data))
    except struct.error:
        return 1


def _heif(data: bytes) -> tuple[int, int] | None:
    """The largest picture in it; `ispe` boxes tell the size of each."""
    sizes = [
        struct.unpack_from(">II", data, found.end() + 4) for found in re.finditer(b"ispe", data)
    ]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_KINDS = (
    (lambda d: d[:8] == b"\x89PNG\r\n\x1a\n", _png),
    (lambda d: d[:2] == b"\xff\xd8", _jpeg),
    (lambda d: d[:4] == b"RIFF" and d[8:12] == b"WEBP", _webp),
    (lambda d: d[:4] in _TIFF, _tiff),
    (lambda d: d[:2] == b"BM", _bmp),
    (lambda d: d[:1] == b"P" and d[1:2] in b"123456", _pnm),
    (lambda d: d[:12] == b"\0\0\0\x0cjP  \r\n\x87\n" or d[:4] == b"\xff\x4f\xff\x51", _jp2),
    (lambda d: d[:4] == b"GIF8", _gif),
    (is_heif, _heif),
)
