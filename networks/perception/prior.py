"""How far readings lean to the classes that were frequent in training, and undoing it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..vocabulary import EXPRESSIONS

EVEN_READING = 0.5
"""How far a reading's leaning to frequent classes is undone (see `unprejudiced`): on ferplus/val a
point and a half of accuracy for three of the mean over classes, and for four of it where training
held no near copy. All of it would take an actor's calm moments for sad ones."""

EVEN_STILLS = 1.0
"""How much of what is left is undone before single pictures are emphasised: nobody is photographed
between two expressions, and who chooses pictures chooses disgust as often as joy."""


def unprejudiced(perceived: np.ndarray, prior: Sequence[float], share: float = 1.0) -> np.ndarray:
    """Probabilities (N, 7) as if each expression had been as frequent as any other in training.

    An actor plays disgust and fear as often as joy; photographs from the web show them in one of a
    hundred, and a classifier that learned from those hardly ever dares to say so.

    Args:
        prior: (7,) shares of the classes in what was learned from; empty changes nothing.
        share: how far the leaning is undone, 0..1.
    """
    perceived = np.asarray(perceived, float)
    if len(prior) != len(EXPRESSIONS):
        return perceived
    even = perceived / np.maximum(prior, 1e-3) ** share
    return even / even.sum(1, keepdims=True)


def leaning(prior: Sequence[float], undone: float) -> tuple[float, ...]:
    """What answers still lean to, (7,), after a share of their leaning `prior` was undone."""
    if not len(prior):
        return ()
    left = np.asarray(prior, float) ** (1.0 - undone)
    return tuple(float(p) for p in left / left.sum())
