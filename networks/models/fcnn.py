"""f-CNN: how alike are a human's and a character's expression (ExprGen, section 4.1, figure 3).

The pooled features of an HCNN and an SCNN branch are concatenated and sent through two fully
connected layers; a softmax over the two outputs gives the similarity. The paper leaves the width of
the first layer open; here it is 64, with a ReLU. Negatives may be wrong in perception, in geometry
or in both, and the hardest ones of each batch are the ones learned from.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .perceptual import CHANNELS, DROPOUT, PerceptualNetwork, pool
from .registry import register_network

SIMILAR, DISSIMILAR = 0, 1
"""Outputs of the f-CNN."""


class FusedNetwork(nn.Module):
    """Two Table 1 branches without their FC layers, then two FC layers."""

    def __init__(self, hidden: int = 64):
        super().__init__()
        self.human = _branch()
        self.character = _branch()
        self.dropout = nn.Dropout(DROPOUT)
        self.fc1 = nn.Linear(2 * CHANNELS, hidden)
        self.fc2 = nn.Linear(hidden, 2)

    def compare(self, human: Tensor, character: Tensor) -> Tensor:
        """Pooled features (B, 64) of each -> logits (B, 2): similar, dissimilar."""
        x = self.dropout(torch.cat([human, character], 1))
        return self.fc2(F.relu(self.fc1(x)))

    def forward(self, human: Tensor, character: Tensor, folded: bool = False) -> Tensor:
        """Faces (B, 1 or 3, H, W) of each, from `prepare_faces` -> logits (B, 2)."""
        return self.compare(
            pool(self.human.maps(human, folded=folded)),
            pool(self.character.maps(character, folded=folded)),
        )


def _branch() -> PerceptualNetwork:
    branch = PerceptualNetwork()
    # The branches end at the average pooling.
    del branch.fc13, branch.fc14
    return branch


@register_network
def fcnn(hidden: int = 64) -> FusedNetwork:
    """f-CNN: a human and a character face -> logits of similar and dissimilar."""
    return FusedNetwork(hidden)


def similarity(logits: Tensor) -> Tensor:
    """Logits (B, 2) -> (B,) in 0..1, 1 for the same expression (the softmax of section 4.1)."""
    return torch.softmax(logits, 1)[:, SIMILAR]


def distance(logits: Tensor) -> Tensor:
    """y_net of equation 1: logits (B, 2) -> (B,), above 0 where the pair does not match."""
    return logits[:, DISSIMILAR] - logits[:, SIMILAR]


def hinge_loss(y: Tensor, labels: Tensor) -> Tensor:
    """Equation 1 without its weight decay, which the optimiser adds: (B,) max(0, 1 - l y).

    labels: (B,) +1 for a pair that does not match, -1 for one that does.
    """
    return (1 - labels * y).clamp(min=0)


def hard_triplet_loss(positive: Tensor, negatives: Tensor, share: float = 0.0) -> Tensor:
    """Mean hinge loss of triplets (E, E+, E-) with the hardest negatives of the batch.

    The matches come from retrieval and some are wrong. With the single hardest negative of a large
    batch those decide, and the network learns to answer 0 to everything; a `share` of the hardest
    outvotes them.

    Args:
        positive: (B,) distances of (E, E+).
        negatives: (B, K) distances of E to K candidates for E-; nan where one is none.
        share: of each E's negatives, the hardest this many count, at least one.
    """
    loss = hinge_loss(positive, -torch.ones_like(positive)).mean()
    ordered = negatives.masked_fill(negatives.isnan(), torch.inf).sort(1).values
    known = ordered.isfinite()
    counted = (known.sum(1, keepdim=True) * share).ceil().clamp(min=1)
    used = known & (torch.arange(ordered.shape[1]) < counted)
    if used.any():
        chosen = ordered[used]
        loss = loss + hinge_loss(chosen, torch.ones_like(chosen)).mean()
    return loss
