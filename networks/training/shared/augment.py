"""Changes to training faces that leave the expression alone, batched and fast.

The paper flips, rotates and crops (section 4.2.1). The rest bridges the way from small web pictures
to footage: contrast and light, blur and reduction, noise, JPEG, something in front of the face.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import UsageError


@dataclass(frozen=True)
class AugmentSettings:
    """Strengths; 0 switches a change off. `paper()` is flip, rotation and crop alone.

    flip: chance. rotation: degrees. scale, shift: fraction of the picture. contrast, light: share
    of the deviation. blur, noise, jpeg, erase: chance.
    """

    flip: float = 0.5
    rotation: float = 12.0
    scale: float = 0.12
    shift: float = 0.06
    contrast: float = 0.35
    light: float = 0.4
    blur: float = 0.25
    noise: float = 0.3
    jpeg: float = 0.1
    erase: float = 0.15

    @staticmethod
    def paper() -> AugmentSettings:
        return AugmentSettings(contrast=0, light=0, blur=0, noise=0, jpeg=0, erase=0)

    def scaled(self, by: float) -> AugmentSettings:
        """All strengths but the mirror's, times `by` (0..1): a small network that has learned
        under strong changes gains by a last stretch under weak ones.

        Raises:
            UsageError: it is none of 0..1.
        """
        if not 0 <= by <= 1:
            raise UsageError(f"changes can't be {by:g} times as strong", fix="give 0 to 1")
        weaker = {f.name: getattr(self, f.name) * by for f in fields(self)}
        return AugmentSettings(**weaker | {"flip": self.flip})


def augment(
    faces: np.ndarray, size: int, settings: AugmentSettings, rng: np.random.Generator
) -> tuple[Tensor, np.ndarray]:
    """Faces uint8 (B, H, W) -> grey values float32 (B, 1, size, size) and flipped, bool (B,)."""
    n = len(faces)
    flipped = rng.random(n) < settings.flip
    faces = _jpeg(faces, settings.jpeg, rng)
    x = torch.from_numpy(np.ascontiguousarray(faces))[:, None].float()
    grid = F.affine_grid(_transforms(n, flipped, settings, rng), [n, 1, size, size], False)
    x = F.grid_sample(x, grid, "bilinear", "border", align_corners=False)
    x = _light(x, settings, rng)
    if settings.blur:
        x = _blur(x, settings.blur, rng)
    if settings.noise:
        amount = np.where(rng.random(n) < settings.noise, rng.uniform(1, 12, n), 0.0)
        noise = rng.standard_normal(x.shape, dtype=np.float32)
        x = x + torch.from_numpy(noise * amount[:, None, None, None].astype(np.float32))
    if settings.erase:
        _erase(x, settings.erase, rng)
    return x.clamp_(0, 255), flipped


def plain(faces: np.ndarray, size: int, flip: np.ndarray | None = None) -> Tensor:
    """Faces uint8 (B, H, W) -> grey values float32 (B, 1, size, size), nothing changed."""
    x = torch.from_numpy(np.ascontiguousarray(faces))[:, None].float()
    if flip is not None:
        x = torch.where(torch.from_numpy(flip)[:, None, None, None], x.flip(3), x)
    if x.shape[2] != size:
        x = F.interpolate(x, (size, size), mode="bilinear", antialias=True)
    return x


def _transforms(n: int, flipped: np.ndarray, s: AugmentSettings, rng) -> Tensor:
    angle = np.radians(rng.uniform(-s.rotation, s.rotation, n))
    zoom = rng.uniform(1 - s.scale, 1 + s.scale, n)
    mirror = np.where(flipped, -1.0, 1.0)
    theta = np.zeros((n, 2, 3), np.float32)
    theta[:, 0, 0] = np.cos(angle) * zoom * mirror
    theta[:, 0, 1] = -np.sin(angle) * zoom
    theta[:, 1, 0] = np.sin(angle) * zoom * mirror
    theta[:, 1, 1] = np.cos(angle) * zoom
    theta[:, :, 2] = rng.uniform(-2 * s.shift, 2 * s.shift, (n, 2))
    return torch.from_numpy(theta)


def _light(x: Tensor, s: AugmentSettings, rng) -> Tensor:
    n, size = x.shape[0], x.shape[2]

    def column(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values.astype(np.float32))[:, None, None, None]

    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * column(np.exp(rng.uniform(-s.contrast, s.contrast, n))) + mean
    # A ramp of light across the face, from any side.
    ramp = torch.linspace(-1, 1, size)
    slope = rng.uniform(-40 * s.light, 40 * s.light, (n, 2))
    x = x + column(slope[:, 0]) * ramp[None, None, None] + column(slope[:, 1]) * ramp[:, None]
    return x + column(rng.uniform(-40 * s.light, 40 * s.light, n))


def _blur(x: Tensor, chance: float, rng) -> Tensor:
    rows = np.flatnonzero(rng.random(len(x)) < chance)
    if len(rows):
        size = x.shape[2]
        small = max(16, int(size * rng.uniform(0.2, 0.7)))
        part = F.interpolate(x[rows], (small, small), mode="bilinear", antialias=True)
        x[rows] = F.interpolate(part, (size, size), mode="bilinear")
    return x


def _erase(x: Tensor, chance: float, rng) -> None:
    size = x.shape[2]
    for row in np.flatnonzero(rng.random(len(x)) < chance):
        h, w = (rng.uniform(0.1, 0.35, 2) * size).astype(int)
        top, left = rng.integers(0, size - h), rng.integers(0, size - w)
        x[row, 0, top : top + h, left : left + w] = float(rng.uniform(0, 255))


def _jpeg(faces: np.ndarray, chance: float, rng) -> np.ndarray:
    rows = np.flatnonzero(rng.random(len(faces)) < chance)
    if len(rows):
        faces = np.array(faces)
    for row in rows:
        quality = int(rng.integers(15, 70))
        _, data = cv2.imencode(".jpg", faces[row], [cv2.IMWRITE_JPEG_QUALITY, quality])
        faces[row] = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    return faces
