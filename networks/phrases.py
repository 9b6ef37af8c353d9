"""Phrases: spans of a clip in which an actor feels one thing, and what a person says of them.

A feeling lasts seconds, a reading of single frames flickers. How phrases are found in readings is
told by `perception/phrasing.py`; here they are data: their curve over time, and spans that a person
overrules.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .vocabulary import CIRCUMPLEX, EXPRESSIONS

EDGE = 0.4
"""Seconds in which one phrase passes into the next: a face takes about so long to change."""
NEAR = 0.4
"""Seconds by which an edge may have moved in another analysis and still be the same one."""
SAME_MOMENT = 1e-6
"""Seconds by which two moments may differ and be the same."""
SHORTEST = 1e-3
"""Seconds below which nothing is left of a phrase that is cut."""

Overruling = tuple[float, float, tuple[float, ...]]
"""Start and end in seconds, and weights (7,) of what is felt there instead, by a person's word."""


@dataclass(frozen=True)
class Phrase:
    """A span with one reading. start, end: seconds; reading: (7,) chances in the order of
    EXPRESSIONS, which sum to 1; by_hand: a person said so."""

    start: float
    end: float
    reading: tuple[float, ...]
    by_hand: bool = False

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def order(self) -> tuple[int, ...]:
        """Indices into EXPRESSIONS, the likeliest first."""
        return tuple(int(i) for i in np.argsort(self.reading, kind="stable")[::-1])

    @property
    def expression(self) -> str:
        """The likeliest."""
        return EXPRESSIONS[self.order[0]]

    @property
    def confidence(self) -> float:
        """The likeliest one's chance, 0..1."""
        return self.reading[self.order[0]]

    @property
    def second(self) -> tuple[str, float]:
        """The next likeliest expression, and its chance."""
        return EXPRESSIONS[self.order[1]], self.reading[self.order[1]]

    def to_json(self) -> dict:
        """For `--json`."""
        second, chance = self.second
        return {
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "expression": self.expression,
            "confidence": round(self.confidence, 4),
            "second": second,
            "second_confidence": round(chance, 4),
            "by_hand": self.by_hand,
        }


def phrase_curve(
    times: np.ndarray, phrases: Sequence[Phrase], cuts: Sequence[float] = ()
) -> np.ndarray:
    """(N, 7) what phrases say at times (N,) seconds: each its own reading, passing smoothly into
    the next in `EDGE` seconds around their common edge; rows sum to 1.

    Args:
        phrases: at least one, in order of time, each beginning where the one before ends.
        cuts: seconds of the first frames after cuts; a phrase that begins there does so at once.
    """
    curve = _passing(times, phrases, [p.reading for p in phrases], cuts)
    curve = np.clip(curve, 0.0, None)
    return curve / curve.sum(1, keepdims=True)


def affect_said(
    times: np.ndarray,
    affect: np.ndarray,
    phrases: Sequence[Phrase],
    cuts: Sequence[float] = (),
) -> np.ndarray:
    """Valence and arousal (N, 2) with those of what a person says where a person says so: the
    places of CIRCUMPLEX, between them of a mixture. cuts: see `phrase_curve`."""
    places = np.array([np.asarray(p.reading) @ np.array(CIRCUMPLEX) for p in phrases])
    by_hand = np.array([[float(p.by_hand)] for p in phrases])
    share = _passing(times, phrases, by_hand, cuts)
    said = _passing(times, phrases, by_hand * places, cuts)
    return (np.asarray(affect, float) * (1.0 - share) + said).astype(np.float32)


def begins_at(phrase: Phrase, cuts: Sequence[float]) -> bool:
    """Whether a phrase begins at one of the cuts."""
    return any(abs(phrase.start - cut) <= SAME_MOMENT for cut in cuts)


def _passing(
    times: np.ndarray, phrases: Sequence[Phrase], values, cuts: Sequence[float]
) -> np.ndarray:
    """(N, K) values (K,) of phrases at times (N,), passing smoothly at their edges but for cuts."""
    times, values = np.asarray(times, float), np.asarray(values, float)
    curve = np.tile(values[0], (len(times), 1))
    for (before, after), step in zip(
        itertools.pairwise(phrases), np.diff(values, axis=0), strict=True
    ):
        width = min(EDGE, before.seconds, after.seconds)
        x = np.clip((times - after.start) / max(width, SHORTEST) + 0.5, 0.0, 1.0)
        if begins_at(after, cuts):
            x = (times >= after.start - SAME_MOMENT).astype(float)
        curve += (x * x * (3.0 - 2.0 * x))[:, None] * step
    return curve


def phrase_at(phrases: Sequence[Phrase], seconds: float) -> int:
    """The phrase that a moment lies in, the nearest one before the first and after the last."""
    starts = [p.start for p in phrases]
    return max(0, int(np.searchsorted(starts, seconds, side="right")) - 1)


def overruled(phrases: Sequence[Phrase], words: Sequence[Overruling]) -> tuple[Phrase, ...]:
    """Phrases with spans that a person overrules cut in, the later word over the earlier; those
    that reach out of the clip are cut off."""
    out = tuple(phrases)
    for start, end, weights in words:
        start, end = max(start, out[0].start), min(end, out[-1].end)
        if end - start < SHORTEST:
            continue
        said = np.asarray(weights, float) / np.sum(weights)
        new = Phrase(start, end, tuple(said.tolist()), by_hand=True)
        before = (replace(p, end=min(p.end, start)) for p in out)
        after = (replace(p, start=max(p.start, end)) for p in out)
        kept = [p for p in (*before, *after) if p.seconds >= SHORTEST]
        out = tuple(sorted([*kept, new], key=lambda p: p.start))
    return out


def matched(start: float, end: float, phrases: Sequence[Phrase]) -> tuple[float, float]:
    """A span as it lies in another analysis of the same clip: its edges where those of the phrases
    are, if they are `NEAR`; else where they were."""
    edges = np.array([phrases[0].start, *(p.end for p in phrases)])
    first, last = (float(edges[np.abs(edges - t).argmin()]) for t in (start, end))
    first = first if abs(first - start) <= NEAR else start
    last = last if abs(last - end) <= NEAR else end
    return (first, last) if last - first >= SHORTEST else (start, end)


def said_of(phrase: Phrase, words: Sequence[Overruling]) -> int | None:
    """Which of a person's words is of a phrase: the last that covers most of it; None for none."""
    for i in range(len(words) - 1, -1, -1):
        start, end, _ = words[i]
        shared = min(end, phrase.end) - max(start, phrase.start)
        if shared > 0.5 * max(phrase.seconds, SHORTEST):
            return i
    return None


def weights_of(words: str) -> tuple[float, ...]:
    """(7,) weights of an expression or a mixture such as "anger", "joy+surprise" or
    "sadness*2+joy"; they sum to 1.

    Raises:
        ValueError: a name is unknown, or a factor is no positive number.
    """
    weights = np.zeros(len(EXPRESSIONS))
    for part in words.split("+"):
        name, star, factor = part.strip().partition("*")
        if name.strip() not in EXPRESSIONS:
            raise ValueError(f"there is no expression {name.strip()[:20]!r}")
        amount = float(factor) if star else 1.0
        if not 0.0 < amount <= 1e6:
            raise ValueError(f"{factor!r} is no weight")
        weights[EXPRESSIONS.index(name.strip())] += amount
    return tuple((weights / weights.sum()).tolist())
