"""Photograph reader: the expression in a photograph from what other networks' convolutions give.

The teacher names what it sees by one layer over its last features. Photographs with people's votes
are many enough for more: several small networks over these features and what the tracker measured,
each begun differently, whose opinions are averaged. Every second one sees what the two HCNNs give
as well. Each sees every photograph in several slightly changed forms, so that it does not learn
what the networks below have by heart.

No photograph shows a drawn person, and those whom the networks below learned from it would read
worse than they do. By one layer over the same numbers it tells which faces look drawn.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..vocabulary import EXPRESSIONS, POOLED
from .layouts import LOOKED, LOOKED_AND_MEASURED, MOST_APART, OF_TEACHER
from .registry import register_network

DROPOUT = 0.2
NOBODY = -20.0
"""Logit of looking drawn of every face, until it is learned which do."""


class PhotographReader(nn.Module):
    """Heads of two hidden layers each over the standardised features, measurements and roots of the
    coefficients.

    under: `perception.pooled.looked_by` of the networks that gave the features.
    """

    def __init__(self, heads: int, hidden: int, under: str = ""):
        super().__init__()
        self.under = under
        self.register_buffer("mean", torch.zeros(LOOKED_AND_MEASURED))
        self.register_buffer("deviation", torch.ones(LOOKED_AND_MEASURED))
        self.register_buffer("drawn_weight", torch.zeros(1, LOOKED_AND_MEASURED))
        self.register_buffer("drawn_bias", torch.full((1,), NOBODY))
        widths = (OF_TEACHER, LOOKED_AND_MEASURED)
        self.heads = nn.ModuleList(_head(widths[k % 2], hidden) for k in range(heads))

    def forward(self, looked: Tensor, geometry: Tensor, arkit: Tensor) -> Tensor:
        """looked (B, LOOKED), what convolutions give, geometry (B, 9) in fractions of the face box,
        arkit (B, 52) in 0..1 -> logarithms of each head's chances (heads, B, 7)."""
        return self.said(self.standardised(looked, geometry, arkit))

    def said(self, x: Tensor) -> Tensor:
        """The same of numbers (B, 497) that `standardised` has given."""
        answers = [head(x[:, : head[0].in_features]) for head in self.heads]
        return torch.stack(answers).float().log_softmax(2)

    def standardised(self, looked: Tensor, geometry: Tensor, arkit: Tensor) -> Tensor:
        """(B, 497) all numbers in deviations from their mean, the HCNNs' behind the others."""
        x = (numbers(looked, geometry, arkit) - self.mean) / self.deviation
        return x.clamp(-MOST_APART, MOST_APART)

    def drawn(self, looked: Tensor, geometry: Tensor, arkit: Tensor) -> Tensor:
        """Of the same: logit (B,) of looking drawn."""
        x = self.standardised(looked, geometry, arkit)
        return F.linear(x, self.drawn_weight, self.drawn_bias)[:, 0]

    def standardise_by(self, looked: Tensor, geometry: Tensor, arkit: Tensor) -> None:
        """Take mean and deviation from the training faces."""
        x = numbers(looked, geometry, arkit)
        self.mean.copy_(x.mean(0))
        self.deviation.copy_(x.std(0).clamp_min(1e-3))


def numbers(looked: Tensor, geometry: Tensor, arkit: Tensor) -> Tensor:
    """(B, 497) what is standardised: the teacher's, measurements, roots, the HCNNs'."""
    teacher, small = looked.split((POOLED, LOOKED - POOLED), 1)
    return torch.cat([teacher, geometry, arkit, arkit.clamp_min(0).sqrt(), small], 1)


def _head(inputs: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Dropout(DROPOUT),
        nn.Linear(hidden, hidden // 2),
        nn.ReLU(),
        nn.Dropout(DROPOUT),
        nn.Linear(hidden // 2, len(EXPRESSIONS)),
    )


@register_network
def photograph_reader(heads: int = 4, hidden: int = 40, under: str = "") -> PhotographReader:
    """Photograph reader: features of the teacher and the HCNNs, geometric features and coefficients
    -> logarithms of the chances of the seven by each of its heads."""
    return PhotographReader(heads, hidden, under)


@torch.inference_mode()
def photograph_opinion(
    network: PhotographReader, looked: np.ndarray, geometry: np.ndarray, arkit: np.ndarray
) -> np.ndarray:
    """looked (L, B, LOOKED) of L looks at the same faces, geometry (B, 9), arkit (B, 52) ->
    probabilities float32 (B, 7), the geometric mean of what all heads say of all looks."""
    given = [torch.from_numpy(np.asarray(x, np.float32)) for x in (geometry, arkit)]
    looks = [network.eval()(torch.from_numpy(x), *given) for x in np.asarray(looked, np.float32)]
    return torch.cat(looks).mean(0).softmax(1).numpy()
