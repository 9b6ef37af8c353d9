"""Files that come from elsewhere, read with care: plain files alone, of a size that makes sense,
and JSON whatever is in it.

Who reads a file that a person or another program has made reads it by these, so that a pipe, a
device, a bomb or a damaged byte is one sentence and never a traceback or a wait without end.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import stat
from pathlib import Path

from .errors import ExprGenError, InputError

LARGEST_TEXT = 1 << 26  # bytes
CHECK_PATH = "check the path"


def plain_file(path: str | Path, error: type[ExprGenError] = InputError, fix: str = "") -> int:
    """The size in bytes of a file that is there, is a plain one and may be read.

    Args:
        error, fix: what is raised otherwise, and what it advises.

    Raises:
        ExprGenError: it is missing, a folder, a pipe or a device, or can't be read.
    """
    fix = fix or CHECK_PATH
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
            raise error(f"is {what}, not a file", file=path, fix=fix)
        with open(path, "rb"):
            return found.st_size
    except (OSError, ValueError) as problem:
        raise error(why_unreadable(problem), file=path, fix=fix) from problem


def why_unreadable(problem: OSError | ValueError) -> str:
    """What keeps a file from being opened, in words."""
    if isinstance(problem, (FileNotFoundError, NotADirectoryError)):
        return "does not exist"
    if getattr(problem, "errno", None) == errno.ELOOP:
        return "is a link that leads back to itself"
    return f"can't be read ({getattr(problem, 'strerror', None) or problem})"


def read_bytes(
    path: str | Path, largest: int, error: type[ExprGenError] = InputError, fix: str = ""
) -> bytes:
    """All of a plain file.

    Raises:
        ExprGenError: see `plain_file`; or it is larger than `largest` bytes.
    """
    if plain_file(path, error, fix) > largest:
        raise error(
            f"is larger than {largest >> 20} MiB", file=path, fix=fix or "give another file"
        )
    try:
        with open(path, "rb") as f:
            return f.read(largest)
    except OSError as problem:
        raise error(why_unreadable(problem), file=path, fix=fix or CHECK_PATH) from problem


def read_text(path: str | Path, fix: str = "", encoding: str = "utf-8") -> str:
    """All of a text file.

    Raises:
        InputError: see `read_bytes`; or it is not in this encoding.
    """
    data = read_bytes(path, LARGEST_TEXT)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as problem:
        raise InputError("is not in UTF-8", file=path, fix=fix or "save it as UTF-8") from problem


def read_table(path: str | Path, fix: str = "save it as .csv in UTF-8") -> list[list[str]]:
    """The rows of a .csv file, without empty ones, nor the empty fields at their ends with which a
    spreadsheet fills lines up.

    Raises:
        InputError: see `read_text`; or it is no table.
    """
    text = read_text(path, fix, "utf-8-sig")
    try:
        rows = [_filled(row) for row in csv.reader(io.StringIO(text, newline=""))]
    except csv.Error as problem:
        raise InputError(f"is no table ({one_line(problem)})", file=path, fix=fix) from problem
    return [row for row in rows if row]


def _filled(row: list[str]) -> list[str]:
    """The row up to its last field that holds something."""
    last = max((i for i, field in enumerate(row) if field.strip()), default=-1)
    return row[: last + 1]


def read_json(path: str | Path, fix: str = "") -> object:
    """What a JSON file holds; see `parse_json`.

    Raises:
        InputError: see `read_text`; or it is no JSON.
    """
    text = read_text(path, fix)
    try:
        return parse_json(text)
    except ValueError as problem:
        fix = fix or "restore it or make it again"
        raise InputError(f"is not valid JSON ({problem})", file=path, fix=fix) from problem


def read_object(path: str | Path, fix: str = "") -> dict:
    """The object that a JSON file holds.

    Raises:
        InputError: see `read_json`; or it holds something else.
    """
    data = read_json(path, fix)
    if not isinstance(data, dict):
        raise InputError(
            "holds no JSON object", file=path, fix=fix or "restore it or make it again"
        )
    return data


def parse_json(text: str) -> object:
    """What a text in JSON holds. NaN and Infinity are let through: who wants a number checks it
    (see records.py), and can name the field.

    Raises:
        ValueError: it is none; in one line.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as problem:
        raise ValueError(one_line(problem)) from None


def one_line(error: Exception) -> str:
    """The first line of what an error says."""
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
