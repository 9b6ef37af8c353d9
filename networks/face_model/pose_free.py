"""A turned face's points with the head's turn taken out: those of the face fitted to what is seen.

A landmarker that learned from faces that look at the camera guesses what it can't see. The bilinear
face (Wu, section 3.2) is put where the visible landmarks are, each weighed by how far it is turned
to the camera; its identity is told by the frames that look there. What it does beside that person
at rest knows no turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fitting import FIT, FitSettings, Fitter
from .model import FaceModel, face_model
from .projection import Camera

FEWEST = 5
"""Frames that look at the camera from which on they alone tell the identity."""
LEAST = 50
"""Landmarks that have to be seen; with fewer nobody knows what the face does."""
PIECE = 1000
"""Frames that are fitted at once."""


@dataclass(frozen=True)
class PoseFree:
    """points (N, 478, 3): millimetres in the model's frame, head and nothing else taken out; rest
    (478, 3): the same person's at rest; residual (N,): millimetres that landmarks are off,
    infinite where hardly any is seen."""

    points: np.ndarray
    rest: np.ndarray
    residual: np.ndarray


def pose_free(
    seen: np.ndarray,
    times: np.ndarray,
    frontal: np.ndarray,
    settings: FitSettings = FIT,
    model: FaceModel | None = None,
) -> PoseFree:
    """The points of faces whose landmarks are seen, as by a long lens: nobody tells which it was.

    Args:
        seen: pixels (N, 478, 2); NaN where a landmark is hidden. times: (N,) seconds. frontal: (N,)
            bool: frames that look at the camera.
    """
    seen, known = _filled(np.asarray(seen, float))
    model = model or face_model()
    size = np.maximum(seen.max((0, 1)), 1.0).astype(int)
    fitter = Fitter(model, Camera.of(tuple(size), kind="orthographic"), settings)
    fitter.trust = fitter.trust * known
    if np.count_nonzero(fitter.trust) < LEAST:
        rest, _ = fitter.points.of_person(np.zeros(model.identities))
        return PoseFree(np.tile(rest, (len(seen), 1, 1)), rest, np.full(len(seen), np.inf))
    identity = fitter.identity(seen[frontal] if frontal.sum() >= FEWEST else seen)
    pieces = [slice(i, i + PIECE) for i in range(0, len(seen), PIECE)]
    found = [fitter.frames(seen[s], times[s], identity) for s in pieces]
    rest, moves = fitter.points.of_person(identity)
    expression = np.concatenate([f.expression for f in found])
    points = rest + np.tensordot(expression, moves, 1)
    return PoseFree(points, rest, np.concatenate([f.residual for f in found]))


def _filled(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks (N, 478, 2) with hidden ones between the moments at which they were seen, and
    (478,) bool: those that ever were; the others lie in the middle of the face."""
    there = np.isfinite(seen).all(-1)
    low, high = (np.where(there[..., None], seen, far) for far in (np.inf, -np.inf))
    there &= ((high.max(1) - low.min(1)).max(1) > 0.0)[:, None]  # all at one place is no face
    if there.all():
        return seen, np.ones(seen.shape[1], bool)
    out, clock = np.where(there[..., None], seen, 0.0), np.arange(len(seen))
    known = there.any(0)
    for mark in np.flatnonzero(known & ~there.all(0)):
        rows = there[:, mark]
        for axis in range(2):
            out[:, mark, axis] = np.interp(clock, clock[rows], seen[rows, mark, axis])
    if known.any():
        out[:, ~known] = out[:, known].mean(1, keepdims=True)
    return out, known
