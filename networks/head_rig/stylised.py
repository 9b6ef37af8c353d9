"""Heads to learn from: people of the face model, and smooth warps that make characters of them.

A warp W carries actions too: a displacement d of a point v becomes W(v + d) - W(v), so lids still
close and lips still meet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .template import Template

CENTRES = (
    (31.0, 0.0, 0.0), (-31.0, 0.0, 0.0), (0.0, -40.0, 30.0), (0.0, -70.0, 20.0),
    (0.0, -110.0, 10.0), (45.0, -45.0, 0.0), (-45.0, -45.0, 0.0), (0.0, 50.0, 20.0),
    (55.0, -85.0, -25.0), (-55.0, -85.0, -25.0), (30.0, 22.0, 15.0), (-30.0, 22.0, 15.0),
)  # fmt: skip
"""Eyes, nose, mouth, chin, cheeks, forehead, jaw and brows, in the template's frame."""
REACH = (28.0, 60.0)
"""Millimetres over which a feature's growth fades."""


@dataclass(frozen=True)
class Warp:
    """Growths about centres (K, 3) by factors (K, 3), faded over reaches (K,); shifts (K, 3)."""

    centres: np.ndarray
    factors: np.ndarray
    shifts: np.ndarray
    reaches: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        out = points.copy()
        for centre, factor, shift, reach in zip(
            self.centres, self.factors, self.shifts, self.reaches, strict=True
        ):
            away = points - centre
            near = np.exp(-(away**2).sum(-1) / reach**2)[..., None]
            out += near * ((factor - 1.0) * away + shift)
        return out


def draw_warp(rng: np.random.Generator, strength: float) -> Warp:
    """A random warp, the same on both sides. strength: 0 for none, 1 for a caricature."""
    centres = np.array(CENTRES)
    factors = np.exp(strength * rng.normal(0.0, 0.28, centres.shape))
    shifts = strength * rng.normal(0.0, 3.5, centres.shape)
    reaches = rng.uniform(*REACH, len(centres))
    shifts[np.abs(centres[:, 0]) < 1.0, 0] = 0.0
    for right in np.flatnonzero(centres[:, 0] < 0.0):
        left = int(((centres - centres[right] * (-1.0, 1.0, 1.0)) ** 2).sum(1).argmin())
        factors[right], reaches[right] = factors[left], reaches[left]
        shifts[right] = shifts[left] * (-1.0, 1.0, 1.0)
    return Warp(centres, factors, shifts, reaches)


def head_of(
    shape: Template, rng: np.random.Generator, identity: np.ndarray, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """A head at rest (V, 3) and its actions (E, V, 3): a person of the face model, warped."""
    rest, moves = shape.person(identity)
    if strength <= 0.0:
        return rest, moves
    warp = draw_warp(rng, strength)
    warped = warp(rest)
    return warped, warp(rest + moves) - warped
