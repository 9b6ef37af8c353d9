"""What a face does for what is said while nothing is felt: brows that go up with stressed words and
questions, or together in thought, lids that narrow, quick smiles, nods.

Ekman, "About brows" (1979), tells the kinds of conversational signals: batons on a word,
underlining of several, question marks, the thinker's frown. How far brows move is what the tracker
sees of filmed people who talk plainly: their inner ends wander by .2 about their mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....networks.vocabulary import ARKIT_CHANNELS
from ..facs import weights
from ..stylise import smooth
from .acting import nod

RAISES: tuple[dict[str, float], ...] = (
    {"browInnerUp": 1.0, "browOuterUp": 0.9},
    {"browInnerUp": 1.0, "browOuterUp": 0.5},
    {"browInnerUp": 1.0},
    {"browOuterUpLeft": 1.0, "browInnerUp": 0.35},
    {"browOuterUpRight": 1.0, "browInnerUp": 0.35},
)
"""Ways in which brows go up, both or one; everybody has one or two."""
THOUGHT: tuple[dict[str, float], ...] = (
    {"browDown": 0.7, "eyeSquint": 0.5},
    {"browDown": 0.9},
    {"browDown": 0.5, "browInnerUp": 0.4, "eyeSquint": 0.3},
    {"eyeSquint": 0.9},
    {"mouthPress": 0.5, "browInnerUp": 0.3},
)
"""What somebody does who looks for a word."""
SMILES: tuple[dict[str, float], ...] = (
    {"mouthSmile": 0.6, "cheekSquint": 0.25},
    {"mouthSmile": 0.5},
    {"mouthSmileLeft": 0.5, "mouthDimpleLeft": 0.3},
    {"mouthSmileRight": 0.5, "mouthDimpleRight": 0.3},
)
"""Smiles that are over at once: somebody is polite, or begins and ends."""
SMILE_SECONDS = (0.35, 0.7)
LIVELY = (0.3, 1.5)
"""How far somebody goes: some hardly move their brows, others always do."""


def signals(
    rng: np.random.Generator,
    times: np.ndarray,
    accents: np.ndarray,
    spoken: tuple[float, float],
    asks: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (N, 52) of what goes with what is said, and how far the head nods, (N,) radians.

    Args:
        times: (N,) seconds. accents: (A,) seconds of stressed syllables. spoken: seconds at which
            speech begins and ends. asks: it is a question.
    """  # fmt: skip
    lively = float(rng.uniform(*LIVELY))
    ways = [weights(RAISES[i]) for i in rng.permutation(len(RAISES))[:2]]
    raised = _batons(rng, times, accents, ways) + _underlining(rng, times, spoken, ways)
    if asks and rng.random() < 0.7:
        raised = np.maximum(raised, _question(rng, times, spoken[1], ways))
    out = np.maximum(raised, _now_and_then(rng, times, THOUGHT, (0.4, 1.8), 0.12))
    out = np.maximum(out, _now_and_then(rng, times, SMILES, SMILE_SECONDS, 0.1))
    nods = sum((_nods(rng, times, m) for m in accents if rng.random() < 0.15), 0.0 * times)
    return np.clip(lively * out, 0.0, 1.0), lively * nods


def _batons(rng, times, accents, ways) -> np.ndarray:
    """Brows that go up for a syllable: on some of the stressed ones."""
    often = rng.uniform(0.1, 0.7)
    out = np.zeros((len(times), len(ARKIT_CHANNELS)))
    for moment in accents:
        if rng.random() < often:
            up = _hump(times, moment + rng.normal(0, 0.06), rng.uniform(0.15, 0.5))
            out = np.maximum(out, _moved(rng, up, ways, (0.3, 1.0)))
    return out


def _underlining(rng, times, spoken, ways) -> np.ndarray:
    """Brows that stay up for several words."""
    rate = rng.uniform(0.0, 0.6)
    out = np.zeros((len(times), len(ARKIT_CHANNELS)))
    for moment in _moments(rng, spoken, rate):
        up = _hump(times, moment, rng.uniform(0.6, 2.5))
        out = np.maximum(out, _moved(rng, up, ways, (0.3, 1.0)))
    return out


def _question(rng, times, end: float, ways) -> np.ndarray:
    """Brows that stay up to the end of a question and a little longer."""
    start = end - rng.uniform(0.6, 1.6)
    up = smooth(start, start + 0.3, times) * smooth(end + 0.7, end + 0.2, times)
    return _moved(rng, up, ways, (0.4, 1.0))


def _now_and_then(
    rng, times, kinds: Sequence[dict[str, float]], seconds: tuple[float, float], rate: float
) -> np.ndarray:
    """One of `kinds` for some seconds, `rate` times a second."""
    out = np.zeros((len(times), len(ARKIT_CHANNELS)))
    for moment in _moments(rng, (float(times[0]), float(times[-1])), rate):
        way = [weights(kinds[rng.integers(len(kinds))])]
        out = np.maximum(
            out, _moved(rng, _hump(times, moment, rng.uniform(*seconds)), way, (0.4, 1.0))
        )
    return out


def _moved(
    rng, amount: np.ndarray, ways: Sequence[np.ndarray], reach: tuple[float, float]
) -> np.ndarray:
    """(N, 52) one of the ways, over time, as far as `reach` allows."""
    return rng.uniform(*reach) * amount[:, None] * ways[rng.integers(len(ways))]


def _nods(rng, times: np.ndarray, moment: float) -> np.ndarray:
    """(N,) one nod or two, radians."""
    size, apart = np.radians(rng.uniform(2.0, 6.0)), rng.uniform(0.3, 0.45)
    count = rng.integers(1, 3)
    return size * sum(nod(times, moment + k * apart) for k in range(count))


def _moments(rng, within: tuple[float, float], rate: float) -> np.ndarray:
    start, end = within[0], max(within)
    return rng.uniform(start, end, rng.poisson(rate * (end - start)))


def _hump(times: np.ndarray, middle: float, seconds: float) -> np.ndarray:
    """(N,) 0..1: comes within a fifth of a second or less, lasts, and goes."""
    half, edge = seconds / 2, min(0.2, seconds / 2)
    rise = smooth(middle - half, middle - half + edge, times)
    return rise * smooth(middle + half, middle + half - edge, times)
