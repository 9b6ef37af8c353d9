"""A video -> upright frames by its own timestamps, as far as it can be read."""

from __future__ import annotations

import math
import re
from collections import Counter, deque
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import chain, islice
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from ..errors import InputError, UsageError
from .clock import LONGEST_GAP, Clock
from .frames import Frame, Reader
from .orientation import Orientation, from_display_matrix
from .picture_size import MAX_PIXELS
from .pictures import check_pixels, over_grey

MAX_VIDEO_SIDE = 1920  # pixels; larger clips are reduced as they are decoded
MISSING_END = 0.25  # seconds that may lack at a clip's end before it is called partial
SEEK_BACK = (0.0, 1.0, 4.0, 15.0, 60.0)
"""Seconds before the wanted time at which a seek is tried. An index by decoding time, or none at
all, or a group of pictures that leans on the one before lands it too late by up to a group."""
LONGEST_GROUP = 2000  # packets; what leans on pictures farther back is read from the beginning
PROBED = 600  # packets by which a thumbnail is told from a film


class VideoReader(Reader):
    """A video's frames by their own timestamps, upright, with square pixels.

    Times are counted from the clip's first frame and only grow (see `Clock`); where the clip's own
    clock starts again, `notes` says so. A clip that breaks off is read as far as it goes; `partial`
    then says so.
    """

    def __init__(self, path: Path, *, start: float | None = None, end: float | None = None):
        super().__init__(path.name, path)
        self.path, self._start, self._end = path, start, end
        self._upright = _Upright()
        self._container = self._opened()
        try:
            self._number = self._choose_stream()
            self._prepare()
            self._read_header()
        except BaseException:
            self._container.close()
            raise

    def close(self) -> None:
        self._container.close()

    def _opened(self) -> av.InputContainer:
        try:
            return av.open(str(self.path))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise InputError(
                f"is not a video that can be read ({_reason(error)}).",
                file=self.path,
                fix="check that it plays, or export it again as .mp4 (H.264)",
            ) from error

    def _choose_stream(self) -> int:
        """The number of the stream that is the film: neither a cover nor a track of thumbnails."""
        streams = [s for s in self._container.streams.video if not is_cover(s)]
        if not streams:
            raise InputError(
                "holds no video stream.", file=self.path, fix="give a file with a picture"
            )
        known = [s for s in streams if s.codec_context is not None]
        if not known:
            raise InputError(
                "its video codec is unknown.", file=self.path, fix="export it as .mp4 (H.264)"
            )
        for stream in known:
            check_pixels(stream.codec_context.width, stream.codec_context.height, self.path)
        return known[0].index if len(known) == 1 else self._fullest(known)

    def _fullest(self, streams: list[av.VideoStream]) -> int:
        """Of several streams one with many pictures, then the marked one, then the first."""
        counts = Counter(dict.fromkeys((stream.index for stream in streams), 0))
        marked = {s.index for s in streams if s.disposition & av.stream.Disposition.default}
        try:
            packets = self._container.demux(streams)
            counts.update(packet.stream.index for packet in islice(packets, PROBED))
        except (av.FFmpegError, OSError):
            pass  # damaged behind here: what was seen has to do
        self._container.close()
        self._container = self._opened()  # from its beginning
        usual = max(counts.values())
        return max(counts, key=lambda n: (2 * counts[n] >= usual, n in marked, -n))

    def _rewind(self) -> None:
        """To the clip's beginning, for certain: not every file can be searched."""
        self._container.close()
        self._container = self._opened()
        self._prepare()

    def _prepare(self) -> None:
        self._stream = self._container.streams[self._number]
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}

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
        pictures, origin = self._pictures()
        clock = self._clock(origin)
        index, last, ended = 0, -1.0, False
        for seconds, picture in clock.place((p.time, p) for p in pictures):
            last = seconds
            if self._start is not None and seconds < self._start - 1e-6:
                continue
            if self._end is not None and seconds >= self._end - 1e-6:
                ended = True
                break
            yield self._frame(index, seconds, picture)
            index += 1
        self._note_jumps(clock.jumps)
        if index == 0:
            self._raise_nothing(last)
        if not ended and not clock.jumps:
            self._check_end(last)

    def _frame(self, index: int, seconds: float, picture: av.VideoFrame) -> Frame:
        orientation = self._upright.orientation(picture)
        rgb, self.size = self._upright(picture, self._aspect, MAX_VIDEO_SIDE)
        reduced = max(self.size) > MAX_VIDEO_SIDE
        full = (lambda: _Upright(orientation)(picture, self._aspect)[0]) if reduced else None
        return Frame(index, seconds, rgb, self.size, full=full)

    def _clock(self, origin: float | None = None) -> Clock:
        return Clock(1 / self.fps, joined=self._may_be_joined(), origin=origin)

    def _may_be_joined(self) -> bool:
        """A stream made to be cut and joined anywhere, such as MPEG-TS: so may be its clock."""
        return bool(self._container.format.flags & av.format.Flags.ts_discont.value)

    def _pictures(self) -> tuple[Iterator[av.VideoFrame], float | None]:
        """(decoded frames from the range's first or from before it, the clip's first timestamp);
        the latter is None where they begin at the clip's beginning."""
        if not self._start:
            return self._decoded(), None
        first = next(self._decoded(), None)
        if first is not None and first.time is not None:
            way = self._walked if self._may_be_joined() else self._sought
            pictures = way(first.time + self._start)
            if pictures is not None:
                return pictures, first.time
        self._rewind()
        return self._decoded(), None

    def _sought(self, wanted: float) -> Iterator[av.VideoFrame] | None:
        """Frames from a timestamp or before it, by the file's index; None where that fails."""
        for back in SEEK_BACK:
            if self._start <= back or not self._seek(wanted - back):
                return None
            pictures = self._from(wanted)
            if pictures is not None:
                return pictures
        return None

    def _walked(self, wanted: float) -> Iterator[av.VideoFrame] | None:
        """The same where no index is and the clock may start again, so that a time is no place: the
        file is walked through from its beginning, undecoded. None where the clock jumps on the way.

        From the last group of pictures but one: frames may lean on the group before theirs.
        """
        self._rewind()
        base, last = self._stream.time_base, None
        packets = self._packets()
        groups: deque[list[av.Packet]] = deque(maxlen=2)
        for packet in packets:
            if packet.is_keyframe:
                groups.append([])
            if packet.dts is None or not groups or len(groups[-1]) > LONGEST_GROUP:
                return None
            seconds = float(packet.dts * base)
            if last is not None and not 0 <= seconds - last <= LONGEST_GAP:
                return None
            groups[-1].append(packet)
            last = seconds
            if seconds > wanted:
                break
        return self._from(wanted, chain(*groups, packets))

    def _from(
        self, wanted: float, packets: Iterator[av.Packet] | None = None
    ) -> Iterator[av.VideoFrame] | None:
        """Frames from where a seek has led, or None if that is behind a timestamp, or amid a group
        of pictures."""
        notes, partial = list(self.notes), self.partial
        pictures = self._decoded(packets)
        head = next(pictures, None)
        self.notes, self.partial = notes, partial  # what a cut into a group costs is no damage
        if head is None or head.time is None or not head.key_frame or head.time > wanted + 1e-6:
            return None
        return chain([head], pictures)

    def _seek(self, seconds: float) -> bool:
        base = self._stream.time_base
        try:
            self._container.seek(int(seconds / base), stream=self._stream, backward=True)
        except av.FFmpegError:  # not seekable: decode up to there
            self.notes.append("this file can't be searched; it was read from its beginning")
            return False
        return True

    def _decoded(self, packets: Iterator[av.Packet] | None = None) -> Iterator[av.VideoFrame]:
        """Frames as far as they can be decoded; a damaged packet costs its frame, not the rest."""
        for packet in self._packets() if packets is None else packets:
            try:
                yield from packet.decode()
            except av.FFmpegError as error:
                if not self.partial:
                    self._break_off(f"has damaged frames ({_reason(error)})")

    def _packets(self) -> Iterator[av.Packet]:
        """The stream's packets as far as they can be read."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.FFmpegError, OSError) as error:
                self._break_off(f"breaks off ({_reason(error)})")
                return
            yield packet

    def _break_off(self, what: str) -> None:
        self.partial = True
        self.notes.append(f"{self.given}: {what}")

    def _note_jumps(self, jumps: list[float]) -> None:
        if not jumps:
            return
        more = f" and {len(jumps) - 1} more times" if len(jumps) > 1 else ""
        self.notes.append(
            f"{self.given}: its clock starts again at {jumps[0]:.2f} s{more}; time was carried on "
            "at the clip's own step"
        )

    def _check_end(self, last: float) -> None:
        end = min(_or(self._end, np.inf), self._duration)
        if self._duration and end - (last + 1 / self.fps) > max(MISSING_END, 2 / self.fps):
            self._break_off(f"ends at {last:.2f} s, its header promises {self._duration:.2f} s")

    def _raise_nothing(self, last: float) -> None:
        """last: when the last frame begins that could be read, seconds; below 0 for none.

        Raises:
            InputError: the file lacks what its header promises. UsageError: the range lies outside.
        """
        if self._start is None and self._end is None:
            raise InputError(
                "no frame of it can be decoded.", file=self.path, fix="export it again"
            )
        start = _or(self._start, 0.0)
        if last < start and (self.partial or start < self._duration - 1 / self.fps):
            raise InputError(
                f"ends at {max(last, 0.0):.2f} s, before the range; its header promises "
                f"{self._duration:.2f} s",
                file=self.path,
                fix="copy or export it again, or choose an earlier range",
            )
        span = f"from {start:g}" if self._end is None else f"{start:g}-{self._end:g}"
        raise UsageError(
            f"has no frame in the range {span} s (it lasts {self._duration:.2f} s).",
            file=self.path,
            fix="choose a range inside the clip",
        )


class _Upright:
    """Frames -> upright pictures; one for a reader, on the thread that reads.

    It converts with one converter, since each has threads of its own, and looks at a frame's side
    data only where its rotation is another than before: a frame and its side data hold each other
    from then on, picture and all, until Python looks for rings.
    """

    def __init__(self, orientation: Orientation | None = None):
        self._convert = VideoReformatter()
        self._orientation, self._rotation = orientation, None

    def __call__(
        self, picture: av.VideoFrame, aspect: Fraction, longest: float = math.inf
    ) -> tuple[np.ndarray, tuple[int, int]]:
        """((h, w, 3) RGB uint8, upright and reduced, (width, height) upright and full)."""
        width, height = max(1, round(picture.width * aspect)), picture.height
        scale = min(1.0, longest / max(width, height))
        small = max(2, round(width * scale)), max(2, round(height * scale))
        if _has_alpha(picture.format.name):
            rgb = over_grey(self._convert.reformat(picture, *small, format="bgra").to_ndarray())
        else:
            rgb = self._convert.reformat(picture, *small, format="rgb24").to_ndarray()
        orientation = self.orientation(picture)
        return orientation.apply(rgb), orientation.size(width, height)

    def orientation(self, picture: av.VideoFrame) -> Orientation:
        """How a frame has to be turned."""
        if self._orientation is None or self._rotation not in (None, picture.rotation):
            self._orientation = _orientation(picture)
        self._rotation = picture.rotation
        return self._orientation


def _orientation(picture: av.VideoFrame) -> Orientation:
    matrix = picture.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    return from_display_matrix(np.frombuffer(matrix, np.int32))


@cache
def _has_alpha(pixels: str) -> bool:
    return any(component.is_alpha for component in av.VideoFormat(pixels).components)


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


def is_cover(stream: av.VideoStream) -> bool:
    """A still picture attached to a sound file, or one of a row of thumbnails, is no video."""
    kinds = av.stream.Disposition
    return bool(stream.disposition & (kinds.attached_pic | kinds.timed_thumbnails))


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
