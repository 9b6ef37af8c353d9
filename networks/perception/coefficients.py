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
        self._reader = None
        if path.is_file():
            from ..inference.coefficient_reader import CoefficientReader
            from ..inference.opening import opened

            self._reader = opened(CoefficientReader, path, "coefficient_reader")

    def __call__(self, arkit: np.ndarray) -> np.ndarray:
        """(N, 7) probabilities of coefficients (N, 52)."""
        if self._reader is None:
            return np.eye(len(EXPRESSIONS), dtype=np.float32)[np.full(len(arkit), NEUTRAL)]
        mean = self._reader.mean[: len(GEOMETRIC_FEATURES)]
        geometry = np.tile(mean, (len(arkit), 1))
        return self._reader(geometry, np.clip(arkit, 0.0, 1.0))
