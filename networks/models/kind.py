"""Whose face a picture shows, a person's or a character's: decides between HCNN and SCNN.

A small network of its own, at 64 pixels: what tells the two apart (skin, proportions, light) is
coarse, and at that size a sharp render and a sharp photograph look equally sharp.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layouts import KIND_WIDTHS, KINDS
from .registry import register_network


class KindNetwork(nn.Module):
    """Three convolutions at stride 2, average pooling, one FC layer."""

    def __init__(self):
        super().__init__()
        pairs = list(itertools.pairwise(KIND_WIDTHS))
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 5, 2, 2, bias=False) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for _, b in pairs)
        self.fc = nn.Linear(KIND_WIDTHS[-1], len(KINDS))

    def forward(self, x: Tensor, folded: bool = False) -> Tensor:
        """Faces (B, 1, 64, 64) from `prepare_faces` -> logits (B, 2) in the order of KINDS.

        folded is there for the trainings' sake and changes nothing.
        """
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        return self.fc(x.mean((2, 3)))


@register_network
def kind() -> KindNetwork:
    """Kind network: a registered face -> logits of human and character."""
    return KindNetwork()


@torch.inference_mode()
def character_chance(network: KindNetwork, faces: Tensor) -> Tensor:
    """Faces (B, 1, 64, 64) from `prepare_faces` -> (B,) in 0..1, 1 for a character's."""
    return network.eval()(faces).softmax(1)[:, KINDS.index("character")]
