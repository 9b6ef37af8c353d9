"""Headset network: near pictures of two eyes and a mouth -> ARKit coefficients, whoever it is.

MIA (Jourabloo et al. 2022, section 3.1) at the size of a phone's icon: a backbone B, one branch for
eyes and another for the mouth, whose code is to hold the expression alone, and an adaptation F that
makes of it what a face needs: here the 52 coefficients that every character understands. What MIA
puts back in through the neutral shape comes from neutral pictures of the same capture: F sees their
code as well. Most of what F tells is a straight line from the difference of the two codes; without
that it learns in thrice the time.

Other than there: eyes share a branch, the right one mirrored (twice the pictures for half the
weights); batch norm over standardised pictures in place of instance norm; 46,000 weights in all.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..vocabulary import ARKIT_CHANNELS, HEADSET_SIZE
from .layouts import (
    HEADSET_CODE,
    HEADSET_DARK,
    HEADSET_HIDDEN,
    HEADSET_NUMBERS,
    HEADSET_WIDTHS,
)
from .registry import register_network

USUAL = 0.07
"""Of most coefficients in most frames: where learning begins."""


class HeadsetBranch(nn.Module):
    """Convolutions at stride 2 over one view, one FC layer over their places. name: "eye" or
    "mouth"."""

    def __init__(self, name: str):
        super().__init__()
        widths = HEADSET_WIDTHS[name]
        pairs = list(itertools.pairwise(widths))
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1, bias=False) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for _, b in pairs)
        side = HEADSET_SIZE >> len(pairs)
        self.fc = nn.Linear(widths[-1] * side * side, HEADSET_NUMBERS[name])

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (B, 1, S, S) -> (B, numbers)."""
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        return self.fc(x.flatten(1))


class HeadsetAdaptation(nn.Module):
    """F of MIA for one face: codes of the expression and of the neutral -> its controls.

    usual: what controls are without any code, where learning begins.
    """

    def __init__(self, controls: int, usual: float):
        super().__init__()
        self.nobody = nn.Parameter(torch.zeros(HEADSET_CODE))
        self.hidden = nn.Linear(2 * HEADSET_CODE, HEADSET_HIDDEN)
        self.out = nn.Linear(HEADSET_HIDDEN, controls)
        self.straight = nn.Linear(HEADSET_CODE, controls, bias=False)
        nn.init.constant_(self.out.bias, usual)

    def forward(self, code: Tensor, neutral: Tensor | None = None) -> Tensor:
        """Codes (B, HEADSET_CODE), and of the neutral (the same shape; None: not known) ->
        (B, controls), a little beyond 0..1 at times."""
        own = self.nobody.expand_as(code) if neutral is None else neutral
        bent = self.out(F.relu(self.hidden(torch.cat([code, own], 1))))
        return bent + self.straight(code - own)


class HeadsetNetwork(nn.Module):
    """Backbone B and adaptation F. controls: how many numbers F gives."""

    def __init__(self, controls: int = len(ARKIT_CHANNELS)):
        super().__init__()
        self.eye, self.mouth = HeadsetBranch("eye"), HeadsetBranch("mouth")
        self.adaptation = HeadsetAdaptation(controls, USUAL)

    def code(self, views: Tensor) -> Tensor:
        """Views (B, 3, S, S) from `prepare_views` -> the backbone's codes (B, HEADSET_CODE)."""
        eyes = views[:, :2].transpose(0, 1).flatten(0, 1)[:, None]
        left, right = self.eye(eyes).chunk(2)
        return torch.cat([left, right, self.mouth(views[:, 2:])], 1)

    def adapted(self, code: Tensor, neutral: Tensor | None = None) -> Tensor:
        """`HeadsetAdaptation` to the 52 coefficients, or to the controls."""
        return self.adaptation(code, neutral)

    def forward(self, views: Tensor) -> Tensor:
        """Views -> coefficients, the neutral not known."""
        return self.adapted(self.code(views))


@register_network
def headset(controls: int = len(ARKIT_CHANNELS)) -> HeadsetNetwork:
    """Headset network: three near views -> coefficients, or a character's controls."""
    return HeadsetNetwork(controls)


def prepare_views(views: np.ndarray) -> Tensor:
    """Grey (B, 3, S, S), 0..255 -> float32 alike, each picture with mean 0 and deviation 1, the
    right eye mirrored."""
    grey = torch.from_numpy(np.ascontiguousarray(views, np.float32))
    deviation, mean = torch.std_mean(grey, (2, 3), keepdim=True)
    grey = (grey - mean) / deviation.clamp_min(HEADSET_DARK)
    return torch.stack([grey[:, 0], grey[:, 1].flip(-1), grey[:, 2]], 1)


@torch.inference_mode()
def headset_codes(network: HeadsetNetwork, views: np.ndarray, batch: int = 256) -> Tensor:
    """Codes of views uint8 (N, 3, S, S) by a network in evaluation mode."""
    parts = range(0, len(views), batch)
    return torch.cat([network.code(prepare_views(views[i : i + batch])) for i in parts])
