"""How far readings lean to the classes that were frequent in training, and undoing it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..vocabulary import EXPRESSIONS

EVEN_READING = 0.5
"""How far a reading's leaning to frequent classes is undone (see `unprejudiced`): on ferplus/val a
point and a half of accuracy for three of the mean over classes, and for four of it where training
held no near copy. All of it would take an actor's calm moments for sad ones."""

EVEN_PHOTOGRAPHS = 0.55
"""How even the frequencies are by which the photograph reader's answers are weighed, see `mixed`:
on training photographs that it had not learned from, accuracy and mean over classes together are
highest from 0.5 to 0.6."""

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


def mixed(usual: Sequence[float], even: float) -> tuple[float, ...]:
    """(7,) how frequent classes are where a share `even` of the pictures shows all of them alike
    and the others show them as they usually are; sums to 1.

    Who wants many answers right and every class known at once answers as if this were so: where
    chances are true, nothing gives a larger sum of accuracy and `even / (1 - even)` times the mean
    of the classes' recall.
    """
    return tuple((1.0 - even) * float(p) + even / len(usual) for p in usual)


def leaning_to(
    perceived: np.ndarray, prior: Sequence[float], frequencies: Sequence[float]
) -> np.ndarray:
    """Probabilities (N, 7) as if classes had been as frequent in training as `frequencies` (7,)
    say, where they had been as in `prior` (7,)."""
    weighed = unprejudiced(perceived, prior) * np.asarray(frequencies)
    return weighed / weighed.sum(1, keepdims=True)
