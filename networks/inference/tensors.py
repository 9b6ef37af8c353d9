"""The arrays of a weight file, taken one by one and checked: what is left over fits no network."""

from __future__ import annotations

import numpy as np

from ..errors import UsageError
from ..models.weights_file import Weights

_EPSILON = 1e-5
"""What batch norm adds to a variance."""


class Tensors:
    """Takes arrays by their names and shapes.

    Raises (every method):
        UsageError: an array is missing, of another shape, or left over.
    """

    def __init__(self, weights: Weights):
        self._left = dict(weights.tensors)

    def take(self, name: str, *shape: int) -> np.ndarray:
        """The array of a name."""
        found = self._left.pop(name, None)
        if found is None:
            raise UsageError(f"tensor {name!r} is missing")
        if found.shape != shape:
            raise UsageError(f"tensor {name!r} is {list(found.shape)}, not {list(shape)}")
        return found

    def linear(self, name: str, inputs: int, outputs: int) -> tuple[np.ndarray, np.ndarray]:
        """Weight (outputs, inputs) and bias (outputs,) of a fully connected layer."""
        return self.take(f"{name}.weight", outputs, inputs), self.take(f"{name}.bias", outputs)

    def norm(self, name: str, channels: int, affine: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Scale and shift (channels,) float64 of a batch norm as it is when evaluating."""
        mean, variance = (
            self.take(f"{name}.running_{part}", channels).astype(float) for part in ("mean", "var")
        )
        scale = 1.0 / np.sqrt(variance + _EPSILON)
        if affine:
            scale = scale * self.take(f"{name}.weight", channels)
        shift = -mean * scale
        return scale, shift + (self.take(f"{name}.bias", channels) if affine else 0.0)

    def folded(
        self, convolution: str, norm: str, *shape: int, bias: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weight and bias, float32, of a convolution with the batch norm behind it in them."""
        weight = self.take(f"{convolution}.weight", *shape).astype(float)
        own = self.take(f"{convolution}.bias", shape[0]) if bias else 0.0
        scale, shift = self.norm(norm, shape[0])
        folded = weight * scale[:, None, None, None], shift + own * scale
        return tuple(part.astype(np.float32) for part in folded)

    def all_taken(self) -> None:
        """Refuse a file that holds more than the network has."""
        if self._left:
            raise UsageError(f"tensor {min(self._left)!r} is unknown")
