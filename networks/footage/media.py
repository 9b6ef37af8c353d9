"""Images, folders of images and videos -> timed, upright RGB frames, one at a time.

Nothing is kept: a reader's memory does not grow with the clip's length.
"""

from __future__ import annotations

import math
import queue
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
import cv2
import numpy as np

from ..errors import InputError, UsageError
from ..files import IMAGE_SUFFIXES, VIDEO_SUFFIXES

STILL_SECONDS = 1.0  # between two pictures that are no clip
MAX_VIDEO_SIDE = 1920  # pixels; larger clips are reduced as they are decoded
ALPHA_GREY = 127  # what stands behind transparent pixels
MISSING_END = 0.25  # seconds that may lack at a clip's end before it is called partial

T = TypeVar("T")


@dataclass(frozen=True)
class Frame:
    """One upright picture.

    index: number in its reference, from 0; time: its timestamp in seconds, 0 at the first frame;
    rgb: (h, w, 3) uint8, perhaps reduced; size: (width, height) in pixels of the full upright
    picture, which coordinates are given in; name: the file's stem, for pictures.
    """

    index: int
    time: float
    rgb: np.ndarray
    size: tuple[int, int]
    name: str = ""

    @property
    def scale(self) -> np.ndarray:
        """(2,) full pixels per pixel of `rgb`, x and y."""
        return np.array(self.size) / self.rgb.shape[1::-1]


class Reader:
    """A reference being read; iterate over it for its `Frame`s. A context manager.

    source: what was given, as text; stills: separate pictures, not a clip; fps: mean rate (0 for
    pictures); size: (width, height) of the upright frames, of the first picture for pictures;
    count: how many frames to expect (0 unknown); notes: what was skipped and why, one line each;
    partial: some of what the reference promises could not be read. `notes` and `partial` are
    complete when the iteration has ended.
    """

    stills = False

    def __init__(self, source: str):
        self.source = source
        self.fps = 0.0
        self.size = (0, 0)
        self.count = 0
        self.notes: list[str] = []
        self.partial = False

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""

    def __iter__(self) -> Iterator[Frame]:
        raise NotImplementedError


def open_reference(
    reference: str | Path | Sequence[str | Path],
    *,
    start: float | None = None,
    end: float | None = None,
) -> Reader:
    """Open an image, several images, a folder of images, or a video.

    Args:
        reference: one path, or several paths of images.
        start, end: seconds; only frames with start <= time < end are read (videos only).

    Raises:
        InputError: missing, empty, damaged, not a picture or video, or a folder without images.
        UsageError: an empty range, or several references that are not all images.
    """
    if start is not None and end is not None and end <= start:
        raise UsageError(f"the range {start:g}-{end:g} s is empty.", fix="end must be after start")
    if not isinstance(reference, str | Path):
        paths = [Path(p) for p in reference]
        if len(paths) != 1:
            return _several(paths)
        reference = paths[0]
    path = Path(reference)
    if path.is_dir():
        return _folder(path)
    _check_file(path)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return StillReader([path], source=path.name)
    return VideoReader(path, start=start, end=end)


def _several(paths: list[Path]) -> Reader:
    if not paths:
        raise UsageError("no reference was given.", fix="give a video, an image or a folder")
    for path in paths:
        _check_file(path)
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise UsageError(
                f"{path.name} is not an image; only images can be given together.",
                fix="give one video, one folder, or several images",
            )
    return StillReader(paths, source=f"{len(paths)} images")


def _folder(path: Path) -> Reader:
    files = sorted((p for p in path.iterdir() if not p.name.startswith(".")), key=_natural)
    images = [p for p in files if p.is_file() and p.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        videos = [p.name for p in files if p.suffix.lower() in VIDEO_SUFFIXES]
        fix = f"give the video itself: {path / videos[0]}" if videos else "give one with .png, .jpg"
        raise InputError("the folder holds no images.", file=path, fix=fix)
    reader = StillReader(images, source=path.name)
    reader.notes += [f"{p.name}: skipped, not an image" for p in files if p not in images]
    return reader


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError("does not exist.", file=path, fix="check the path") from error
    if not path.is_file():
        raise InputError("is not a file.", file=path, fix="give a video, an image or a folder")
    if size == 0:
        raise InputError("is empty.", file=path, fix="copy or export it again")


def _natural(path: Path) -> list:
    """Sorts img2 before img10."""
    return [(0, int(x), "") if x.isdigit() else (1, 0, x) for x in re.split(r"(\d+)", path.name)]


class StillReader(Reader):
    """Separate pictures, STILL_SECONDS apart. A damaged one of several is skipped with a note."""

    stills = True

    def __init__(self, paths: list[Path], *, source: str):
        super().__init__(source)
        self._paths = paths
        self._names = _unique_stems(paths)
        self.count = len(paths)

    def __iter__(self) -> Iterator[Frame]:
        index, failure = 0, None
        for path, name in zip(self._paths, self._names, strict=True):
            try:
                rgb = read_image(path)
            except InputError as error:
                failure = error
                self.partial = True
                self.notes.append(f"{path.name}: skipped, {error.problem}")
                continue
            size = (rgb.shape[1], rgb.shape[0])
            if index == 0:
                self.size = size
            yield Frame(index, index * STILL_SECONDS, rgb, size, name)
            index += 1
        if index == 0 and failure is not None:
            raise failure


def _unique_stems(paths: list[Path]) -> list[str]:
    """File stems; where two files share one, the suffix is added, then a number."""
    stems = [p.stem for p in paths]
    names: list[str] = []
    for path in paths:
        name = path.stem
        if stems.count(name) > 1:
            name = f"{name}_{path.suffix.lstrip('.').lower()}"
        unique, number = name, 2
        while unique in names:
            unique, number = f"{name}_{number}", number + 1
        names.append(unique)
    return names


def read_image(path: str | Path) -> np.ndarray:
    """A picture as (H, W, 3) RGB uint8: EXIF orientation applied, 16 bits reduced to 8, grey spread
    to three channels, transparent pixels over mid grey (the border that the face detector expects).

    Raises:
        InputError: missing, empty or no picture that can be read.
    """
    path = Path(path)
    _check_file(path)
    data = np.fromfile(path, np.uint8)  # not imread: it can't read every file name on Windows
    try:
        raw = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        if raw is not None and raw.ndim == 3 and raw.shape[2] == 4:
            return _over_grey(raw)
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise InputError(
            f"can't be read as an image ({error.err}).", file=path, fix="export it again"
        ) from error
    if bgr is None:
        raise InputError(
            "is not an image that can be read.", file=path, fix="export it as .png or .jpg"
        )
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _over_grey(bgra: np.ndarray) -> np.ndarray:
    """(H, W, 4) BGRA of any depth -> (H, W, 3) RGB uint8 over mid grey."""
    full = np.iinfo(bgra.dtype).max if np.issubdtype(bgra.dtype, np.integer) else 1.0
    colour = bgra.astype(np.float32) * (255.0 / full)
    alpha = colour[..., 3:] / 255.0
    mixed = colour[..., 2::-1] * alpha + ALPHA_GREY * (1.0 - alpha)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


class VideoReader(Reader):
    """A video's frames by their own timestamps, upright, with square pixels.

    Times are counted from the clip's first frame. Frames without a timestamp follow at the mean
    rate. A clip that breaks off is read as far as it goes; `partial` then says so.
    """

    def __init__(self, path: Path, *, start: float | None = None, end: float | None = None):
        super().__init__(path.name)
        self.path, self._start, self._end = path, start, end
        try:
            self._container = av.open(str(path))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise InputError(
                f"is not a video that can be read ({_reason(error)}).",
                file=path,
                fix="check that it plays, or export it again as .mp4 (H.264)",
            ) from error
        try:
            self._stream = self._choose_stream()
            self._read_header()
        except BaseException:
            self._container.close()
            raise

    def close(self) -> None:
        self._container.close()

    def _choose_stream(self) -> av.VideoStream:
        streams = [s for s in self._container.streams.video if not _is_cover(s)]
        if not streams:
            raise InputError(
                "holds no video stream.", file=self.path, fix="give a file with a picture"
            )
        stream = streams[0]
        if stream.codec_context is None:
            raise InputError(
                "its video codec is unknown.", file=self.path, fix="export it as .mp4 (H.264)"
            )
        stream.thread_type = "AUTO"
        return stream

    def _read_header(self) -> None:
        stream = self._stream
        self.fps = float(stream.average_rate or stream.guessed_rate or 0) or 25.0
        self._aspect = stream.sample_aspect_ratio or Fraction(1)  # of a pixel
        self._duration = _declared_seconds(self._container, stream)
        last = round(self._duration * self.fps)
        if self._end is not None:
            last = min(last, self._frames_before(self._end))
        self.count = max(0, last - self._frames_before(_or(self._start, 0.0)))
        if not self.count and self._start is None and self._end is None:
            self.count = stream.frames

    def _frames_before(self, seconds: float) -> int:
        """Frames that begin before a time, as far as the rate tells; a hair's breadth is none."""
        return max(0, math.ceil(seconds * self.fps - 0.02))

    def __iter__(self) -> Iterator[Frame]:
        origin = self._origin()
        if self._start:
            self._seek(origin + self._start)
        index, last = 0, -1.0
        for picture in self._decoded():
            seconds = picture.time - origin if picture.time is not None else last + 1 / self.fps
            if seconds <= last:  # a broken clock; the frame is kept, time goes on
                seconds = last + min(1e-3, 0.5 / self.fps)
            last = seconds
            if self._start is not None and seconds < self._start - 1e-6:
                continue
            if self._end is not None and seconds >= self._end - 1e-6:
                return
            rgb, size = _upright(picture, self._aspect)
            self.size = size
            yield Frame(index, seconds, rgb, size)
            index += 1
        self._check_end(index, last)

    def _origin(self) -> float:
        """The first frame's timestamp in seconds; the clip is left at its beginning."""
        start = self._stream.start_time
        return float(start * self._stream.time_base) if start is not None else 0.0

    def _seek(self, seconds: float) -> None:
        base = self._stream.time_base
        try:
            self._container.seek(int(seconds / base), stream=self._stream, backward=True)
        except av.FFmpegError:  # not seekable: decode up to there
            self.notes.append("this file can't be searched; it was read from its beginning")

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Frames as far as they can be decoded; a damaged packet costs its frame, not the rest."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.FFmpegError, OSError) as error:
                self._break_off(f"breaks off ({_reason(error)})")
                return
            try:
                yield from packet.decode()
            except av.FFmpegError as error:
                if not self.partial:
                    self._break_off(f"has damaged frames ({_reason(error)})")

    def _break_off(self, what: str) -> None:
        self.partial = True
        self.notes.append(f"{self.source}: {what}")

    def _check_end(self, count: int, last: float) -> None:
        end = min(_or(self._end, np.inf), self._duration)
        if count == 0:
            self._raise_nothing()
        if self._duration and end - (last + 1 / self.fps) > max(MISSING_END, 2 / self.fps):
            self._break_off(f"ends at {last:.2f} s, its header promises {self._duration:.2f} s")

    def _raise_nothing(self) -> None:
        if self._start is None and self._end is None:
            raise InputError(
                "no frame of it can be decoded.", file=self.path, fix="export it again"
            )
        span = f"{_or(self._start, 0.0):g}-{_or(self._end, self._duration):g}"
        raise InputError(
            f"has no frame in the range {span} s (it lasts {self._duration:.2f} s).",
            file=self.path,
            fix="choose a range inside the clip",
        )


def _upright(picture: av.VideoFrame, aspect: Fraction) -> tuple[np.ndarray, tuple[int, int]]:
    """A frame as ((h, w, 3) RGB uint8, upright and reduced, (width, height) upright and full)."""
    width, height = round(picture.width * aspect), picture.height
    scale = min(1.0, MAX_VIDEO_SIDE / max(width, height))
    rgb = picture.to_ndarray(
        format="rgb24", width=max(2, round(width * scale)), height=max(2, round(height * scale))
    )
    turns = round(picture.rotation / 90) % 4  # degrees counterclockwise
    if turns:
        rgb = np.ascontiguousarray(np.rot90(rgb, turns))
    return rgb, (height, width) if turns % 2 else (width, height)


def _declared_seconds(container: av.InputContainer, stream: av.VideoStream) -> float:
    """How long the header says that the video is; 0 where it does not say so of the picture."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    tag = re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", ""))
    if tag:
        hours, minutes, seconds = tag.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if container.duration and not container.streams.audio:  # sound often lasts longer
        return container.duration / 1e6
    return 0.0


def _is_cover(stream: av.VideoStream) -> bool:
    """A still picture attached to a sound file is no video."""
    return "attached_pic" in str(getattr(stream, "disposition", "")).lower()


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


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
