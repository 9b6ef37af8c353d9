"""Does the character say what the actor says: labels, geometry, spread, consistency.

Everything here is arithmetic on arrays; who made them, and how, is told by the callers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..vocabulary import EXPRESSIONS, GEOMETRIC_FEATURES
from .correlation import correlation, told
from .recognition import Recognition

FLOOR = 1e-6


@dataclass(frozen=True)
class Agreement:
    """How a group of transfers was read, as in Figure 6 of the paper.

    named: people's label (rows) against what the judge names the character. perceived: what the
    judge names the human picture (rows) against what it names the character. human: people's label
    against what the judge names the human picture: where the judge itself fails.
    """

    named: Recognition
    perceived: Recognition
    human: Recognition

    @staticmethod
    def of(
        group: str, labels: np.ndarray, humans: np.ndarray, posed: np.ndarray, who: str = "judge"
    ) -> Agreement:
        """From people's labels (N,), and the judge's probabilities (N, 7) of both pictures."""
        seen, shown = humans.argmax(1), posed.argmax(1)
        return Agreement(
            Recognition.of(who, group, labels, shown),
            Recognition.of(who, group, seen, shown),
            Recognition.of(who, "human pictures", labels, seen),
        )

    def to_json(self) -> dict:
        names = ("named", "perceived", "human")
        return {name: getattr(self, name).to_json() for name in names}


def worst(labels: np.ndarray, posed: np.ndarray, count: int = 10) -> np.ndarray:
    """Indices of the `count` transfers that say least of what people saw, the worst first.

    Args:
        labels: (N,) people's. posed: (N, 7) the judge's probabilities of the character pictures.
    """
    own = posed[np.arange(len(posed)), labels]
    return np.argsort(own, kind="stable")[:count]


def correlations(actor: np.ndarray, character: np.ndarray) -> dict[str, float]:
    """Pearson's correlation of each geometric feature over N transfers, actor against character.

    Features that don't vary on one of the two have none and are NaN.

    Args:
        actor, character: (N, 9), see `registration.geometric_features`.
    """
    out = {}
    for i, name in enumerate(GEOMETRIC_FEATURES):
        out[name] = correlation(actor[:, i], character[:, i])
    return out


@dataclass(frozen=True)
class Consistency:
    """Different people showing one expression should give one character pose (Figure 7).

    within: expression -> mean distance of two poses of that expression. between: mean distance of
    two poses of different expressions. Distances are Euclidean, in unit values of the controls.
    ratio: mean of `within` over `between`: 0 where each expression is one pose, about 1 where the
    expression makes no difference.
    """

    within: dict[str, float]
    between: float

    @property
    def ratio(self) -> float:
        if not self.within:
            return float("nan")
        return float(np.mean([*self.within.values()]) / max(self.between, FLOOR))

    def to_json(self) -> dict:
        return {
            "within": {k: told(v) for k, v in self.within.items()},
            "between": told(self.between),
            "ratio": told(self.ratio),
        }


def consistency(units: np.ndarray, labels: np.ndarray) -> Consistency:
    """From control vectors (N, M) in unit values and people's labels (N,)."""
    units = np.asarray(units, float)
    square = (units**2).sum(1)
    apart = np.sqrt(np.maximum(square[:, None] + square[None] - 2 * units @ units.T, 0.0))
    upper = np.triu(np.ones_like(apart, bool), 1)
    same = labels[:, None] == labels[None]
    within = {}
    for i, name in enumerate(EXPRESSIONS):
        pairs = upper & same & (labels == i)[:, None]
        if pairs.any():
            within[name] = float(apart[pairs].mean())
    others = upper & ~same
    return Consistency(within, float(apart[others].mean()) if others.any() else float("nan"))


def spread(units: np.ndarray, reference: np.ndarray) -> float:
    """How far control vectors (N, M) spread, as a share of the spread of reference ones (K, M).

    The root of the summed variances; regression to the mean shows as a share well below 1.
    """
    own = np.sqrt(np.asarray(units, float).var(0).sum())
    return float(own / max(np.sqrt(np.asarray(reference, float).var(0).sum()), FLOOR))
