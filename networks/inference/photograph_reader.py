"""The photograph reader without torch; see models/photograph_reader.py for what it is."""

from __future__ import annotations

import numpy as np

from ..models.layouts import LOOKED_AND_MEASURED, MOST_APART, OF_TEACHER
from ..models.weights_file import Weights
from ..vocabulary import EXPRESSIONS, POOLED
from .forms import form_of
from .network import softmax
from .tensors import Tensors


@form_of("photograph_reader")
class PhotographReader:
    """What convolutions give of a face, and what is measured -> what it expresses.

    Attributes:
        under: see models/photograph_reader.py.

    Raises:
        UsageError: the arrays are not those of the network.
    """

    def __init__(self, weights: Weights):
        config = weights.info.config
        heads, hidden = int(config.get("heads", 4)), int(config.get("hidden", 40))
        self.under = str(config.get("under", ""))
        tensors = Tensors(weights)
        self._mean = tensors.take("mean", LOOKED_AND_MEASURED)
        self._deviation = tensors.take("deviation", LOOKED_AND_MEASURED)
        weight = tensors.take("drawn_weight", 1, LOOKED_AND_MEASURED)
        self._drawn = weight, tensors.take("drawn_bias", 1)
        self._heads = []
        for k in range(heads):
            inputs = (OF_TEACHER, LOOKED_AND_MEASURED)[k % 2]
            widths = (inputs, hidden, hidden // 2, len(EXPRESSIONS))
            pairs = [(f"heads.{k}.{3 * i}", widths[i], widths[i + 1]) for i in range(3)]
            self._heads.append([tensors.linear(*pair) for pair in pairs])
        tensors.all_taken()

    def __call__(self, looked: np.ndarray, geometry: np.ndarray, arkit: np.ndarray) -> np.ndarray:
        """looked (L, B, LOOKED) of L looks at the same faces, geometry (B, 9) in fractions of the
        face box, arkit (B, 52) in 0..1 -> float32 (B, 7) probabilities, the geometric mean of what
        all heads say of all looks."""
        said = [
            np.log(_through(head, x).clip(1e-30))
            for x in self._standardised(looked, geometry, arkit)
            for head in self._heads
        ]
        return softmax(np.mean(said, axis=0))

    def drawn(self, looked: np.ndarray, geometry: np.ndarray, arkit: np.ndarray) -> np.ndarray:
        """Of the same: bool (B,), which faces look drawn in the mean of all looks."""
        weight, bias = self._drawn
        looks = self._standardised(looked, geometry, arkit)
        return np.mean([(x @ weight.T + bias)[:, 0] for x in looks], axis=0) > 0.0

    def _standardised(self, looked, geometry, arkit) -> list[np.ndarray]:
        """(B, 497) of each look, as models/photograph_reader.py standardises it."""
        measured = [np.asarray(x, np.float32) for x in (geometry, arkit)]
        measured.append(np.sqrt(measured[1].clip(0.0)))
        given = [
            np.concatenate([look[:, :POOLED], *measured, look[:, POOLED:]], 1)
            for look in np.asarray(looked, np.float32)
        ]
        return [((x - self._mean) / self._deviation).clip(-MOST_APART, MOST_APART) for x in given]


def _through(layers: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray) -> np.ndarray:
    """(B, 7) probabilities by one head, which looks at the first of the inputs (B, 497)."""
    x = x[:, : layers[0][0].shape[1]]
    *hidden, (weight, bias) = layers
    for inner, offset in hidden:
        x = np.maximum(x @ inner.T + offset, 0.0)
    return softmax(x @ weight.T + bias)
