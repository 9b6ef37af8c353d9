"""The preview film: reference, characters and the perceived expression, composed and encoded.

Blender renders the characters' pictures (exprgen_addon/studio/preview.py); this module puts them
beside the reference and draws seven bars and their history below, then writes an mp4. It runs in a
process of its own, since Blender's lacks OpenCV and PyAV: `python -m
exprgen.networks.footage.preview_film PLAN`, which prints {"type": "progress", "done", "total"}
lines. One frame at a time is held in memory.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from ..errors import InputError
from ..files import unwritable, written_whole
from ..messages import Sender
from ..reading import read_object
from ..records import FieldError, as_record
from ..spans import runs
from ..track import turns_of
from ..vocabulary import EXPRESSION_COLOURS, EXPRESSIONS, NEUTRAL
from .pictures import read_image
from .sound import SoundWriter, sound_samples, sound_start

BACKGROUND = (24, 26, 31)
PANEL = (34, 37, 44)
GRID = (58, 62, 72)
TEXT = (226, 229, 235)
DIM = (140, 146, 158)
WARNING = (240, 120, 70)

MARGIN = 10
CAPTION = 26
BARS_WIDTH = 268
HISTORY = 6.0
"""Seconds of the curve that the panel shows."""


@dataclass(frozen=True)
class Plan:
    """What a film shows.

    reference: clip, picture or folder. titles: a character's title each. pictures: for each
    character the path of each frame's picture (F,). times: (F,) seconds of the reference.
    expression (F, 7) probabilities; seen (F,) bool; fps of the film; size: side of a tile, pixels;
    turns: as in the meta of a FaceTrack; sound: the reference's is in the film, where it has one.
    """

    reference: str
    titles: list[str]
    pictures: list[list[str]]
    times: np.ndarray
    expression: np.ndarray
    seen: np.ndarray
    fps: float
    size: int
    out: str
    turns: int | list[int] = 0
    sound: bool = True

    @staticmethod
    def load(path: str | Path) -> Plan:
        """Read a plan written by exprgen_addon/studio/preview.py."""
        try:
            told = as_record(_Told, read_object(path))
        except FieldError as error:
            raise InputError(f"is no plan of a film ({error})", file=path) from error
        arrays = {"times": (told.times, float), "seen": (told.seen, bool)}
        arrays["expression"] = (told.expression, float)
        return Plan(**{**vars(told), **{n: np.array(v, kind) for n, (v, kind) in arrays.items()}})


@dataclass(frozen=True)
class _Told:
    """A plan as its file has it."""

    reference: str
    titles: list[str]
    pictures: list[list[str]]
    times: list[float]
    expression: list[tuple[float, float, float, float, float, float, float]]
    seen: list[bool]
    fps: float
    size: int
    out: str
    turns: int | list[int] = 0
    sound: bool = True


def make_film(plan: Plan, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Write the film that a plan describes.

    Raises:
        InputError: the reference or a picture can't be read.
        OutputError: the film can't be written.
    """
    frames = _held(reference_frames(plan.reference, plan.turns), plan.times)
    with _Writer(plan.out, plan.fps, _sound_of(plan)) as writer:
        board = None
        for i, picture in enumerate(frames):
            if board is None:
                board = Board(plan, picture.shape)
            writer.add(board.draw(i, picture))
            progress(i + 1, len(plan.times))


class Board:
    """Lays out one frame of the film; the parts that never change are drawn once."""

    def __init__(self, plan: Plan, reference_shape: tuple[int, ...]):
        self.plan = plan
        height, width = reference_shape[:2]
        # A wide reference gets a wide tile, within reason, so that its face is not tiny.
        aspect = min(max(width / height, 0.6), 16 / 9)
        widths = [round(plan.size * aspect), *[plan.size] * len(plan.titles)]
        starts = np.cumsum([MARGIN, *[w + MARGIN for w in widths]])
        self.tiles = [(int(x), w) for x, w in zip(starts, widths, strict=False)]
        self.width = _even(max(int(starts[-1]), 640))
        self.top = CAPTION
        self.panel = self.top + plan.size + MARGIN
        self.height = _even(self.panel + 7 * 20 + 2 * MARGIN + MARGIN)
        self.base = self._base()
        self._last: list[tuple[str, np.ndarray] | None] = [None] * len(plan.titles)

    def draw(self, i: int, reference: np.ndarray) -> np.ndarray:
        """Frame `i` (H, W, 3) uint8 RGB, with that picture of the reference."""
        frame, plan = self.base.copy(), self.plan
        x, w = self.tiles[0]
        _paste(frame, _fit(reference, w, plan.size), x, self.top)
        if not plan.seen[i]:
            _tag(frame, "FACE NOT SEEN", x + 8, self.top + plan.size - 12)
        for k, (x, _) in enumerate(self.tiles[1:]):
            _paste(frame, self._picture(k, plan.pictures[k][i]), x, self.top)
        self._bars(frame, plan.expression[i], bool(plan.seen[i]))
        self._curves(frame, i)
        return frame

    def _base(self) -> np.ndarray:
        frame = np.full((self.height, self.width, 3), BACKGROUND, np.uint8)
        for title, (x, _) in zip(["Reference", *self.plan.titles], self.tiles, strict=True):
            _text(frame, title, x + 1, self.top - 8, TEXT, 0.5)
        bottom = self.height - MARGIN
        cv2.rectangle(frame, (MARGIN, self.panel), (self.width - MARGIN, bottom), PANEL, -1)
        for k, name in enumerate(EXPRESSIONS):
            _text(frame, name, MARGIN + 10, self._row(k) + 5, EXPRESSION_COLOURS[name], 0.42)
            cv2.rectangle(frame, *self._bar(k, 1.0), GRID, -1)
        left, right, high, low = self._graph()
        for level in (0.0, 0.5, 1.0):
            y = round(low + (high - low) * level)
            cv2.line(frame, (left, y), (right, y), GRID, 1, cv2.LINE_AA)
        return frame

    def _row(self, k: int) -> int:
        return self.panel + MARGIN + 10 + 20 * k

    def _bar(self, k: int, value: float) -> tuple[tuple[int, int], tuple[int, int]]:
        start = MARGIN + 88
        end = start + max(1, round((BARS_WIDTH - 138) * value))
        return (start, self._row(k) - 5), (end, self._row(k) + 5)

    def _graph(self) -> tuple[int, int, int, int]:
        left = MARGIN + BARS_WIDTH + 8
        low = self.height - 2 * MARGIN - 6
        return left, self.width - 2 * MARGIN - 56, self.panel + MARGIN + 4, low

    def _bars(self, frame: np.ndarray, values: np.ndarray, seen: bool) -> None:
        for k, name in enumerate(EXPRESSIONS):
            colour = EXPRESSION_COLOURS[name] if seen else DIM
            cv2.rectangle(frame, *self._bar(k, float(values[k])), colour, -1)
            label = f"{100 * values[k]:3.0f}%"
            x = MARGIN + BARS_WIDTH - 42
            _text(frame, label, x, self._row(k) + 5, TEXT if values[k] >= 0.3 else DIM, 0.42)

    def _curves(self, frame: np.ndarray, i: int) -> None:
        """The last seconds of all seven probabilities; now is at the right edge."""
        left, right, high, low = self._graph()
        times = self.plan.times
        first = int(np.searchsorted(times, times[i] - HISTORY))
        window = slice(first, i + 1)
        x = right + (times[window] - times[i]) / HISTORY * (right - left)
        order = sorted(range(len(EXPRESSIONS)), key=lambda k: (k != NEUTRAL, k))  # neutral below
        for k in order:
            y = low + self.plan.expression[window, k] * (high - low)
            points = np.stack([x, y], axis=-1)
            fixed = np.round(points * 16).astype(np.int32)  # sub-pixel: curves glide, not jump
            colour = EXPRESSION_COLOURS[EXPRESSIONS[k]]
            cv2.polylines(frame, [fixed], False, colour, 1, cv2.LINE_AA, shift=4)
        for a, b in runs(~self.plan.seen[window]):
            cv2.line(frame, (int(x[a]), low + 5), (int(x[b - 1]) + 1, low + 5), WARNING, 3)
        best = int(np.argmax(self.plan.expression[i]))
        y = round(low + float(self.plan.expression[i, best]) * (high - low))
        colour = EXPRESSION_COLOURS[EXPRESSIONS[best]] if self.plan.seen[i] else DIM
        cv2.circle(frame, (right, y), 4, colour, -1, cv2.LINE_AA)
        _text(frame, EXPRESSIONS[best], right + 8, min(max(y + 4, high + 8), low), colour, 0.42)
        clock = f"{times[i]:.2f} s"
        _text(frame, clock, self.width - MARGIN - 62, self.top - 8, DIM, 0.42)

    def _picture(self, k: int, path: str) -> np.ndarray:
        """A character's picture; the one shown last is kept, since most are held for a while."""
        if self._last[k] is None or self._last[k][0] != path:
            self._last[k] = (path, _fit(read_image(path), self.plan.size, self.plan.size))
        return self._last[k][1]


def reference_frames(path: str, turns: int | list[int] = 0) -> Iterator[tuple[float, np.ndarray]]:
    """(seconds, upright RGB picture) of a reference, in order; turns: see `Plan`."""
    from .media import open_reference

    with open_reference(path) as reader:
        for frame in reader:
            yield frame.time, frame.turned(turns_of({"turns": turns}, frame.index)).rgb


def _held(frames: Iterator[tuple[float, np.ndarray]], times: np.ndarray) -> Iterator[np.ndarray]:
    """The picture that is on screen at each time: the last one that began by then."""
    shown = following = None
    for t in times:
        while following is None or following[0] <= t + 1e-6:
            if following is not None:
                shown = following[1]
            following = next(frames, (np.inf, None))
        if shown is None:
            if following[1] is None:
                raise InputError("the reference holds no picture", fix="give another file")
            shown = following[1]
        yield shown


def _sound_of(plan: Plan) -> Iterator[np.ndarray] | None:
    """What is heard during the film, in pieces; None for a film without sound."""
    if not plan.sound or sound_start(plan.reference) is None:
        return None
    start = float(plan.times[0])
    return sound_samples(plan.reference, start, start + len(plan.times) / plan.fps)


class _Writer:
    """An mp4 that gets its name when it is whole.

    Args:
        sound: pieces of samples at `sound.RATE` that begin with the first frame; None for none.
    """

    def __init__(self, path: str, fps: float, sound: Iterator[np.ndarray] | None = None):
        self.path, self.fps = Path(path), fps
        self.stream = None
        self._sound = None if sound is None else SoundWriter(sound)
        self._frames = 0
        self._whole = contextlib.ExitStack()

    def __enter__(self) -> _Writer:
        import av

        self.part = self._whole.enter_context(written_whole(self.path))
        with self._named():
            self.container = av.open(str(self.part), "w", options={"movflags": "+faststart"})
        return self

    def add(self, frame: np.ndarray) -> None:
        import av

        if self.stream is None:
            self._begin(*frame.shape[:2])
        with self._named():
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            self.container.mux(self.stream.encode(picture))
            self._frames += 1
            if self._sound is not None:
                self._sound.write(self.container, self._frames / self.fps)

    def _begin(self, height: int, width: int) -> None:
        import av

        rate = Fraction(self.fps).limit_denominator(1001)
        codec, options = "libx264", {"crf": "20", "preset": "veryfast"}
        if codec not in av.codecs_available:
            codec, options = "mpeg4", {"qscale": "3"}
        self.stream = self.container.add_stream(codec, rate=rate, options=options)
        self.stream.width, self.stream.height = width, height
        self.stream.pix_fmt = "yuv420p"
        if self._sound is not None:
            self._sound.begin(self.container)

    def __exit__(self, kind, error, trace) -> None:
        try:
            if kind is None:
                with self._named():
                    self.container.mux(self.stream.encode())
                    if self._sound is not None:
                        self._sound.finish(self.container)
                    self.container.close()
            else:
                with contextlib.suppress(OSError):  # what went wrong first is what counts
                    self.container.close()
        except BaseException as failed:
            self._whole.__exit__(type(failed), failed, None)
            raise
        self._whole.__exit__(kind, error, trace)

    @contextlib.contextmanager
    def _named(self):
        """Errors of writing, with the file they are about."""
        try:
            yield
        except OSError as error:
            raise unwritable(self.path, error) from error


def _fit(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Scaled to fit, centred on black bars."""
    h, w = picture.shape[:2]
    scale = min(width / w, height / h)
    size = (max(1, min(round(w * scale), width)), max(1, min(round(h * scale), height)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(np.ascontiguousarray(picture), size, interpolation=how)
    if size == (width, height):
        return small
    tile = np.full((height, width, 3), (12, 13, 16), np.uint8)
    x, y = (width - size[0]) // 2, (height - size[1]) // 2
    tile[y : y + size[1], x : x + size[0]] = small
    return tile


def _paste(frame: np.ndarray, tile: np.ndarray, x: int, y: int) -> None:
    frame[y : y + tile.shape[0], x : x + tile.shape[1]] = tile


def _text(frame, words: str, x: int, y: int, colour, scale: float) -> None:
    cv2.putText(frame, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)


def _tag(frame, words: str, x: int, y: int) -> None:
    (w, h), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    cv2.rectangle(frame, (x - 5, y - h - 5), (x + w + 5, y + 6), WARNING, -1)
    _text(frame, words, x, y, (20, 20, 20), 0.45)


def _even(n: int) -> int:
    """H.264 with subsampled colour needs even sides."""
    return n + n % 2


def main(words: list[str]) -> int:
    """Make the film of the plan whose path is the first word; messages on stdout."""
    from ..errors import ExprGenError

    say = Sender(sys.stdout)

    def progress(done: int, total: int) -> None:
        say({"type": "progress", "stage": "preview", "done": done, "total": total})

    try:
        make_film(Plan.load(words[0]), progress)
    except ExprGenError as error:
        say(error.to_message())
        return error.exit_code
    except BrokenPipeError:  # whoever asked is gone
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
