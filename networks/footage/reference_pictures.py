"""Pictures of a reference for the window: the face that was followed, and frames for an overlay.

Runs in the worker; Blender's own process holds no decoder that knows a phone's rotation and
variable rates.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import InputError, OutputError
from ..files import write_bytes
from ..track import FaceTrack, still_places, turns_of
from ..vocabulary import LANDMARKS
from .frames import Frame

Emit = Callable[[dict], None]

THUMBNAIL = 256
"""Side of a thumbnail in pixels."""
AROUND = 1.7
"""Side of what a thumbnail shows, in sides of the box of the face's landmarks."""
QUALITY = 88
ROOM = 0.7
"""What a picture for an overlay shows around the face, in sides of the box of its landmarks."""
USUAL = 0.02
"""Share of the frames whose face may reach further than the others' and is cut off."""
ODD_SHAPE = 0.02
"""By how much a clip's width may be scaled otherwise than its height, against that which was
analysed: rounding makes a little of it in a small copy."""
_MARK = (90, 230, 60)  # BGR


@dataclass(frozen=True)
class FramesRequest:
    """reference: as analysed; track: its FaceTrack's file; out: folder; fps: of the scene;
    start_frame: scene frame of time zero; height: of the pictures in pixels, 64 to 2160, at most;
    whole: all of each frame, not what is around the face."""

    reference: Sequence[str]
    track: str
    out: str
    fps: float
    start_frame: float = 1.0
    height: int = 480
    whole: bool = False


def thumbnail(reference: Sequence[str], track_file: str, out: str | Path) -> Path:
    """A square picture of the followed face in a frame that shows it well, its 49 landmarks drawn.

    Args:
        out: a .png; a temporary name first, then renamed.

    Raises:
        InputError: the reference or the track can't be read, or shows no face.
        OutputError: it can't be written.
    """
    track = FaceTrack.load(track_file)
    seen = np.flatnonzero(track.found)
    if not len(seen):
        raise InputError("shows no face", file=reference[0])
    row = int(seen[np.argmax(np.asarray(track.confidence)[seen])])
    rgb, scale = _frame_of(reference, track, row)
    points = np.asarray(track.landmarks[row], float)[list(LANDMARKS.values()), :2] * scale
    low, high = points.min(0), points.max(0)
    side = float((high - low).max()) * AROUND
    corner = (low + high) / 2 - side / 2
    return _save(_drawn(rgb, points, corner, side), out)


def around_face(track: FaceTrack, row: int = 0) -> np.ndarray:
    """(4,) x, y, width, height in the track's pixels of what pictures for an overlay show: of a
    clip a part that stands still and holds the face wherever it goes, of separate pictures a square
    around each one's face. All of the frame where no face was seen."""
    size = np.array(track.meta.get("size") or (0, 0), float)
    if turns_of(track.meta, row) % 2:
        size = size[::-1]
    stills = bool(track.meta.get("stills"))
    rows = np.array([row]) if stills else np.flatnonzero(track.found)
    points = np.asarray(track.landmarks, float)[rows][:, list(LANDMARKS.values()), :2]
    if not len(rows) or not np.ptp(points, axis=1).any():
        return np.array([0.0, 0.0, *size])
    low, high = points.min(1), points.max(1)
    room = ROOM * float(np.median((high - low).max(1)))
    low = np.quantile(low, USUAL, axis=0) - room
    high = np.quantile(high, 1.0 - USUAL, axis=0) + room
    if stills:
        side, middle = float((high - low).max()), (low + high) / 2
        return np.array([*(middle - side / 2), side, side])
    low, high = np.clip(low, 0.0, size), np.clip(high, 0.0, size)
    return np.array([*low, *(high - low)])


def write_frames(request: FramesRequest, emit: Emit, stop: threading.Event) -> dict:
    """One JPEG for each whole scene frame that the track covers: what is on screen at that moment,
    around the face (`around_face`).

    Returns:
        {"count", "first": scene frame of picture 1, "size": (width, height), "pattern", "partial"};
        picture i (from 1) is `pattern % i` in `out`; number 0 is the first one again.

    Raises:
        InputError: the reference can't be read. OutputError: a picture can't be written.
    """
    track = FaceTrack.load(request.track)
    folder = Path(request.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot(folder, error.strerror) from error
    first, rows = rows_on_screen(track, request.fps, request.start_frame)
    pictures = _pictures(request, track, np.unique(rows))
    done, size, data, row_ready = 0, (0, 0), b"", -1
    emit({"type": "stage", "stage": "reference"})
    for number, row in enumerate(rows.tolist(), 1):
        if stop.is_set():
            break
        while row_ready < row:
            try:
                row_ready, data, size = next(pictures)
            except StopIteration:  # a broken end: the last picture stays
                break
        if not data:
            raise InputError("shows no picture", file=request.reference[0])
        write_bytes(folder / (_PATTERN % number), data)
        if number == 1:  # what Blender asks for before it knows which frame it is at
            write_bytes(folder / (_PATTERN % 0), data)
        done = number
        emit({"type": "progress", "stage": "reference", "done": done, "total": len(rows)})
    return {
        "count": done,
        "first": first,
        "size": list(size),
        "pattern": _PATTERN,
        "partial": done < len(rows),
    }


_PATTERN = "reference_%05d.jpg"


def rows_on_screen(track: FaceTrack, fps: float, start_frame: float) -> tuple[int, np.ndarray]:
    """(first scene frame, (K,) row of the track on screen at it and at each frame after it)."""
    if track.meta.get("stills"):
        places = still_places(track.times)
        frames = np.arange(places[0], places[-1] + 1)
        rows = np.searchsorted(places, frames, side="right") - 1
        return round(start_frame + places[0]), rows
    exact = start_frame + np.asarray(track.times) * fps
    first, last = int(np.ceil(exact[0] - 0.01)), int(np.floor(exact[-1] + 0.01))
    frames = np.arange(first, max(first, last) + 1)
    rows = np.searchsorted(exact, frames + 0.01, side="right") - 1
    return first, np.clip(rows, 0, len(track) - 1)


def _pictures(request: FramesRequest, track, rows) -> Iterator[tuple[int, bytes, tuple[int, int]]]:
    """(row, JPEG, (width, height)) of each wanted row, in order."""
    import cv2

    wanted, stills = set(rows.tolist()), bool(track.meta.get("stills"))
    for row, frame in decoded(request.reference, track):
        if row not in wanted:
            continue
        part = around_face(track, row) / np.tile(frame.scale, 2)
        if request.whole:
            part = np.array([0.0, 0.0, frame.rgb.shape[1], frame.rgb.shape[0]])
        small = _cut(frame.rgb, part, request.height, stills)
        quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        data = cv2.imencode(".jpg", small[..., ::-1], quality)[1].tobytes()
        yield row, data, (small.shape[1], small.shape[0])


def _cut(rgb: np.ndarray, part: np.ndarray, height: int, stills: bool) -> np.ndarray:
    """A part (x, y, width, height) of a picture, made as high as `height` pixels at most; of
    separate pictures all of one size."""
    import cv2

    height = max(64, height)
    scale = height / part[3] if stills else min(1.0, height / part[3])
    size = (max(1, round(part[2] * scale)), max(1, round(part[3] * scale)))
    affine = np.array([[scale, 0, -part[0] * scale], [0, scale, -part[1] * scale]])
    if scale < 0.5:  # else the warp below would leave pixels out
        whole = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
        rgb = cv2.resize(rgb, whole, interpolation=cv2.INTER_AREA)
        affine[0, 0] = affine[1, 1] = 1.0
    return cv2.warpAffine(rgb, affine, size, borderMode=cv2.BORDER_REPLICATE)


def decoded(reference: Sequence[str], track: FaceTrack, first: int = 0) -> Iterator[tuple]:
    """(row of the track, Frame as the tracker saw it) of what it was made from, from a row on; a
    track's pixel is 1 / `Frame.scale` of the frame's, of a clip in another size too.

    Raises:
        InputError: a clip of another shape than that which was analysed, or it can't be read.
    """
    from .media import open_reference

    stills = bool(track.meta.get("stills"))
    start = None if stills else float(track.times[first])
    with open_reference(list(reference), start=start) as reader:
        larger = np.ones(2) if stills else None
        for frame in reader:
            row = frame.index
            larger = _larger(frame, track, reference[0]) if larger is None else larger
            if (larger != 1.0).any():
                frame = replace(frame, size=tuple((np.array(frame.size) * larger).tolist()))
            if not stills:
                row = int(np.abs(np.asarray(track.times) - frame.time).argmin())
                if frame.time > track.times[-1] + 1e-3:
                    return
            if row >= len(track):
                return
            yield row, frame.turned(turns_of(track.meta, row))


def _larger(frame: Frame, track: FaceTrack, reference: str) -> np.ndarray:
    """(2,) pixels of a clip's track a pixel of the clip: a smaller copy may stand for it."""
    size = np.array(track.meta.get("size") or (0, 0), float)
    if not size.all():
        return np.ones(2)
    larger = size / frame.size
    if max(larger) > (1.0 + ODD_SHAPE) * min(larger):
        shown, known = ("{:.0f} x {:.0f}".format(*pair) for pair in (frame.size, size))
        what = f"has pictures of {shown} pixels, what the track was made from {known}"
        raise InputError(what, file=reference, fix="give the footage that was analysed")
    return larger


def _frame_of(
    reference: Sequence[str], track: FaceTrack, row: int
) -> tuple[np.ndarray, np.ndarray]:
    """The picture of a row, and its pixels a pixel of the track's landmarks (2,)."""
    for found, frame in decoded(reference, track, row):
        if found >= row:
            return frame.rgb, 1.0 / frame.scale
    raise InputError("ends before the analysed part", file=reference[0], fix="analyse it again")


def _drawn(rgb: np.ndarray, points: np.ndarray, corner: np.ndarray, side: float) -> np.ndarray:
    import cv2

    scale = THUMBNAIL / side
    affine = np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale]])
    size = (THUMBNAIL, THUMBNAIL)
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = cv2.warpAffine(bgr, affine, size, flags=way, borderMode=cv2.BORDER_REPLICATE)
    for x, y in (points - corner) * scale:
        cv2.circle(picture, (round(16 * x), round(16 * y)), 36, _MARK, -1, cv2.LINE_AA, shift=4)
    return picture


def _save(bgr: np.ndarray, out: str | Path) -> Path:
    import cv2

    write_bytes(out, cv2.imencode(".png", bgr)[1].tobytes())
    return Path(out)


def _cannot(path: Path, reason: str) -> OutputError:
    return OutputError(f"can't be written ({reason})", file=path, fix="choose a writable folder")
