"""Shape network: what an expression does to a head that is known at rest alone.

MIA, section 3.1, equation 1: the expression's code has no person in it, and the neutral shape puts
the person back in. The code is here one of the face model's actions, its weights 0..1; shapes and
displacements are amounts of components over the points, which the network holds itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .registry import register_network

SLOPE = 0.2
"""Of the leaky ReLUs (section 4, implementation details)."""


class HeadShapes(nn.Module):
    """Four fully connected layers over the normalised code and shape.

    Code and neutral shape are concatenated and each brought to one scale by group normalisation, as
    they come from different domains.
    """

    def __init__(self, actions: int, points: int, shapes: int, moves: int, hidden: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3 * points))
        self.register_buffer("shapes", torch.zeros(shapes, 3 * points))
        self.register_buffer("moves", torch.zeros(moves, 3 * points))
        self.code = nn.Linear(actions, shapes)
        self.norm = nn.GroupNorm(2, 2 * shapes)
        self.layers = nn.Sequential(
            nn.Linear(2 * shapes, hidden),
            nn.LeakyReLU(SLOPE),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(SLOPE),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(SLOPE),
            nn.Linear(hidden, moves),
        )
        self.usual = nn.Linear(actions, moves, bias=False)

    def forward(self, code: Tensor, shape: Tensor) -> Tensor:
        """code (B, actions) weights 0..1; shape (B, shapes) amounts -> (B, moves) amounts."""
        joined = self.norm(torch.cat([self.code(code), shape], 1))
        return self.usual(code) + self.layers(joined) * code.abs().amax(1, keepdim=True)


@register_network
def head_shapes(
    actions: int = 51, points: int = 3000, shapes: int = 32, moves: int = 64, hidden: int = 256
) -> HeadShapes:
    """Shape network: an action and a neutral head -> displacements of its points."""
    return HeadShapes(actions, points, shapes, moves, hidden)
