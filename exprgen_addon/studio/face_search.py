"""A face that is not where a profile's framing looks: wider, closer and turned tries, and the
framing that what was found asks for.

A framing made of what moves can be wrong: by a hat that hangs on the head, by a rig's scale, by a
face that looks the other way. What the landmarker sees decides.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ...networks.characters.profile import Framing
from ...networks.vocabulary import LANDMARK_NAMES
from .look import Look

WIDE = 2.35
"""Side of the framed square against the width of the 49 landmarks: 2.1 to 2.9 on the samples."""
BEHIND = 0.08
"""The framing's centre lies this far behind the eyes, in sides of the square."""
FITS = (0.7, 1.45)
"""A framing stays whose side is so many times what the landmarks ask for."""
ASIDE = 0.2
"""And whose centre is no farther off than this, in sides."""
FOLLOWS = 0.02
"""The lower lip moves at least so much when the jaw opens, in widths of its landmarks."""
_LOWER_LIP = [i for i, n in enumerate(LANDMARK_NAMES) if n.startswith("lip_bottom")]
_EYES = [i for i, n in enumerate(LANDMARK_NAMES) if n.startswith("eye_")]

Seen = list[tuple[Look, np.ndarray]]
"""Looks in which a face was found, each with its landmarks (49, 2) in pixels."""


@dataclass(frozen=True)
class Try:
    """A look in which the face may be, and what it is in words."""

    look: Look
    how: str


def tries() -> Iterator[list[Try]]:
    """Where to look for a face that the framing misses, the likeliest first, in groups."""
    plain = Look(key_azimuth=-0.35, key_elevation=0.5, ambient=1.3)
    yield [Try(replace(plain, zoom=z), "farther off") for z in (0.55, 0.3, 0.15)]
    for zoom, across in ((2.0, (0.0, -0.25, 0.25)), (4.0, (0.0, -0.25, 0.25, -0.4, 0.4))):
        yield [
            Try(replace(plain, zoom=zoom, shift=(x * zoom, y * zoom)), "nearer")
            for y, x in itertools.product(across, across[:3])
        ]
    for yaw, how in ((math.pi, "from behind"), (math.pi / 2, "from a side"), (-math.pi / 2, "")):
        yield [
            Try(replace(plain, zoom=z, orbit=(0.0, yaw, 0.0)), how or "from a side")
            for z in (0.9, 0.45)
        ]


def find_elsewhere(
    look_for: Callable[[list[Look]], Seen], holds: Callable[[Look, np.ndarray], bool]
) -> tuple[Try, np.ndarray] | None:
    """The first try in which the face is found, and its landmarks (49, 2) in pixels.

    Args:
        holds: whether what was taken for a face in a look is one; hair can look like one.
    """
    for group in tries():
        for look, pixels in look_for([t.look for t in group]):
            if holds(look, pixels):
                return next(t for t in group if t.look == look), pixels
    return None


def follows_jaw(rest: np.ndarray, opened: np.ndarray, places: np.ndarray) -> bool:
    """Whether the skin under the lower lip's landmarks moves when the jaw opens.

    Args:
        rest, opened: (V, 3) vertices of the character with the jaw shut and open. places: (49, 3).
    """
    if rest.shape != opened.shape:
        return True  # a mesh whose vertices depend on the pose tells nothing
    lips = places[_LOWER_LIP]
    lips = lips[np.isfinite(lips).all(1)]
    nearest = [int(((rest - p) ** 2).sum(1).argmin()) for p in lips]
    moved = np.linalg.norm(opened[nearest] - rest[nearest], axis=1)
    return bool(len(moved) and moved.max() > FOLLOWS * np.nanmax(np.ptp(lips, axis=0)))


def asked_framing(framing: Framing, places: np.ndarray, back: np.ndarray) -> Framing:
    """The framing that landmarks ask for; the one that is there where it is near enough.

    Args:
        places: (49, 3) landmarks in world space, NaN where unknown. back: (3,) unit, from the face
            to the viewer who saw them.
    """
    forward = _along(framing, back)
    right = np.cross((0.0, 0.0, 1.0), forward)
    across = places @ right
    size = WIDE * float(np.nanmax(across) - np.nanmin(across))
    centre = np.nanmean(places[_EYES], axis=0) - BEHIND * size * forward
    off = np.linalg.norm(
        (centre - framing.center) - ((centre - framing.center) @ forward) * forward
    )
    same = float(forward @ np.array(framing.forward)) > 0.98
    if same and FITS[0] < framing.size / size < FITS[1] and off < ASIDE * framing.size:
        return framing
    return Framing.rounded(centre, forward, size)


def _along(framing: Framing, back: np.ndarray) -> np.ndarray:
    """The face's direction: the framing's, or the viewer's where that is another, level."""
    level = np.array((back[0], back[1], 0.0))
    length = np.linalg.norm(level)
    before = np.array(framing.forward, float)
    if length < 1e-6 or (level / length) @ before > 0.9:
        return before
    return level / length


def note(before: Framing, after: Framing, how: str) -> str:
    """What was changed, in words."""
    seen = f"the face was found {how}; " if how else ""
    return f"{seen}framed anew: {before.size:.3g} m became {after.size:.3g} m"
