"""Registered faces as the networks take them; no torch, so that whoever only looks needs none."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..errors import UsageError
from ..vocabulary import REGISTERED_SIZE

GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601, as OpenCV's grey."""
EMPTY = 8.0
"""Grey levels added to a picture's deviation: an almost empty one must not become pure noise."""


def grey_faces(faces: np.ndarray, size: int = REGISTERED_SIZE) -> np.ndarray:
    """Registered faces as the networks take them.

    Args:
        faces: uint8 (B, H, W) grey or (B, H, W, 3) RGB.
        size: side of the network's input in pixels; other sizes are resampled.

    Returns:
        float32 (B, 1, size, size), each picture with mean 0 and about deviation 1, so that exposure
        does not matter.

    Raises:
        UsageError: another type or shape.
    """
    if faces.dtype != np.uint8 or not (
        faces.ndim == 3 or (faces.ndim == 4 and faces.shape[3] == 3)
    ):
        raise UsageError(
            f"faces are {faces.dtype} {faces.shape}", fix="give uint8 (B, H, W) or (B, H, W, 3)"
        )
    grey = faces.astype(np.float32)
    if grey.ndim == 4:
        grey = grey @ GREY
    height, width = grey.shape[1:]
    if (height, width) != (size, size):
        grey = _resampled(_resampled(grey, size).swapaxes(1, 2), size).swapaxes(1, 2)
    deviation = grey.std((1, 2), keepdims=True, dtype=np.float64) + EMPTY
    grey = (grey - grey.mean((1, 2), keepdims=True, dtype=np.float64)) / deviation
    return grey[:, None].astype(np.float32)


ROWS_AT_ONCE = 16
"""New rows that are made together: they look at few of the old ones, and a product over those alone
is a quarter of the work of one over all."""


def _resampled(pictures: np.ndarray, size: int) -> np.ndarray:
    """Pictures (B, H, W) -> (B, size, W)."""
    parts = [weights @ pictures[:, rows] for rows, weights in _bands(pictures.shape[1], size)]
    return np.concatenate(parts, axis=1)


@lru_cache(maxsize=16)
def _bands(old: int, new: int) -> tuple[tuple[slice, np.ndarray], ...]:
    """`resampling` in parts: which old rows some new ones look at, and how much."""
    whole, bands = resampling(old, new), []
    for weights in np.split(whole, range(ROWS_AT_ONCE, new, ROWS_AT_ONCE)):
        seen = np.flatnonzero(weights.any(0))
        rows = slice(seen[0], seen[-1] + 1)
        bands.append((rows, np.ascontiguousarray(weights[:, rows])))
    return tuple(bands)


@lru_cache(maxsize=16)
def resampling(old: int, new: int) -> np.ndarray:
    """(new, old) float32: a row of pixels resampled by a triangle as wide as a new pixel, or as an
    old one where those are larger (bilinear with antialiasing)."""
    scale = old / new
    middles = scale * (np.arange(new) + 0.5)
    away = np.abs(np.arange(old) + 0.5 - middles[:, None]) / max(scale, 1.0)
    shares = np.clip(1.0 - away, 0.0, None)
    return (shares / shares.sum(1, keepdims=True)).astype(np.float32)
