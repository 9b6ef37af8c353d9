"""Whether teeth fill an open mouth: teeth that are together behind open lips, told by its picture.

Neither landmarks nor coefficients know it: a chin hangs as low in an "ee" with its teeth together
as in an "eh" with them apart. The picture does know: of what lies between the lips, teeth are
bright and the hollow is dark. It is one of the things that `mouth_motion` tells quick chins from.
"""

from __future__ import annotations

import numpy as np

from ..tracking.lost_frames import ramp
from .kept_faces import KeptFaces, has_pictures

LIPS_INSIDE = (
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95,
)  # fmt: skip
"""MediaPipe's mesh points round the opening of the lips."""
CHEEKS = (205, 425, 50, 280)
"""Mesh points of bare skin, whose brightness the mouth's is counted in."""
PATCH = (9, 9)
WHITE, SOME, MUCH = 0.75, 0.35, 0.5
"""Brightness, of the skin's, that teeth have and a tongue has not; shares of the opening that are
so bright up to which it is no row of teeth, and from which on it is two."""
SEEN_OPEN = 0.08
"""Lip gap, eye distances, from which on enough is seen between the lips."""
DARK = 0.5
"""Brightness, of the skin's, below which it is hollow; a third of the way from the darkest to the
brightest of this actor's open mouth where that is more."""
FULL, HOLLOW = 0.2, 0.45
"""Shares of the opening that are dark: up to the first it is full of teeth, from the second on it
is an open mouth like any other."""

DRAWN_FROM, DRAWN = 0.015, 0.04
"""Eye distances by which a lower lip lies lower beside its chin than at rest from which on it may
bare the lower row, and does: teeth move with the chin, and lips that a jaw opens hide that row."""


def teeth_together(kept: KeptFaces, gap: np.ndarray) -> np.ndarray:
    """(N,) 0..1, how far teeth fill what is seen between the lips; 0 where lips are too near to
    tell, and of a track without pictures. Frames without a face, and those whose picture is
    missing, are between the others.

    Args:
        gap: (N,) lip gap, eye distances, seen from the actor's own closed mouth.
    """
    track = kept.track
    together = np.zeros(len(track))
    rows = np.flatnonzero(track.found & (gap > SEEN_OPEN))
    if not len(rows) or not has_pictures(track):
        return together
    seen = {int(i): mouth_pixels(kept, int(i)) for i in rows}
    inside = {i: pixels for i, pixels in seen.items() if pixels is not None}
    if not inside:
        return together
    limit = _limit(np.concatenate([*inside.values()]))
    dark, white = np.array([_shares(pixels, limit) for pixels in inside.values()]).T
    full = ramp(dark, HOLLOW, FULL)
    together[[*inside]] = full * ramp(white, SOME, MUCH)
    # A frame that nobody could look into is between two: teeth don't part for a moment.
    known = track.found.copy()
    known[[i for i in seen if i not in inside]] = False
    between = np.interp(track.times, track.times[known], together[known])
    return np.where(gap > SEEN_OPEN, between, 0.0)


def lower_row(together: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """(N,) 0..1, how far the lower row is bared as well as the upper one: teeth are `together`
    (N,), see `teeth_together`, and the lower lip is `drawn` (N,) down off them, eye distances
    beside the chin."""
    return together * ramp(drawn, DRAWN_FROM, DRAWN)


def _shares(pixels: np.ndarray, limit: float) -> tuple[float, float]:
    """How much of an opening is hollow, and how much as bright as teeth."""
    if not len(pixels):
        return 1.0, 0.0
    return float((pixels < limit).mean()), float((pixels > WHITE).mean())


def mouth_pixels(kept: KeptFaces, frame: int) -> np.ndarray | None:
    """(P,) brightness between the lips of a frame, in that of its cheeks; None where its picture
    is missing or damaged, since a jaw can do without."""
    import cv2

    shown = kept.with_points(frame, LIPS_INSIDE, CHEEKS)
    if shown is None:
        return None
    face, (lips, cheeks) = shown
    opening = np.zeros(face.shape, np.uint8)
    cv2.fillPoly(opening, [np.round(lips).astype(np.int32)], 1)
    patches = [cv2.getRectSubPix(face, PATCH, tuple(map(float, place))) for place in cheeks]
    skin = float(np.median([patch.mean() for patch in patches]))
    return face[opening > 0] / max(skin, 1.0)


def _limit(pixels: np.ndarray) -> float:
    """The brightness that divides teeth from what is behind them, of all of an actor's pixels."""
    if not len(pixels):
        return DARK
    low, high = np.percentile(pixels, (5, 95))
    return max(DARK, float(low + (high - low) / 3.0))
