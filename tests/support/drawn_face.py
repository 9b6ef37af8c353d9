"""A drawn face that the landmarker takes for a real one: test clips without anybody in them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

FINE = 4  # drawn this much larger, then reduced: smooth edges


def scene(width: int = 320, height: int = 240) -> np.ndarray:
    """An empty picture, (height, width, 3) RGB uint8."""
    return np.full((height, width, 3), (120, 130, 140), np.uint8)


def draw(
    picture: np.ndarray,
    x: float,
    y: float,
    size: float = 1.0,
    *,
    mouth: float = 0.0,
    lids: float = 1.0,
    skin: tuple[int, int, int] = (224, 180, 152),
) -> np.ndarray:
    """The picture with a face, about 140 x 200 pixels at size 1, its nose's root at (x, y).

    mouth: 0 closed .. 1 wide open; lids: 0 shut .. 1 open.
    """
    left, top, right, bottom = _about(picture, x, y, size)
    whole, picture = picture.copy(), picture[top:bottom, left:right]
    x, y = x - left, y - top
    big = cv2.resize(picture, None, fx=FINE, fy=FINE, interpolation=cv2.INTER_NEAREST)
    scale = size * FINE

    def oval(cx, cy, a, b, colour, start=0, end=360, line=-1.0):
        cv2.ellipse(
            big,
            (round((x + cx * size) * FINE), round((y + cy * size) * FINE)),
            (max(1, round(a * scale)), max(1, round(b * scale))),
            0,
            start,
            end,
            colour,
            -1 if line < 0 else max(1, round(line * scale)),
            cv2.LINE_AA,
        )

    hair, shade = (60, 45, 35), tuple(int(c * 0.93) for c in skin)
    oval(0, -25, 84, 100, hair)
    oval(0, 90, 38, 60, tuple(int(c * 0.85) for c in skin))
    oval(0, 12, 70, 96, skin)
    oval(0, -58, 64, 30, hair)
    oval(0, -30, 62, 32, skin)
    for side in (-1, 1):
        oval(side * 72, 15, 9, 20, shade)
        oval(side * 30, -8, 20, 13, shade)
        height = max(0.4, 8 * lids)
        oval(side * 30, -4, 15, height, (245, 245, 245))
        oval(side * 30, -4, 6.5, min(6.5, height), (80, 55, 35))
        oval(side * 30, -4, 3, min(3, height), (10, 10, 10))
        oval(side * 30, -3, 16, max(1, 9 * lids), (60, 35, 30), 190, 350, 2.2)
        oval(side * 30, -4, 15, height, (150, 100, 85), 10, 170, 1)
        oval(side * 30, -14, 20, 10, (55, 38, 30), 205, 335, 5)
        oval(side * 9, 33, 6, 4, (150, 100, 85))
    oval(0, 30, 12, 9, shade)
    oval(0, 15, 6, 24, tuple(min(255, c + 8) for c in skin))
    for side in (-1, 1):
        oval(side * 8, 36, 4, 2.5, (120, 75, 65))
    oval(0, 62 + 12 * mouth, 26, 8 + 20 * mouth, (175, 80, 80))
    oval(0, 62 + 12 * mouth, 20, 1 + 20 * mouth, (70, 20, 25))
    big = cv2.GaussianBlur(big, (0, 0), max(1.0, 1.2 * scale))
    small = cv2.resize(big, picture.shape[1::-1], interpolation=cv2.INTER_AREA)
    whole[top:bottom, left:right] = small
    return whole


def _about(picture: np.ndarray, x: float, y: float, size: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what a face with its softened edges covers: the rest of a large
    picture would cost the most."""
    edges = (x - 90 * size, y - 131 * size, x + 90 * size, y + 156 * size)
    low = [max(0, int(edge) - 2) for edge in edges[:2]]
    high = [min(n, int(e) + 3) for n, e in zip(picture.shape[1::-1], edges[2:], strict=True)]
    return (*low, *high)


def write_clip(
    path: Path,
    pictures: list[np.ndarray],
    fps: int = 25,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    form: str | None = None,
) -> Path:
    """A clip of the pictures, usually an H.264 mp4."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
