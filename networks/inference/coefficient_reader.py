"""The coefficient reader without torch, and how its opinion joins another; see
models/coefficient_reader.py for what it is."""

from __future__ import annotations

import numpy as np

from ..models.layouts import COEFFICIENT_SHARE
from ..models.weights_file import Weights
from ..vocabulary import ARKIT_CHANNELS, EXPRESSIONS, GEOMETRIC_FEATURES
from .forms import form_of
from .network import softmax
from .tensors import Tensors

NO_CHANCE = 1e-9
"""What a chance of 0 counts as where two look at one face: who is sure is heard. Over time nobody
is, see LEAST_CHANCE."""


@form_of("coefficient_reader")
class CoefficientReader:
    """Geometric features and coefficients -> what they express.

    Attributes:
        mean: (113,) of the measurements in what it learned from.

    Raises:
        UsageError: the arrays are not those of the network.
    """

    def __init__(self, weights: Weights):
        hidden = int(weights.info.config.get("hidden", 256))
        inputs = len(GEOMETRIC_FEATURES) + 2 * len(ARKIT_CHANNELS)
        tensors = Tensors(weights)
        self.mean = tensors.take("mean", inputs)
        self._deviation = tensors.take("deviation", inputs)
        self._layers = [
            tensors.linear("layers.0", inputs, hidden),
            tensors.linear("layers.3", hidden, hidden // 2),
            tensors.linear("layers.6", hidden // 2, len(EXPRESSIONS)),
        ]
        tensors.all_taken()

    def __call__(self, geometry: np.ndarray, arkit: np.ndarray) -> np.ndarray:
        """geometry (B, 9), fractions of the face box; arkit (B, 52) in 0..1 -> float32 (B, 7)
        probabilities."""
        geometry, arkit = (np.asarray(given, np.float32) for given in (geometry, arkit))
        measured = np.concatenate([geometry, arkit, np.sqrt(arkit.clip(0.0))], 1)
        x = ((measured - self.mean) / self._deviation).clip(-6.0, 6.0)
        for weight, bias in self._layers[:-1]:
            x = np.maximum(x @ weight.T + bias, 0.0)
        weight, bias = self._layers[-1]
        return softmax(x @ weight.T + bias)


def joint_opinion(
    pixels: np.ndarray, coefficients: np.ndarray, share: float = COEFFICIENT_SHARE
) -> np.ndarray:
    """Geometric mean of two opinions (B, 7), weighted by `share` of the second; rows sum to 1."""
    joint = np.maximum(pixels, NO_CHANCE) ** (1 - share)
    joint = joint * np.maximum(coefficients, NO_CHANCE) ** share
    return (joint / joint.sum(1, keepdims=True)).astype(np.float32)
