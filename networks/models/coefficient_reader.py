"""Coefficient reader: the expression from what the tracker measured, beside HCNN's pixels.

The geometric features and the ARKit coefficients are independent of light, focus and skin, pixels
see what they leave out (creases, tears, teeth). Both are wrong on different faces, so their joint
opinion is surer than either: `joint_opinion`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..vocabulary import ARKIT_CHANNELS, EXPRESSIONS, GEOMETRIC_FEATURES
from .registry import register_network


class CoefficientReader(nn.Module):
    """Two hidden layers over the standardised measurements and the roots of the coefficients.

    The root spreads the low values, where a coefficient says whether there is any motion at all.
    """

    def __init__(self, hidden: int):
        super().__init__()
        inputs = len(GEOMETRIC_FEATURES) + 2 * len(ARKIT_CHANNELS)
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(inputs))
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(hidden, hidden // 2),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(hidden // 2, len(EXPRESSIONS)),
        )

    def forward(self, geometry: Tensor, arkit: Tensor) -> Tensor:
        """geometry (B, 9), fractions of the face box; arkit (B, 52) in 0..1 -> logits (B, 7)."""
        x = (self.measurements(geometry, arkit) - self.mean) / self.deviation
        return self.layers(x.clamp(-6, 6))

    @staticmethod
    def measurements(geometry: Tensor, arkit: Tensor) -> Tensor:
        """(B, 113): what is standardised."""
        return torch.cat([geometry, arkit, arkit.clamp_min(0).sqrt()], 1)

    def standardise_by(self, geometry: Tensor, arkit: Tensor) -> None:
        """Take mean and deviation from the training faces."""
        x = self.measurements(geometry, arkit)
        self.mean.copy_(x.mean(0))
        self.deviation.copy_(x.std(0).clamp_min(1e-4))


@register_network
def coefficient_reader(hidden: int = 256) -> CoefficientReader:
    """Coefficient reader: geometric features and ARKit coefficients -> logits of the seven."""
    return CoefficientReader(hidden)


@torch.inference_mode()
def coefficient_opinion(
    network: CoefficientReader, geometry: np.ndarray, arkit: np.ndarray
) -> np.ndarray:
    """geometry (B, 9), arkit (B, 52) -> probabilities float32 (B, 7)."""
    given = (torch.from_numpy(np.asarray(x, np.float32)) for x in (geometry, arkit))
    return network.eval()(*given).softmax(1).numpy()
