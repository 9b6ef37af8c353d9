"""Lips that are seen apart: what is dark between them in the picture of the mouth.

The tracker draws small openings shut, round ones above all, and so do its coefficients. The picture
knows better: between lips that are apart it is hollow, darker than either lip and no mere line. How
much more of that is seen than in this actor's own closed mouth is what counts, so that lipstick,
the shadow of an upper lip or a crease are nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..tracking.lost_frames import classify_losses, fill_lost, ramp
from ..tracking.registration import EYE_DISTANCE
from .contact import (
    LIPS_NEVER,
    LIPS_PARTED,
    SLIT_HOLDS,
    SLIT_OPENS,
    SLIT_PARTED,
    SLIT_TELLS,
    lips_shut,
    still_shut,
)
from .head_and_gaze import head_angles
from .kept_faces import KeptFaces, has_pictures

UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
"""MediaPipe's mesh points along the inner edges of the lips, corner to corner."""
ACROSS, ENDS = 33, 0.04
"""Columns of a mouth that is laid straight; how much of its width is left out at each corner."""
REACH, STEP = 16.0, 0.5
"""Pixels of the registered face above and below the line between the lips; how fine."""
BETWEEN = 6.0
"""The hollow lies within so many of these pixels of the line, as the tracker draws it,"""
WIDEST = 12.5
"""and is less than so many high: what is wider is no slit."""
DARK = 0.4
"""How much darker than the lips about it a place must be, of their brightness, to be hollow at all;
creases and blurred lines mostly are not."""
DARKEST = 20.0
"""Brightness of an actor's lips below which nothing between them is told: noise and rounding are
as dark as a slit there."""
HOLE = 5
"""Columns over which a hollow is averaged: a seventh of the mouth, for a small "o" is no wider."""
CORNERS = 4
"""Columns at each end that are left out: corners are dark pits in any mouth."""
SURE, SURE_GAP = 0.9, 0.035
"""The chance of a touch above which, and the gap below which, a mouth is closed for certain, if
what the tracker says is all that is known;"""
LEAST_SURE = 4
"""so many such frames tell how this actor's closed mouth looks,"""
CLOSED_SHARE = 25
"""by this percentile of its hollow, since some of them are open in truth."""
GAP_SAYS, GAP_MOST = 0.23, 0.005
"""How much of the gap above that of the closed mouth counts beside the hollow, and counts at most:
trackers see closed lips apart too."""
USUAL = 500
"""Mouths whose median is the usual picture of the closed one, at most twice as many."""
ALIKE = 0.45
"""Correlation with the usual picture of the closed mouth below which something else is seen there,
a hand most often, and nothing is told."""
BLOCK = 512
"""Mouths that are looked at together."""
FACING = np.radians(30.0)
"""Yaw beyond which a mouth is seen too much from the side to tell, or to be told by."""


@dataclass(frozen=True)
class LipsSeen:
    """Lips over N frames. shut (N,) bool: they touch. least, most (N,): how far they are apart
    where they do not, eye distances; no more than pictures tell where they touch as tracked, for
    what is left of a gap there is its neighbours'."""

    shut: np.ndarray
    least: np.ndarray
    most: np.ndarray


def lips_seen(kept: KeptFaces, gap: np.ndarray, chance: np.ndarray | None) -> LipsSeen:
    """When the lips of a clip touch, as tracked and as its pictures show; see `slit_seen`. Without
    a chance of a touch nothing was filmed, and the gap alone tells."""
    tracked = lips_shut(gap, chance)
    if chance is None:
        return LipsSeen(tracked, np.full(len(gap), LIPS_PARTED), np.full(len(gap), np.inf))
    slit = slit_seen(kept, gap, chance)
    shut = still_shut(kept.track.times, tracked, slit)
    by_slit = SLIT_PARTED * ramp(slit, SLIT_HOLDS, SLIT_OPENS)
    least = np.maximum(np.where(tracked, by_slit, LIPS_PARTED), SLIT_TELLS * slit)
    return LipsSeen(shut, least, np.where(tracked, least, np.inf))


def slit_seen(kept: KeptFaces, gap: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """(N,) how much is seen between the lips beyond this actor's closed mouth, eye distances of
    darkness; 0 where the gap leaves no doubt, where a mouth can't be seen, and of a track without
    pictures or of separate ones. Frames whose face or picture is missing are filled as lost ones
    are: from their neighbours for a moment, then by a mouth at rest.

    Args:
        gap: (N,) lip gap, eye distances, seen from the actor's own closed mouth.
        chance: (N,) how likely the lips touch (`lips_touch`).
    """
    track = kept.track
    slit = np.zeros(len(track))
    near = (gap < LIPS_NEVER) & (np.abs(head_angles(track.head_pose)[:, 1]) <= FACING)
    if track.meta.get("stills") or not has_pictures(track) or not near.any():
        return slit
    seen = {int(i): mouth_laid_straight(kept, int(i)) for i in np.flatnonzero(track.found & near)}
    rows = np.array([i for i, mouth in seen.items() if mouth is not None], int)
    sure = (chance[rows] > SURE) & (gap[rows] < SURE_GAP)
    if sure.sum() < LEAST_SURE:
        return slit
    slit[rows] = _beyond_closed(np.stack([seen[i] for i in rows]), gap[rows], sure)
    looked = track.found.copy()
    looked[[i for i, mouth in seen.items() if mouth is None]] = False
    filled = fill_lost(track.times, classify_losses(track.times, looked), slit)
    return np.where(near, filled, 0.0)


def _beyond_closed(mouths: np.ndarray, gap: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """(R,) what is seen between the lips of mouths (R, 65, 33) beyond those that are closed for
    `sure` (R,), by their hollows and a little by their gap (R,); 0 where they look like no mouth of
    this actor, and everywhere if that is too dark."""
    hollow = _in_blocks(hollows, mouths)
    more = hollow - np.percentile(hollow[sure], CLOSED_SHARE)
    wider = GAP_SAYS * (gap - np.median(gap[sure]))
    usual = np.median(mouths[sure][:: 1 + int(sure.sum()) // USUAL], axis=0)
    if np.median(usual.max(0)) < DARKEST:
        return np.zeros(len(mouths))
    alike = _in_blocks(lambda some: likeness(some, usual), mouths)
    told = np.maximum(more + np.clip(wider, 0.0, GAP_MOST), 0.0)
    return np.where(alike > ALIKE, told, 0.0)


def mouth_laid_straight(kept: KeptFaces, frame: int) -> np.ndarray | None:
    """uint8 (65, 33): brightness about the line between the lips, corner to corner, as rows above
    each other from REACH above it to REACH below; None where the picture is missing."""
    import cv2

    shown = kept.with_points(frame, UPPER, LOWER)
    if shown is None:
        return None
    face, (upper, lower) = shown
    line = (upper + lower) / 2.0
    width = max(float(np.linalg.norm(line[-1] - line[0])), 1.0)
    along = (line[-1] - line[0]) / width
    down = np.array([-along[1], along[0]])
    share = np.maximum.accumulate((line - line[0]) @ along / width)
    columns = np.linspace(ENDS, 1.0 - ENDS, ACROSS)
    height = np.interp(columns, share, (line - line[0]) @ down)
    middle = line[0] + np.outer(columns * width, along) + np.outer(height, down)
    places = middle + _heights()[:, None, None] * down
    x, y = np.moveaxis(places.astype(np.float32), -1, 0)
    return cv2.remap(face, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def hollows(mouths: np.ndarray) -> np.ndarray:
    """(R,) the largest hollow between the lips of mouths (R, 65, 33), eye distances: its height
    times how dark it is, which no blur changes."""
    import cv2

    count = len(mouths)
    beside = np.concatenate(list(mouths), axis=1).astype(np.float32)  # all columns of all mouths
    window = np.ones((round(WIDEST / STEP), 1), np.uint8)
    lips = np.maximum(cv2.morphologyEx(beside, cv2.MORPH_CLOSE, window), 1.0)
    dark = np.clip((lips - beside) / lips - DARK, 0.0, None) / (1.0 - DARK)
    height = dark[np.abs(_heights()) <= BETWEEN].sum(0) * STEP / EYE_DISTANCE
    smooth = cv2.blur(height.reshape(count, ACROSS), (HOLE, 1))
    return smooth[:, CORNERS : ACROSS - CORNERS].max(1).astype(float)


def likeness(mouths: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """(R,) correlation of mouths (R, 65, 33) with a usual one (65, 33)."""
    flat, one = (_standard(m.reshape(-1, usual.size).astype(float)) for m in (mouths, usual))
    return (flat * one).mean(1)


def _standard(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(1, keepdims=True)
    return centred / np.maximum(centred.std(1, keepdims=True), 1e-6)


def _in_blocks(look, mouths: np.ndarray) -> np.ndarray:
    """What `look` tells of mouths (R, 65, 33), (R,), a block at a time."""
    return np.concatenate([look(mouths[i : i + BLOCK]) for i in range(0, len(mouths), BLOCK)])


def _heights() -> np.ndarray:
    return np.arange(-REACH, REACH + STEP / 2, STEP)
