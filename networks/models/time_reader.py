"""The reader over time: how much each reader's opinion counts at each moment of a clip.

A mouth that speaks passes through the shapes of joy, surprise and anger, and a reader of single
pictures takes it at its word. Whether it speaks is told by its motion: a few convolutions over a
second before and after each moment look at that and at nothing else. How much each reader is to be
believed on each expression, and how far neutral is to be expected, is then one table for a mouth
that is at rest and one for a mouth that speaks. A first form, whose convolutions saw the opinions
too and answered the shares themselves, learned a dozen clips by heart and read strangers worse than
nobody; one that added to all seven expressions took a filmed speech for joy.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..vocabulary import EXPRESSIONS, NEUTRAL
from .layouts import (
    TIME_DILATIONS,
    TIME_FIRST,
    TIME_JOINED,
    TIME_KERNEL,
    TIME_MOTION,
    TIME_OPINIONS,
    TIME_REACH,
    TIME_READERS,
    TIME_WIDTH,
)
from .registry import register_network

_COUNT = len(EXPRESSIONS)


class TimeReader(nn.Module):
    """Three convolutions over time that tell speech, and two tables."""

    def __init__(self):
        super().__init__()
        widths = (TIME_MOTION, *[TIME_WIDTH] * len(TIME_DILATIONS))
        self.layers = nn.ModuleList(
            nn.Conv1d(a, b, TIME_KERNEL, dilation=d)
            for (a, b), d in zip(itertools.pairwise(widths), TIME_DILATIONS, strict=True)
        )
        self.drop = nn.Dropout(0.2)
        self.speech = nn.Linear(TIME_WIDTH, 1)
        self.tables = nn.Parameter(torch.zeros(2, TIME_JOINED))
        shares = torch.tensor(TIME_FIRST).repeat_interleave(_COUNT)
        first = torch.cat([torch.log(torch.expm1(shares)), torch.zeros(1)])
        self.register_buffer("first", first)
        self.register_buffer("calm", F.one_hot(torch.tensor(NEUTRAL), _COUNT), persistent=False)
        self.register_buffer("mean", torch.zeros(TIME_MOTION))
        self.register_buffer("deviation", torch.ones(TIME_MOTION))
        self.register_buffer("temperature", torch.ones(1))

    def forward(self, windows: Tensor) -> Tensor:
        """Windows (B, 2 * TIME_REACH + 1, TIME_INPUTS) -> (B, 8): of the moment in their middle the
        logits of EXPRESSIONS, and that of speech."""
        motion = (windows[..., TIME_OPINIONS:] - self.mean) / self.deviation
        x = motion.clamp(-6, 6).transpose(1, 2)
        for layer in self.layers:
            x = F.relu(layer(x))
        speech = self.speech(self.drop(x[:, :, 0]))
        return torch.cat([self._joined(windows, speech.sigmoid()), speech], 1)

    def _joined(self, windows: Tensor, speaks: Tensor) -> Tensor:
        table = self.first + (1.0 - speaks) * self.tables[0] + speaks * self.tables[1]
        shares = F.softplus(table[:, :TIME_OPINIONS]).view(-1, len(TIME_READERS), _COUNT)
        opinions = windows[:, TIME_REACH, :TIME_OPINIONS].view(-1, len(TIME_READERS), _COUNT)
        logits = (shares * opinions).sum(1) + table[:, TIME_OPINIONS:] * self.calm
        return logits / self.temperature

    def standardise_by(self, inputs: Tensor) -> None:
        """Take mean and deviation of the motion from moments (T, TIME_INPUTS)."""
        self.mean.copy_(inputs[:, TIME_OPINIONS:].mean(0))
        self.deviation.copy_(inputs[:, TIME_OPINIONS:].std(0).clamp_min(0.05))


@register_network
def time_reader() -> TimeReader:
    """Reader over time: opinions and the mouth's motion -> the seven expressions, and speech."""
    return TimeReader()
