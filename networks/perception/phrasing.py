"""From readings of single frames to phrases: what is felt changes every few seconds, not thrice in
one.

A segmental (hidden semi-Markov) model: a clip is cut into spans of one expression each, so that the
readings are as likely as can be while spans that are shorter than feelings last cost something.
The best cut is found exactly, by dynamic programming (Viterbi) over a grid in time. Live, where
what follows is not known, `Feeling` is the same model's belief about now (forward filtering).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..phrases import Overruling, Phrase, affect_said, begins_at, overruled, phrase_curve
from ..track import FaceTrack
from ..vocabulary import EXPRESSIONS, NEUTRAL

GRID = 0.05
"""Seconds between two places at which a phrase may begin."""
SHORTEST = 0.8
"""Seconds that a phrase lasts at least,"""
CUT_OFF = 0.2
"""and at a clip's ends, which cut phrases off anywhere."""
USUAL = 4.0
"""Seconds from which on a phrase is no shorter than feelings are."""
EVIDENCE = 3.0
"""Looks that a second of frames is worth: neighbouring frames show the same face, and are wrong
together."""
LEANING = 0.9
"""Log odds by which every reading leans to neutral, since most of what was learned from is. Counted
anew in each look that would outweigh any small feeling that lasts."""
CHANGE = 3.0
"""What a change costs, in log odds,"""
HASTY = 2.5
"""and the shortest phrase beside that, less up to `USUAL`: what lasts is believed sooner than what
is over at once."""
BEGINS = 0.6 * (CHANGE + HASTY)
"""Log odds by which a clip begins with a calm face: whoever begins to act was at rest before, so
that most of the change from there into the first feeling is paid for however short the calm was;
not all of it, since many clips begin while something is felt already. Where nobody is seen at
first, that is taken for calm too."""
ENDS = 0.5 * CHANGE
"""Log odds by which it ends with one: less, since many clips are cut while something is felt."""
SURER = 2.0
"""Exponent on the mean of a phrase's readings: many looks are surer than one."""
PASSING = 1.5
"""Seconds below which calm between two feelings is none to show: who cries and then laughs does not
come to rest in between, and a hand before the mouth looks calm."""
DOUBT = 0.05
"""Share of a phrase's reading that is even over all expressions: a phrase may be wrong as a whole.
On talkers the chances of phrases fit what is true best so."""
LEAST = 0.02
"""Least chance that a single frame leaves an expression: a reader that is sure and wrong for a
moment must not decide alone."""
HAZARD = 0.25
"""Changes a second that are expected while nothing is known of what follows."""
REMEMBERED = 0.8
"""Seconds of the past of which the mean is taken then."""
LONGEST_STEP = 0.5
"""Seconds between two frames that count at most."""

_COUNT = len(EXPRESSIONS)
_CALM = np.arange(_COUNT) == NEUTRAL


def felt(track: FaceTrack, words: tuple[Overruling, ...] = ()) -> FaceTrack:
    """A clip's track as what is felt in it: its phrases (found now in one that has none), with what
    a person overrules, and `expression` and `affect` as they say. Separate pictures stay as they
    are.
    """
    if track.meta.get("stills"):
        return track
    phrases = track.phrases
    if phrases is None:
        phrases = find_phrases(track.times, track.momentary, track.found, track.shots)
    elif not words:
        return track
    phrases = overruled(phrases, words)
    curve = phrase_curve(track.times, phrases, track.cuts).astype(np.float32)
    affect = track.affect
    if words and affect is not None:
        affect = affect_said(track.times, affect, phrases, track.cuts)
    return replace(
        track, expression=curve, readings=track.momentary, phrases=phrases, affect=affect
    )


def through_calm(track: FaceTrack) -> FaceTrack:
    """A clip's track whose `expression` goes on with a feeling through calm that only passes, until
    the next one begins; its phrases stay. Calm that a person has named stays calm, and so does calm
    before or after a cut."""
    if not track.phrases:
        return track
    phrases = list(track.phrases)
    for i, (before, calm, after) in enumerate(zip(phrases, phrases[1:], phrases[2:], strict=False)):
        cut = begins_at(calm, track.cuts) or begins_at(after, track.cuts)
        if _passes(calm) and not (cut or _is_calm(before) or _is_calm(after)):
            phrases[i + 1] = replace(calm, reading=before.reading)
    if phrases == list(track.phrases):
        return track
    curve = phrase_curve(track.times, phrases, track.cuts).astype(np.float32)
    return replace(track, expression=curve)


def _passes(phrase: Phrase) -> bool:
    return _is_calm(phrase) and phrase.seconds < PASSING and not phrase.by_hand


def _is_calm(phrase: Phrase) -> bool:
    return phrase.expression == EXPRESSIONS[NEUTRAL]


def find_phrases(
    times: np.ndarray,
    readings: np.ndarray,
    found: np.ndarray,
    shots: Sequence[slice] = (slice(None),),
) -> tuple[Phrase, ...]:
    """The phrases of a clip, which lie end to end from its first to its last frame.

    Args:
        times: (N,) seconds, increasing. readings: (N, 7) chances of single frames. found: (N,)
            bool: the face was seen; what is said of other frames counts nothing.
        shots: the frames between cuts, end to end; each is taken as a clip of its own, so that no
            phrase goes over a cut.
    """
    parts = (_in_one_shot(times[shot], readings[shot], found[shot]) for shot in shots)
    phrases = list(itertools.chain.from_iterable(parts))
    joined = [replace(p, end=after.start) for p, after in itertools.pairwise(phrases)]
    return (*joined, phrases[-1])


def _in_one_shot(times, readings, found) -> tuple[Phrase, ...]:
    times = np.asarray(times, float)
    grid, evidence = _on_grid(times, np.asarray(readings, float), np.asarray(found, bool))
    if not np.any(found):
        return (Phrase(float(grid[0]), float(grid[-1]), tuple(np.eye(_COUNT)[NEUTRAL].tolist())),)
    out = []
    for first, end, label in _best_cuts(evidence):
        mean = _reading(times, readings, found, grid[first], grid[end])
        reading = tuple(_led_by(label, mean).tolist())
        out.append(Phrase(float(grid[first]), float(grid[end]), reading))
    return tuple(out)


def _on_grid(
    times: np.ndarray, readings: np.ndarray, found: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(T + 1,) edges of the grid's cells, and (T, 7) log odds that each cell gives; 0 where nobody
    is seen."""
    step = float(np.median(np.diff(times))) if len(times) > 1 else GRID
    span = times[-1] + step - times[0]
    edges = times[0] + np.linspace(0.0, span, max(1, round(span / GRID)) + 1)
    said = np.log(_not_leaning(readings) * (1.0 - _COUNT * LEAST) + LEAST)
    said = (said - said.max(1, keepdims=True)) * found[:, None]
    frames = _nearest(times, 0.5 * (edges[1:] + edges[:-1]))
    own = _cell_means(times, said, found, edges)
    cells = np.where(np.isnan(own), said[frames], own)
    return edges, cells * EVIDENCE * (span / max(len(edges) - 1, 1))


def _not_leaning(readings: np.ndarray) -> np.ndarray:
    """Readings (N, 7) as if as much that is felt had been learned from as calm."""
    even = np.clip(readings, 0.0, 1.0) * np.where(_CALM, np.exp(-LEANING), 1.0)
    return even / even.sum(1, keepdims=True).clip(1e-9)


def _nearest(times: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """The frame nearest to each moment."""
    after = np.clip(np.searchsorted(times, moments), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    earlier = np.abs(times[before] - moments) <= np.abs(times[after] - moments)
    return np.where(earlier, before, after)


def _cell_means(
    times: np.ndarray, said: np.ndarray, found: np.ndarray, edges: np.ndarray
) -> np.ndarray:
    """(T, 7) mean of the seen frames within each cell; NaN where there is none."""
    cells = len(edges) - 1
    cell = np.clip(np.searchsorted(edges, times[found], side="right") - 1, 0, cells - 1)
    total = np.zeros((cells, _COUNT))
    np.add.at(total, cell, said[found])
    count = np.bincount(cell, minlength=cells).astype(float)
    return total / np.where(count > 0, count, np.nan)[:, None]


def _best_cuts(evidence: np.ndarray) -> list[tuple[int, int, int]]:
    """(first cell, one past the last, expression) of each span of the best cut of (T, 7).

    A state is an expression and for how long it has been felt, up to `USUAL`: for each the value of
    the best cut that ends in it, and where its last span began.
    """
    costs = _leaving_costs()
    value = np.full((len(costs), _COUNT), -np.inf)
    value[_BEGUN] = evidence[0] + BEGINS * _CALM
    start = np.zeros(value.shape, int)
    came = np.zeros((len(evidence), _COUNT, 2), int)  # from which expression, and where that began
    for cell in range(1, len(evidence)):
        entering, came[cell] = _entering(value - costs[:, None], start)
        value, start = _older(value, start, entering, cell)
        value = value + evidence[cell]
    ending = value + ENDS * _CALM  # what the end cuts off may be of any length: that costs nothing
    ending[:_SEEN] = -np.inf
    if not np.isfinite(ending).any():  # the whole clip is shorter than a phrase
        ending = value
    age, label = np.unravel_index(int(ending.argmax()), ending.shape)
    spans = _traced(came, int(label), int(start[age, label]))
    # Alone a phrase neither begins nor ends from rest: then the likeliest is what is felt.
    return spans if len(spans) > 1 else [(0, len(evidence), int(evidence.sum(0).argmax()))]


_LEAST, _USUAL = round(SHORTEST / GRID), round(USUAL / GRID)
_SEEN = round(CUT_OFF / GRID)
_BEGUN = _LEAST - _SEEN
"""Age in cells of what is felt when a clip begins."""


def _leaving_costs() -> np.ndarray:
    """(A,) what it costs to leave an expression at an age in cells."""
    costs = CHANGE + _haste()
    costs[:_LEAST] = np.inf
    return costs


def _haste() -> np.ndarray:
    """(A,) what a phrase of an age in cells costs for being shorter than feelings are."""
    return HASTY * (1.0 - np.arange(_USUAL + 1) / _USUAL)


def _entering(left: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of states (A, 7) as they are left: the value (7,) of entering each expression from the best
    of the others, and (7, 2) which that is and where it began."""
    columns = np.arange(_COUNT)
    age = left.argmax(0)
    best, begun = left[age, columns], start[age, columns]
    order = np.argsort(best)
    other = np.where(columns == order[-1], order[-2], order[-1])
    return best[other], np.stack([other, begun[other]], axis=1)


def _older(
    value: np.ndarray, start: np.ndarray, entering: np.ndarray, cell: int
) -> tuple[np.ndarray, np.ndarray]:
    """States (A, 7) a cell later: the oldest stay so, the youngest begin at `cell`."""
    stays = value[-1] > value[-2]
    oldest = np.where(stays, value[-1], value[-2]), np.where(stays, start[-1], start[-2])
    value = np.vstack([entering, value[:-2], oldest[0]])
    return value, np.vstack([np.full(_COUNT, cell), start[:-2], oldest[1]])


def _traced(came: np.ndarray, label: int, begin: int) -> list[tuple[int, int, int]]:
    """The spans back from the last, of which expression and beginning are known."""
    end, spans = len(came), [(begin, len(came), label)]
    while begin > 0:
        end, (label, begin) = begin, (int(x) for x in came[begin, label])
        spans.append((begin, end, label))
    return spans[::-1]


def _reading(times, readings, found, first: float, end: float) -> np.ndarray:
    """(7,) what the seen frames of a span say together; as the nearest frame does, if none is."""
    rows = np.flatnonzero(found & (times >= first - 1e-9) & (times < end - 1e-9))
    if not len(rows):
        rows = np.array([np.abs(times - 0.5 * (first + end)).argmin()])
    mean = _not_leaning(np.asarray(readings, float)[rows]).mean(0) ** SURER
    return (1.0 - DOUBT) * mean / max(mean.sum(), 1e-9) + DOUBT / _COUNT


def _led_by(label: int, mean: np.ndarray) -> np.ndarray:
    """A mean reading (7,) in which the span's own expression is the likeliest: a few frames that
    are very sure of another may outweigh the most that are not."""
    best = int(np.where(np.arange(_COUNT) == label, -np.inf, mean).argmax())
    if mean[label] > mean[best]:
        return mean
    out = mean.copy()
    out[label] = out[best] = 0.5 * (mean[label] + mean[best])
    out[label] += 1e-4
    out[best] -= 1e-4
    return out


class Feeling:
    """What is felt now, from what was read until now: the mean of the last second, led by what is
    believed."""

    def __init__(self):
        self._time: float | None = None
        self._chances = np.full(_COUNT, 1.0 / _COUNT)
        self._mean: np.ndarray | None = None

    def __call__(self, time: float, reading: np.ndarray) -> np.ndarray:
        """(7,) what is felt at a time in seconds, after a frame's reading (7,)."""
        step = GRID if self._time is None else min(max(time - self._time, 0.0), LONGEST_STEP)
        self._time, reading = time, np.asarray(reading, float)
        before = reading if self._mean is None else self._mean
        self._mean = reading + np.exp(-step / REMEMBERED) * (before - reading)
        self._believe(reading, step)
        return _led_by(int(self._chances.argmax()), self._mean)

    def _believe(self, reading: np.ndarray, step: float) -> None:
        """Forward filtering: what was believed, a step older, and what is read now."""
        stays = np.exp(-HAZARD * step)
        prior = stays * self._chances + (1.0 - stays) * (1.0 - self._chances) / (_COUNT - 1)
        said = np.clip(reading, 0.0, 1.0) * (1.0 - _COUNT * LEAST) + LEAST
        chances = prior * said ** (EVIDENCE * step)
        self._chances = chances / chances.sum()
