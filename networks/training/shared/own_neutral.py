"""What the tracker measured of faces beside their own neutral, and expressions of rendered people
played on the neutral faces of filmed ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...perception.against_neutral import measured
from ...vocabulary import GEOMETRIC_FEATURES, NEUTRAL
from .sets import TRAIN, VALIDATION, FaceSet

CALM = 0.7
"""Share of neutral in what was said of a face from which it shows its owner's neutral."""
PLAYED = 0.7
"""Share of rendered faces whose expression is played on a filmed one. The difference that an
expression makes is much the same; what a face is without one, and how the tracker errs on it, is
only known of real faces, and renders are of few people."""


@dataclass(frozen=True)
class Known:
    """A set's measurements and each face's own neutral.

    values, neutral (N, 61), or (N, 317) with what convolutions give; own: bool (N,), the neutral is
    known, else it is people's.
    """

    data: FaceSet
    values: np.ndarray
    neutral: np.ndarray
    own: np.ndarray


def known(
    data: FaceSet, subjects: np.ndarray, usual: np.ndarray, pooled: np.ndarray | None = None
) -> Known:
    """Every face of a set with the neutral of its subject, people's where nobody knows it.

    Args:
        subjects: (N,) names, "" where unknown. usual: (61,), or (317,) with pooled: (N, POOLED).
    """
    values = measured(data.geometry, data.arkit, pooled)
    neutral, own = np.tile(usual, (len(values), 1)), np.zeros(len(values), bool)
    calm = (data.targets[:, NEUTRAL] >= CALM) & np.isin(data.split, (TRAIN, VALIDATION))
    for name in np.unique(subjects[calm & (subjects != "")]):
        theirs = subjects == name
        neutral[theirs], own[theirs] = np.median(values[theirs & calm], axis=0), True
    return Known(data, values, neutral.astype(np.float32), own)


def neutrals(data: FaceSet, pooled: np.ndarray | None = None) -> np.ndarray:
    """(K, 61), or (K, 317) with pooled (N, POOLED), what is measured of the training faces that
    were said to be neutral."""
    rows = data.rows(TRAIN)
    calm = rows[data.targets[rows, NEUTRAL] >= CALM]
    seen = None if pooled is None else pooled[calm]
    return measured(data.geometry[calm], data.arkit[calm], seen)


def usual_neutral(data: FaceSet, pooled: np.ndarray | None = None) -> np.ndarray:
    """(61,), or (317,) with pooled (N, POOLED), people's neutral: the median of `neutrals`, zeros
    without any."""
    calm = neutrals(data, pooled)
    return np.median(calm, axis=0) if len(calm) else np.zeros(calm.shape[1], np.float32)


def played(
    values: np.ndarray,
    neutral: np.ndarray,
    own: np.ndarray,
    others: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Measurements (B, 61) and their neutral, most of them played on one of `others` (K, 61); what
    stands behind the 61 stays.

    Args:
        neutral: (B, 61). own: bool (B,), it is the face's own; the rest stay as they are.
    """
    chosen = own & (rng.random(len(values)) < PLAYED)
    if not len(others) or not chosen.any():
        return values, neutral
    values, neutral = np.array(values), np.array(neutral)
    bases = others[rng.integers(len(others), size=int(chosen.sum()))]
    start, end = len(GEOMETRIC_FEATURES), others.shape[1]
    shown = bases + values[chosen, :end] - neutral[chosen, :end]
    shown[:, start:] = shown[:, start:].clip(0.0, 1.0)
    values[chosen, :end], neutral[chosen, :end] = shown, bases
    return values, neutral
