"""When a captured picture is refused: a hidden face, points outside, crossed lips or lids. No
Blender."""

from __future__ import annotations

import numpy as np

from ...networks.tracking.registration import geometric_features
from ...networks.vocabulary import GEOMETRIC_FEATURES

HIDDEN = 0.3
"""Share of hidden landmarks from which on a face counts as hidden; a turned head hides a few."""
LIPS_CROSSED, LIDS_CROSSED = 0.025, 0.045
"""How far lips or lids may pass each other, as shares of the face's height: closed ones touch, and
an upper lid that meets a raised cheek lies over the lower one."""


def fault(pixels: np.ndarray, hidden: np.ndarray, size: int) -> str:
    """Why a picture with these landmarks (49, 2) is of no use (capture.REASONS), or ""."""
    if hidden.mean() > HIDDEN:
        return "face hidden"
    if (pixels < 0).any() or (pixels > size).any():
        return "landmarks outside the frame"
    features = dict(zip(GEOMETRIC_FEATURES, geometric_features(pixels), strict=True))
    if features["closed_mouth"] < -LIPS_CROSSED:
        return "lips inverted"
    if min(features["lid_height_left"], features["lid_height_right"]) < -LIDS_CROSSED:
        return "lids inverted"
    return ""
