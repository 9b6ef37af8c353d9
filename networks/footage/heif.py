"""What the boxes of a HEIC or AVIF picture say of its parts (ISO/IEC 23008-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def is_tiled(data: bytes) -> bool:
    """The picture that is to be shown is put together from others: a grid, as phones write."""
    for kind, meta in _boxes(data):
        if kind == b"meta":
            inside = dict(_boxes(meta[4:]))
            try:
                return _item_kinds(inside[b"iinf"]).get(_primary(inside[b"pitm"])) == b"grid"
            except (KeyError, struct.error, IndexError):
                return False
    return False


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, content) of the boxes that follow each other, as far as they are whole."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= len(data):
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        size = size or len(data) - at
        if size < head:
            return
        yield kind, data[at + head : at + size]
        at += size


def _primary(pitm: bytes) -> int:
    return struct.unpack_from(">H" if pitm[0] == 0 else ">I", pitm, 4)[0]


def _item_kinds(iinf: bytes) -> dict[int, bytes]:
    """Item number -> what it is, such as hvc1, av01, grid."""
    kinds = {}
    for kind, entry in _boxes(iinf[6 if iinf[0] == 0 else 8 :]):
        if kind == b"infe" and entry[0] >= 2:
            number = struct.unpack_from(">H" if entry[0] == 2 else ">I", entry, 4)[0]
            at = 8 if entry[0] == 2 else 10  # after version, flags, number and protection
            kinds[number] = entry[at : at + 4]
    return kinds
