"""Sounds with their times -> ARKit channels over time, each sound pulling at its neighbours.

Cohen and Massaro 1993: every sound has a target for each articulator and a dominance that rises
before and falls after it; a channel is the mean of all targets, weighted by dominance. Contacts
(lips together, lower lip to the teeth) are no mean: they are told apart, as demands that reach 1,
and `mouth` meets them on a head's own geometry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX
from ..stylise import smooth
from .phonetics import (
    ARTICULATORS,
    CLOSE_LAG,
    CLOSE_LEAD,
    CLOSE_LEAST,
    INDIFFERENT,
    LAG,
    LEAD,
    SOUND,
    STRESSED,
    UNSTRESSED,
    VISEMES,
    YIELD,
    Viseme,
)

CORE = 0.5
"""Share of a sound in which its dominance is whole."""
_VOWELS = frozenset(
    name for name in VISEMES if name.startswith(("close", "near", "mid", "open", "schwa"))
)


@dataclass(frozen=True)
class Articulation:
    """What speech asks of a face over N frames.

    arkit (N, 52): weights without any contact. closure, teeth (N,): 0..1, lips together, lower lip
    to the upper teeth. tongue (N,): 0..1, the tongue's tip at the teeth. active (N,): 0..1, how
    much the mouth is busy with speech.
    """

    arkit: np.ndarray
    closure: np.ndarray
    teeth: np.ndarray
    tongue: np.ndarray
    active: np.ndarray


def articulate(
    phonemes: Sequence[str], starts: np.ndarray, ends: np.ndarray, times: np.ndarray,
    reach: float = 1.0,
) -> Articulation:  # fmt: skip
    """The mouth's motion in a sequence of sounds.

    Args:
        phonemes: P sounds, IPA first and marks after it, "" for silence. starts, ends: (P,)
            seconds. times: (N,) seconds. reach: of the speaker's articulation; 1 is clear speech.
    """
    visemes = [_viseme(p) for p in phonemes]
    sizes = [_reach(p) * reach for p in phonemes]
    arkit, tongue = np.zeros((len(times), len(ARKIT_CHANNELS))), np.zeros(len(times))
    for articulator, channels in ARTICULATORS.items():
        weights = dominances(visemes, articulator, starts, ends, times)
        for channel in channels:
            goals = np.array(
                [v.targets.get(channel, 0.0) * s for v, s in zip(visemes, sizes, strict=True)]
            )
            values = weights @ goals
            if channel == "tongue":
                tongue = np.clip(values, 0, 1)
                continue
            for name in sides(channel):
                arkit[:, ARKIT_INDEX[name]] = np.clip(values, 0, 1)
    spoken = np.array([bool(p) for p in phonemes])
    return Articulation(
        arkit=arkit,
        closure=contact(phonemes, "bilabial", starts, ends, times),
        teeth=contact(phonemes, "labiodental", starts, ends, times),
        tongue=tongue,
        active=_busy(spoken, starts, ends, times),
    )


def dominances(visemes: Sequence[Viseme], articulator: str, starts, ends, times) -> np.ndarray:
    """(N, P) share of each sound in an articulator at each time; rows sum to 1, or less where the
    nearest sound is far away."""
    strength = np.array([v.insists.get(articulator, INDIFFERENT) for v in visemes])
    middle, half = (starts + ends) / 2, (ends - starts) / 2
    core = np.where(np.array([not v.targets for v in visemes]), 1.0, CORE)
    away = np.asarray(times)[:, None] - middle
    past = np.maximum(np.abs(away) - core * half, 0.0)
    width = np.where(away < 0, LEAD[articulator], LAG[articulator]) + (1 - core) * half * 0.5
    raw = strength * np.exp(-((past / width) ** 2))
    return raw / (raw.sum(1, keepdims=True) + 1e-3)


def contact(phonemes: Sequence[str], viseme: str, starts, ends, times) -> np.ndarray:
    """(N,) 0..1: demand of a contact; 1 while one of its sounds lasts, at least CLOSE_LEAST.

    Coming together and parting take no more than YIELD of the sounds beside it, so that a vowel is
    heard, and seen, through open lips.
    """
    demand = np.zeros(len(times))
    share = 1.0 if viseme == "bilabial" else 0.5
    lengths = np.asarray(ends) - np.asarray(starts)
    for i in [i for i, p in enumerate(phonemes) if SOUND.get(p[:1]) == viseme]:
        before = YIELD * (lengths[i - 1] if i else CLOSE_LEAD)
        after = YIELD * (lengths[i + 1] if i + 1 < len(phonemes) else CLOSE_LAG)
        lack = max(0.0, share * CLOSE_LEAST - lengths[i]) / 2
        start, end = starts[i] - min(lack, before / 2), ends[i] + min(lack, after / 2)
        rise = smooth(starts[i] - min(CLOSE_LEAD, before) - 1e-4, start, times)
        fall = smooth(ends[i] + min(CLOSE_LAG, after) + 1e-4, end, times)
        demand = np.maximum(demand, np.minimum(rise * fall, 1.0))
    return demand


def sides(channel: str) -> tuple[str, ...]:
    """The ARKit channels of a name with or without a side."""
    return (channel,) if channel in ARKIT_INDEX else (f"{channel}Left", f"{channel}Right")


def _viseme(phoneme: str) -> Viseme:
    return VISEMES[SOUND.get(phoneme[:1], "schwa")]


def _reach(phoneme: str) -> float:
    if SOUND.get(phoneme[:1], "schwa") not in _VOWELS:
        return 1.0
    return STRESSED if "ˈ" in phoneme else UNSTRESSED


def _busy(spoken, starts, ends, times) -> np.ndarray:
    """(N,) 1 while somebody speaks, fading over a quarter of a second into the silences."""
    busy = np.zeros(len(times))
    for start, end in zip(starts[spoken], ends[spoken], strict=True):
        busy = np.maximum(busy, smooth(start - 0.25, start, times) * smooth(end + 0.3, end, times))
    return busy
