"""Where a character does not do what its actor does: lips, lids, brows, frame by frame.

The character is what its controls say, keys set by hand and corrections included: its response
tells where its lips, lids and brows are then, without a picture. What it should do is what a solve
aims at (`targets`). Beside it stands what is in doubt in the footage (`worst_frames`).

Arithmetic on numpy arrays, linear in the frames: quick enough between two redraws of a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..characters.profile import RigProfile
from ..settings import RetargetSettings
from ..spans import runs
from ..track import FaceTrack
from ..vocabulary import EXPRESSIONS, NEUTRAL
from .actor import ActorRelations
from .likeness import likeness
from .relations import INDEX, LID_GAPS, LIP_GAPS, SIDES
from .targets import Geometry, lip_openings, scales
from .worst_frames import faults, reasons, worst_rows

LIPS_OPEN, LIPS_SHUT = "lips open", "lips shut"
LIDS_OPEN, LIDS_SHUT = "lids open", "lids shut"
BROWS_LOW, BROWS_HIGH = "brows low", "brows high"
READS = "reads"
READING = "reading"

TOUCH = 0.02
"""Eye distances from contact up to which lips look closed (as in evaluation.performance)."""
APART = 0.08
"""Eye distances from contact from which on lips that should be apart are missed."""
MUCH = 0.15
"""Eye distances by which lips are as wrong as can be."""
EYE_SHUT, EYE_OPEN = 0.25, 0.6
"""Shares of the open eye below which lids count as shut, above which as open."""
BROWS_OFF = 0.35
"""Share of its way by which a character's brows may be off; emphasis moves them too."""
BROWS_REST = 1.5
"""Seconds around a moment whose mean difference of the brows counts as wanted: an emphasis."""
CLEAR = 0.6
"""Chance from which on an actor's expression is one that a character should show."""
SAID = 0.9995
"""Chance from which on an expression was said by a person: no network is as sure."""
NEARER = 0.3
"""How much nearer to another expression a pose must be (see `likeness`),"""
READS_SECONDS = 0.3
"""and for how long, to be told; it is no more than likely then, so it weighs"""
READS_SHARE = 0.6
READING_SHARE = 0.5
"""How bad a frame in doubt is, beside one that is seen to be wrong."""
LEAST = 0.02
"""Badness below which nothing is told."""
NEAR = 0.15
"""Seconds between two stretches of one kind that are told as one."""


@dataclass(frozen=True)
class Shown:
    """What a character shows over N frames of a clip, and what it should.

    lips, lips_wanted (N,): from contact, eye distances; lips_meet (N,) bool: the actor's touch.
    lids, lids_wanted (N, 2): shares of the open eye. brows (N,): mean height less what it should
    be, as a share of the way that they can go. mouth: its width at rest, eye distances. near
    (N, 7): how near its pose is to each expression, see `likeness`. mimicry (N,): how near its face
    stays to the actor's, see `evaluation.mimicry`, of all frames together mimicry_score; empty and
    NaN where nobody asked.
    """

    name: str
    lips: np.ndarray
    lips_wanted: np.ndarray
    lips_meet: np.ndarray
    lids: np.ndarray
    lids_wanted: np.ndarray
    brows: np.ndarray
    mouth: float
    near: np.ndarray
    mimicry: np.ndarray = field(default_factory=lambda: np.zeros(0))
    mimicry_score: float = float("nan")


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or in doubt: rows of the track, from `start` to before `end`, the
    worst at `row`; badness 0..1; text for a person."""

    kind: str
    row: int
    start: int
    end: int
    badness: float
    text: str


def shown_by(
    profile: RigProfile,
    controls: tuple[str, ...],
    units: np.ndarray,
    actor: ActorRelations,
    geometry: Geometry,
    settings: RetargetSettings,
) -> Shown:
    """Look at what a character does.

    Args:
        units: (N, C) unit values of `controls`, the response's, in the actor's frames.
    """
    values, rest = geometry.response.predict(units), geometry.response.rest
    scale = scales(actor, geometry, settings)
    lids = (values[:, LID_GAPS] - geometry.lids) / np.maximum(rest[LID_GAPS] - geometry.lids, 1e-3)
    brows = [INDEX[f"brow_height_{side}"] for side in SIDES]
    way = np.maximum(geometry.high[brows] - geometry.low[brows], 1e-2)
    off = (values[:, brows] - rest[brows] - actor.moved[:, brows] * scale[brows]) / way
    return Shown(
        name=profile.title or profile.name,
        lips=(values[:, LIP_GAPS] - geometry.lips).mean(1),
        lips_wanted=lip_openings(actor, geometry, scale).mean(1),
        lips_meet=actor.lips_meet,
        lids=lids,
        lids_wanted=actor.lids,
        brows=off.mean(1) * (way.mean() > 2e-2),
        mouth=float(rest[INDEX["mouth_width"]]),
        near=likeness(units, profile, controls, geometry),
    )


def joined(parts: Sequence[Shown]) -> Shown:
    """What a character shows in the shots of a clip, as one over all of their frames."""
    columns = ("lips", "lips_wanted", "lips_meet", "lids", "lids_wanted", "brows", "near")
    return replace(
        parts[0], **{name: np.concatenate([getattr(p, name) for p in parts]) for name in columns}
    )


def findings(track: FaceTrack, everyone: Sequence[Shown], rows: np.ndarray) -> list[Finding]:
    """What is wrong and what is in doubt, the worst first.

    Args:
        rows: (N,) the track's rows that were looked at.
    """
    out: list[Finding] = []
    if everyone:
        times = np.asarray(track.times)[rows]
        seen = np.asarray(track.found)[rows]
        felt = np.asarray(track.expression, float)[rows]
        looked = [_faults_of(shown, times, felt) for shown in everyone]
        for kind in looked[0]:
            badness = np.stack([one[kind] for one in looked]) * seen
            out += _stretches(kind, badness, times, rows, everyone, felt)
    out += doubts(track)
    return sorted(out, key=lambda f: -f.badness)


def doubts(track: FaceTrack) -> list[Finding]:
    """What is in doubt in the footage, the worst first."""
    worst, bad = worst_rows(track), faults(track)
    words = reasons(track, worst)
    return [
        Finding(READING, r, r, r + 1, READING_SHARE * float(bad[r]), text)
        for r, text in zip(worst, words, strict=True)
    ]


def _faults_of(shown: Shown, times: np.ndarray, felt: np.ndarray) -> dict[str, np.ndarray]:
    """Kind -> (N,) how bad each frame is, 0 (fine) .. 1; felt: (N, 7) the actor's expression."""
    wide = np.where(shown.lips_meet, shown.lips - TOUCH, 0.0)
    closed = (shown.lips < TOUCH) & (shown.lips_wanted > APART) & ~shown.lips_meet
    brows = shown.brows - _around(times, shown.brows, BROWS_REST)
    open_lids = np.where(shown.lids_wanted < EYE_SHUT, shown.lids - EYE_SHUT, 0.0).max(1)
    shut_lids = np.where(shown.lids_wanted > EYE_OPEN, EYE_SHUT - shown.lids, 0.0).max(1)
    return {
        LIPS_OPEN: np.clip(wide / MUCH, 0.0, 1.0),
        LIPS_SHUT: np.clip(np.where(closed, shown.lips_wanted, 0.0) / (2 * MUCH), 0.0, 1.0),
        LIDS_OPEN: np.clip(open_lids / (1.0 - EYE_SHUT), 0.0, 1.0),
        LIDS_SHUT: np.clip(shut_lids / EYE_SHUT, 0.0, 1.0),
        BROWS_LOW: np.clip(-brows - BROWS_OFF, 0.0, 1.0),
        BROWS_HIGH: np.clip(brows - BROWS_OFF, 0.0, 1.0),
        READS: READS_SHARE * _misread(shown, times, felt),
    }


def _misread(shown: Shown, times: np.ndarray, felt: np.ndarray) -> np.ndarray:
    """(N,) 0..1 how clearly a pose is nearer to another expression than to the actor's."""
    actor = felt.argmax(1)
    own = np.take_along_axis(shown.near, actor[:, None], 1)[:, 0]
    clear = (felt.max(1) > CLEAR) & (actor != NEUTRAL)
    nearer = np.where(clear, shown.near.max(1) - own - NEARER, 0.0)
    for start, end in runs(nearer > 0.0):
        if times[end - 1] - times[start] < READS_SECONDS:
            nearer[start:end] = 0.0
    return np.clip(nearer / NEARER, 0.0, 1.0)


def _around(times: np.ndarray, values: np.ndarray, seconds: float) -> np.ndarray:
    """(N,) mean of values over the frames within some seconds of each."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    first = np.searchsorted(times, times - seconds)
    end = np.searchsorted(times, times + seconds, side="right")
    return (total[end] - total[first]) / np.maximum(end - first, 1)


def _stretches(
    kind: str,
    badness: np.ndarray,
    times: np.ndarray,
    rows: np.ndarray,
    everyone: Sequence[Shown],
    felt: np.ndarray,
) -> list[Finding]:
    """The stretches in which some character (badness (C, N)) is at fault, in one kind."""
    worst = badness.max(0)
    out: list[Finding] = []
    for start, end in _joined(runs(worst > LEAST), times):
        at = start + int(worst[start:end].argmax())
        guilty = np.argsort(-badness[:, start:end].max(1))
        names = [everyone[i].name for i in guilty if badness[i, start:end].max() > LEAST]
        text = f"{_listed(names)}: {_words(kind, everyone[guilty[0]], at, felt[at])}"
        last = int(rows[end - 1]) + 1
        out.append(Finding(kind, int(rows[at]), int(rows[start]), last, float(worst[at]), text))
    return out


def _joined(stretches: list[tuple[int, int]], times: np.ndarray) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for start, end in stretches:
        if out and times[start] - times[out[-1][1] - 1] <= NEAR:
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


def _listed(names: list[str]) -> str:
    return names[0] if len(names) < 2 else f"{', '.join(names[:-1])} and {names[-1]}"


def _words(kind: str, shown: Shown, at: int, felt: np.ndarray) -> str:
    """What is wrong, and by how much, in shares of what an animator sees."""
    lids, wanted = shown.lids[at], shown.lids_wanted[at]
    if kind == LIPS_OPEN:
        return f"lips {shown.lips[at] / shown.mouth:.0%} of the mouth's width open, actor's closed"
    if kind == LIPS_SHUT:
        return f"lips closed, actor's {shown.lips_wanted[at] / shown.mouth:.0%} of its width open"
    if kind == LIDS_OPEN:
        side = int((lids - wanted).argmax())
        return f"{SIDES[side]} eye {lids[side]:.0%} open, actor's shut"
    if kind == LIDS_SHUT:
        side = int((wanted - lids).argmax())
        return f"{SIDES[side]} eye shut, actor's {min(wanted[side], 1.0):.0%} open"
    if kind == READS:
        other, own = EXPRESSIONS[shown.near[at].argmax()], EXPRESSIONS[felt.argmax()]
        seen = f"which the actor shows ({felt.max():.0%})"
        whose = seen if felt.max() < SAID else "which the phrase was said to be"
        return f"nearer to {other} than to {own}, {whose}"
    way = "lower" if kind == BROWS_LOW else "higher"
    return f"brows {abs(shown.brows[at]):.0%} of their way {way} than the actor's"
