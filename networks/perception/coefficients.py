"""What is perceived in coefficients alone, where there is no picture."""

from __future__ import annotations

import numpy as np

from ..vocabulary import EXPRESSIONS, GEOMETRIC_FEATURES, NEUTRAL
from .needed_weights import adviser_weights


def perceived_in(arkit: np.ndarray) -> np.ndarray:
    """(N, 7) probabilities that the coefficient reader gives coefficients (N, 52)."""
    return CoefficientLooker()(arkit)


class CoefficientLooker:
    """The coefficient reader over coefficients alone; neutral without its weights. The geometric
    features that it reads too are put at its own mean."""

    def __init__(self):
        path = adviser_weights()["coefficients"]
        self._network = None
        if path.is_file():
            from ..models.weights_io import load_network

            self._network = load_network(path, "coefficient_reader")[0]

    def __call__(self, arkit: np.ndarray) -> np.ndarray:
        """(N, 7) probabilities of coefficients (N, 52)."""
        if self._network is None:
            return np.eye(len(EXPRESSIONS), dtype=np.float32)[np.full(len(arkit), NEUTRAL)]
        from ..models.coefficient_reader import coefficient_opinion

        mean = self._network.mean.numpy()[: len(GEOMETRIC_FEATURES)]
        geometry = np.tile(mean, (len(arkit), 1))
        return coefficient_opinion(self._network, geometry, np.clip(arkit, 0.0, 1.0))
