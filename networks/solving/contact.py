"""When an actor's lips and lids touch: decided once, for every character alike.

A gap that is small is shut or nearly so, and which of the two decides how speech is read; so it is
decided with a margin between closing and opening again, from the absolute gap, which in a tracked
face is close to zero for closed lips and lids whatever the build.
"""

from __future__ import annotations

import numpy as np

from ..tracking.lost_frames import ramp
from ..vocabulary import ARKIT_INDEX
from .smoothing import slow

LIPS_MEET, LIPS_PART = 0.035, 0.045
"""Lip gap, in eye distances, below which lips touch, and above which they no longer do."""
LIPS_TOUCH, LIPS_LEAVE = 0.9, 0.8
"""The chance of a touch (`lips_touch`) from which lips meet, and below which they no longer do,"""
LIPS_NEVER = 0.05
"""unless their gap is above this: filmed lips that are seen so far apart are just parted."""
LIPS_MAY = 0.3
"""The chance below which lips that touched a moment ago do so no longer."""
SLIT_OPENS, SLIT_HOLDS = 0.0125, 0.008
"""Eye distances of darkness between the lips (`lips_seen`) from which lips that seem to touch are
apart, and down to which they stay so,"""
SLIT_SECONDS, SLIT_SOME = 0.05, 0.005
"""unless it is for less than this between two closures, which would be a flicker. What is left of a
closure for less than this is one too, if so much of a slit is seen in it."""
LIPS_PARTED = 0.045
"""Eye distances that parted lips are apart at least: less is not seen on a drawn face."""
SLIT_PARTED, SLIT_TELLS = 0.035, 1.6
"""The same of lips that only a slit tells to be parted, from SLIT_OPENS on, and less of a lesser
one; and how far they are apart for each eye distance of darkness between them, by drawn talkers
whose lips are known."""
LIPS_BIAS = (-0.02, 0.04)
"""How far a tracked gap of closed lips may be from zero."""
PURSED = (0.35, 0.75)
"""The tracker's coefficient for pursed lips at which they begin to be, and are."""
LIDS_MEET, LIDS_PART = 0.12, 0.2
"""The same for lids, as shares of the open eye."""
LIDS_HELD, LIDS_SLIT = 0.03, 0.06
"""Both in eyes that are held so for longer than a blink: those are slits, before a scowl or a look
down most of all, unless they are shut as surely as held lids are (by filmed ones -.07 to .03; of
slits through which eyes look .05 to .2). A blink's lowest frames are often missed, held lids are
seen many times."""
LIDS_SHUT_GAP = 0.008
"""Lid gap of closed lids as tracked, in eye distances."""
ALIKE = 0.25
"""Difference of two eyes' shares up to which they are alike; from twice that on it is a wink."""
SHUTS = [ARKIT_INDEX[f"eyeBlink{side}"] for side in ("Left", "Right")]
WINKS = (0.08, 0.16)
"""Difference of the eyes that both lids and coefficients say, slowly, from which on one may be held
shut further, and is; of people who talk it is .06 at most."""
BLINK_SECONDS = 0.5
"""A dip of the lids up to this long is a blink,"""
BLINK_DEPTH = 0.5
"""if it goes below this share of the open eye; the tracker often misses the frame in which lids
meet, but nobody blinks by halves so quickly."""
BLINK_BEGINS = 0.5 * (1.0 + BLINK_DEPTH)
"""The share of the open eye below which a dip is one."""


def held_below(values: np.ndarray, meet: float, part: float) -> np.ndarray:
    """(N,) bool: the stretches below `part` in which some frame is below `meet`."""
    out = np.zeros(len(values), bool)
    for start, end in stretches(values < part):
        out[start:end] = values[start:end].min() < meet
    return out


def lids_opening(times: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Shares of the open eye (N,) with the frames in which lids touch, in a blink or held, at 0."""
    out = opening(shares, shares < LIDS_MEET, LIDS_MEET)
    for start, end in stretches(shares < LIDS_PART):
        meet, part = lids_measure(times[end - 1] - times[start])
        own = shares[start:end]
        out[start:end] = opening(own, held_below(own, meet, part), meet)
    return out


def lids_measure(seconds: float) -> tuple[float, float]:
    """Shares of the open eye below which lids meet, and above which they part again, that are
    below LIDS_PART for so many seconds: in a blink, or held."""
    return (LIDS_HELD, LIDS_SLIT) if seconds > BLINK_SECONDS else (LIDS_MEET, LIDS_PART)


def lips_shut(gap: np.ndarray, chance: np.ndarray | None) -> np.ndarray:
    """(N,) bool: frames in which lips touch as tracked, by their gap (N,), seen from the actor's
    own closed mouth, and the chance of a touch (N,) where that is known."""
    shut = held_below(gap, LIPS_MEET, LIPS_PART)
    if chance is None:
        return shut
    shut &= (gap < LIPS_MEET) | (chance > LIPS_MAY)
    return shut | held_below(1.0 - chance, 1.0 - LIPS_TOUCH, 1.0 - LIPS_LEAVE) & (gap < LIPS_NEVER)


def still_shut(times: np.ndarray, shut: np.ndarray, slit: np.ndarray) -> np.ndarray:
    """(N,) bool: frames in which lips touch as tracked, `shut` (N,), less those in which more than
    their closed line is seen between them, `slit` (N,)."""
    out = shut.copy()
    for start, end in stretches(shut & (slit > SLIT_HOLDS)):
        out[start:end] = slit[start:end].max() < SLIT_OPENS
    for start, end in _flickers(times, ~out):
        out[start:end] |= shut[start:end].all()
    for start, end in _flickers(times, out):
        part = shut[start - 1] or shut[end]
        out[start:end] &= not part or slit[start:end].min() < SLIT_SOME
    return out


def _flickers(times: np.ndarray, inside: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) of the runs of True in (N,) bool, others on both sides, that are too short."""
    return [
        (start, end)
        for start, end in stretches(inside)
        if start > 0 and end < len(times) and times[end] - times[start] < SLIT_SECONDS
    ]


def pursed(arkit: np.ndarray) -> np.ndarray:
    """(N,) 0..1 how far lips are pursed, or drawn to a funnel, by coefficients (N, 52)."""
    round_ = arkit[:, [ARKIT_INDEX[name] for name in ("mouthPucker", "mouthFunnel")]].max(1)
    return ramp(round_, *PURSED)


def stretches(inside: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) of each run of True in (N,) bool."""
    padded = np.concatenate([[False], inside, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def opening(values: np.ndarray, shut: np.ndarray, meet: float) -> np.ndarray:
    """A gap (N,) with touching frames at zero, continuous where it passes from one to the other."""
    eased = np.where(values < 2 * meet, np.maximum(2 * (values - meet), 0.0), values)
    return np.where(shut, 0.0, eased)


def parted(
    gaps: np.ndarray,
    shut: np.ndarray | bool,
    least: np.ndarray | float = LIPS_PARTED,
    most: np.ndarray | float = np.inf,
) -> np.ndarray:
    """Lip gaps (..., 3), counted from contact: none where lips are `shut` (...), and where they are
    not at least so much that it is seen, or as much as is seen, `least` (...), and at most `most`
    (...)."""
    least, most = (np.asarray(limit)[..., None] for limit in (least, most))
    return np.where(np.asarray(shut)[..., None], 0.0, np.clip(gaps, least, most))


def together(shares: np.ndarray, winks: np.ndarray | float = 0.0) -> np.ndarray:
    """Shares of both open eyes (N, 2), alike where they are nearly so: what is left of a small
    difference is the tracker's, and one lid that shuts before the other is seen as a wink. Not
    where one surely `winks` (N,), 0..1; see `held_winks`."""
    mean = shares.mean(1, keepdims=True)
    apart = np.abs(shares[:, :1] - shares[:, 1:])
    kept = np.clip((apart - ALIKE) / ALIKE, 0.0, 1.0)
    kept = np.maximum(kept, np.asarray(winks)[..., None])
    return mean + kept * (shares - mean)


def held_winks(times: np.ndarray, shares: np.ndarray, arkit: np.ndarray) -> np.ndarray:
    """(N,) 0..1 how surely one eye is held further shut than the other: where the lids, shares of
    the open eyes (N, 2), and the coefficients (N, 52) say it of the same eye, for longer than a
    blink. Errors of the two have little to do with each other."""
    lids, said = slow(times, np.c_[shares[:, 1] - shares[:, 0], arkit[:, SHUTS] @ (1.0, -1.0)]).T
    both = np.minimum(lids * np.sign(said), np.abs(said))
    return ramp(both, *WINKS)


def lips_bias(gap: np.ndarray, found: np.ndarray) -> float:
    """What a tracked gap (N,) of closed lips adds for this actor."""
    low = float(np.percentile(gap[found], 3)) if found.any() else 0.0
    return float(np.clip(low, *LIPS_BIAS))


def deepen_blinks(times: np.ndarray, open_share: np.ndarray) -> np.ndarray:
    """Shares of the open eye (N,) with short dips carried down to zero.

    Each dip below BLINK_DEPTH that lasts no longer than BLINK_SECONDS is stretched, so that its
    lowest frame is shut and its edges stay where they are.
    """
    out = np.array(open_share, float)
    for start, end in stretches(out < BLINK_BEGINS):
        least = out[start:end].min()
        inside = start > 0 and end < len(out)
        short = inside and times[end] - times[start - 1] <= BLINK_SECONDS
        if short and least < BLINK_DEPTH:
            out[start:end] = deepened(out[start:end], least)
    return out


def deepened(dip: np.ndarray | float, least: float) -> np.ndarray | float:
    """Shares of the open eye below BLINK_BEGINS with the `least` of them at zero."""
    return BLINK_BEGINS - (BLINK_BEGINS - dip) * BLINK_BEGINS / (BLINK_BEGINS - least)
