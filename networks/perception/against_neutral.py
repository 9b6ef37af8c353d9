"""What an actor expresses, seen against the actor's own neutral: from what a track has measured."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from ..inference.against_neutral import AgainstNeutral as Network
from ..inference.opening import fitted
from ..models.layouts import MEASURED
from ..models.weights_file import read_weights
from ..models.weights_places import find_weights
from .pooled import pooled_by
from .prior import EVEN_READING, unprejudiced

NETWORK = "against_neutral"


class AgainstNeutral:
    """The reader against neutral, its leaning to frequent classes partly undone."""

    def __init__(self, network: Network, prior: tuple[float, ...] = ()):
        self._network, self._prior = network, prior

    @staticmethod
    def load(path: Path | None = None) -> AgainstNeutral | None:
        """With the weights that are there, or those of a path; None without, since there are other
        readers.

        Raises:
            ModelError: the file is damaged.
        """
        path = path or find_weights(NETWORK)
        if not path.is_file():
            return None
        weights = read_weights(path, NETWORK)
        prior = tuple(weights.info.training.get("prior", ()))
        return AgainstNeutral(fitted(Network, weights), prior)

    def __call__(
        self,
        geometry: np.ndarray,
        arkit: np.ndarray,
        neutral: np.ndarray | None = None,
        trust: float = 1.0,
        *,
        mouth: bool = True,
    ) -> np.ndarray:
        """What faces express, float32 (N, 7) in the order of EXPRESSIONS.

        Args:
            geometry: (N, 9) geometric features. arkit: (N, 52) coefficients.
            neutral: (61,) what is measured of the actor's neutral (`neutral_of`); None for one whom
                nobody knows, who is seen against people's on the mean.
            trust: 0..1, of the actor's neutral against people's.
            mouth: all numbers are looked at; else those alone that speech hardly moves.
        """
        said = self._network(measured(geometry, arkit), self._own(neutral, trust)[:MEASURED], mouth)
        return self._even(said)

    @cached_property
    def sees_pixels(self) -> bool:
        """Whether it was taught what the convolutions of the teacher that is there give."""
        return bool(self.under) and self.under == pooled_by()

    @property
    def under(self) -> str:
        """The teacher by whose convolutions it was taught, see `pooled_by`; "" if by none."""
        return self._network.under if self._network.pooled else ""

    def with_pixels(
        self,
        geometry: np.ndarray,
        arkit: np.ndarray,
        pooled: np.ndarray,
        neutral: np.ndarray | None = None,
        trust: float = 1.0,
    ) -> np.ndarray:
        """The same from what convolutions give of the faces too, pooled (N, POOLED); neutral:
        (317,), with what they give of that."""
        own = self._own(neutral, trust)
        given = measured(geometry, arkit), own[:MEASURED], pooled, own[MEASURED:]
        return self._even(self._network.with_pixels(*given))

    def _own(self, neutral: np.ndarray | None, trust: float) -> np.ndarray:
        """What is seen against: the actor's neutral as far as it is trusted, else people's."""
        usual = self._network.usual
        if neutral is None:
            return usual
        usual = usual[: len(neutral)]
        return trust * np.asarray(neutral, np.float32) + (1.0 - trust) * usual

    def _even(self, said: np.ndarray) -> np.ndarray:
        return unprejudiced(said, self._prior, EVEN_READING).astype(np.float32)


def measured(
    geometry: np.ndarray, arkit: np.ndarray, pooled: np.ndarray | None = None
) -> np.ndarray:
    """(N, 61) float32: geometric features (N, 9), then coefficients (N, 52); (N, 317) with what
    convolutions give of the faces, (N, POOLED)."""
    numbers = [geometry, np.clip(arkit, 0.0, 1.0), *([] if pooled is None else [pooled])]
    return np.concatenate(numbers, 1).astype(np.float32)


def neutral_of(
    geometry: np.ndarray,
    arkit: np.ndarray,
    weights: np.ndarray,
    pooled: np.ndarray | None = None,
) -> np.ndarray | None:
    """What is `measured` of an actor's neutral: each number's median over frames (N,) that are
    neutral with these weights; None where none is."""
    frames = np.flatnonzero(np.asarray(weights) > 0)
    if not len(frames):
        return None
    values = measured(geometry, arkit, pooled)[frames]
    say, columns = np.asarray(weights, float)[frames], np.arange(values.shape[1])
    order = np.argsort(values, axis=0, kind="stable")
    reached = np.cumsum(say[order], axis=0)
    at = (reached < reached[-1] / 2).sum(0)
    return values[order[at, columns], columns]
