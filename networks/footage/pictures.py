"""One picture: a file -> RGB. Its bytes are read here and decoded by OpenCV, which can't open every
file name on Windows by itself."""

from __future__ import annotations

import io
from pathlib import Path

import av
import cv2
import numpy as np

from .. import reading
from ..errors import InputError
from ..files import IMAGE_SUFFIXES
from ..reading import plain_file
from . import picture_size
from .heif import is_tiled

ALPHA_GREY = 127  # what stands behind transparent pixels
LARGEST_FILE = 1 << 31  # bytes of a picture's file
GIVE_FOOTAGE = "give a video, an image or a folder"


def check_file(path: Path) -> int:
    """The size in bytes of a file with something in it.

    Raises:
        InputError: missing, a folder, a pipe, a device, a link that leads back to itself, or empty.
    """
    size = plain_file(path, fix=GIVE_FOOTAGE)
    if size == 0:
        raise InputError("is empty.", file=path, fix="copy or export it again")
    return size


def is_picture(path: Path) -> bool:
    """A file is a picture by its ending."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def read_image(path: str | Path) -> np.ndarray:
    """A picture as (H, W, 3) RGB uint8: EXIF orientation applied, deeper ones reduced to 8 bits
    (floats from 0..1), grey spread to three channels, transparent pixels over mid grey (the border
    that the face detector expects). Of an animated one the first picture.

    Raises:
        InputError: missing, empty, no picture that can be read, or of more than MAX_PIXELS.
    """
    path = Path(path)
    return decode_image(read_bytes(path), path)


def decode_image(data: bytes, path: Path) -> np.ndarray:
    """The same of a picture file's bytes; path: what errors name.

    Raises:
        InputError: as `read_image`, but for a file that is not there.
    """
    check_size(data, path)
    if picture_size.is_heif(data):
        return _heif(data, path)
    try:
        return _decoded(np.frombuffer(data, np.uint8), path)
    except (cv2.error, MemoryError) as error:
        reason = getattr(error, "err", "") or "too large for the memory"
        raise InputError(
            f"can't be read as an image ({reason}).", file=path, fix="export it again"
        ) from error


def read_bytes(path: Path) -> bytes:
    """All of a picture's file.

    Raises:
        InputError: see `check_file`; or it is too large for one.
    """
    check_file(path)
    return reading.read_bytes(path, LARGEST_FILE, fix="give another picture, or a video")


def check_size(data: bytes, path: Path) -> None:
    """Refuse what is no picture, and one that would fill the memory, before it is decoded.

    Raises:
        InputError: that.
    """
    size = picture_size.declared_size(data)
    if size is None or min(size) < 1:
        raise InputError(
            "is not an image that can be read.", file=path, fix="export it as .png or .jpg"
        )
    check_pixels(*size, path)


def check_pixels(width: int, height: int, path: Path) -> None:
    """Refuse a picture or video of more than MAX_PIXELS.

    Raises:
        InputError: it is too large.
    """
    if width * height > picture_size.MAX_PIXELS:
        raise InputError(
            f"declares {width} x {height} pixels, more than "
            f"{picture_size.MAX_PIXELS // 10**6} million.",
            file=path,
            fix="export it smaller",
        )


def _decoded(data: np.ndarray, path: Path) -> np.ndarray:
    raw = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if raw is not None and raw.ndim == 3 and raw.shape[2] == 4:
        return over_grey(raw)
    if raw is not None and raw.dtype not in (np.uint8, np.uint16):
        return _spread(_eight_bits(raw))
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if bgr is None:
        raise InputError(
            "is not an image that can be read.", file=path, fix="export it as .png or .jpg"
        )
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def over_grey(bgra: np.ndarray) -> np.ndarray:
    """(H, W, 4) BGRA of any depth -> (H, W, 3) RGB uint8 over mid grey."""
    colour = _scaled(bgra)
    alpha = colour[..., 3:] / 255.0
    mixed = colour[..., 2::-1] * alpha + ALPHA_GREY * (1.0 - alpha)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _scaled(picture: np.ndarray) -> np.ndarray:
    """Of any depth -> float32 0..255: integers from 0 to their largest, floats from 0 to 1."""
    whole = np.issubdtype(picture.dtype, np.integer)
    full = np.iinfo(picture.dtype).max if whole else 1.0
    scaled = picture.astype(np.float32) * np.float32(255.0 / full)
    return scaled if whole else np.nan_to_num(scaled, copy=False, nan=0.0)


def _eight_bits(picture: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(_scaled(picture), 0, 255)).astype(np.uint8)


def _spread(bgr: np.ndarray) -> np.ndarray:
    """(H, W), (H, W, 1) or (H, W, 3) BGR -> (H, W, 3) RGB."""
    grey = bgr.ndim == 2 or bgr.shape[2] == 1
    return cv2.cvtColor(bgr, cv2.COLOR_GRAY2RGB if grey else cv2.COLOR_BGR2RGB)


def _heif(data: bytes, path: Path) -> np.ndarray:
    """HEIC and AVIF, which OpenCV lacks and FFmpeg knows."""
    if is_tiled(data):
        raise InputError(
            "is made of tiles, which can't be put together here.",
            file=path,
            fix="export it as .jpg or .png",
        )
    try:
        with av.open(io.BytesIO(data)) as container:
            return next(container.decode(video=0)).to_ndarray(format="rgb24")
    except (av.FFmpegError, OSError, ValueError, IndexError, StopIteration) as error:
        raise InputError(
            f"can't be read as an image ({error}).", file=path, fix="export it as .jpg or .png"
        ) from error
