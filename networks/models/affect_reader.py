"""Affect reader: valence and arousal, how pleasant and how stirred a face looks.

EMOCA (Danecek et al. 2022, section 3, emotion recognition) reads both beside the classes, from
ratings of a quarter of a million photographs. No such ratings are here: what is learned is where
votes for the seven classes, and the strength of feelings that were acted by rule, lie on the plane
of pleasure and arousal. So it says how far a feeling goes and not only which it is likely to be;
what no class stands for (calm content, boredom, excitement without joy) it can't know.
"""

from __future__ import annotations

from torch import Tensor, nn

from .layouts import AFFECT_INPUTS
from .registry import register_network


class AffectReader(nn.Module):
    """One linear layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(AFFECT_INPUTS, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, AFFECT_INPUTS) of `inference.affect_reader.affect_inputs` -> (N, 2)."""
        return self.layer(inputs)


@register_network
def affect_reader() -> AffectReader:
    """Affect reader: chances and coefficients -> valence and arousal."""
    return AffectReader()
