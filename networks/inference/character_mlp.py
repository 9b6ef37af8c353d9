"""C-MLP without torch: from the primary's controls to a secondary's; see models/cmlp.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import UsageError
from ..models.weights_file import Weights
from .forms import form_of
from .opening import opened
from .tensors import Tensors


@form_of("character_mlp")
class CharacterMlp:
    """A trained C-MLP.

    Raises:
        UsageError: the arrays are not those of the network.
    """

    def __init__(self, weights: Weights):
        config = weights.info.config
        inputs, outputs = (int(config.get(name, 0)) for name in ("inputs", "outputs"))
        tensors = Tensors(weights)
        self._hidden = tensors.linear("hidden", inputs, (inputs + outputs) // 2)
        self._output = tensors.linear("output", (inputs + outputs) // 2, outputs)
        tensors.all_taken()

    def __call__(self, units: np.ndarray) -> np.ndarray:
        """Unit values (..., M) -> float32 (..., N), both in [-1, 1].

        Raises:
            UsageError: another number of inputs.
        """
        units = np.asarray(units, np.float32)
        (weight, bias), (last, shift) = self._hidden, self._output
        if units.shape[-1] != weight.shape[1]:
            raise UsageError(
                f"{units.shape[-1]} unit values for {weight.shape[1]} inputs",
                fix="use the network trained for this primary character",
            )
        return np.clip(np.tanh(units @ weight.T + bias) @ last.T + shift, -1.0, 1.0)

    @staticmethod
    def load(
        path: str | Path,
        source_controls: tuple[str, ...] | None = None,
        controls: tuple[str, ...] | None = None,
    ) -> CharacterMlp:
        """Read a weight file; raises ModelError as `opened` does."""
        return opened(
            CharacterMlp,
            path,
            "character_mlp",
            source_controls=source_controls,
            controls=controls,
        )
