"""Which faces look drawn: one layer of the photograph reader, learned by logistic regression.

Photographs against pictures of synthetic people, each seen once in one of the looks at it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.photograph_reader import PhotographReader
from .shared.sets import TRAIN, VALIDATION, FaceSet

PENALTY = 0.003
"""Of the squared weights, beside the mean cross-entropy of both kinds of faces."""
STEPS = 120
"""Of L-BFGS at most; it has settled by then."""

Looked = tuple[FaceSet, np.ndarray]
"""A set of N faces and what convolutions give of them, float16 (L, N, LOOKED) of L looks, the first
of them at the faces as they are."""


def learn_drawn(model: PhotographReader, photographs: Looked, drawn: Looked) -> dict[str, float]:
    """Fit the layer on the training faces; returns which shares of the validation faces it takes
    for drawn, 0..1, of a set without any NaN.

    Args:
        model: has its mean and deviation already.
    """
    with torch.no_grad():
        kinds = [
            _standardised(model, looked, looked[0].rows(TRAIN)) for looked in (photographs, drawn)
        ]
    weight, bias = fitted_layer(*kinds)
    model.drawn_weight.copy_(weight)
    model.drawn_bias.copy_(bias)
    named = {"photographs taken for drawn": photographs, "drawn taken for drawn": drawn}
    return {name: share_drawn(model, looked) for name, looked in named.items()}


def fitted_layer(photographs: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Weight (1, F) and bias (1,) of the logit of being drawn, both kinds (N, F), (M, F) counted
    alike."""
    weight = torch.zeros(1, photographs.shape[1], requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    settling = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        settling.zero_grad()
        wrong = [
            F.softplus(sign * F.linear(x, weight, bias)).mean() / 2
            for x, sign in ((photographs, 1), (drawn, -1))
        ]
        total = wrong[0] + wrong[1] + PENALTY * weight.square().sum()
        total.backward()
        return total

    settling.step(loss)
    return weight.detach(), bias.detach()


@torch.inference_mode()
def share_drawn(model: PhotographReader, looked: Looked) -> float:
    """Share of the validation faces, as they are, that the model takes for drawn."""
    rows = looked[0].rows(VALIDATION)
    logits = model.drawn(*_given(looked, np.zeros(len(rows), int), rows))
    return float((logits > 0).float().mean())


def _standardised(model: PhotographReader, looked: Looked, rows: np.ndarray) -> Tensor:
    """(len(rows), F), the first face in the first look, the second in the second, and so on."""
    return model.standardised(*_given(looked, np.arange(len(rows)) % len(looked[1]), rows))


def _given(looked: Looked, which: np.ndarray, rows: np.ndarray) -> list[Tensor]:
    data, looks = looked
    arrays = (looks[which, rows], data.geometry[rows], data.arkit[rows])
    return [torch.from_numpy(np.array(x, np.float32)) for x in arrays]
