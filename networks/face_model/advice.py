"""What an actor should do otherwise, in words: "raise the inner brows", "less smile on the left".

Faces are compared in measures that a person can act on, in millimetres on the mean person, with
head pose and identity taken out. `left` and `right` are the actor's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .mimicry import Likeness

X, Y, Z = range(3)


@dataclass(frozen=True)
class Measure:
    """Something of a face that can be done more or less.

    plus, minus: (landmarks, sign) pairs by side, "" in the middle: displacement along `axis` of the
    first less that of the second. more, less: what to say where the attempt has too little or too
    much. reach: millimetres of a strong one.
    """

    name: str
    axis: int
    points: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    more: str
    less: str
    reach: float
    sign: float = 1.0


def _sided(left: tuple, right: tuple, left_from: tuple = (), right_from: tuple = ()) -> dict:
    return {"left": (left, left_from), "right": (right, right_from)}


MEASURES = (
    Measure("inner brows", Y, _sided((336, 296), (107, 66)), "raise the inner brows",
            "lower the inner brows", 8.0),
    Measure("outer brows", Y, _sided((293, 300), (63, 70)), "raise the outer brows",
            "lower the outer brows", 7.0),
    Measure("lids", Y, _sided((386,), (159,), (374,), (145,)), "open the eyes wider",
            "narrow the eyes", 6.0),
    Measure("smile", Y, _sided((291,), (61,)), "more smile", "less smile", 9.0),
    Measure("mouth width", X, {"": ((291,), (61,))}, "stretch the mouth wider",
            "make the mouth narrower", 14.0),
    Measure("jaw", Y, {"": ((152, 175), ())}, "open the mouth wider", "close the mouth more", 20.0,
            sign=-1.0),
    Measure("upper lip", Y, _sided((267, 269), (37, 39)), "raise the upper lip",
            "lower the upper lip", 5.0),
    Measure("lower lip", Y, _sided((314, 405), (84, 181), (152,), (152,)),
            "pull the lower lip down", "raise the lower lip", 6.0, sign=-1.0),
    Measure("nose", Y, _sided((294, 327), (64, 98)), "wrinkle the nose", "relax the nose", 4.0),
    Measure("lips forward", Z, {"": ((0, 17), ())}, "push the lips forward", "draw the lips back",
            7.0),
    Measure("cheeks", Z, _sided((425,), (205,)), "puff the cheeks", "let the cheeks fall", 8.0),
)  # fmt: skip
TOLD = 0.18
"""Share of a measure's reach from which an actor is told."""
PART, LEAST = 0.3, 0.8
"""Of what target or attempt do, and millimetres: where both hold one is told too, since people who
act a little are to be told of little."""
ONE_SIDED = 0.5
"""One side's difference as a share of the other's, below which the words name a side."""
MOST = 4


@dataclass(frozen=True)
class Note:
    """Something to do otherwise: words; measure, its name; side ("", left, right); lack:
    millimetres that the attempt has too little (negative: too much); share: of its reach."""

    words: str
    measure: str
    side: str
    lack: float
    share: float


def measured(faces: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """Displacements (N, L, 3) -> (measure, side) -> millimetres (N,)."""
    out = {}
    for measure in MEASURES:
        for side, (plus, minus) in measure.points.items():
            value = faces[:, list(plus), measure.axis].mean(1)
            if minus:
                value = value - faces[:, list(minus), measure.axis].mean(1)
            out[measure.name, side] = measure.sign * value
    return out


def advise(target: np.ndarray, attempt: np.ndarray, likeness: Likeness) -> list[Note]:
    """What to do otherwise, the most important first; displacements (N, L, 3) and (M, L, 3)."""
    one = target[likeness.path[:, 0]]
    other = attempt[likeness.path[:, 1]]
    # What counts is where the target acts; calm frames would thin it out.
    weight = (one**2).sum((1, 2)) + (other**2).sum((1, 2)) + 1e-9
    weight = weight / weight.sum()
    wanted, done = measured(one), measured(other)
    lack = {key: float(weight @ (wanted[key] - done[key])) for key in wanted}
    has = {key: float(weight @ done[key]) for key in done}
    notes = [n for m in MEASURES for n in _notes(m, lack, has)]
    return sorted(notes, key=lambda n: -n.share)[:MOST]


def _notes(measure: Measure, lack: dict, has: dict) -> list[Note]:
    """Of one measure: for both sides together where they agree, else for each that is off."""
    sides = {side: lack[measure.name, side] for side in measure.points}
    sizes = {side: abs(value) for side, value in sides.items()}
    told = [s for s in sides if _is_told(measure, sides[s], has[measure.name, s])]
    if len(sides) == 2 and told:
        agree = sides["left"] * sides["right"] > 0
        if agree and min(sizes.values()) >= ONE_SIDED * max(sizes.values()):
            mean = sum(sides.values()) / 2.0
            done = sum(has[measure.name, s] for s in sides) / 2.0
            return [_note(measure, "", mean, done)]
    return [_note(measure, side, sides[side], has[measure.name, side]) for side in told]


def _is_told(measure: Measure, lack: float, done: float) -> bool:
    """What lacks is worth a word, for an attempt that does so much of it."""
    most = max(abs(done), abs(done + lack))
    return abs(lack) >= TOLD * measure.reach or abs(lack) >= max(LEAST, PART * most)


def _note(measure: Measure, side: str, lack: float, done: float) -> Note:
    words = measure.more if lack > 0 else measure.less
    wanted = done + lack
    if measure.name == "smile" and wanted <= 0:  # corners at rest or below it are no smile
        words = "pull the corners of the mouth down" if lack < 0 else "lift the mouth's corners"
        words = "less smile" if lack < 0 < done and wanted > -TOLD * measure.reach else words
    where = f" on the {side}" if side else ""
    return Note(words + where, measure.name, side, lack, abs(lack) / measure.reach)
