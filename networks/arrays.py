"""Arrays from files (.npz, .npy): the one loader, which takes nothing on trust.

An array's header is matched, never evaluated: plain numbers and texts alone, so no object is ever
made of a file's bytes. The declared shape must be what the file really holds before any memory is
asked for, and what a compressed file unpacks to has a limit.
"""

from __future__ import annotations

import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import InputError
from .reading import one_line, plain_file, why_unreadable

LARGE = 1 << 20
"""Bytes from which an array is stored as it is, and mapped instead of read."""

UNPACKED = 1 << 26
UNPACKED_TIMES = 20
"""Compressed arrays of a file may unpack to so many bytes, and so many times the file's size."""

MOST_ARRAYS = 1000
DAMAGED_FIX = "make it again"

ROWS = -1
"""In the shape of a Column: as many as the table has rows."""
ANY = -2
"""In the shape of a Column: as many as there are."""

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 1 << 14  # bytes
_HEADER = re.compile(
    rb"\{'descr': '([<>|=](?:b1|[iu][1248]|f[248]|U[1-9]\d{0,8}))', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,15}, ?)*\d{0,15})\), ?\}[ \n]*"
)


@dataclass(frozen=True)
class Column:
    """What an array of a table must be: ROWS and ANY in the shape stand for a number; `dtype` may
    be a family (np.floating, np.integer, str); the numbers lie in low..high and are finite, unless
    `gaps` allows NaN."""

    shape: tuple[int, ...]
    dtype: type
    low: float = -1e9
    high: float = 1e9
    gaps: bool = False


def read_archive(
    path: str | Path, fix: str = DAMAGED_FIX, only: Container[str] | None = None
) -> dict[str, np.ndarray]:
    """The arrays of an .npz by their names. Large ones that are stored as they are stay in the file
    (read-only maps), but not on Windows, where a mapped file could not be replaced by a newer one.

    Args:
        only: names of the arrays that are read; None for all.

    Raises:
        InputError: it can't be read, is no .npz, or holds anything but plain arrays.
    """
    size = plain_file(path)
    try:
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            members = check_members(archive, size)
            named = {n.removesuffix(".npy"): m for n, m in members.items()}
            wanted = {n: m for n, m in named.items() if only is None or n in only}
            return {n: _member(path, archive, m) for n, m in wanted.items()}
    except OSError as error:
        raise InputError(why_unreadable(error), file=path, fix=fix) from error
    except (ValueError, EOFError, struct.error, *ZIP_ERRORS) as error:
        raise InputError(
            f"is no whole .npz file ({one_line(error)})", file=path, fix=fix
        ) from error


def read_array(path: str | Path, mode: str = "r", fix: str = DAMAGED_FIX) -> np.ndarray:
    """The array of an .npy file, mapped.

    Args:
        mode: "r", or "r+" to write into it.

    Raises:
        InputError: it can't be read, or is no plain array.
    """
    size = plain_file(path)
    try:
        with open(path, "rb") as file:
            dtype, shape, order, offset = _header(file.read(_LONGEST_HEADER), size)
        if not math.prod(shape):
            return np.zeros(shape, dtype)
        return np.memmap(path, dtype, mode, offset, shape, order)
    except OSError as error:
        raise InputError(why_unreadable(error), file=path, fix=fix) from error
    except (ValueError, EOFError) as error:
        raise InputError(
            f"is no whole .npy file ({one_line(error)})", file=path, fix=fix
        ) from error


def check_columns(
    path: str | Path,
    arrays: dict[str, np.ndarray],
    columns: dict[str, Column],
    fix: str = DAMAGED_FIX,
    rows: int | None = None,
) -> None:
    """Whether a table's arrays are what they should be; `arrays` may hold others as well.

    Args:
        rows: how many it has; by default as the first column.

    Raises:
        InputError: the first field that is missing, of another shape or type, or out of its range.
    """

    def fail(what: str) -> None:
        raise InputError(what, file=path, fix=fix)

    for name, column in columns.items():
        if name not in arrays:
            fail(f"lacks field {name!r}")
        array = arrays[name]
        if rows is None:
            rows = len(array) if array.ndim else 0
        want = tuple(rows if s == ROWS else s for s in column.shape)
        same = len(want) == array.ndim and all(
            w in (ANY, s) for w, s in zip(want, array.shape, strict=True)
        )
        if not same or not _is_of(array.dtype, column.dtype):
            shown = ", ".join("any" if w == ANY else str(w) for w in want)
            kind = column.dtype.__name__
            fail(f"field {name!r} is {array.dtype} {array.shape}, not {kind} ({shown})")
        if problem := out_of_range(array, column):
            fail(f"field {name!r} {problem}")


def _is_of(found: np.dtype, want: type) -> bool:
    return found.kind == "U" if want is str else np.issubdtype(found, want)


def out_of_range(array: np.ndarray, column: Column) -> str:
    """What is wrong with the numbers of an array, or ""."""
    if array.dtype.kind not in "iuf" or not array.size:
        return ""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        if not column.gaps or np.isinf(array).any():
            return "is not finite"
        array = array[np.isfinite(array)]
        if not array.size:
            return ""
    low, high = float(array.min()), float(array.max())  # a limit may be none of the array's kind
    if low < column.low or high > column.high:
        return f"holds {low if low < column.low else high:g}"
    return ""


# --- archives ------------------------------------------------------------------------------------

ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, OverflowError)
"""What reading a damaged zip may raise, beside OSError, ValueError and EOFError."""


def check_members(
    archive: zipfile.ZipFile, size: int, most: int = MOST_ARRAYS
) -> dict[str, zipfile.ZipInfo]:
    """The members of an archive by name, if reading them all is safe.

    Args:
        size: of the archive in bytes. most: members.

    Raises:
        ValueError: too many, two of one name, strangely packed, or too large once unpacked.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    unpacked = 0
    for info in archive.infolist():
        if info.filename in members or len(members) == most:
            raise ValueError("it holds too many members, or two of one name")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("it is packed in a way that is not used here")
        if info.flag_bits & 1:
            raise ValueError("it is encrypted")
        if info.compress_type == zipfile.ZIP_STORED:
            if info.file_size != info.compress_size or info.file_size > size:
                raise ValueError("a member's length is not what it says")
        else:
            unpacked += info.file_size
        members[info.filename] = info
    if unpacked > UNPACKED + UNPACKED_TIMES * size:
        raise ValueError(f"it would unpack to {unpacked >> 20} MiB")
    return members


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytearray:
    """The bytes of a member, as many as it says.

    Raises:
        ValueError: they are more or fewer. What `ZIP_ERRORS` name: it is damaged.
    """
    with archive.open(info) as f:
        data = bytearray(f.read(info.file_size))
        if len(data) != info.file_size or f.read(1):
            raise ValueError("a member's length is not what it says")
    return data


def _member(path: str | Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """One array of an .npz; a large one that was stored uncompressed is mapped, not read."""
    if not info.filename.endswith(".npy"):
        raise ValueError(f"{info.filename[:60]!r} is no array")
    stored = info.compress_type == zipfile.ZIP_STORED
    if stored and info.file_size > LARGE and os.name != "nt":
        with archive.open(info) as f:
            dtype, shape, order, offset = _header(f.read(_LONGEST_HEADER), info.file_size)
        offset += _data_start(path, info)
        return np.memmap(path, dtype, "r", offset, shape, order)
    data = read_member(archive, info)
    dtype, shape, order, offset = _header(bytes(data[:_LONGEST_HEADER]), len(data))
    return np.ndarray(shape, dtype, data, offset, order=order)


def _data_start(path: str | Path, info: zipfile.ZipInfo) -> int:
    """Where a stored member's bytes begin in the file."""
    with open(path, "rb") as f:
        f.seek(info.header_offset + 26)
        name_length, extra_length = struct.unpack("<HH", f.read(4))
        start = f.tell() + name_length + extra_length
        if start + info.file_size > f.seek(0, os.SEEK_END):
            raise ValueError("a member's length is not what it says")
    return start


# --- one array -----------------------------------------------------------------------------------


def _header(start: bytes, size: int) -> tuple[np.dtype, tuple[int, ...], str, int]:
    """(type, shape, order "C" or "F", where the numbers begin) of an array of `size` bytes.

    Args:
        start: its first bytes, _LONGEST_HEADER of them where there are so many.

    Raises:
        ValueError: it is no plain array, or its length is not what it says.
    """
    if start[:6] != _MAGIC or start[6:7] not in (b"\1", b"\2", b"\3"):
        raise ValueError("an array without a header")
    wide = start[6] > 1  # the length of the header takes four bytes instead of two
    begin = 12 if wide else 10
    end = begin + int.from_bytes(start[8:begin], "little")
    found = _HEADER.fullmatch(start[begin:end])
    if end > len(start) or found is None:
        raise ValueError("an array of objects, or one whose header can't be read")
    dtype = np.dtype(found[1].decode())
    if not dtype.isnative:
        raise ValueError("an array in another machine's order of bytes")
    shape = tuple(int(n) for n in found[3].split(b",") if n.strip())
    if end + math.prod(shape) * dtype.itemsize != size:
        raise ValueError("an array's length is not what it says")
    return dtype, shape, "F" if found[2] == b"True" else "C", end
