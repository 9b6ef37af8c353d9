"""What an animator should look at in a FaceTrack: lost faces, ambiguous readings, the worst frames.

Arithmetic on numpy arrays, quick enough for a panel to ask whenever it is drawn anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..phrases import phrase_at
from ..spans import runs
from ..track import FaceTrack
from ..vocabulary import EXPRESSIONS

LOST, UNSURE, AMBIGUOUS = "lost", "unsure", "ambiguous"
LOW_CONFIDENCE = 0.5
"""Confidence of the tracker below which a frame is unsure."""
NARROW = 0.2
"""Lead of the likeliest expression over the second below which a reading is ambiguous."""
SHORTEST = 0.1
"""Seconds below which an ambiguous stretch is not worth a warning; a change passes through it."""


@dataclass(frozen=True)
class Warning:
    """A stretch of the reference, start to end in seconds, that asks to be looked at."""

    kind: str
    start: float
    end: float
    text: str


def faults(track: FaceTrack) -> np.ndarray:
    """(N,) 0 (clear) .. 1 (the face is lost): how little each frame is to be trusted.

    A frame is as bad as the worse of the tracker's doubt and the lead that the likeliest
    expression lacks.
    """
    doubt = 1.0 - np.clip(np.asarray(track.confidence, float), 0.0, 1.0)
    narrow = np.clip(1.0 - lead(track) / NARROW, 0.0, 1.0) * 0.6
    return np.where(track.found, np.maximum(doubt, narrow), 1.0)


def lead(track: FaceTrack) -> np.ndarray:
    """(N,) lead of the likeliest expression over the second; of a clip that has phrases each
    phrase's own, since nobody doubts what one passes through on its way into the next, and 1 where
    a person says what is felt, who may have said a mixture."""
    ordered = np.sort(np.asarray(track.expression, float), axis=1)
    out = ordered[:, -1] - ordered[:, -2]
    for phrase in track.phrases or ():
        own = 1.0 if phrase.by_hand else phrase.confidence - phrase.second[1]
        out[(track.times >= phrase.start - 1e-9) & (track.times < phrase.end)] = own
    return out


def warnings(track: FaceTrack) -> list[Warning]:
    """Stretches of lost, unsure and ambiguous frames, in the order of time."""
    lost = ~track.found
    unsure = ~lost & (np.asarray(track.confidence) < LOW_CONFIDENCE)
    ambiguous = ~lost & ~unsure & (lead(track) < NARROW)
    stills = bool(track.meta.get("stills"))
    out = [_lost(track, a, b) for a, b in runs(lost)]
    out += [
        _warning(track, UNSURE, a, b, f"face seen poorly ({track.confidence[a:b].mean():.0%})")
        for a, b in runs(unsure)
    ]
    for a, b in runs(ambiguous):
        if stills or track.times[b - 1] - track.times[a] >= SHORTEST:
            out.append(_warning(track, AMBIGUOUS, a, b, _rivals(track, a, b)))
    return sorted(out, key=lambda w: w.start)


def worst_rows(track: FaceTrack, apart: float = 0.4, least: float = 0.15) -> list[int]:
    """Frames that are worse than their surroundings, the worst first, `apart` seconds apart.

    Args:
        least: faults below this are fine.
    """
    bad = faults(track)
    left = bad.copy()
    rows: list[int] = []
    while left.max(initial=0.0) >= least:
        # Of a stretch that is equally bad the middle stands for it.
        first = int(left.argmax())
        same = first
        while same + 1 < len(left) and left[same + 1] == left[first]:
            same += 1
        row = (first + same) // 2
        rows.append(row)
        near = np.abs(track.times - track.times[row]) < apart
        near[first : same + 1] = True
        left[near] = 0.0
    return rows


def reasons(track: FaceTrack, rows: list[int]) -> list[str]:
    """Why each of these frames is in doubt, in the words of `warnings`; of one that these pass over
    it says that the reading changes quickly there."""
    bad, told = faults(track), [w for w in warnings(track) if w.kind == AMBIGUOUS]
    starts, ends = np.array([[w.start, w.end] for w in told], float).reshape(-1, 2).T
    out = []
    for row in rows:
        seconds, confidence = float(track.times[row]), float(track.confidence[row])
        if not track.found[row]:
            out.append("face lost")
        elif 1.0 - confidence >= bad[row]:
            out.append(f"face seen poorly ({confidence:.0%})")
        else:
            within = ((starts <= seconds) & (seconds <= ends)).any()
            out.append(_rivals(track, row, row + 1) + ("" if within else " (a quick change)"))
    return out


def _lost(track: FaceTrack, first: int, end: int) -> Warning:
    return _warning(track, LOST, first, end, "face lost")


def _warning(track: FaceTrack, kind: str, first: int, end: int, text: str) -> Warning:
    return Warning(kind, float(track.times[first]), float(track.times[end - 1]), text)


def _rivals(track: FaceTrack, first: int, end: int) -> str:
    mean = np.asarray(track.expression[first:end], float).mean(0)
    if track.phrases:
        middle = float(track.times[(first + end) // 2])
        mean = track.phrases[phrase_at(track.phrases, middle)].reading
    a, b = np.argsort(mean)[::-1][:2]
    return f"{EXPRESSIONS[a]} or {EXPRESSIONS[b]}?"
