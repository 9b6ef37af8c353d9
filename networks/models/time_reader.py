"""The reader over time: how much each reader's opinion counts at each moment of a clip.

A mouth that speaks passes through the shapes of joy, surprise and anger, and a reader of single
pictures takes it at its word. Whether it speaks is told by its motion. A few convolutions over a
second before and after each moment look at that and at what the readers say, and answer how much
each reader is to be believed on each expression; nothing else of what is felt is theirs to say but
a constant. So few weights learn on talkers of whom the truth is known, and what they learned holds
for other faces, since the readers' opinions are all they see of one.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..vocabulary import EXPRESSIONS
from .layouts import (
    TIME_DILATIONS,
    TIME_INPUTS,
    TIME_KERNEL,
    TIME_OPINIONS,
    TIME_OUTPUTS,
    TIME_REACH,
    TIME_READERS,
    TIME_WIDTH,
)
from .registry import register_network

_COUNT = len(EXPRESSIONS)
FIRST_SHARES = (0.8, 0.3, 0.3)
"""How much each of TIME_READERS counts before anything is learned."""


class TimeReader(nn.Module):
    """Three convolutions over time and one FC layer at each moment."""

    def __init__(self):
        super().__init__()
        widths = (TIME_INPUTS, *[TIME_WIDTH] * len(TIME_DILATIONS))
        self.layers = nn.ModuleList(
            nn.Conv1d(a, b, TIME_KERNEL, dilation=d)
            for (a, b), d in zip(itertools.pairwise(widths), TIME_DILATIONS, strict=True)
        )
        self.head = nn.Linear(TIME_WIDTH, TIME_OUTPUTS)
        self.register_buffer("mean", torch.zeros(TIME_INPUTS - TIME_OPINIONS))
        self.register_buffer("deviation", torch.ones(TIME_INPUTS - TIME_OPINIONS))
        self.register_buffer("temperature", torch.ones(1))
        self._begin()

    @torch.no_grad()
    def _begin(self) -> None:
        shares = torch.tensor(FIRST_SHARES).repeat_interleave(_COUNT)
        self.head.weight.mul_(0.1)
        self.head.bias.zero_()
        self.head.bias[:TIME_OPINIONS] = torch.log(torch.expm1(shares))

    def forward(self, windows: Tensor) -> Tensor:
        """Windows (B, 2 * TIME_REACH + 1, TIME_INPUTS) -> (B, 8): of the moment in their middle the
        logits of EXPRESSIONS, and that of speech."""
        said = (windows[..., TIME_OPINIONS:] - self.mean) / self.deviation
        x = torch.cat([windows[..., :TIME_OPINIONS], said], 2).clamp(-6, 6).transpose(1, 2)
        for layer in self.layers:
            x = F.relu(layer(x))
        out = self.head(x[:, :, 0])
        shares = F.softplus(out[:, :TIME_OPINIONS]).view(-1, len(TIME_READERS), _COUNT)
        opinions = windows[:, TIME_REACH, :TIME_OPINIONS].view(-1, len(TIME_READERS), _COUNT)
        logits = (shares * opinions).sum(1) + out[:, TIME_OPINIONS:-1]
        return torch.cat([logits / self.temperature, out[:, -1:]], 1)

    def standardise_by(self, inputs: Tensor) -> None:
        """Take mean and deviation of what is no opinion from moments (T, TIME_INPUTS)."""
        self.mean.copy_(inputs[:, TIME_OPINIONS:].mean(0))
        self.deviation.copy_(inputs[:, TIME_OPINIONS:].std(0).clamp_min(0.05))


@register_network
def time_reader() -> TimeReader:
    """Reader over time: opinions and the mouth's motion -> the seven expressions, and speech."""
    return TimeReader()
