"""C-MLP: from the primary's controls to a secondary's (ExprGen, section 4.2.2).

One hidden layer of (M + N) / 2 units with tanh, for M inputs and N outputs, both unit values.
Small enough for numpy: see inference/character_mlp.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .registry import register_network


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
