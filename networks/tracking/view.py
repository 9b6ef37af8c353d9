"""What a detector is shown of a picture: a part of it, with a border, scaled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

MAX_SIDE = 1280  # pixels; the landmarker looks at 256x256 of a face, more would only cost time
SMALL_SIDE = 160  # pixels; below this a picture is taken for a crop of a face
ENLARGED_SIDE = 320
BORDER_GREY = 127
AROUND = 4.0  # sides of a face that a view around it has; the face is then seen well
ASTRAY = 0.25  # sides of that view by which the face may leave its middle


@dataclass(frozen=True)
class View:
    """A part of the picture, with a grey border, scaled.

    left, top, right, bottom: the part, in picture pixels; border: picture pixels on each side;
    scale: canvas pixels per picture pixel.
    """

    left: int
    top: int
    right: int
    bottom: int
    scale: float = 1.0
    border: int = 0

    def render(self, rgb: np.ndarray) -> np.ndarray:
        """The canvas, (h, w, 3) uint8, contiguous."""
        rgb = rgb[self.top : self.bottom, self.left : self.right]
        if rgb.ndim == 2:
            rgb = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_GRAY2RGB)
        if self.border:
            b, grey = self.border, (BORDER_GREY,) * 3
            rgb = cv2.copyMakeBorder(rgb, b, b, b, b, cv2.BORDER_CONSTANT, value=grey)
        if self.scale != 1.0:
            way = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC
            size = [max(1, round(n * self.scale)) for n in rgb.shape[1::-1]]
            rgb = cv2.resize(rgb, size, interpolation=way)
        return np.ascontiguousarray(rgb)

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 2 or 3) as fractions of the canvas -> pixels of the picture; z is scaled like
        x."""
        width = self.right - self.left + 2 * self.border
        height = self.bottom - self.top + 2 * self.border
        sides = np.array([width, height, width][: points.shape[1]], np.float32)
        pixels = points * sides
        pixels[:, 0] += self.left - self.border
        pixels[:, 1] += self.top - self.border
        return pixels

    def holds(self, box: np.ndarray) -> bool:
        """A face's box (4,) is near the middle of this view, and neither too large nor too small
        for it."""
        side = max(self.right - self.left, self.bottom - self.top)
        off = (box[:2] + box[2:] - [self.left + self.right, self.top + self.bottom]) / 2
        return np.abs(off).max() < ASTRAY * side and 0.5 < _side(box) * AROUND / side < 2.0


def whole(width: int, height: int, border: float = 0.0) -> View:
    """The whole picture; border as a fraction of its longer side."""
    longer = max(width, height)
    pixels = round(border * longer)
    side = longer + 2 * pixels
    scale = min(1.0, MAX_SIDE / side)
    if longer < SMALL_SIDE:
        scale = ENLARGED_SIDE / side
    return View(0, 0, width, height, scale, pixels)


def wholes(width: int, height: int) -> Iterator[View]:
    """The whole picture with other borders: a tight crop is found with one (the detector was
    trained on faces with surroundings)."""
    borders = (0.25, 0.5, 0.0) if max(width, height) < SMALL_SIDE else (0.0, 0.25, 0.5)
    for border in borders:
        yield whole(width, height, border)


def around(box: np.ndarray, width: int, height: int) -> View:
    """The surroundings of a face's box (4,): left, top, right, bottom in pixels."""
    half = max(AROUND * _side(box) / 2, 1.0)
    x, y = (box[:2] + box[2:]) / 2
    left, top = max(0, int(x - half)), max(0, int(y - half))
    right, bottom = min(width, int(x + half) + 1), min(height, int(y + half) + 1)
    scale = min(1.0, MAX_SIDE / max(right - left, bottom - top, 1))
    return View(min(left, right - 1), min(top, bottom - 1), right, bottom, scale)


def tiles(width: int, height: int, side: int) -> Iterator[View]:
    """Squares that overlap by half and cover the picture."""
    wide, high = min(side, width), min(side, height)
    for top in _starts(height, high):
        for left in _starts(width, wide):
            yield View(left, top, left + wide, top + high)


def _starts(length: int, part: int) -> list[int]:
    count = 1 + int(np.ceil(2 * (length - part) / part))
    return [round(i * (length - part) / max(1, count - 1)) for i in range(count)]


def _side(box: np.ndarray) -> float:
    return float((box[2:] - box[:2]).max())
