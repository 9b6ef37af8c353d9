"""Correlations; numpy alone, so that Blender's own process can use them."""

from __future__ import annotations

import numpy as np

FLOOR = 1e-6


def told(value: float, digits: int = 4) -> float | None:
    """A figure for JSON, which knows no NaN: None where there is none."""
    return round(float(value), digits) if np.isfinite(value) else None


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of two series (N,); NaN where one does not vary."""
    a, b = np.asarray(a, float) - np.mean(a), np.asarray(b, float) - np.mean(b)
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > FLOOR else float("nan")


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's correlation of two series (N,): 1 where one rises whenever the other does."""
    return correlation(_ranks(a), _ranks(b))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks (N,); equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]
