"""A picture of a mimicry: faces side by side at the moments that tell most, the score over time,
and what to do otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ..files import write_bytes
from ..track import FaceTrack
from .advice import Note
from .face_fit import FaceFit
from .mimicry import Likeness, displacements
from .model import face_model

MOMENTS = 6
SIDE = 200
GAP = 8
CURVE = 140
LINE = 24
PAPER, INK, PALE, MARK = (248, 247, 244), (30, 30, 34), (120, 120, 126), (220, 90, 50)


def draw_mimicry(
    tracks: Sequence[FaceTrack],
    fits: Sequence[FaceFit],
    likeness: Likeness,
    notes: Sequence[Note],
    out: str | Path,
    title: str = "",
) -> Path:
    """Write the sheet as PNG: of target and attempt the face that was seen and the model's
    expression on the mean person, at MOMENTS of the aligned time.

    Raises:
        OutputError: it can't be written.
    """
    moments = _moments(fits, likeness)
    faces = [_row(tracks[k], fits[k], likeness.path[moments, k]) for k in range(2)]
    width = faces[0].shape[1]
    words = [title or "mimicry", f"score {likeness.score:.3f}, {_late(likeness.lag)}"]
    parts = [_lines(words, width, (INK, PALE)), *faces]
    parts.append(_lines([f"{s:.3f}" for s in likeness.curve[moments]], width, None))
    if len(likeness.curve) > 1:
        parts.append(_curve(likeness, moments, width))
    if notes:
        parts.append(_lines([n.words for n in notes], width, (INK,) * len(notes)))
    sheet = np.vstack(parts)
    write_bytes(out, cv2.imencode(".png", sheet[:, :, ::-1])[1].tobytes())
    return Path(out)


def _moments(fits: Sequence[FaceFit], likeness: Likeness) -> np.ndarray:
    """Places on the path: in each stretch of it the one where the target does most."""
    acts = (displacements(fits[0])[likeness.path[:, 0]] ** 2).sum((1, 2))
    stretches = np.array_split(np.arange(len(acts)), min(MOMENTS, len(acts)))
    return np.array([stretch[acts[stretch].argmax()] for stretch in stretches])


def _late(seconds: float) -> str:
    if abs(seconds) < 0.05:
        return "in time"
    return f"{abs(seconds):.2f} s {'late' if seconds > 0 else 'early'}"


def _row(track: FaceTrack, fit: FaceFit, frames: np.ndarray) -> np.ndarray:
    """The faces seen in frames, beneath each the model's."""
    cells = []
    for frame in frames:
        cell = np.full((2 * SIDE + GAP, SIDE + GAP, 3), PAPER, np.uint8)
        cell[:SIDE, :SIDE] = _seen(track, int(frame))
        cell[SIDE : 2 * SIDE, :SIDE] = drawn_face(fit.expression[frame])
        cells.append(cell)
    return np.hstack(cells)


def _seen(track: FaceTrack, frame: int) -> np.ndarray:
    jpeg = track.face_jpeg(frame)
    if not jpeg:
        return np.full((SIDE, SIDE, 3), 200, np.uint8)
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return cv2.resize(bgr[:, :, ::-1], (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def drawn_face(expression: np.ndarray, side: int = SIDE) -> np.ndarray:
    """The mean person with an expression (E,), drawn flat from the front: uint8 (side, side, 3)."""
    model = face_model()
    points = model.points(np.zeros(model.identities), expression)
    faces = model.faces[: model.skin + model.eyes]
    scale = side / 210.0
    flat = np.stack([points[:, 0], -points[:, 1] - 12.0], 1) * scale + side / 2.0
    corners = points[faces]
    normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    light = np.clip(normal @ np.array([-0.25, 0.35, 0.9]), 0.0, 1.0)
    picture = np.full((side, side, 3), PAPER, np.uint8)
    for f in np.argsort(corners[..., 2].mean(1)):
        if normal[f, 2] <= 0:
            continue
        tone = (235, 235, 240) if f >= model.skin else (222, 176, 150)
        colour = tuple(int(c * (0.35 + 0.65 * light[f])) for c in tone)
        cv2.fillConvexPoly(picture, np.round(flat[faces[f]] * 16).astype(np.int32), colour, 8, 4)
    return picture


def _curve(likeness: Likeness, moments: np.ndarray, width: int) -> np.ndarray:
    """The score along the aligned time; the moments of the pictures are marked."""
    plot = np.full((CURVE, width, 3), PAPER, np.uint8)
    left, right, top, low = 40, width - 12, 12, CURVE - 16
    for value in (0.0, 0.5, 1.0):
        y = _height(value, top, low)
        cv2.line(plot, (left, y), (right, y), (215, 215, 215), 1)
        _write(plot, f"{value:.1f}", 6, y + 4, PALE)
    x = left + (right - left) * np.arange(len(likeness.curve)) / (len(likeness.curve) - 1)
    y = np.array([_height(v, top, low) for v in likeness.curve])
    line = np.round(np.stack([x, y], 1) * 16).astype(np.int32)
    cv2.polylines(plot, [line], False, MARK, 2, cv2.LINE_AA, 4)
    for m in moments:
        cv2.circle(plot, (round(x[m]), int(y[m])), 4, INK, -1, cv2.LINE_AA)
    return plot


def _height(value: float, top: int, low: int) -> int:
    return round(low - (low - top) * float(np.clip(value, 0.0, 1.0)))


def _lines(words: list[str], width: int, colours: tuple | None) -> np.ndarray:
    """Lines of words beneath each other; without colours beside each other, one a picture."""
    if colours is None:
        strip = np.full((LINE, width, 3), PAPER, np.uint8)
        for i, word in enumerate(words):
            _write(strip, word, i * (SIDE + GAP) + 6, 17, INK)
        return strip
    strip = np.full((LINE * len(words) + 6, width, 3), PAPER, np.uint8)
    for i, (word, colour) in enumerate(zip(words, colours, strict=True)):
        _write(strip, word, 6, LINE * i + 18, colour)
    return strip


def _write(picture: np.ndarray, text: str, x: int, y: int, colour: tuple) -> None:
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(picture, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
