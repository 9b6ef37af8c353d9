"""What is perceived in coefficients alone, where there is no picture."""

from __future__ import annotations

import numpy as np

from ..vocabulary import EXPRESSIONS, GEOMETRIC_FEATURES, NEUTRAL
from .needed_weights import adviser_weights


def perceived_in(arkit: np.ndarray) -> np.ndarray:
    """(N, 7) probabilities that the coefficient reader gives coefficients (N, 52); neutral without
    its weights. The geometric features that it reads too are put at its own mean."""
    path = adviser_weights()["coefficients"]
    if not path.is_file():
        return np.eye(len(EXPRESSIONS), dtype=np.float32)[np.full(len(arkit), NEUTRAL)]
    from ..inference.coefficient_reader import CoefficientReader
    from ..inference.opening import opened

    reader = opened(CoefficientReader, path, "coefficient_reader")
    geometry = np.tile(reader.mean[: len(GEOMETRIC_FEATURES)], (len(arkit), 1))
    return reader(geometry, np.clip(arkit, 0.0, 1.0))
