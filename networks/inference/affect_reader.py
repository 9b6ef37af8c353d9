"""The affect reader without torch: see models/affect_reader.py for what it is."""

from __future__ import annotations

import numpy as np

from ..models.layouts import AFFECT_CHANNELS, AFFECT_INPUTS
from ..models.weights_file import Weights
from ..vocabulary import ARKIT_CHANNELS
from .forms import form_of
from .tensors import Tensors

_PARTS = np.array([[c.startswith(name) for c in ARKIT_CHANNELS] for name in AFFECT_CHANNELS], float)
_PARTS /= _PARTS.sum(1, keepdims=True)


@form_of("affect_reader")
class AffectReader:
    """What faces express, and how strongly -> how pleasant and how stirred they look.

    Raises:
        UsageError: the arrays are not those of the network.
    """

    def __init__(self, weights: Weights):
        tensors = Tensors(weights)
        self._layer = tensors.linear("layer", AFFECT_INPUTS, 2)
        tensors.all_taken()

    def __call__(self, chances: np.ndarray, arkit: np.ndarray) -> np.ndarray:
        """Chances (N, 7) and coefficients (N, 52) -> valence and arousal float32 (N, 2), -1..1."""
        return self.of_inputs(affect_inputs(chances, arkit))

    def of_inputs(self, inputs: np.ndarray) -> np.ndarray:
        """The same of `affect_inputs`."""
        weight, bias = self._layer
        return np.clip(inputs @ weight.T + bias, -1.0, 1.0).astype(np.float32)


def affect_inputs(chances: np.ndarray, arkit: np.ndarray) -> np.ndarray:
    """(N, AFFECT_INPUTS): chances (N, 7), then coefficients (N, 52), both sides of each together
    and as roots, which tell small motion from none."""
    parts = np.clip(np.asarray(arkit, float), 0.0, 1.0) @ _PARTS.T
    return np.concatenate([chances, np.sqrt(parts)], axis=1)
