"""Which files a track was made from, so that a replaced one of the same name is noticed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from ..files import IMAGE_SUFFIXES

ENDS = 1 << 16  # bytes at a file's beginning and end that are looked at


def stamp(reference: Sequence[str | Path]) -> dict:
    """What tells these files from others that may take their place: "paths": absolute; "bytes": of
    all; "modified": seconds since 1970, of the newest; "digest": of their ends, names and sizes;
    "contents": of their ends and sizes alone, the same under another name. A folder stands for its
    images. Empty where they can't be read.
    """
    files = [file for path in reference for file in _files(Path(path))]
    digest, contents = hashlib.sha256(), hashlib.sha256()
    size, modified = 0, 0.0
    try:
        for file in files:
            found = file.stat()
            size, modified = size + found.st_size, max(modified, found.st_mtime)
            ends = _ends(file, found.st_size)
            digest.update(f"{file.name}:{found.st_size}\n".encode("utf-8", "replace") + ends)
            contents.update(f"{found.st_size}\n".encode() + ends)
    except OSError:
        return {}
    return {
        "paths": [os.path.abspath(path) for path in reference],
        "bytes": size,
        "modified": modified,
        "digest": digest.hexdigest()[:16],
        "contents": contents.hexdigest()[:16],
    }


def contents_of(stamped: object) -> str:
    """What tells the same files under other names; "" where a stamp does not say."""
    said = stamped.get("contents") if isinstance(stamped, dict) else ""
    return said if isinstance(said, str) else ""


def is_replaced(stamped: object, reference: Sequence[str | Path] | None = None) -> bool:
    """The files are others than when this stamp was made: of another size, or written since with
    other content. Files that are gone, or a track without a stamp, tell nothing.

    Args:
        reference: where they lie now; by default where they lay.
    """
    if not isinstance(stamped, dict) or not stamped.get("digest"):
        return False
    paths = reference or stamped.get("paths")
    if not isinstance(paths, list | tuple) or not all(isinstance(p, str | Path) for p in paths):
        return False
    now = stamp(paths) if paths and all(os.path.exists(p) for p in paths) else {}
    if not now or (now["bytes"], now["modified"]) == (
        stamped.get("bytes"),
        stamped.get("modified"),
    ):
        return False
    return now["digest"] != stamped["digest"]


def replaced_note(meta: dict) -> str:
    """What a person is told where a track's files were replaced; "" where they were not."""
    if not is_replaced(meta.get("stamp")):
        return ""
    return f"{meta.get('source') or 'the reference'} was replaced since it was analysed"


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    try:
        return sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    except OSError:
        return [path]


def _ends(file: Path, size: int) -> bytes:
    if not file.is_file():
        return b""
    with open(file, "rb") as f:
        first = f.read(ENDS)
        f.seek(max(len(first), size - ENDS))
        return first + f.read(ENDS)
