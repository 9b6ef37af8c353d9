"""The door to footage: a path, or several -> the reader of its frames; and reading ahead.

Nothing is kept: a reader's memory does not grow with the clip's length.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from ..errors import InputError, UsageError
from ..files import VIDEO_SUFFIXES, is_track
from ..reading import plain_file
from ..settings import range_of_pictures
from .animations import WebpReader, is_animated, is_animated_webp
from .frames import Reader
from .pictures import GIVE_FOOTAGE, check_file, is_picture
from .stills import StillReader
from .video import VideoReader

T = TypeVar("T")


def open_reference(
    reference: str | Path | Sequence[str | Path],
    *,
    start: float | None = None,
    end: float | None = None,
) -> Reader:
    """Open an image, several images, a folder of images, or a video. An animated image by itself
    is a video.

    Args:
        reference: one path, or several paths of images.
        start, end: seconds; only frames with start <= time < end are read. Of videos alone.

    Raises:
        InputError: missing, empty, damaged, too large, not a picture or video, a track, or a folder
        without images.
        UsageError: an empty range, one of images, or several references that are not all images.
    """
    if start is not None and end is not None and end <= start:
        raise UsageError(f"the range {start:g}-{end:g} s is empty.", fix="end must be after start")
    reader = _reader(reference, start, end)
    if reader.stills and (start, end) != (None, None):
        reader.close()
        raise range_of_pictures(reader.given)
    return reader


def _reader(
    reference: str | Path | Sequence[str | Path], start: float | None, end: float | None
) -> Reader:
    """See `open_reference`."""
    if not isinstance(reference, str | Path):
        paths = [Path(p) for p in reference]
        if len(paths) != 1:
            return _several(paths)
        reference = paths[0]
    path = Path(reference)
    if path.is_dir():
        return _folder(path)
    check_file(path)
    if is_track(path):
        raise InputError(
            "is a track, no footage.",
            file=path,
            fix="give the footage that it was made from, or the track to `exprgen apply`",
        )
    if is_animated_webp(path):
        return WebpReader(path, start=start, end=end)
    if not is_clip(path):
        return StillReader([path], source=path.name, given=path)
    return VideoReader(path, start=start, end=end)


def is_clip(path: Path) -> bool:
    """Whether `open_reference` takes a path for a clip: a file that is no picture by its ending, or
    an animated one.

    Raises:
        InputError: a picture that can't be read, or is empty.
    """
    return not path.is_dir() and (not is_picture(path) or is_animated(path))


def _several(paths: list[Path]) -> Reader:
    if not paths:
        raise UsageError("no reference was given.", fix="give a video, an image or a folder")
    for path in paths:
        plain_file(path, fix=GIVE_FOOTAGE)  # an empty one is skipped as a damaged one is
        if not is_picture(path):
            raise UsageError(
                "is not an image; only images can be given together.",
                file=path,
                fix="give one video, one folder, or several images",
            )
    return StillReader(paths, source=f"{len(paths)} images")


def _folder(path: Path) -> Reader:
    images, others = pictures_in(path)
    reader = StillReader(images, source=path.name, given=path)
    reader.notes += [f"{p}: skipped, not an image" for p in others]
    return reader


def pictures_in(path: Path) -> tuple[list[Path], list[Path]]:
    """The pictures of a folder by their names, img2 before img10, and what else is in it; hidden
    files are neither.

    Raises:
        InputError: it can't be read, or holds none.
    """
    try:
        files = sorted((p for p in path.iterdir() if not p.name.startswith(".")), key=_natural)
    except OSError as error:
        raise InputError(f"can't be read ({error.strerror}).", file=path) from error
    images = [p for p in files if p.is_file() and is_picture(p)]
    if not images:
        videos = [p.name for p in files if p.suffix.lower() in VIDEO_SUFFIXES]
        fix = f"give the video itself: {path / videos[0]}" if videos else "give one with .png, .jpg"
        raise InputError("the folder holds no images.", file=path, fix=fix)
    return images, [p for p in files if p not in set(images)]


def _natural(path: Path) -> list:
    """Sorts img2 before img10."""
    return [(0, int(x), "") if x.isdecimal() else (1, 0, x) for x in re.split(r"(\d+)", path.name)]


def prefetch(items: Iterable[T], depth: int = 4) -> Iterator[T]:
    """The same items, made in a thread of their own, at most `depth` ahead.

    Decoding then goes on while the caller works. Errors are raised where the items are taken.
    """
    ready: queue.Queue = queue.Queue(depth)
    stop = threading.Event()
    end = object()

    def put(item) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((end, None))
        except BaseException as error:  # handed over to the caller's thread
            put((end, error))

    thread = threading.Thread(target=produce, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        stop.set()
        thread.join()
