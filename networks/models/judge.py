"""The judge: a network of another kind than HCNN and SCNN that names expressions of both.

It stands in for a viewer when transfers are measured (`evaluation/`), so nothing of it may come
from the networks it judges: another architecture (residual blocks of depthwise convolutions instead
of Table 1), another seed, other pictures. It is no part of the retargeting.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..vocabulary import EXPRESSIONS
from .registry import register_network

JUDGE_SIZE = 64
"""Side in pixels of the faces it looks at."""
_STEM = 24
_BLOCKS = ((32, 2), (32, 1), (64, 2), (64, 1), (112, 2), (112, 1))
"""(channels, stride) of each block; the last ones see 4x4 points."""
_EXPANSION = 3
DROPOUT = 0.3


class Block(nn.Module):
    """Widen by a 1x1 convolution, 3x3 in each channel alone, narrow again; added to its input where
    the shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        wide = inputs * _EXPANSION
        self.widen = nn.Conv2d(inputs, wide, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(wide)
        self.depthwise = nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False)
        self.norm2 = nn.BatchNorm2d(wide)
        self.narrow = nn.Conv2d(wide, outputs, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(outputs)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) -> (B, outputs, H / stride, W / stride)."""
        y = F.silu(self.norm1(self.widen(x)))
        y = F.silu(self.norm2(self.depthwise(y)))
        y = self.norm3(self.narrow(y))
        return x + y if self.adds else y


class JudgeNetwork(nn.Module):
    """Stem, six residual blocks, average pooling, one FC layer."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, _STEM, 5, 2, 2, bias=False)
        self.norm = nn.BatchNorm2d(_STEM)
        widths = [_STEM, *(width for width, _ in _BLOCKS)]
        self.blocks = nn.Sequential(
            *(Block(widths[i], width, stride) for i, (width, stride) in enumerate(_BLOCKS))
        )
        self.dropout = nn.Dropout(DROPOUT)
        self.fc = nn.Linear(widths[-1], len(EXPRESSIONS))

    def forward(self, x: Tensor, folded: bool = False) -> Tensor:
        """Faces (B, 1, 64, 64) from `prepare_faces` -> logits (B, 7).

        folded is there for the trainings' sake and changes nothing.
        """
        x = self.blocks(F.silu(self.norm(self.stem(x))))
        return self.fc(self.dropout(x.mean((2, 3))))


@register_network
def judge() -> JudgeNetwork:
    """Judge: a registered face of a person or a character -> logits of the seven expressions."""
    return JudgeNetwork()
