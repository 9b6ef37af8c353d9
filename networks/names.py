"""Names: the one rule for those that become names of files (of shots, characters, pictures), and
many of them in a line.

A name from a file must never be a path: it is checked where the file is read, so that nobody who
uses it later has to think of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

NAME_FIX = "use letters, digits, and . _ - within"
LONGEST_NAME = 200
"""Bytes in UTF-8; file systems take 255, and endings and temporary names are added."""

# What some system does not take in a name, or takes for more than a name.
_FORBIDDEN = re.compile(r'[/\\:*?"<>|]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # of Windows


def is_name(text: object) -> bool:
    """It can name a file on every system, and nothing but a file: letters and digits of any script,
    signs and spaces within; no separators, no `.` or `-` in front, no Windows device."""
    return (
        isinstance(text, str)
        and bool(text)
        and text[0] not in ".- "
        and text[-1] not in ". "
        and not _FORBIDDEN.search(text)
        and not _DEVICES.fullmatch(text)
        and all(unicodedata.category(c)[0] != "C" for c in text)  # control, surrogate, unassigned
        and len(text.encode()) <= LONGEST_NAME
    )


def as_name(text: str) -> str:
    """The nearest name to a text, itself where it is one."""
    if is_name(text):
        return text
    plain = "".join("_" if unicodedata.category(c)[0] == "C" else c for c in text)
    plain = _FORBIDDEN.sub("_", plain).strip(" ").rstrip(". ")
    plain = plain.encode()[: LONGEST_NAME - 1].decode(errors="ignore").rstrip(". ")
    return plain if is_name(plain) else f"_{plain}"


def shortened(names: Iterable[str], most: int = 6) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
