"""What the worker does with faces in three dimensions, from file to file."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import numpy as np

from ..cores import one_thread_each
from ..errors import UsageError
from ..track import FaceTrack
from ..vocabulary import EXPRESSIONS
from .advice import advise
from .affect import face_affect
from .cascade import face_regression
from .face_fit import FaceFit, fit_track
from .mimicry import EMOTIVE, Likeness, compare, displacements
from .model import face_model
from .own_shape import with_own_shape
from .projection import FIELD
from .regressed import regressed

METHODS = ("regression", "fit")
"""How a head is found: the cascaded regression after the fit to the landmarks, or that alone."""
ANGLES = (5.0, 120.0)
"""Degrees that a camera's vertical angle of view may have."""


def check_angle(degrees: float | None) -> float:
    """A camera's vertical angle of view in radians; None: what is usual.

    Raises:
        UsageError: no lens has it.
    """
    if degrees is None:
        return FIELD
    if not ANGLES[0] <= degrees <= ANGLES[1]:
        raise UsageError(
            f"a vertical angle of view of {degrees:g} degrees can't be used",
            fix=f"give {ANGLES[0]:g} to {ANGLES[1]:g}",
        )
    return math.radians(degrees)


def reconstruct(
    track: str,
    out: str,
    angle: float | None = None,
    reference: Sequence[str] = (),
    method: str = METHODS[0],
    consistency: bool = False,
) -> dict:
    """A FaceTrack's file -> a FaceFit's: {"fit", "frames", "seen", "residual" (mm), "rate",
    "geometry": what the head's shape alone expresses, {"valence", "arousal", "expression"}}.

    angle: of view, vertical, degrees. reference: what the track was made from; method: of METHODS;
    consistency: expressions are bettered until the head reads as the pictures do.

    Raises:
        InputError: see `FaceTrack.load` and `fit_track`, or the reference can't be read.
        OutputError: it can't be written. ModelError: consistency needs torch. UsageError: it needs
        the reference as well.
    """
    if consistency and not reference:
        fix = "give the footage as well, or leave --consistency out"
        raise UsageError("consistency needs the pictures", fix=fix)
    loaded = FaceTrack.load(track)
    began = time.monotonic()
    with one_thread_each():
        fit = _fit(loaded, reference if method == METHODS[0] else (), check_angle(angle))
    fit = with_own_shape(fit, loaded.landmarks[..., :2], face_model())
    fit.check(track, "analyse the footage again: its landmarks lie as no face's do")
    if consistency:
        from .consistency import consistent

        fit = consistent(loaded, fit, pictures_of(reference, loaded), face_model())
    spent = max(time.monotonic() - began, 1e-6)
    return {
        "fit": str(fit.save(out)),
        "frames": len(fit),
        "seen": int(fit.seen.sum()),
        "residual": round(float(np.median(fit.residual[fit.seen])), 3),
        "rate": round(len(fit) / spent, 1),
        "geometry": _expressed(fit, loaded),
    }


def _expressed(fit: FaceFit, track: FaceTrack) -> dict:
    """What the shapes of a clip express in the mean, by no pixel."""
    chances, affect = face_affect()(track.landmarks[np.flatnonzero(fit.seen)])
    valence, arousal = (round(float(x), 3) for x in affect.mean(0))
    likeliest = EXPRESSIONS[int(chances.mean(0).argmax())]
    return {"valence": valence, "arousal": arousal, "expression": likeliest}


def _fit(track: FaceTrack, reference: Sequence[str], angle: float = FIELD) -> FaceFit:
    """The fit to a track's landmarks, bettered by the pictures where they are given."""
    fit = fit_track(track, angle)
    if not reference:
        return fit
    model = face_model()
    pictures = pictures_of(reference, track)
    return regressed(track, fit, pictures, face_regression(model), model)


def pictures_of(reference: Sequence[str], track: FaceTrack) -> Iterator[tuple]:
    """(row, grey picture, its pixels a pixel of the track) of all rows in which a face was seen."""
    import cv2

    from ..footage.reference_pictures import decoded

    for row, frame in decoded(reference, track):
        if track.found[row]:
            grey = frame.rgb if frame.rgb.ndim == 2 else cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY)
            yield row, grey, 1.0 / float(np.mean(frame.scale))


def mimic(
    target: str,
    attempt: str,
    sheet: str | None = None,
    title: str = "",
    references: Sequence[Sequence[str]] = ((), ()),
) -> dict:
    """Two FaceTracks' files -> how the attempt comes to the target.

    references: what each was made from, whose pictures tell more than the landmarks; may be empty.

    Returns:
        {"score", "blended" (see `mimicry.Likeness`), "lag" (s), "curve": [[seconds of target, of
        attempt, score], ...], "blends": {"target", "attempt": {expression: intensity}}, "notes":
        [{"words", "measure", "side", "lack" (mm)}], "sheet": path or None}

    Raises:
        InputError: see `FaceTrack.load` and `fit_track`. OutputError: the sheet can't be written.
    """
    tracks = [FaceTrack.load(path) for path in (target, attempt)]
    with one_thread_each():
        fits = [_fit(*pair) for pair in zip(tracks, references, strict=True)]
    likeness = compare(*fits)
    notes = advise(*(displacements(fit) for fit in fits), likeness)
    drawn = None
    if sheet:
        from .mimicry_sheet import draw_mimicry

        drawn = str(draw_mimicry(tracks, fits, likeness, notes, sheet, title))
    blends = dict(zip(("target", "attempt"), map(_blend, likeness.blends), strict=True))
    told = [
        {"words": n.words, "measure": n.measure, "side": n.side, "lack": round(n.lack, 2)}
        for n in notes
    ]
    return {
        "score": round(likeness.score, 4),
        "blended": round(likeness.blended, 4),
        "lag": round(likeness.lag, 3),
        "curve": _curve(fits, likeness),
        "blends": blends,
        "notes": told,
        "sheet": drawn,
    }


def _curve(fits: list[FaceFit], likeness: Likeness) -> list[list[float]]:
    rows = zip(likeness.path.tolist(), likeness.curve.tolist(), strict=True)
    return [
        [round(float(fits[0].times[i]), 4), round(float(fits[1].times[j]), 4), round(score, 4)]
        for (i, j), score in rows
    ]


def _blend(intensities: np.ndarray) -> dict[str, float]:
    return {name: round(float(x), 3) for name, x in zip(EMOTIVE, intensities, strict=True)}
