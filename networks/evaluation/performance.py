"""Does a character perform what the actor performs? Its landmarks against the actor's, over time.

Everything is defined on named landmarks in the face's own frame, in eye distances. It must not know
how a performance is solved, so that it can catch a solver that is wrong; what an actor's pictures
show of lips and brows is read as it reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ..footage.truth import BILABIALS, VOWELS, ClipTruth
from ..solving.brows_seen import OF_FIVE
from ..solving.contact import SLIT_TELLS, still_shut
from ..track import FaceTrack
from .correlation import correlation, told
from .face_features import actor_points, features, one_eyed, true_points, unit
from .motion import jitter

FAST = 1.5
"""Hz; what moves faster than this is speech and blinks rather than mood."""
ACTOR_CLOSED = 0.035
"""Largest lip gap of a filmed mouth that counts as closed, if its tracker sees touching at 0."""
MOST_CONTACT = 0.06
"""Largest gap at which a tracker sees touching lips; a clip with no less never shows them."""
OPEN = 0.08
"""Lip gap above which a mouth is open beyond doubt."""
SLIT = 0.03
"""Largest opening between a character's lips, seen from the front, that counts as closed: rendered
it is a thin dark line between lips that look closed."""
TOUCH = 0.02
"""The same by landmarks alone: lip gap over that of rest."""
ACTOR_SHUT, ACTOR_LOOKS = 0.3, 0.6
"""A filmed or true lid is shut below the first share of its open gap, open above the second."""
LIDS_MEET = 0.01
"""Gap of a character's lids below which nothing of the eye is seen between them,"""
LIDS_ON_RIMS = 0.05
"""or so much over that of lids that a control shuts, if it is at most this share of the open eye's:
their landmarks lie on rims that stay apart where thick lids meet."""
LEAST_REACH = 0.03
"""Range below which a character does not have a feature."""
LEAST_MOTION = 0.003
"""Deviation of the reference below which nothing moves but what the tracker trembles."""
DELAYS = 8
"""Frames within which a delay is looked for."""
SURE = 0.5
"""Correlation below which no delay can be told."""
STILL, STILL_SECONDS = 0.03, 0.5
"""A face whose features all stay within this for so long is still."""
BLINK_NEAR = 1
"""Frames around a blink in which the character's lids must meet."""
NEAR = 2
"""Frames around the moment of a sound's contact in which the character's lips must meet."""

COLUMNS = {
    "lip gap": ("gap",),
    "opening": ("opening",),
    "mouth width": ("width",),
    "lids": ("lids",),
    "each lid": ("lid_left", "lid_right"),
    "brows": ("brows",),
    "inner brows": ("brow_inner_left", "brow_inner_right"),
    "outer brows": ("brow_outer_left", "brow_outer_right"),
    "brows, as tracked": ("brows_tracked",),
    "inner brows, as tracked": ("brow_inner_left_tracked", "brow_inner_right_tracked"),
    "outer brows, as tracked": ("brow_outer_left_tracked", "brow_outer_right_tracked"),
    "brows over eyes": ("brows_over_eyes",),
    "lip corners": ("corner_left", "corner_right"),
    "mouth sideways": ("sideways",),
    "protrusion": ("protrusion",),
    "roundness": ("roundness",),
    "jaw": ("jaw",),
    "jaw apart from lips": ("jaw_apart",),
    "upper lip": ("lip_upper",),
    "lower lip": ("lip_lower",),
}
"""What a table shows -> the features whose mean it is."""
_DELAYED = ("gap", "width", "lids")
_HELD = ("gap", "width", "lid_left", "lid_right", "brows", "sideways", "corner_left")
_LIDS = ("lids", "lid_left", "lid_right")
_INNER, _OUTER = (0.75, 0.25, 0.0), (0.0, 0.25, 0.75)
# Features of brows -> what the parts that are seen have in them: of the left brow the inner,
# middle and outer one, then of the right (`solving.brows_seen.HEIGHTS`).
_BROWS_OF_PARTS = {
    "brows": np.tile(OF_FIVE, 2) / 2.0,
    "brow_inner_left": np.array([*_INNER, 0.0, 0.0, 0.0]),
    "brow_outer_left": np.array([*_OUTER, 0.0, 0.0, 0.0]),
    "brow_inner_right": np.array([0.0, 0.0, 0.0, *_INNER]),
    "brow_outer_right": np.array([0.0, 0.0, 0.0, *_OUTER]),
}


# --- who performs --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Build:
    """What a character's face can do: unit, see `unit`; contact: the lip gap of its landmarks at
    rest; has: names of the features that some control of it moves; shut: name of a lid -> the gap
    below which it is shut."""

    unit: float
    contact: float
    has: frozenset[str]
    shut: dict[str, float]

    @staticmethod
    def of(poses: np.ndarray) -> Build:
        """From its points (K, 50, 3): at rest first, then with each control at each of its
        limits."""
        scale = unit(poses[:1])
        seen = features(poses, scale)
        has = {name for name, values in seen.items() if np.ptp(values) >= LEAST_REACH}
        if one_eyed(poses[:1]):
            has -= {"lid_left", "lid_right"}
        shut = {name: _meeting(seen[name]) for name in _LIDS if name in has}
        return Build(scale, float(seen["gap"][0]), frozenset(has), shut)

    @property
    def lacks(self) -> list[str]:
        """The columns of COLUMNS of which the character has nothing."""
        has = {*self.has, "opening", *(f"{n}_tracked" for n in _BROWS_OF_PARTS if n in self.has)}
        return [name for name, parts in COLUMNS.items() if not has & set(parts)]


def _meeting(gaps: np.ndarray) -> float:
    """The gap below which a lid is shut, by its gaps (K,) at rest and at each control's limits."""
    least = max(float(gaps.min()), 0.0)
    return LIDS_MEET + (least if least < LIDS_ON_RIMS * gaps[0] else 0.0)


@dataclass(frozen=True)
class Performance:
    """A face over N frames: features (name -> (N,)), those it has; closed and open (N,) bool: its
    lips touch, are apart beyond doubt; near (N,) bool: closed, by landmarks alone; shut and looks,
    name of a lid -> (N,) bool: it is shut, it is open beyond doubt."""

    features: dict[str, np.ndarray]
    closed: np.ndarray
    open: np.ndarray
    near: np.ndarray
    shut: dict[str, np.ndarray]
    looks: dict[str, np.ndarray]


def actor_performance(
    track: FaceTrack, slit: np.ndarray | None = None, brows: np.ndarray | None = None
) -> Performance:
    """What the tracker saw of the actor, brows as the pictures show them and as tracked.

    Args:
        slit: (N,) what its pictures show between the lips, eye distances of darkness
            (`solving.lips_seen`): lips that touch as tracked and are seen apart are not closed,
            and as far open as they are seen.
        brows: (N, 6) how much higher they show the brows than they are tracked, eye distances
            (`solving.brows_seen`).
    """
    points = actor_points(track)
    seen = features(points, unit(points[track.found]))
    tracked, apart = closed_and_open(seen["gap"], track.found)
    slit = np.zeros(len(track)) if slit is None else slit
    closed = still_shut(track.times, tracked, slit)
    opening = np.maximum(seen["gap"], np.where(tracked & ~closed, SLIT_TELLS * slit, 0.0))
    lids = shut_and_open(seen, track.found)
    more = np.zeros((len(track), 6)) if brows is None else brows
    own = {f"{name}_tracked": seen[name] for name in _BROWS_OF_PARTS}
    own |= {name: seen[name] + more @ share for name, share in _BROWS_OF_PARTS.items()}
    return Performance({**seen, **own, "opening": opening}, closed, apart, tracked, *lids)


def closed_and_open(gap: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) bool each: frames in which an actor's lips touch, are apart beyond doubt.

    Trackers see touching lips of some faces .04 apart, of most not apart. The least gap of the clip
    (its second percentile) tells which, if it is small enough to be one.

    Args:
        gap: (N,) eye distances. seen: (N,) bool.
    """
    least = float(np.percentile(gap[seen], 2.0)) if seen.any() else 0.0
    contact = max(least, 0.0) if least <= MOST_CONTACT else 0.0
    return gap < max(ACTOR_CLOSED, contact + TOUCH), gap > contact + OPEN


def shut_and_open(features: dict, seen: np.ndarray) -> tuple[dict, dict]:
    """Name of each lid -> (N,) bool each: frames in which it is shut, is open beyond doubt; by its
    gap against that of most of the frames seen, for trackers see shut lids a little apart."""
    opened = {n: np.percentile(features[n][seen], 75) if seen.any() else 1.0 for n in _LIDS}
    shut = {n: features[n] < ACTOR_SHUT * gap for n, gap in opened.items()}
    return shut, {n: features[n] > ACTOR_LOOKS * gap for n, gap in opened.items()}


def true_performance(truth: ClipTruth, times: np.ndarray) -> Performance:
    """What a made face did at these moments."""
    scale = unit(true_points(truth, truth.times))
    seen = features(true_points(truth, times), scale)
    apart = np.interp(times, truth.times, _true_gap(truth, scale))
    closed = apart < TOUCH
    lids = shut_and_open(seen, np.ones(len(times), bool))
    return Performance({**seen, "opening": apart}, closed, apart > OPEN, closed, *lids)


def _true_gap(truth: ClipTruth, scale: float) -> np.ndarray:
    """(N,) how far the lips are from touching, in eye distances: as the truth tells it, else by its
    landmarks, over the least gap of the sounds that close the lips (of the clip if it has none)."""
    if "lip_gap" in truth.extra:
        return np.asarray(truth.extra["lip_gap"], float).mean(1) / scale
    gap = features(true_points(truth, truth.times), scale)["gap"]
    closing = [*_frames(truth.times, truth.spans(BILABIALS))]
    frames = np.concatenate(closing) if sum(map(len, closing)) else np.arange(len(gap))
    return gap - gap[frames].min()


def character_performance(points: np.ndarray, opening: np.ndarray, build: Build) -> Performance:
    """What a character did.

    Its landmarks can't tell contact: closed lips lie .04 to .06 apart at rest, less in a smile. So
    whether its lips touch is told by what is seen between them.

    Args:
        points: (N, 50, 3) in its own frame, head at rest. opening: (N,) the height at which one can
            look between its lips from the front, in the points' unit.
    """
    seen = {**features(points, build.unit), "opening": opening / build.unit}
    kept = {name: values for name, values in seen.items() if name in (*build.has, "opening")}
    kept |= {f"{name}_tracked": kept[name] for name in _BROWS_OF_PARTS if name in kept}
    near = seen["gap"] - build.contact < TOUCH
    shut = {name: kept[name] < gap for name, gap in build.shut.items()}
    looks = {name: ~closed for name, closed in shut.items()}
    return Performance(kept, seen["opening"] < SLIT, seen["opening"] > OPEN, near, shut, looks)


def _frames(times: np.ndarray, spans: np.ndarray) -> list[np.ndarray]:
    """The frames within each span (start, end) of seconds."""
    return [np.flatnonzero((times >= start) & (times <= end)) for start, end in spans]


# --- one against the other -----------------------------------------------------------------------


def compare(
    reference: Performance, shown: Performance, times: np.ndarray, seen: np.ndarray
) -> dict:
    """What of a performance is shown.

    Returns:
        for JSON: "features": name -> {"all", "fast" (correlations; None for what the reference
        does not do, or those shown do not), "amplitude" (the deviation
        shown for each of the reference's), "delay" (frames, later is positive)}, for the features
        both have; "closures": frames in which the reference's lips touch and the share in which
        those shown do, frames in which they are apart and the share in which those shown touch;
        "closures_by_landmarks", the same of those shown by landmarks, and "closures_as_tracked", of
        the reference; "blinks": how often a lid of the reference shuts, the
        share in which that shown does within `BLINK_NEAR` frames, frames in which it is open and
        the share in which that shown is shut; "delay", the mean; "jitter" and "reference_jitter" of
        the still stretches, eye distances.

    Args:
        times: (N,) seconds. seen: (N,) bool: frames that count.
    """
    rate = 1.0 / float(np.median(np.diff(times)))
    measured = {
        name: _compare_one(reference.features[name], values, rate, seen)
        for name, values in shown.features.items()
        if np.isfinite(reference.features.get(name, [np.nan])).all()
    }
    delays = [measured[n]["delay"] for n in _DELAYED if n in measured]
    still = still_stretches(reference, rate, seen)
    return {
        "features": measured,
        "closures": _closures(reference, shown.closed, seen),
        "closures_by_landmarks": _closures(reference, shown.near, seen),
        "closures_as_tracked": _closures(
            replace(reference, closed=reference.near), shown.closed, seen
        ),
        "blinks": _blinks(reference, shown, seen),
        "delay": mean_of(delays),
        "jitter": told(_held_jitter(shown, still), 6),
        "reference_jitter": told(_held_jitter(reference, still), 6),
        "still_frames": int(sum(map(len, still))),
    }


def compare_speech(
    truth: ClipTruth, true: Performance, shown: Performance, times: np.ndarray
) -> dict:
    """Contacts where sounds ask for them: {"contacts", "reached", "vowel_frames", "false"}.

    A contact is a p, b or m in which the true lips touch; it is reached if those shown touch within
    `NEAR` frames of the moment at which the true ones are nearest. False: the share of the frames
    of vowels, true lips apart, in which those shown touch.
    """
    contacts = [f for f in _frames(times, truth.spans(BILABIALS)) if true.closed[f].any()]
    moments = [f[true.features["gap"][f].argmin()] for f in contacts]
    reached = [shown.closed[max(0, m - NEAR) : m + NEAR + 1].any() for m in moments]
    spoken = _frames(times, truth.spans(VOWELS))
    vowels = np.unique(np.concatenate([*spoken, np.zeros(0, int)])).astype(int)
    vowels = vowels[true.open[vowels]]
    return {
        "contacts": len(reached),
        "reached": _share(reached),
        "vowel_frames": len(vowels),
        "false": _share(shown.closed[vowels]),
    }


def fast(values: np.ndarray, rate: float) -> np.ndarray:
    """(N,) what of a series moves faster than `FAST`: its distance from the running mean."""
    width = int(rate / FAST) | 1
    padded = np.pad(values, width // 2, "edge")
    return values - np.convolve(padded, np.ones(width) / width, "valid")


def delay(reference: np.ndarray, shown: np.ndarray) -> float:
    """Frames, parts of one too, by which a series (N,) comes after its reference.

    The lag of the largest correlation within `DELAYS` frames, refined by a parabola through it and
    its neighbours; NaN where even that is below `SURE`, or no peak.
    """
    lags = np.arange(-DELAYS, DELAYS + 1)
    if len(reference) < 4 * DELAYS:
        return float("nan")
    inner = reference[DELAYS:-DELAYS]
    at = [correlation(inner, shown[DELAYS + k : len(shown) - DELAYS + k]) for k in lags]
    peak = int(np.nanargmax(at)) if np.isfinite(at).any() else 0
    if not 0 < peak < len(lags) - 1 or not at[peak] >= SURE:
        return float("nan")
    before, here, after = at[peak - 1 : peak + 2]
    bend = before - 2.0 * here + after
    return float(lags[peak]) + (0.5 * (before - after) / bend if bend < -1e-12 else 0.0)


def still_stretches(face: Performance, rate: float, seen: np.ndarray) -> list[np.ndarray]:
    """Stretches of frames in which nothing of a face moves; see `STILL`."""
    width = max(3, round(rate * STILL_SECONDS))
    held = [face.features[n] for n in _HELD if n in face.features]
    if len(seen) < width:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(np.stack(held), width, axis=1)
    calm = (np.ptp(windows, axis=2).max(0) < STILL) & _all_of(seen, width)
    frames = np.unique(np.flatnonzero(calm)[:, None] + np.arange(width))
    return np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1) if len(frames) else []


def switches(expression: np.ndarray, times: np.ndarray) -> float:
    """How often a second the likeliest class of (N, 7) probabilities changes."""
    return float((np.diff(expression.argmax(1)) != 0).sum() / (times[-1] - times[0]))


def summarise(measured: Iterable[dict]) -> dict:
    """The means over clips of what `compare` gave, by column of COLUMNS; None where nothing is."""
    clips = list(measured)
    return {
        "columns": {
            name: {
                key: mean_of(
                    mean_of(m["features"][p][key] for p in parts if p in m["features"])
                    for m in clips
                )
                for key in ("all", "fast", "amplitude", "delay")
            }
            for name, parts in COLUMNS.items()
        },
        "reached": mean_of(m["closures"]["reached"] for m in clips),
        "reached_as_tracked": mean_of(
            m["closures_as_tracked"]["reached"] for m in clips if "closures_as_tracked" in m
        ),
        "false": mean_of(m["closures"]["false"] for m in clips),
        "blinks_met": mean_of(m["blinks"]["met"] for m in clips),
        "blinks_false": mean_of(m["blinks"]["false"] for m in clips),
        **{key: mean_of(m.get(key) for m in clips)
           for key in ("delay", "jitter", "reference_jitter", "switches", "mimicry")},
    }  # fmt: skip


def mean_of(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are there; None where none is."""
    known = [v for v in values if v is not None]
    return round(float(np.mean(known)), 6) if known else None


def _compare_one(reference: np.ndarray, shown: np.ndarray, rate: float, seen: np.ndarray) -> dict:
    """See `compare`; None for what the reference does not do."""
    pairs = {
        "all": (reference[seen], shown[seen]),
        "fast": (fast(reference, rate)[seen], fast(shown, rate)[seen]),
    }
    moves = {key: bool(pair[0].std() >= LEAST_MOTION) for key, pair in pairs.items()}
    out = {k: told(correlation(*pair)) if moves[k] else None for k, pair in pairs.items()}
    amplitude = pairs["all"][1].std() / max(pairs["all"][0].std(), 1e-9)
    quick = (np.where(seen, fast(values, rate), 0.0) for values in (reference, shown))
    return {
        **out,
        "amplitude": told(amplitude) if moves["all"] else None,
        "delay": told(delay(*quick), 3) if moves["fast"] else None,
    }


def _closures(reference: Performance, touching: np.ndarray, seen: np.ndarray) -> dict:
    closed, apart = reference.closed & seen, reference.open & seen
    return {
        "closed_frames": int(closed.sum()),
        "reached": _share(touching[closed]),
        "open_frames": int(apart.sum()),
        "false": _share(touching[apart]),
    }


def _blinks(reference: Performance, shown: Performance, seen: np.ndarray) -> dict:
    """Of each lid, where the character has two, else of both together."""
    lids = [n for n in _LIDS[1:] if n in shown.shut] or [n for n in _LIDS[:1] if n in shown.shut]
    met, false = [], []
    for name in lids:
        shut = np.flatnonzero(reference.shut[name] & seen)
        for run in np.split(shut, np.flatnonzero(np.diff(shut) > 1) + 1) if len(shut) else []:
            near = slice(max(0, run[0] - BLINK_NEAR), run[-1] + BLINK_NEAR + 1)
            met.append(shown.shut[name][near].any())
        false += shown.shut[name][reference.looks[name] & seen].tolist()
    return {
        "count": len(met),
        "met": _share(met),
        "open_frames": len(false),
        "false": _share(false),
    }


def _share(flags) -> float | None:
    return round(float(np.mean(flags)), 4) if len(flags) else None


def _held_jitter(face: Performance, stretches: list[np.ndarray]) -> float:
    held = [face.features[n] for n in _HELD if n in face.features]
    return jitter(np.stack(held, axis=1), stretches) if held else float("nan")


def _all_of(flags: np.ndarray, width: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(flags, width).all(1)
