"""The mouth's own picture, cut from a registered face by the landmarks of the lips."""

from __future__ import annotations

import numpy as np

from ..vocabulary import LANDMARK_INDEX

CROP_SIZE = (48, 32)
"""Width and height of a mouth's picture, pixels."""
ACROSS, DOWN = 1.45, 1.35
"""The picture's width and height at least, in those of the lips' box."""
LOWER = 0.12
"""The picture's middle lies so many heights of the lips' box below theirs: a tongue hangs down."""

OUTER_LIPS = [
    LANDMARK_INDEX[name]
    for name in (
        "mouth_right_corner", *(f"lip_top_outer_{i}" for i in range(1, 6)),
        "mouth_left_corner", *(f"lip_bottom_outer_{i}" for i in range(1, 6)),
    )
]  # fmt: skip
"""The lips' outline, going round."""


def mouth_box(landmarks: np.ndarray) -> np.ndarray:
    """(..., 3) middle x and y, and width of the mouth's picture, in pixels of the registered face,
    of its landmarks (..., 49, 2)."""
    lips = np.asarray(landmarks, float)[..., OUTER_LIPS, :]
    low, high = lips.min(-2), lips.max(-2)
    size = high - low
    ratio = CROP_SIZE[0] / CROP_SIZE[1]
    width = np.maximum(ACROSS * size[..., 0], DOWN * ratio * size[..., 1])
    middle = (low + high) / 2
    middle[..., 1] += LOWER * size[..., 1]
    return np.concatenate([middle, np.maximum(width, 8.0)[..., None]], axis=-1)


def mouth_crop(face: np.ndarray, box: np.ndarray, roll: float = 0.0) -> np.ndarray:
    """The mouth's picture uint8 (32, 48) of a registered face uint8 (256, 256).

    Args:
        box: (3,) from `mouth_box`. roll: radians by which the picture is turned about its middle.
    """
    import cv2

    fine = (2 * CROP_SIZE[0], 2 * CROP_SIZE[1])  # halved by areas: bilinear would skip pixels
    scale = fine[0] / box[2]
    cos, sin = scale * np.cos(roll), scale * np.sin(roll)
    turn = np.array([[cos, -sin], [sin, cos]])
    shift = (np.array(fine) - 1) / 2 - turn @ box[:2]
    mouth = cv2.warpAffine(
        face,
        np.column_stack([turn, shift]),
        fine,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cv2.resize(mouth, CROP_SIZE, interpolation=cv2.INTER_AREA)
