"""Drawn faces, no people: what tests learn from and what precision is measured on."""

from __future__ import annotations

import numpy as np

from ..vocabulary import EXPRESSIONS, REGISTERED_SIZE

# smile, frown, mouth opening, brow height, lid height: anger, disgust, fear, joy, neutral, ...
LOOKS = (
    (0.0, 0.4, 0.1, 0.10, 0.08),
    (0.0, 0.6, 0.2, 0.13, 0.05),
    (0.0, 0.2, 0.5, 0.24, 0.16),
    (1.0, 0.0, 0.3, 0.18, 0.08),
    (0.0, 0.0, 0.0, 0.18, 0.10),
    (0.0, 1.0, 0.0, 0.21, 0.07),
    (0.1, 0.0, 1.0, 0.26, 0.16),
)


def draw_face(label: int, rng: np.random.Generator, size: int = REGISTERED_SIZE) -> np.ndarray:
    """One drawn face of class `label`, uint8 (size, size)."""
    smile, frown, opening, brow, lid = LOOKS[label]
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    x = x + rng.uniform(-0.02, 0.02)
    y = y + rng.uniform(-0.02, 0.02)
    skin, ink = rng.uniform(150, 200), rng.uniform(20, 70)
    face = np.full((size, size), skin) - 60 * (x**2 / 0.2 + y**2 / 0.24 > 1)
    for side in (-0.18, 0.18):
        eye = (x - side) ** 2 / 0.06**2 + (y + 0.1) ** 2 / max(lid / 2, 0.01) ** 2 < 1
        brow_line = (np.abs(x - side) < 0.09) & (np.abs(y + 0.1 + brow) < 0.015)
        face[eye | brow_line] = ink
    bend = (smile - frown) * 0.6
    middle = 0.25 - bend * (x**2 - 0.01)
    half = 0.012 + opening * 0.07 * np.sqrt(np.clip(1 - (x / 0.16) ** 2, 0, 1))
    face[(np.abs(y - middle) < half) & (np.abs(x) < 0.16 + 0.05 * smile)] = ink
    face += rng.normal(0, 4, face.shape)
    return np.clip(face, 0, 255).astype(np.uint8)


def calibration_faces(count: int = 14) -> np.ndarray:
    """Drawn faces of all seven expressions, uint8 (count, 256, 256)."""
    rng = np.random.default_rng(1)
    return np.stack([draw_face(i % len(EXPRESSIONS), rng) for i in range(count)])
