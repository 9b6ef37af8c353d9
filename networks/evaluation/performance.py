"""Does a character perform what the actor performs? Its landmarks against the actor's, over time.

Everything is defined on named landmarks in the face's own frame, in eye distances. It must not know
how a performance is solved, so that it can catch a solver that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..track import FaceTrack
from ..vocabulary import LANDMARK_NAMES, LANDMARKS
from .correlation import correlation, told
from .motion import jitter
from .truth import BILABIALS, VOWELS, ClipTruth

POINTS = (*LANDMARK_NAMES, "chin")
"""The points that are measured: the 49 landmarks and the middle of the chin's front."""
CHIN = 199
"""MediaPipe's mesh point of the chin."""
CHIN_DROP = 1.5
"""How far the chin lies below the nose, in heights of the lower lip's edge below it: the median of
filmed people."""
EYE_TO_MOUTH = 1.1
"""Height of the eyes over the mouth in eye distances: the median of filmed people."""
ONE_EYE = 0.3
"""Inner corners of the eyes nearer than this, in distances of the eyes, are one eye's middle."""
FAST = 1.5
"""Hz; what moves faster than this is speech and blinks rather than mood."""
ACTOR_CLOSED = 0.035
"""Largest lip gap of a filmed mouth that counts as closed."""
OPEN = 0.08
"""Lip gap above which a mouth is open beyond doubt."""
TOUCH = 0.02
"""Lip gap over a character's contact that still counts as closed."""
LEAST_REACH = 0.03
"""Range below which a character does not have a feature."""
DELAYS = 8
"""Frames within which a delay is looked for."""
SURE = 0.3
"""Correlation below which no delay can be told."""
STILL, STILL_SECONDS = 0.03, 0.5
"""A face whose features all stay within this for so long is still."""
NEAR = 2
"""Frames around the moment of a sound's contact in which the character's lips must meet."""

COLUMNS = {
    "lip gap": ("gap",),
    "mouth width": ("width",),
    "lids": ("lids",),
    "each lid": ("lid_left", "lid_right"),
    "brows": ("brows",),
    "inner brows": ("brow_inner_left", "brow_inner_right"),
    "outer brows": ("brow_outer_left", "brow_outer_right"),
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
_INDEX = {name: i for i, name in enumerate(POINTS)}
_OUTLINE = [
    "mouth_right_corner",
    *(f"lip_top_outer_{k}" for k in range(1, 6)),
    "mouth_left_corner",
    *(f"lip_bottom_outer_{k}" for k in range(1, 6)),
]
_TOP = [f"lip_top_inner_{k}" for k in (1, 2, 3)]
_BOTTOM = [f"lip_bottom_inner_{k}" for k in (1, 2, 3)]
# Of each brow the two points nearer the nose and the two nearer the temple.
_BROW_ENDS = {
    "brow_inner_left": ("brow_left_1", "brow_left_2"),
    "brow_outer_left": ("brow_left_4", "brow_left_5"),
    "brow_inner_right": ("brow_right_4", "brow_right_5"),
    "brow_outer_right": ("brow_right_1", "brow_right_2"),
}


# --- features ------------------------------------------------------------------------------------


def actor_points(track: FaceTrack) -> np.ndarray:
    """(N, 50, 3) POINTS of the actor, the head's turn taken out: x to the subject's own left, y up,
    z out of the face; in pixels, from the nose's bridge, which the face itself does not move."""
    mesh = [*LANDMARKS.values(), CHIN]
    points = np.asarray(track.landmarks[:, mesh], float) * (1.0, -1.0, -1.0)
    turn = np.asarray(track.head_pose[:, :3, :3], float)
    turn = turn / np.cbrt(np.linalg.det(turn))[:, None, None]
    bridge = _mean(points, "nose_bridge_1", "nose_bridge_2")
    return (points - bridge[:, None]) @ turn


def true_points(truth: ClipTruth, times: np.ndarray) -> np.ndarray:
    """(N, 50, 3) true POINTS at these moments, seconds; between two frames on the straight way."""
    points = np.concatenate([truth.landmarks, truth.chin[:, None]], axis=1).astype(float)
    flat = points.reshape(len(points), -1)
    columns = [np.interp(times, truth.times, column) for column in flat.T]
    return np.stack(columns, axis=1).reshape(len(times), *points.shape[1:])


def one_eyed(points: np.ndarray) -> bool:
    """The face (N, 50, 3) has one eye, whose middle stands for the inner corners of two."""
    inner = _mean(points, "eye_left_inner") - _mean(points, "eye_right_inner")
    return bool(_length(inner) < ONE_EYE * _length(_eye(points, "left") - _eye(points, "right")))


def unit(points: np.ndarray) -> float:
    """The length in which a face (N, 50, 3) is measured: the distance of the eyes' middles, the
    median over the frames; for one eye what that would be by the height over the mouth."""
    if one_eyed(points):
        eyes = 0.5 * (_eye(points, "left") + _eye(points, "right"))
        mouth = _mean(points, "mouth_left_corner", "mouth_right_corner")
        return float(np.median(eyes[:, 1] - mouth[:, 1])) / EYE_TO_MOUTH
    return _length(_eye(points, "left") - _eye(points, "right"))


def features(points: np.ndarray, scale: float) -> dict[str, np.ndarray]:
    """Name -> (N,) of each feature of a face (N, 50, 3), as seen from the front.

    All are in eye distances but `roundness`, the outer lips' 4 pi area / perimeter^2: 1 for a
    circle. `gap` and lids are negative where the edges have passed each other. Brows, corners and
    lips are heights in the frame of the skull: over the eyes' corners a blink would lift brows.
    `lip_upper` is the height of the upper lip's inner edge, `lip_lower` that of the lower one's
    over the chin, `jaw` how low the chin hangs, `jaw_apart` that less the gap.

    Args:
        scale: the face's eye distance, see `unit`.
    """
    points = points / scale
    top, bottom = _mean(points, *_TOP), _mean(points, *_BOTTOM)
    corners = {s: _mean(points, f"mouth_{s}_corner") for s in ("left", "right")}
    lips = _mean(
        points, "lip_top_outer_3", "lip_top_inner_2", "lip_bottom_inner_2", "lip_bottom_outer_3"
    )
    brows = [n for n in POINTS if n.startswith("brow_")]
    lids = {s: _lid(points, s) for s in ("left", "right")}
    apart = top - bottom
    gap = np.linalg.norm(apart[:, :2], axis=1) * np.where(apart[:, 1] < 0.0, -1.0, 1.0)
    chin = _mean(points, "chin")[:, 1]
    return {
        "gap": gap,
        "width": np.linalg.norm((corners["left"] - corners["right"])[:, :2], axis=1),
        "lids": 0.5 * (lids["left"] + lids["right"]),
        "lid_left": lids["left"],
        "lid_right": lids["right"],
        "brows": _mean(points, *brows)[:, 1],
        **{name: _mean(points, *ends)[:, 1] for name, ends in _BROW_ENDS.items()},
        **{f"corner_{s}": place[:, 1] for s, place in corners.items()},
        "sideways": lips[:, 0],
        "protrusion": lips[:, 2],
        "roundness": _roundness(points[:, [_INDEX[n] for n in _OUTLINE], :2]),
        "jaw": -chin,
        "jaw_apart": -chin - gap,
        "lip_upper": top[:, 1],
        "lip_lower": bottom[:, 1] - chin,
    }


def _mean(points: np.ndarray, *names: str) -> np.ndarray:
    return points[:, [_INDEX[n] for n in names]].mean(1)


def _eye(points: np.ndarray, side: str) -> np.ndarray:
    return _mean(points, f"eye_{side}_inner", f"eye_{side}_outer")


def _lid(points: np.ndarray, side: str) -> np.ndarray:
    top = _mean(points, f"eye_{side}_top_1", f"eye_{side}_top_2")
    return (top - _mean(points, f"eye_{side}_bottom_1", f"eye_{side}_bottom_2"))[:, 1]


def _length(vectors: np.ndarray) -> float:
    """Median length in the picture of vectors (N, 3)."""
    return float(np.median(np.linalg.norm(vectors[:, :2], axis=1)))


def _roundness(outline: np.ndarray) -> np.ndarray:
    """(N,) 4 pi area / perimeter^2 of polygons (N, K, 2)."""
    following = np.roll(outline, -1, axis=1)
    x, y = outline[..., 0], outline[..., 1]
    area = 0.5 * np.abs((x * following[..., 1] - following[..., 0] * y).sum(1))
    around = np.linalg.norm(following - outline, axis=2).sum(1)
    return 4.0 * np.pi * area / np.maximum(around, 1e-9) ** 2


# --- who performs --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Build:
    """What a character's face can do: unit, see `unit`; contact: the lip gap at which its lips
    meet; has: names of the features that some control of it moves."""

    unit: float
    contact: float
    has: frozenset[str]

    @staticmethod
    def of(poses: np.ndarray) -> Build:
        """From its points (K, 50, 3): at rest first, then with each control at each of its limits.

        Lips that rest closed meet at the gap of rest: their landmarks lie a little apart even then.
        Lips that rest ajar meet at no gap, or at the least that a control reaches.
        """
        scale = unit(poses[:1])
        seen = features(poses, scale)
        rest, least = float(seen["gap"][0]), float(seen["gap"].min())
        has = {name for name, values in seen.items() if np.ptp(values) >= LEAST_REACH}
        if one_eyed(poses[:1]):
            has -= {"lid_left", "lid_right"}
        return Build(scale, rest if rest <= OPEN else max(least, 0.0), frozenset(has))

    @property
    def lacks(self) -> list[str]:
        """The columns of COLUMNS of which the character has nothing."""
        return [name for name, parts in COLUMNS.items() if not self.has & set(parts)]


@dataclass(frozen=True)
class Performance:
    """A face over N frames: features (name -> (N,)), those it has; closed and open (N,) bool: its
    lips touch, are apart beyond doubt."""

    features: dict[str, np.ndarray]
    closed: np.ndarray
    open: np.ndarray


def actor_performance(track: FaceTrack) -> Performance:
    """What the tracker saw of the actor."""
    points = actor_points(track)
    seen = features(points, unit(points[track.found]))
    return Performance(seen, seen["gap"] < ACTOR_CLOSED, seen["gap"] > OPEN)


def true_performance(truth: ClipTruth, times: np.ndarray) -> Performance:
    """What a made face did at these moments."""
    scale = unit(true_points(truth, truth.times))
    seen = features(true_points(truth, times), scale)
    gap = _true_gap(truth, scale)
    apart = np.interp(times, truth.times, gap)
    return Performance(seen, apart < TOUCH, apart > OPEN)


def _true_gap(truth: ClipTruth, scale: float) -> np.ndarray:
    """(N,) how far the lips are from touching, in eye distances: as the truth tells it, else by its
    landmarks, over the least gap of the sounds that close the lips (of the clip if it has none)."""
    if "lip_gap" in truth.extra:
        return np.asarray(truth.extra["lip_gap"], float).mean(1) / scale
    gap = features(true_points(truth, truth.times), scale)["gap"]
    closing = [*_frames(truth.times, truth.spans(BILABIALS))]
    frames = np.concatenate(closing) if sum(map(len, closing)) else np.arange(len(gap))
    return gap - gap[frames].min()


def character_performance(points: np.ndarray, build: Build) -> Performance:
    """What a character did, from its points (N, 50, 3) in its own frame, head at rest."""
    seen = features(points, build.unit)
    gap = seen["gap"] - build.contact
    kept = {name: values for name, values in seen.items() if name in build.has}
    return Performance(kept, gap < TOUCH, gap > OPEN)


def _frames(times: np.ndarray, spans: np.ndarray) -> list[np.ndarray]:
    """The frames within each span (start, end) of seconds."""
    return [np.flatnonzero((times >= start) & (times <= end)) for start, end in spans]


# --- one against the other -----------------------------------------------------------------------


def compare(
    reference: Performance, shown: Performance, times: np.ndarray, seen: np.ndarray
) -> dict:
    """What of a performance is shown.

    Returns:
        for JSON: "features": name -> {"all", "fast" (correlations), "amplitude" (the deviation
        shown for each of the reference's), "delay" (frames, later is positive)}, for the features
        both have; "closures": frames in which the reference's lips touch and the share in which
        those shown do, frames in which they are apart and the share in which those shown touch;
        "delay", the mean; "jitter" and "reference_jitter" of the still stretches, eye distances.

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
        "closures": _closures(reference, shown, seen),
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
        "false": mean_of(m["closures"]["false"] for m in clips),
        **{key: mean_of(m.get(key) for m in clips)
           for key in ("delay", "jitter", "reference_jitter", "switches")},
    }  # fmt: skip


def mean_of(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are there; None where none is."""
    known = [v for v in values if v is not None]
    return round(float(np.mean(known)), 6) if known else None


def _compare_one(reference: np.ndarray, shown: np.ndarray, rate: float, seen: np.ndarray) -> dict:
    quick_reference, quick_shown = fast(reference, rate), fast(shown, rate)
    moved = float(reference[seen].std())
    lag = delay(np.where(seen, quick_reference, 0.0), np.where(seen, quick_shown, 0.0))
    return {
        "all": told(correlation(reference[seen], shown[seen])),
        "fast": told(correlation(quick_reference[seen], quick_shown[seen])),
        "amplitude": told(float(shown[seen].std()) / moved if moved > 1e-9 else np.nan),
        "delay": told(lag, 3),
    }


def _closures(reference: Performance, shown: Performance, seen: np.ndarray) -> dict:
    closed, apart = reference.closed & seen, reference.open & seen
    return {
        "closed_frames": int(closed.sum()),
        "reached": _share(shown.closed[closed]),
        "open_frames": int(apart.sum()),
        "false": _share(shown.closed[apart]),
    }


def _share(flags) -> float | None:
    return round(float(np.mean(flags)), 4) if len(flags) else None


def _held_jitter(face: Performance, stretches: list[np.ndarray]) -> float:
    held = [face.features[n] for n in _HELD if n in face.features]
    return jitter(np.stack(held, axis=1), stretches) if held else float("nan")


def _all_of(flags: np.ndarray, width: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(flags, width).all(1)
