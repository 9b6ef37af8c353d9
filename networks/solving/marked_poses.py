"""Which key poses guide a single picture: no surprise with its jaw up.

No motion tells a raised brow from a high one there, and what hides a mouth (a hand, print, the
picture's edge) makes a tracker and a regression shut it. Of the seven prototypes only surprise's
always opens the jaw (Ekman and Friesen 1978, FACS: AU 1, 2, 5 and 26 or 27), and key poses say so:
an expression of which hardly one leaves the jaw shut has it as its mark.
"""

from __future__ import annotations

import numpy as np

from ..characters.profile import Control, KeyPose, to_unit
from ..vocabulary import EXPRESSIONS

MOST = 25
"""Percentile of an expression's key poses that opens the jaw where this is its mark: three of four
do."""

OPEN = 0.15
"""Unit value of the jaw from which on it is open: of surprise that percentile is .21 to .35 with
all characters, of fear, the next, up to .09."""

FEWEST = 4
"""Key poses of an expression from which on they tell what is common to them."""


def as_pictures(controls: tuple[Control, ...], poses: tuple[KeyPose, ...]) -> tuple[KeyPose, ...]:
    """The key poses, in their order, without those that show less of their expression's mark than
    half of its poses do: where it is the open jaw, those that open it less far than their median.
    """
    jaws = tuple(c for c in controls if c.channels.get("jawOpen", 0.0) > 0.5)
    if not jaws:
        return poses
    opened = np.array([_opened(jaws, p) for p in poses])
    lacks = np.zeros(len(poses), bool)
    for expression in EXPRESSIONS:
        own = np.array([p.expression == expression for p in poses], bool)
        if own.sum() >= FEWEST and np.percentile(opened[own], MOST) > OPEN:
            lacks |= own & (opened < np.median(opened[own]))
    return tuple(p for p, lacking in zip(poses, lacks, strict=True) if not lacking)


def _opened(jaws: tuple[Control, ...], pose: KeyPose) -> float:
    """The unit value by which a key pose opens the jaw."""
    values = np.array([[pose.values.get(c.name, c.rest) for c in jaws]], float)
    return float(to_unit(jaws, values).max())
