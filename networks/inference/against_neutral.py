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
        usual: (61,) people's neutral on the mean, for actors whose own is not known; (317,) with
            what convolutions give of it. pooled: how many numbers that is, 0 for none. under: see
            models/against_neutral.py.

    Raises:
        UsageError: the arrays are not those of the network.
    """

    def __init__(self, weights: Weights):
        config = weights.info.config
        hidden, self.pooled = int(config.get("hidden", 128)), int(config.get("pooled", 0))
        self.under = str(config.get("under", ""))
        tensors = Tensors(weights)
        self._mean = tensors.take("mean", 2 * MEASURED + self.pooled)
        self._deviation = tensors.take("deviation", 2 * MEASURED + self.pooled)
        self.usual = tensors.take("usual", MEASURED + self.pooled)
        self._whole = _layers(tensors, "whole", 2 * MEASURED, hidden)
        self._upper = _layers(tensors, "upper", 2 * len(UPPER_MEASURED), hidden)
        if self.pooled:
            self._pixels = _layers(tensors, "pixels", 2 * MEASURED + self.pooled, hidden)
        tensors.all_taken()

    def __call__(self, measured: np.ndarray, neutral: np.ndarray, mouth: bool = True) -> np.ndarray:
        """measured (B, 61): geometry in fractions of the face box, then coefficients in 0..1;
        neutral (B, 61) or (61,) -> float32 (B, 7) probabilities.

        mouth: all numbers are looked at; else those alone that speech hardly moves.
        """
        x = self._apart(measured, neutral)
        if not mouth:
            x = x.reshape(len(x), 2, MEASURED)[:, :, list(UPPER_MEASURED)].reshape(len(x), -1)
        return _through(self._whole if mouth else self._upper, x)

    def with_pixels(
        self, measured: np.ndarray, neutral: np.ndarray, pooled: np.ndarray, calm: np.ndarray
    ) -> np.ndarray:
        """The same from all numbers and from what convolutions give of the faces, pooled (B,
        POOLED), and of the actor's neutral, calm (POOLED,)."""
        mean, deviation = self._mean[2 * MEASURED :], self._deviation[2 * MEASURED :]
        seen = (np.asarray(pooled, np.float32) - calm - mean) / deviation
        seen = seen.clip(-MOST_APART, MOST_APART)
        return _through(self._pixels, np.concatenate([self._apart(measured, neutral), seen], 1))

    def _apart(self, measured: np.ndarray, neutral: np.ndarray) -> np.ndarray:
        """(B, 122) how measurements differ, and their roots, in deviations."""
        measured, neutral = (np.asarray(given, np.float32) for given in (measured, neutral))
        neutral = np.broadcast_to(neutral, measured.shape)
        roots = np.sqrt(measured.clip(0.0)) - np.sqrt(neutral.clip(0.0))
        x = np.concatenate([measured - neutral, roots], 1) - self._mean[: 2 * MEASURED]
        return (x / self._deviation[: 2 * MEASURED]).clip(-MOST_APART, MOST_APART)


def _through(layers: Layers, x: np.ndarray) -> np.ndarray:
    """(B, 7) probabilities of inputs (B, N)."""
    *hidden, (weight, bias) = layers
    for inner, offset in hidden:
        x = np.maximum(x @ inner.T + offset, 0.0)
    return softmax(x @ weight.T + bias)


def _layers(tensors: Tensors, name: str, inputs: int, hidden: int) -> Layers:
    return [
        tensors.linear(f"{name}.0", inputs, hidden),
        tensors.linear(f"{name}.3", hidden, hidden // 2),
        tensors.linear(f"{name}.6", hidden // 2, len(EXPRESSIONS)),
    ]
