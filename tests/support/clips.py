"""Clips and pictures made by script, whose frames can be told apart."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 96, 64


def picture(index: int = 0, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Top left red, top right green, bottom left blue, bottom right as bright as its index."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2] = (230, 20, 20)
    rgb[: height // 2, width // 2 :] = (20, 230, 20)
    rgb[height // 2 :, : width // 2] = (20, 20, 230)
    rgb[height // 2 :, width // 2 :] = 10 * index % 250
    return rgb


def number(rgb: np.ndarray) -> int:
    """The index of a `picture`, below 25."""
    return round(float(rgb[-rgb.shape[0] // 4, -rgb.shape[1] // 4].mean()) / 10)


def quarters(rgb: np.ndarray) -> str:
    """Which of red, green, blue each quarter shows, clockwise from the top left; the rest '.'."""
    h, w = rgb.shape[:2]
    places = ((1, 1), (1, 3), (3, 3), (3, 1))
    colours = [rgb[y * h // 4, x * w // 4].astype(int) for y, x in places]
    return "".join("rgb"[c.argmax()] if np.ptp(c) > 100 else "." for c in colours)


def write_clip(
    path: Path,
    times,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    *,
    form: str | None = None,
    base: Fraction = Fraction(1, 25),
    first: int = 0,
    shift: int = 0,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    options: dict | None = None,
) -> Path:
    """A clip with a `picture` at each of `times` (seconds), the first numbered `first`; timestamps
    of what is stored begin at `shift` steps of `base`."""
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=round(1 / base), options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.time_base = base
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(first + index, *size), format="rgb24")
            frame.pts, frame.time_base = round(time / base), base
            _mux(container, stream.encode(frame), shift)
        _mux(container, stream.encode(), shift)
    return path


def _mux(container, packets, shift: int) -> None:
    for packet in packets:
        if shift:
            packet.pts += shift
            packet.dts += shift
        container.mux(packet)


def set_display_matrix(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write a, b, c, d of a display matrix into an mp4's track header, as phones do."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    at += 40 if data[at] == 0 else 52
    a, b, c, d = (n << 16 for n in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
