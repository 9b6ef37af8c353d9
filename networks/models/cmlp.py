"""C-MLP: from the primary's controls to a secondary's (ExprGen, section 4.2.2).

One hidden layer of (M + N) / 2 units with tanh, for M inputs and N outputs, both unit values.
Small enough for numpy: `CharacterMlp` needs no torch once loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import UsageError
from .registry import register_network
from .weights_io import load_network


class CharacterMlpNetwork(nn.Module):
    """The C-MLP as it is trained; the outputs are clamped to [-1, 1] when evaluating."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.hidden = nn.Linear(inputs, (inputs + outputs) // 2)
        self.output = nn.Linear((inputs + outputs) // 2, outputs)

    def forward(self, units: Tensor) -> Tensor:
        """Unit values (B, M) of the primary -> (B, N) of the secondary."""
        y = self.output(torch.tanh(self.hidden(units)))
        return y if self.training else y.clamp(-1.0, 1.0)


@register_network
def character_mlp(inputs: int, outputs: int) -> CharacterMlpNetwork:
    """C-MLP: unit values (B, inputs) of the primary -> (B, outputs) of a secondary character."""
    return CharacterMlpNetwork(inputs, outputs)


@dataclass(frozen=True)
class CharacterMlp:
    """A trained C-MLP in numpy.

    hidden_weight (H, M), hidden_bias (H,), output_weight (N, H), output_bias (N,): float32.
    """

    hidden_weight: np.ndarray
    hidden_bias: np.ndarray
    output_weight: np.ndarray
    output_bias: np.ndarray

    def __call__(self, units: np.ndarray) -> np.ndarray:
        """Unit values (..., M) -> float32 (..., N), both in [-1, 1].

        Raises:
            UsageError: another number of inputs.
        """
        units = np.asarray(units, np.float32)
        if units.shape[-1] != self.hidden_weight.shape[1]:
            raise UsageError(
                f"{units.shape[-1]} unit values for {self.hidden_weight.shape[1]} inputs",
                fix="use the network trained for this primary character",
            )
        hidden = np.tanh(units @ self.hidden_weight.T + self.hidden_bias)
        return np.clip(hidden @ self.output_weight.T + self.output_bias, -1.0, 1.0)

    @staticmethod
    def of(network: CharacterMlpNetwork) -> CharacterMlp:
        """The numpy form of a trained network."""
        parts = (
            network.hidden.weight,
            network.hidden.bias,
            network.output.weight,
            network.output.bias,
        )
        return CharacterMlp(*(p.detach().float().numpy().copy() for p in parts))

    @staticmethod
    def load(
        path: str | Path,
        source_controls: tuple[str, ...] | None = None,
        controls: tuple[str, ...] | None = None,
    ) -> CharacterMlp:
        """Read a weight file; raises ModelError as `load_network` does."""
        network, _ = load_network(
            path, "character_mlp", source_controls=source_controls, controls=controls
        )
        return CharacterMlp.of(network)
