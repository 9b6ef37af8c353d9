"""Against neutral: the expression from how the tracker's measurements differ from the actor's own.

A still face is no neutral one: some are born with low brows, some with a smile, and a reader of
single faces takes that for a feeling and a small feeling for that. What an actor's own neutral is,
a clip tells; what is left after it speaks for small expressions too. Two answers: of all numbers,
and of those above the mouth alone, for faces that speak.
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
    """

    def __init__(self, hidden: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(2 * MEASURED))
        self.register_buffer("deviation", torch.ones(2 * MEASURED))
        self.register_buffer("usual", torch.zeros(MEASURED))
        self.whole = _layers(2 * MEASURED, hidden)
        self.upper = _layers(2 * len(UPPER_MEASURED), hidden)

    def forward(self, measured: Tensor, neutral: Tensor) -> Tensor:
        """measured, neutral (B, 61): geometry in fractions of the face box, then coefficients ->
        logits (B, 14): of all numbers, then of the upper ones."""
        x = (self.differences(measured, neutral) - self.mean) / self.deviation
        x = x.clamp(-MOST_APART, MOST_APART)
        upper = x.view(len(x), 2, MEASURED)[:, :, list(UPPER_MEASURED)].flatten(1)
        return torch.cat([self.whole(x), self.upper(upper)], 1)

    @staticmethod
    def differences(measured: Tensor, neutral: Tensor) -> Tensor:
        """(B, 122): what is standardised."""
        roots = measured.clamp_min(0).sqrt() - neutral.clamp_min(0).sqrt()
        return torch.cat([measured - neutral, roots], 1)

    def standardise_by(self, measured: Tensor, neutral: Tensor, usual: Tensor) -> None:
        """Take mean and deviation from the training faces, and people's neutral on the mean, (61,),
        against which those are seen whose own nobody knows."""
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
def against_neutral(hidden: int = 128) -> AgainstNeutral:
    """Against neutral: measurements and those of the actor's neutral -> logits of the seven, twice:
    of all, and without the mouth."""
    return AgainstNeutral(hidden)


@torch.inference_mode()
def opinion_against(
    network: AgainstNeutral, measured: np.ndarray, neutral: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """measured, neutral (B, 61) -> probabilities of all numbers and of the upper ones, float32
    (B, 7) each."""
    given = (torch.from_numpy(np.asarray(x, np.float32)) for x in (measured, neutral))
    whole, upper = network.eval()(*given).split(len(EXPRESSIONS), 1)
    return whole.softmax(1).numpy(), upper.softmax(1).numpy()
