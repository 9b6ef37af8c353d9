"""What an animator says of phrases instead of what was read, as the scene remembers it.

Tied to the reference and to seconds, so that it outlives another analysis, whose phrases may begin
and end a little elsewhere (`phrases.matched`); to what is in the file, so that it outlives another
name; and to where the face was, since of two people in a clip it was said of one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...networks.footage.stamp import contents_of
from ...networks.phrases import SHORTEST, Overruling, Phrase, matched, said_of
from ...networks.reading import parse_json
from ...networks.records import json_text
from ...networks.track import TRACKED, FaceTrack
from ...networks.vocabulary import EXPRESSIONS
from ..keying.generated import same_reference

ANY = ""
"""Stands for every reference, in files of before words were kept for each."""
APART = 0.75
"""Widths of a face between the middles of two that are one face in two analyses."""
AT_ONCE = 0.25
"""Seconds between two frames that show a face in about the same place."""


@dataclass(frozen=True)
class Clip:
    """What words are of. source: the reference, as `references.identity` names it; track: what was
    seen in it, None where that is not known."""

    source: str
    track: FaceTrack | None = None

    @property
    def contents(self) -> str:
        return "" if self.track is None else contents_of(self.track.meta.get("stamp"))

    def face_near(
        self, seconds: float, reach: float = AT_ONCE
    ) -> tuple[float, tuple[float, float, float]] | None:
        """(when, middle and width of the followed face in widths of the picture) in the frame that
        shows it nearest to a moment; None where no picture within `reach` seconds does."""
        if self.track is None or not self.track.meta.get("size"):
            return None
        times = self.track.times
        first, end = np.searchsorted(times, (seconds - reach, seconds + reach))
        rows = first + np.flatnonzero(self.track.state[first:end] == TRACKED)
        if not len(rows):
            return None
        row = int(rows[np.abs(times[rows] - seconds).argmin()])
        points = np.asarray(self.track.landmarks[row, :, :2], float)
        width, across = float(self.track.meta["size"][0]), float(np.ptp(points[:, 0]))
        if not (width > 0.0 and across > 0.0):
            return None
        x, y = points.mean(0) / width
        return float(self.track.times[row]), (float(x), float(y), across / width)


def words_of(settings, clip: Clip) -> tuple[Overruling, ...]:
    """What was said of a clip, on the phrases of its present analysis."""
    words = [w for entry in _of(settings, clip) if (w := _word(entry)) is not None]
    if phrases := clip.track.phrases if clip.track is not None else ():
        words = [(*matched(start, end, phrases), weights) for start, end, weights in words]
    return tuple(words)


def overrule(settings, clip: Clip, span: tuple[float, float], weights: Sequence[float]) -> None:
    """Say what is felt in a span; what was said of the same one before is replaced."""
    take_back(settings, clip, span)
    entry = settings.overruled.add()
    entry.start, entry.end = span
    entry.weights, entry.reference, entry.contents = weights, clip.source, clip.contents
    if (seen := clip.face_near(0.5 * sum(span), 0.5 * (span[1] - span[0]))) is not None:
        entry.moment, entry.face = seen


def take_back(settings, clip: Clip, span: tuple[float, float]) -> bool:
    """Forget what was said of a span; whether there was anything."""
    phrase = Phrase(*span, (1.0,))
    words = [w or (0.0, 0.0, ()) for w in map(_word, settings.overruled)]
    ours = [_is_of(entry, clip) for entry in settings.overruled]
    words = [w if own else (0.0, 0.0, ()) for w, own in zip(words, ours, strict=True)]
    removed = False
    while (index := said_of(phrase, words)) is not None:
        settings.overruled.remove(index)
        del words[index]
        removed = True
    return removed


def other_clips(settings, clip: Clip) -> list[str]:
    """References, other than this clip, of which something is said; each once."""
    entries = [e for e in settings.overruled if e.reference and not _is_of(e, clip)]
    names = dict.fromkeys(e.reference for e in entries if _word(e) is not None)
    return [name for name in names if not same_reference(name, clip.source)]


def clip_name(reference: str) -> str:
    """A reference as a person calls it, without its size."""
    name, _, size = reference.rpartition(":")
    return name if name and size.isdecimal() else reference


def carry_over(settings, clip: Clip, source: str) -> int:
    """Say of a clip what was said of another reference, which a person knows to be the same footage
    encoded anew: at the same seconds, and of a face in the same place. How many words it were."""
    entries = [e for e in settings.overruled if e.reference == source and _same_face(e, clip)]
    words = [w for w in map(_word, entries) if w is not None and _reaches(clip, w[0])]
    for start, end, weights in words:
        overrule(settings, clip, (start, end), weights)
    return len(words)


def _reaches(clip: Clip, seconds: float) -> bool:
    return clip.track is not None and clip.track.times[0] <= seconds <= clip.track.times[-1]


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


def _of(settings, clip: Clip) -> list:
    return [entry for entry in settings.overruled if _is_of(entry, clip)]


def _is_of(entry, clip: Clip) -> bool:
    alike = entry.contents != "" and entry.contents == clip.contents
    return (alike or same_reference(entry.reference, clip.source)) and _same_face(entry, clip)


def _same_face(entry, clip: Clip) -> bool:
    """Whether the face that is followed now is the one that was spoken of, as far as that can be
    told: it lies where that one lay at the same moment."""
    x, y, width = entry.face
    seen = clip.face_near(entry.moment) if width > 0.0 else None
    if seen is None:
        return True
    now_x, now_y, now_width = seen[1]
    return math.hypot(now_x - x, now_y - y) < APART * max(width, now_width)


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
