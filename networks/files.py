"""Kinds of files by their endings, and writing so that nothing is left half written."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from .errors import OutputError

IMAGE_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jp2", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm",
    ".heic", ".heif", ".avif",
)  # fmt: skip
VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".gif")


def spool_prefix(out: Path) -> str:
    """How the name of an output's spool begins, so that what a killed process left can be told
    from another one's."""
    return f".spool-{hashlib.sha256(out.name.encode()).hexdigest()[:8]}-"


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a .npy file under a temporary name, then rename it.

    Raises:
        OutputError: the place can't be written.
    """
    part = path.with_name(f"new_{path.name}")  # numpy appends .npy to a name without it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(part, array)
        os.replace(part, path)
    except OSError as error:
        raise _unwritable(path, error) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file under a temporary name, then rename it.

    Raises:
        OutputError: the place can't be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"can't be written ({error.strerror})", file=path, fix="choose a writable folder"
    )
