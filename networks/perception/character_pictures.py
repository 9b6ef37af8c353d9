"""What the worker does with a character's pictures: find landmarks, read expressions, draw sheets.

Blender's own process renders and projects (exprgen_addon/studio/); it
holds neither MediaPipe nor OpenCV, so it asks the worker for what needs them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..files import write_bytes
from ..vocabulary import LANDMARK_INDEX, LANDMARK_NAMES, mirror_landmark

Emit = Callable[[dict], None]

MIRRORED = np.array([LANDMARK_INDEX[mirror_landmark(name)] for name in LANDMARK_NAMES])
"""(49,) index of each landmark's partner on the other side of the face."""


def locate(images: Sequence[str], emit: Emit, stop: threading.Event) -> dict:
    """The 49 landmarks of the largest face of each picture.

    Each picture is also looked at mirrored and both answers are averaged: the landmarker is not
    quite symmetric, and its errors on drawn faces are larger than on people.

    Returns:
        {"pictures": [{"file", "landmarks": [[x, y], ...] in pixels, or null where no face was
        found}], "partial"}.

    Raises:
        InputError: a picture can't be read. ModelError: the landmark model is missing.
    """
    from ..footage.pictures import read_image
    from ..tracking.face_detector import FaceDetector

    found = []
    with FaceDetector(faces=4) as detector:
        for path in images:
            if stop.is_set():
                break
            points = both_ways(read_image(Path(path)), lambda rgb: _largest(detector, rgb))
            found.append({"file": str(path), "landmarks": None if points is None else points})
            emit(_progress("landmarks", len(found), len(images)))
    return {"pictures": found, "partial": len(found) < len(images)}


def both_ways(rgb: np.ndarray, find: Callable[[np.ndarray], np.ndarray | None]):
    """Landmarks (49, 2) of a picture: the mean of those found in it and in its mirror image.

    Args:
        rgb: (H, W, 3) uint8. find: picture -> (49, 2) pixels, or None without a face.
    """
    straight = find(rgb)
    mirrored = find(np.ascontiguousarray(rgb[:, ::-1]))
    if mirrored is None:
        return straight
    back = mirrored[MIRRORED] * (-1, 1) + (rgb.shape[1], 0)
    return back if straight is None else (straight + back) / 2


def _largest(detector, rgb: np.ndarray) -> np.ndarray | None:
    faces = detector.search(rgb)
    if not faces:
        return None
    return max(faces, key=lambda face: face.area).landmarks49.astype(float)


def read_expressions(pictures: Sequence[dict], emit: Emit, stop: threading.Event) -> dict:
    """What SCNN makes of pictures of a character.

    Args:
        pictures: [{"file", "landmarks": (49, 2) pixels or null}]. Without landmarks the face is
            looked for, and where none is found the picture itself is taken, framed as it is.

    Returns:
        {"probabilities": [[7], ...] in the order of EXPRESSIONS, "characters": names that SCNN was
        trained on, "weights": digest, "partial"}.

    Raises:
        InputError: a picture can't be read. ModelError: weights are missing or damaged.
    """
    from ..footage.pictures import read_image
    from ..models.weights_file import weights_path
    from ..models.weights_places import weights_folder
    from ..tracking.face_detector import FaceDetector

    path = weights_path("scnn", folder=weights_folder())
    classify, info = _scnn(path, path.stat().st_mtime_ns if path.is_file() else 0)
    rows, detector = [], None
    try:
        for picture in pictures:
            if stop.is_set():
                break
            rgb = read_image(Path(picture["file"]))
            points = picture.get("landmarks")
            if points is None:
                detector = detector or FaceDetector(faces=4)
                points = _largest(detector, rgb)
            rows.append(classify(_registered(rgb, points)[None])["expression"][0])
            emit(_progress("reading", len(rows), len(pictures)))
    finally:
        if detector is not None:
            detector.close()
    return {
        "probabilities": [[round(float(p), 5) for p in row] for row in rows],
        "characters": trained_characters(info.training),
        "weights": info.digest,
        "partial": len(rows) < len(pictures),
    }


def trained_characters(training: dict) -> list[str]:
    """Names of the characters that a network was trained on, from its weights' training record."""
    if named := training.get("characters"):
        return sorted(named)
    # Older records tell the accuracy on each character, and so its name.
    words = (
        key.split(" ", 1) for key in training.get("metrics", {}) if key.startswith("accuracy ")
    )
    return sorted(name for _, name in words)


@lru_cache(maxsize=1)
def _scnn(path: Path, written: int):
    """SCNN and what its file says, kept between requests as long as the file is not `written` anew;
    a clarity view asks several times a second."""
    from ..models.weights_file import read_info
    from .pictures import classifier_of

    return classifier_of("character"), read_info(path)


def _registered(rgb: np.ndarray, points) -> np.ndarray:
    from ..tracking.registration import centred_affine, register, warp_face

    if points is None:
        return warp_face(rgb, centred_affine(rgb.shape[1], rgb.shape[0]))
    return register(rgb, np.asarray(points, float))


def _progress(stage: str, done: int, total: int) -> dict:
    return {"type": "progress", "stage": stage, "done": done, "total": total}


# --- sheets --------------------------------------------------------------------------------------

PAPER = (250, 250, 250)
INK = (30, 30, 34)
PALE = (120, 120, 128)
MARK = (40, 230, 90)
LINE = 15
"""Pixels of a line of text."""


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet.

    file: path of the picture. lines: text below it, the first one darker. frame: RGB of a border,
    or None. landmarks: points to be drawn, (K, 2) in pixels of the picture, or None.
    """

    file: str
    lines: tuple[str, ...] = ()
    frame: tuple[int, int, int] | None = None
    landmarks: np.ndarray | None = None

    @staticmethod
    def from_json(data: dict) -> Cell:
        frame, points = data.get("frame"), data.get("landmarks")
        return Cell(
            file=data["file"],
            lines=tuple(data.get("lines", ())),
            frame=None if frame is None else tuple(frame),
            landmarks=None if points is None else np.asarray(points, float),
        )


def draw_sheet(
    cells: Sequence[Cell], out: str | Path, *, columns: int = 8, side: int = 160, title: str = ""
) -> Path:
    """Write a sheet of labelled pictures as PNG (temporary name first, then renamed).

    Args:
        columns: pictures in a row, where there are as many. side: of each picture, pixels.

    Raises:
        InputError: a picture can't be read. OutputError: the sheet can't be written.
    """
    import cv2

    columns = max(1, min(columns, len(cells)))
    lines = max((len(c.lines) for c in cells), default=0)
    drawn = [_draw_cell(cell, side, lines) for cell in cells]
    blank = np.full_like(drawn[0], PAPER)
    drawn += [blank] * (-len(drawn) % columns)
    rows = [np.hstack(drawn[i : i + columns]) for i in range(0, len(drawn), columns)]
    sheet = np.vstack(rows)
    if title:
        width = max(sheet.shape[1], _width(title, 0.55) + 12)
        sheet = np.pad(sheet, ((2 * LINE, 0), (0, width - sheet.shape[1]), (0, 0)))
        sheet[: 2 * LINE] = sheet[:, rows[0].shape[1] :] = PAPER
        _write(sheet, title, 6, LINE + 5, INK, 0.55)
    write_bytes(out, cv2.imencode(".png", sheet[:, :, ::-1])[1].tobytes())
    return Path(out)


def _draw_cell(cell: Cell, side: int, lines: int) -> np.ndarray:
    import cv2

    from ..footage.pictures import read_image

    rgb = read_image(cell.file)
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = cv2.resize(rgb, size, interpolation=way)
    if cell.landmarks is not None:
        for x, y in np.asarray(cell.landmarks) * scale:
            centre = (round(16 * float(x)), round(16 * float(y)))
            cv2.circle(picture, centre, 24, MARK, -1, cv2.LINE_AA, shift=4)
    tile = np.full((side + 8 + LINE * lines, side + 8, 3), PAPER, np.uint8)
    if cell.frame is not None:
        tile[: side + 8] = cell.frame
    tile[4 : 4 + size[1], 4 : 4 + size[0]] = picture
    for i, line in enumerate(cell.lines):
        _write(tile, line, 5, side + 4 + LINE * (i + 1), PALE if i else INK, 0.38)
    return tile


def _width(text: str, size: float) -> int:
    """Pixels of a line that `_write` would write."""
    import cv2

    return cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0]


def _write(picture: np.ndarray, text: str, x: int, y: int, colour, size: float) -> None:
    import cv2

    plain = text.encode("ascii", "replace").decode()
    cv2.putText(picture, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
