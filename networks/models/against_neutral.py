"""Against neutral: the expression from how the tracker's measurements differ from the actor's own.

A still face is no neutral one: some are born with low brows, some with a smile, and a reader of
single faces takes that for a feeling and a small feeling for that. What an actor's own neutral is,
a clip tells; what is left after it speaks for small expressions too. Two answers: of all numbers,
and of those above the mouth alone, for faces that speak. A third where the teacher's convolutions
have seen the faces: how what they give, pooled, differs as well, which knows of creases, lids and
lips that the tracker doesn't measure.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..vocabulary import EXPRESSIONS
from .layouts import MEASURED, MOST_APART, UPPER_MEASURED
from .registry import register_network


class AgainstNeutral(nn.Module):
    """For all measurements and for the upper ones: two hidden layers over how they differ from the
    actor's neutral, and how their roots do.

    The roots spread the low values, where a coefficient says whether there is any motion at all.
    What is measured itself is left out: it tells a face's build, and a rendered face from a filmed
    one.

    pooled: 0, or POOLED, the numbers of the teacher's convolutions beside the measured ones. under:
    `perception.pooled.pooled_by` of the teacher that gave them.
    """

    def __init__(self, hidden: int, pooled: int = 0, under: str = ""):
        super().__init__()
        self.under = under
        self.register_buffer("mean", torch.zeros(2 * MEASURED + pooled))
        self.register_buffer("deviation", torch.ones(2 * MEASURED + pooled))
        self.register_buffer("usual", torch.zeros(MEASURED + pooled))
        self.whole = _layers(2 * MEASURED, hidden)
        self.upper = _layers(2 * len(UPPER_MEASURED), hidden)
        if pooled:
            self.pixels = _layers(2 * MEASURED + pooled, hidden)

    def forward(self, measured: Tensor, neutral: Tensor) -> Tensor:
        """measured, neutral (B, 61): geometry in fractions of the face box, then coefficients ->
        logits (B, 14): of all numbers, then of the upper ones; with what convolutions give behind
        them, (B, 317) -> (B, 21), of that too."""
        x = self.differences(measured, neutral)
        x = (x - self.mean[: x.shape[1]]) / self.deviation[: x.shape[1]]
        x = x.clamp(-MOST_APART, MOST_APART)
        numbers = x[:, : 2 * MEASURED]
        upper = numbers.view(len(x), 2, MEASURED)[:, :, list(UPPER_MEASURED)].flatten(1)
        said = [self.whole(numbers), self.upper(upper)]
        return torch.cat([*said, self.pixels(x)] if x.shape[1] > 2 * MEASURED else said, 1)

    @staticmethod
    def differences(measured: Tensor, neutral: Tensor) -> Tensor:
        """(B, 122), or (B, 378): what is standardised."""
        change = measured - neutral
        roots = [x[:, :MEASURED].clamp_min(0).sqrt() for x in (measured, neutral)]
        return torch.cat([change[:, :MEASURED], roots[0] - roots[1], change[:, MEASURED:]], 1)

    def standardise_by(self, measured: Tensor, neutral: Tensor, usual: Tensor) -> None:
        """Take mean and deviation from the training faces, and people's neutral on the mean, (61,)
        or (317,), against which those are seen whose own nobody knows."""
        self.usual.copy_(usual)
        x = self.differences(measured, neutral)
        self.mean.copy_(x.mean(0))
        self.deviation.copy_(x.std(0).clamp_min(1e-3))


def _layers(inputs: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(hidden, hidden // 2),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(hidden // 2, len(EXPRESSIONS)),
    )


@register_network
def against_neutral(hidden: int = 128, pooled: int = 0, under: str = "") -> AgainstNeutral:
    """Against neutral: measurements and those of the actor's neutral -> logits of the seven, twice:
    of all, and without the mouth; a third time with what the teacher's convolutions give."""
    return AgainstNeutral(hidden, pooled, under)


@torch.inference_mode()
def opinion_against(
    network: AgainstNeutral, measured: np.ndarray, neutral: np.ndarray
) -> tuple[np.ndarray, ...]:
    """measured, neutral (B, 61) or (B, 317) -> probabilities of all numbers, of the upper ones and,
    where it has seen the pixels, with those, float32 (B, 7) each."""
    given = (torch.from_numpy(np.asarray(x, np.float32)) for x in (measured, neutral))
    said = network.eval()(*given).split(len(EXPRESSIONS), 1)
    return tuple(answer.softmax(1).numpy() for answer in said)
