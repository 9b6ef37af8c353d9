"""The reader against the actor's neutral without torch; see models/against_neutral.py for what it
is."""

from __future__ import annotations

import numpy as np

from ..models.layouts import MEASURED, MOST_APART, UPPER_MEASURED
from ..models.weights_file import Weights
from ..vocabulary import EXPRESSIONS
from .forms import form_of
from .network import softmax
from .tensors import Tensors

Layers = list[tuple[np.ndarray, np.ndarray]]


@form_of("against_neutral")
class AgainstNeutral:
    """What is measured of faces and of the actor's neutral -> what they express.

    Attributes:
        usual: (61,) people's neutral on the mean, for actors whose own is not known.

    Raises:
        UsageError: the arrays are not those of the network.
    """

    def __init__(self, weights: Weights):
        hidden = int(weights.info.config.get("hidden", 128))
        tensors = Tensors(weights)
        self._mean = tensors.take("mean", 2 * MEASURED)
        self._deviation = tensors.take("deviation", 2 * MEASURED)
        self.usual = tensors.take("usual", MEASURED)
        self._whole = _layers(tensors, "whole", 2 * MEASURED, hidden)
        self._upper = _layers(tensors, "upper", 2 * len(UPPER_MEASURED), hidden)
        tensors.all_taken()

    def __call__(self, measured: np.ndarray, neutral: np.ndarray, mouth: bool = True) -> np.ndarray:
        """measured (B, 61): geometry in fractions of the face box, then coefficients in 0..1;
        neutral (B, 61) or (61,) -> float32 (B, 7) probabilities.

        mouth: all numbers are looked at; else those alone that speech hardly moves.
        """
        measured, neutral = (np.asarray(given, np.float32) for given in (measured, neutral))
        neutral = np.broadcast_to(neutral, measured.shape)
        roots = np.sqrt(measured.clip(0.0)) - np.sqrt(neutral.clip(0.0))
        x = np.concatenate([measured - neutral, roots], 1)
        x = ((x - self._mean) / self._deviation).clip(-MOST_APART, MOST_APART)
        if not mouth:
            x = x.reshape(len(x), 2, MEASURED)[:, :, list(UPPER_MEASURED)].reshape(len(x), -1)
        *hidden, (weight, bias) = self._whole if mouth else self._upper
        for inner, offset in hidden:
            x = np.maximum(x @ inner.T + offset, 0.0)
        return softmax(x @ weight.T + bias)


def _layers(tensors: Tensors, name: str, inputs: int, hidden: int) -> Layers:
    return [
        tensors.linear(f"{name}.0", inputs, hidden),
        tensors.linear(f"{name}.3", hidden, hidden // 2),
        tensors.linear(f"{name}.6", hidden // 2, len(EXPRESSIONS)),
    ]
