"""Quick brows where the pictures of a clip show them, instead of where the tracker draws them.

A tracker's whole mesh gives way when lids shut or a mouth opens, so that brows seem to move which
don't; and outer ends that go far are tracked half as far. The picture knows better: each brow, its
inner end and middle, and of the nose three patches that expressions hardly move are found again in
every frame by how they usually look (normalised cross-correlation, to parts of a pixel). The
heights of the brows over the nose are then told in the face's own frame, whose size and turn change
slowly where a face is filmed, and so are taken from the landmarks as they are slowly. What brows do
slowly stays as tracked: glasses slide, and a usual look tells nothing of a head that turns.
"""

from __future__ import annotations

import numpy as np

from ..tracking.lost_frames import classify_losses, fill_lost
from .patches_seen import FEWEST, NOSE, Seen, Window, facing
from .relations import INDEX, SIDES
from .smoothing import SLOW_HERTZ, slow

PARTS = ("inner", "middle", "outer")
BROWS = {
    "left": ((336, 285), (334, 282), (300, 276)),
    "right": ((107, 55), (105, 52), (70, 46)),
}
"""Of each brow's PARTS the mesh points above and below it."""
HEIGHTS = [INDEX[f"brow_{part}_{side}"] for side in SIDES for part in PARTS]
"""The relations that are told."""
OF_FIVE = np.array([1.5, 2.0, 1.5]) / 5.0
"""What each of PARTS has in the mean of a brow's five points; two lie between them."""


WHOLE, PART = Window(71, 25, 5, 13), Window(33, 25, 3, 5)
"""A brow as it is looked for first, and one of its parts, from where that puts it."""
OWN = (1.0, 0.5, 0.0)
"""How far each of PARTS goes where it is seen itself, and not where its whole brow is: outer ends
run out into temples and hair."""
AGREE = 0.02
"""another one says so too: eye distances up or down."""
BELIEVED = 0.9
"""Share of what the pictures add, since they err as well."""


def with_brows_seen(seen: Seen | None, values: np.ndarray) -> np.ndarray:
    """Relations (N, K) of a clip, quick heights of brows as its pictures show them; as they are
    where nothing is told, and where there are too few pictures."""
    if seen is None:
        return values
    track = seen.kept.track
    ahead, heights = facing(track)[:, None], brow_heights(seen)
    more = _filled(track.times, np.where(ahead > 0.0, heights - values[:, HEIGHTS], np.nan))
    quick = more - slow(track.times, more, SLOW_HERTZ)
    more = BELIEVED * ahead * quick
    out = values.copy()
    out[:, HEIGHTS] += more
    for side, own in zip(SIDES, np.split(more, len(SIDES), axis=1), strict=True):
        out[:, INDEX[f"brow_height_{side}"]] += own @ OF_FIVE
    return out


def _filled(times: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Corrections (N, 6) less the median of each; what is not told, NaN, is filled as lost frames
    are: from the neighbours for a moment, then by none."""
    out = np.zeros_like(more)
    for column, own in enumerate(more.T):
        told = np.isfinite(own)
        if told.sum() >= FEWEST:
            own = np.where(told, own - np.median(own[told]), 0.0)
            out[:, column] = fill_lost(times, classify_losses(times, told), own)
    return out


# --- where brows are seen ------------------------------------------------------------------------


def brow_heights(seen: Seen) -> np.ndarray:
    """(N, 6) heights of the inner, middle and outer brow, left and right, in the face's own frame,
    eye distances, each up to a constant; NaN where nothing is told."""
    nose = _middle(np.stack([seen.off(p, s) for p, s in zip(NOSE, seen.nose, strict=True)]))
    heights = [h for side in SIDES for h in _heights(seen, BROWS[side], nose)]
    out = np.full((len(seen.kept.track), len(heights)), np.nan)
    out[seen.rows] = np.stack(heights, axis=1)
    return out


def _heights(seen: Seen, parts: tuple, nose: np.ndarray) -> list[np.ndarray]:
    """(R,) the height of each part of a brow, beside the place `nose` (R, 2)."""
    whole = seen.shift([p for part in parts for p in part], WHOLE)
    out = []
    for part, share in zip(parts, OWN, strict=True):
        shift = whole
        if share:
            own = seen.shift(part, PART, np.nan_to_num(whole))
            shift = whole + share * np.nan_to_num(own)
        moved = (seen.off(part, shift) - nose)[..., None]
        out.append(_without_spikes(np.linalg.solve(seen.head[:, :2, :2], moved)[:, 1, 0]))
    return out


def _without_spikes(values: np.ndarray) -> np.ndarray:
    """Values (R,) of which none is alone beyond both its neighbours: the median of three."""
    padded = np.pad(values, 1, "edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 3), axis=1)
    return np.where(np.isfinite(middle), middle, values)


def _middle(places: np.ndarray) -> np.ndarray:
    """(R, 2) the median of what several patches (P, R, 2) tell, each counted from what is usual of
    it beside the first; NaN where one tells nothing, or none tells what another does."""
    apart = places - places[0]
    told = np.isfinite(apart[..., 0]).all(0)
    usual = np.median(apart[:, told], axis=1, keepdims=True) if told.any() else 0.0
    even = places - usual
    nearest = np.diff(np.sort(even[..., 1], axis=0), axis=0).min(0)
    return np.where((nearest < AGREE)[:, None], np.median(even, axis=0), np.nan)
