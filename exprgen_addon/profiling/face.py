"""The face as measured at rest, told from the rest of a body."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...networks.characters.control_names import words_of
from ..rigs import Found
from .meanings import Meanings
from .probe import Probe
from .rigid import follows

STILL = 0.002
"""Motion of a vertex, in face heights, from which it counts."""
TURN = 0.25
"""And rotations, radians."""
_HEAD_UNITS = 7.5
"""Heights of the head in a grown body's height."""


@dataclass(frozen=True)
class Face:
    """The face as measured at rest, world space.

    mask (V,) marks the probe's points that belong to it; points (F, 3) are those; height in metres;
    forward, up, left: unit axes, left is the subject's own; middle (3,): of its bounding box;
    found_by: how it was told from the rest of the body, in words.
    """

    mask: np.ndarray
    points: np.ndarray
    height: float
    found_by: str
    forward: np.ndarray | None = None
    middle: np.ndarray | None = None
    chin: float = 0.0
    top: float = 0.0
    eye_line: float | None = None

    @property
    def up(self) -> np.ndarray:
        return np.array([0.0, 0.0, 1.0])

    @property
    def left(self) -> np.ndarray:
        return np.cross(self.up, self.forward)


def find_face(probe: Probe, mesh, rest: np.ndarray, free: list[Found], meanings: Meanings) -> Face:
    """Tell the face from the rest of a body."""
    part = next(p for p in probe.parts if p.name == mesh.name)
    own = np.zeros(len(rest), bool)
    own[part.start : part.end] = True
    height = float(np.ptp(rest[own][:, 2]))
    size = np.ptp(rest[own], axis=0)
    mask, found_by = _by_head_bone(probe, rest, own, free, height), "what the head's bone moves"
    if mask is None:
        mask = _by_named_keys(probe, rest, own, free, height, meanings)
        found_by = "what shape keys with known names move"
    if mask is None and (height > 2.5 * size[:2].max() or height > 1.2):
        mask = rest[:, 2] > rest[own][:, 2].max() - height / _HEAD_UNITS
        found_by = "being the top of a body: check the framing"
    if mask is None:
        mask, found_by = own.copy(), "taking the whole mesh"
    mask |= _companions(probe, rest, mask)
    points = rest[mask]
    return Face(mask, points, float(np.ptp(rest[mask & own][:, 2])), found_by)


def _by_head_bone(probe: Probe, rest, own, free: list[Found], height: float) -> np.ndarray | None:
    """What follows the head when it turns; None where that is nothing."""
    heads = [
        f for f in free if f.kind == "rotation" and "head" in words_of(f.label) and "/" in f.name
    ]
    heads = sorted(heads, key=lambda f: len(words_of(f.label)))[:9]
    for f in heads:
        probe.set(f, f.rest + TURN if f.maximum > f.rest + TURN else f.maximum)
        turned = probe.points()
        probe.rest(f)
        moved = np.linalg.norm(turned - rest, axis=1) > STILL * height
        if moved[own].mean() > 0.03:
            # The neck bends along; what is stiff is the head.
            mask = moved.copy()
            mask[moved] = follows(rest[moved], turned[moved], 0.5, 0.15)
            if mask[own].any():
                return mask
    return None


def _by_named_keys(
    probe: Probe, rest, own, free, height: float, meanings: Meanings
) -> np.ndarray | None:
    mask, known = np.zeros(len(rest), bool), 0
    for f in free:
        if f.kind == "value" and meanings.channels(f):
            probe.set(f, f.maximum if math.isfinite(f.maximum) else 1.0)
            mask |= np.linalg.norm(probe.points() - rest, axis=1) > 0.0002 * height
            probe.rest(f)
            known += 1
    return mask if known >= 3 and mask[own].any() else None


def _companions(probe: Probe, rest, mask) -> np.ndarray:
    """Eyes, teeth, tongue: small meshes inside the face's box."""
    extra = np.zeros(len(rest), bool)
    low, high = rest[mask].min(0), rest[mask].max(0)
    margin = 0.03 * (high - low).max()
    for part in probe.parts:
        block = rest[part.start : part.end]
        if (block > low - margin).all() and (block < high + margin).all():
            extra[part.start : part.end] = True
    return extra
