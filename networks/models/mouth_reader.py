"""Mouth reader: whether the tongue is out and what fills the mouth, from the mouth's own picture.

The tracker's points follow the lips and know nothing of what is between them. A few thousand
weights look at that, at a size at which a photograph and a render are alike.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..tracking.mouth_crop import CROP_SIZE
from ..vocabulary import MOUTH
from .layouts import MOUTH_WIDTHS
from .registry import register_network


class MouthReader(nn.Module):
    """Three convolutions at stride 2, one FC layer over their places."""

    def __init__(self):
        super().__init__()
        pairs = list(itertools.pairwise(MOUTH_WIDTHS))
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1, bias=False) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for _, b in pairs)
        across, down = (side >> len(pairs) for side in CROP_SIZE)
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(MOUTH_WIDTHS[-1] * across * down, len(MOUTH))

    def forward(self, x: Tensor) -> Tensor:
        """Mouths (B, 1, 32, 48) from `prepare_mouths` -> logits (B, 4) in the order of MOUTH."""
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        return self.fc(self.drop(x.flatten(1)))


@register_network
def mouth_reader() -> MouthReader:
    """Mouth reader: a mouth's picture -> logits of tongue out, teeth, tongue and dark."""
    return MouthReader()


def prepare_mouths(grey: Tensor) -> Tensor:
    """Grey values (B, 1, 32, 48), 0..255 -> each with mean 0 and deviation 1."""
    deviation, mean = torch.std_mean(grey, (2, 3), keepdim=True)
    return (grey - mean) / deviation.clamp_min(4.0)


@torch.inference_mode()
def mouth_opinion(network: MouthReader, mouths: np.ndarray) -> np.ndarray:
    """A network in evaluation mode over mouths uint8 (B, 32, 48) -> float32 (B, 4) in 0..1, in the
    order of MOUTH."""
    grey = torch.from_numpy(np.ascontiguousarray(mouths))[:, None].float()
    return network(prepare_mouths(grey)).sigmoid().numpy()
