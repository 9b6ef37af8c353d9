"""Expressions as FACS writes them: action units with intensities A to E, in ARKit channels.

Ekman, Friesen and Hager, "Facial Action Coding System" (2002): the action units, and the scale A
(trace) to E (maximum) of chapter 1, whose steps are not even: C and D reach over most of it. The
combinations are its prototypes and major variants of EMFACS, those with few units included, which
are seen where somebody holds back. That ARKit's channels are action units under other names is
plain from Apple's pictures of `ARFaceAnchor.BlendShapeLocation`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX
from .talkers.coarticulation import sides

UNITS: dict[int, dict[str, float]] = {
    1: {"browInnerUp": 1.0},
    2: {"browOuterUp": 1.0},
    4: {"browDown": 1.0},
    5: {"eyeWide": 1.0},
    6: {"cheekSquint": 1.0, "eyeSquint": 0.25},
    7: {"eyeSquint": 1.0},
    9: {"noseSneer": 1.0, "mouthUpperUp": 0.25, "browDown": 0.2},
    10: {"mouthUpperUp": 1.0, "noseSneer": 0.2},
    12: {"mouthSmile": 1.0},
    14: {"mouthDimple": 1.0},
    15: {"mouthFrown": 1.0},
    16: {"mouthLowerDown": 0.8},
    17: {"mouthShrugLower": 1.0, "mouthShrugUpper": 0.3},
    18: {"mouthPucker": 1.0},
    20: {"mouthStretch": 1.0},
    22: {"mouthFunnel": 1.0},
    23: {"mouthRollUpper": 0.5, "mouthRollLower": 0.5, "mouthPress": 0.3},
    24: {"mouthPress": 1.0, "mouthRollUpper": 0.25, "mouthRollLower": 0.25},
    25: {"mouthLowerDown": 0.45, "mouthUpperUp": 0.2, "jawOpen": 0.05},
    26: {"jawOpen": 0.45},
    27: {"jawOpen": 0.95},
    43: {"eyeBlink": 0.45},
}
"""Action unit -> ARKit channel (without side: both) -> weight at E."""

LEVELS = {"A": (0.08, 0.18), "B": (0.18, 0.35), "C": (0.35, 0.6), "D": (0.6, 0.88), "E": (0.88, 1.0)}  # fmt: skip
"""Intensity -> the range of shares of a unit's full travel from which it is drawn."""

TOGETHER = 0.35
"""Share of unit 4 that is seen beside unit 1: both pull at the inner brow, which goes up."""

COMBINATIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "anger": (
        (4, 5, 7, 23), (4, 5, 7, 24), (4, 5, 7, 17, 24), (4, 7, 17, 23), (4, 7, 23), (4, 5, 7),
        (4, 7), (4, 5, 24), (4, 7, 10, 16, 25), (4, 5, 7, 10, 25, 26),
    ),
    "disgust": (
        (9,), (9, 17), (10,), (10, 17), (9, 10, 25), (9, 15, 17), (9, 16, 25), (10, 16, 25, 26),
        (7, 9, 17, 24),
    ),
    "fear": (
        (1, 2, 4, 5), (1, 2, 4, 5, 20), (1, 2, 4, 5, 20, 25), (1, 2, 4, 5, 25), (1, 4, 5, 20, 25),
        (1, 2, 4, 5, 20, 26), (1, 2, 4, 5, 20, 25, 27), (1, 4, 5), (5, 20, 25),
    ),
    "joy": (
        (12,), (6, 12), (6, 12, 25), (6, 12, 25, 26), (6, 7, 12), (12, 25), (6, 12, 14),
        (1, 2, 6, 12, 25),
    ),
    "sadness": (
        (1, 4), (1, 4, 15), (1, 4, 15, 17), (1, 15), (1, 4, 17), (1, 4, 15, 43), (1, 4, 43),
        (1, 4, 15, 25), (6, 1, 4, 15),
    ),
    "surprise": (
        (1, 2, 5, 26), (1, 2, 5, 25), (1, 2, 5), (1, 2, 26), (1, 2, 5, 27), (1, 2, 5, 25, 26),
        (1, 2),
    ),
}  # fmt: skip
"""Expression -> combinations of units that show it."""

BLENDS = (("anger", "disgust"), ("anger", "sadness"), ("fear", "surprise"), ("joy", "surprise"),
          ("sadness", "disgust"), ("fear", "sadness"), ("joy", "sadness"))  # fmt: skip
"""Pairs that are seen together in one face."""

MOUTHS: dict[str, dict[str, float]] = {
    "open_round": {"jawOpen": 0.35, "mouthFunnel": 0.6, "mouthPucker": 0.35},
    "close_round": {"jawOpen": 0.12, "mouthPucker": 0.95, "mouthFunnel": 0.5},
    "close_front": {"jawOpen": 0.1, "mouthStretch": 0.55, "mouthSmile": 0.25,
                    "mouthLowerDown": 0.3, "mouthUpperUp": 0.2},
    "bilabial": {"mouthPress": 0.25, "mouthRollUpper": 0.1, "mouthRollLower": 0.1},
    "labiodental": {"mouthRollLower": 0.7, "mouthUpperUp": 0.3, "jawOpen": 0.06},
    "open": {"jawOpen": 0.5, "mouthLowerDown": 0.2, "mouthUpperUp": 0.1},
    "open_front": {"jawOpen": 0.4, "mouthStretch": 0.28, "mouthLowerDown": 0.25,
                   "mouthUpperUp": 0.2},
    "hushing": {"jawOpen": 0.05, "mouthFunnel": 0.55, "mouthPucker": 0.35, "mouthLowerDown": 0.2,
                "mouthUpperUp": 0.15},
    "alveolar": {"jawOpen": 0.13, "mouthLowerDown": 0.15},
}  # fmt: skip
"""Mouths of sounds, by the names of `talkers.phonetics.VISEMES`, in no expression."""

RESTS: tuple[dict[str, float], ...] = (
    {"browDown": 0.24}, {"eyeBlink": 0.2}, {"eyeWide": 0.2}, {"mouthFrown": 0.22},
    {"mouthSmile": 0.14}, {"mouthRollUpper": 0.25, "mouthRollLower": 0.25}, {"mouthPress": 0.22},
    {"cheekPuff": 0.16}, {"cheekSquint": 0.28}, {"browInnerUp": 0.18}, {"browOuterUp": 0.16},
    {"mouthShrugLower": 0.16}, {"jawForward": 0.3}, {"jawOpen": 0.06, "mouthLowerDown": 0.06},
    {"mouthPucker": 0.18}, {"eyeSquint": 0.22}, {"noseSneer": 0.12},
)  # fmt: skip
"""Features of a face at rest that look like a trace of something, at their largest."""


def weights(channels: dict[str, float]) -> np.ndarray:
    """(52,) of channels with or without a side."""
    out = np.zeros(len(ARKIT_CHANNELS))
    for channel, weight in channels.items():
        for name in sides(channel):
            out[ARKIT_INDEX[name]] = weight
    return out


def compose(units: Sequence[int], amounts: Sequence[float]) -> np.ndarray:
    """(52,) weights of action units, each at its share (0..1) of E."""
    shares = dict(zip(units, amounts, strict=True))
    if 1 in shares and 4 in shares:
        shares[4] *= TOGETHER
    out = np.zeros(len(ARKIT_CHANNELS))
    for unit, share in shares.items():
        out = np.maximum(out, share * weights(UNITS[unit]))
    return np.clip(out, 0.0, 1.0)


def draw_expression(
    rng: np.random.Generator, expression: str, level: str
) -> tuple[np.ndarray, float]:
    """A combination of one expression at a level: its weights (52,), its strength 0..1.

    Its units differ a little, as they do in people; the strength is their mean.
    """
    units = COMBINATIONS[expression][rng.integers(len(COMBINATIONS[expression]))]
    share = rng.uniform(*LEVELS[level])
    amounts = np.clip(share * rng.uniform(0.75, 1.25, len(units)), 0.04, 1.0)
    return _leaning(rng, compose(units, amounts)), float(amounts.mean())


def draw_mouth(rng: np.random.Generator) -> tuple[str, np.ndarray, float]:
    """A mouth that says something: which sound, its weights (52,), how far it goes, 0..1."""
    name = list(MOUTHS)[rng.integers(len(MOUTHS))]
    share = float(rng.uniform(0.45, 1.05))
    return name, np.clip(share * weights(MOUTHS[name]), 0, 1), min(share, 1.0)


def draw_rest(rng: np.random.Generator, variant: int) -> np.ndarray:
    """(52,) weights of a face at rest; of variant 0 it is the mesh's own."""
    out = np.zeros(len(ARKIT_CHANNELS))
    if variant:
        for i in rng.permutation(len(RESTS))[: rng.integers(1, 4)]:
            out = np.maximum(out, rng.uniform(0.4, 1.0) * weights(RESTS[i]))
    return out


def _leaning(rng: np.random.Generator, arkit: np.ndarray) -> np.ndarray:
    """One side a little weaker, in some."""
    if rng.random() < 0.4:
        weaker, keep = rng.choice(("Left", "Right")), rng.uniform(0.55, 0.95)
        arkit = arkit * [keep if c.endswith(weaker) else 1.0 for c in ARKIT_CHANNELS]
    return arkit
