"""A .blend packed better than Blender packs it, as Blender reads it all the same.

Blender writes frames of a megabyte, quickly packed. Larger frames, packed slowly, take a third less
room, and files that ship are packed once and read often. A table of the frames at the end lets a
reader go to any of them (the seekable format of Zstandard, which Blender's own files have too).
"""

from __future__ import annotations

import struct
from pathlib import Path

import zstandard

from ...networks.files import write_bytes, written_whole

FRAME = 4 << 20
"""Bytes of a frame before it is packed: whoever wants one of them unpacks it all."""
LEVEL = 19
"""Of packing, the slowest that needs no more memory to read."""
_TABLE, _END = 0x184D2A5E, 0x8F92EAB1
"""Marks of the table of frames: at its beginning and at its end."""


def save_open(path: Path) -> None:
    """Save the file that is open, which lies at `path`, packed, without a copy of the one before.
    One that is killed leaves the file of before.

    Raises:
        OutputError: the place can't be written.
    """
    import bpy

    bpy.context.preferences.filepaths.save_version = 0
    with written_whole(path) as part:
        bpy.ops.wm.save_as_mainfile(
            filepath=str(part), compress=True, relative_remap=False, copy=True
        )
        repack(part)


def repack(path: Path) -> int:
    """Pack a compressed .blend anew; returns its bytes.

    Raises:
        OutputError: the place can't be written.
    """
    data = packed(unpacked(path))
    write_bytes(path, data)
    return len(data)


def unpacked(path: Path) -> bytes:
    """What a compressed .blend holds."""
    with open(path, "rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        return reader.read()


def packed(data: bytes) -> bytes:
    """Frames of FRAME bytes each, and their table."""
    parts = [data[i : i + FRAME] for i in range(0, len(data), FRAME)]
    frames = [zstandard.ZstdCompressor(level=LEVEL).compress(part) for part in parts]
    rows = zip(frames, parts, strict=True)
    table = b"".join(struct.pack("<II", len(frame), len(part)) for frame, part in rows)
    table += struct.pack("<IBI", len(frames), 0, _END)
    return b"".join(frames) + struct.pack("<II", _TABLE, len(table)) + table
