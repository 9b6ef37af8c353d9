"""What an animator says of phrases instead of what was read, as the scene remembers it.

Tied to the reference and to seconds, so that it outlives another analysis, whose phrases may begin
and end a little elsewhere (`phrases.matched`).
"""

from __future__ import annotations

from collections.abc import Sequence

from ...networks.phrases import SHORTEST, Overruling, Phrase, matched, said_of
from ...networks.reading import parse_json
from ...networks.records import json_text
from ...networks.vocabulary import EXPRESSIONS
from ..keying.generated import same_reference

ANY = ""
"""Stands for every reference, in files of before words were kept for each."""


def words_of(settings, source: str, phrases: Sequence[Phrase] | None) -> tuple[Overruling, ...]:
    """What was said of a reference, on the phrases of its present analysis."""
    words = [w for entry in _of(settings, source) if (w := _word(entry)) is not None]
    if phrases:
        words = [(*matched(start, end, phrases), weights) for start, end, weights in words]
    return tuple(words)


def overrule(settings, source: str, span: tuple[float, float], weights: Sequence[float]) -> None:
    """Say what is felt in a span; what was said of the same one before is replaced."""
    take_back(settings, source, span)
    entry = settings.overruled.add()
    entry.start, entry.end = span
    entry.weights, entry.reference = weights, source


def take_back(settings, source: str, span: tuple[float, float]) -> bool:
    """Forget what was said of a span; whether there was anything."""
    phrase = Phrase(*span, (1.0,))
    words = [w or (0.0, 0.0, ()) for w in map(_word, settings.overruled)]
    ours = [same_reference(e.reference, source) for e in settings.overruled]
    words = [w if own else (0.0, 0.0, ()) for w, own in zip(words, ours, strict=True)]
    removed = False
    while (index := said_of(phrase, words)) is not None:
        settings.overruled.remove(index)
        del words[index]
        removed = True
    return removed


def as_text(words: Sequence[Overruling]) -> str:
    """Words as a text that is the same for the same words."""
    return json_text([[round(start, 3), round(end, 3), *w] for start, end, w in words])


def note_applied(settings, source: str, words: Sequence[Overruling]) -> None:
    """Remember what an Apply of a reference went by."""
    known = {clip: said for clip, said in _applied(settings).items() if clip != ANY}
    known[source] = as_text(words)
    settings.overruled_used = json_text(known)


def wait(settings, source: str, words: Sequence[Overruling]) -> bool:
    """Whether what is said of a reference is otherwise than at its last Apply."""
    known = _applied(settings)
    return as_text(words) != known.get(source, known.get(ANY, as_text(())))


def _applied(settings) -> dict[str, object]:
    """Reference -> the words of its last Apply, as text; of ANY in a file that knows the last Apply
    alone."""
    try:
        known = parse_json(settings.overruled_used or "{}")
    except ValueError:
        known = {}
    return known if isinstance(known, dict) else {ANY: settings.overruled_used}


def _of(settings, source: str) -> list:
    return [e for e in settings.overruled if same_reference(e.reference, source)]


def _word(entry) -> Overruling | None:
    """An entry as settings take it; None where its numbers make no sense."""
    weights = tuple(max(0.0, float(w)) for w in entry.weights)
    if entry.end - entry.start < SHORTEST or sum(weights) <= 0.0:
        return None
    return float(entry.start), float(entry.end), tuple(round(w, 4) for w in weights)


def mixture(first: str, second: str, share: float) -> tuple[float, ...]:
    """(7,) weights of two expressions, `share` (0..1) of the second."""
    weights = [0.0] * len(EXPRESSIONS)
    weights[EXPRESSIONS.index(first)] += 1.0 - share
    weights[EXPRESSIONS.index(second)] += share
    return tuple(weights)
