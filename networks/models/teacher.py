"""The teacher: a network several times as large as HCNN, which began as a recogniser of faces.

Labelled expressions are few and those of fear and disgust fewer; faces are plenty. A residual
network that has learned to tell three million of them apart knows what a face looks like in any
light, and what is left to learn from the labels is what it expresses. Its trunk is that of the
public-domain recogniser of Davis King (`training/pretrained.py` reads its file) without the last
level, which knows identities only.

It has a say of its own in what is perceived, and HCNN learns from its answers.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..vocabulary import EXPRESSIONS
from .layouts import TEACHER_LEVELS, TEACHER_STEM
from .perceptual import probabilities
from .registry import register_network

DROPOUT = 0.3


class TeacherBlock(nn.Module):
    """Two 3x3 convolutions, added to what came in.

    A block that halves the picture adds its input averaged over 2x2 pixels, with zeros for the
    channels and the last row and column that the input lacks.
    """

    def __init__(self, inputs: int, outputs: int, halves: bool):
        super().__init__()
        self.halves = halves
        # Without padding where it halves, as the recogniser does.
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 2 if halves else 1, 0 if halves else 1)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.norm2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H', W'), at least 0."""
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.halves:
            x = F.avg_pool2d(x, 2, 2)
            height, width = (max(a, b) for a, b in zip(x.shape[2:], y.shape[2:], strict=True))
            y = F.pad(y, (0, width - y.shape[3], 0, height - y.shape[2]))
            more = y.shape[1] - x.shape[1]
            x = F.pad(x, (0, width - x.shape[3], 0, height - x.shape[2], 0, more))
        return F.relu(x + y)


class TeacherNetwork(nn.Module):
    """Stem, four levels of residual blocks, average pooling, one FC layer."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, TEACHER_STEM, 7, 2)
        self.norm = nn.BatchNorm2d(TEACHER_STEM)
        blocks, inputs = [], TEACHER_STEM
        for outputs, count, halves in TEACHER_LEVELS:
            for i in range(count):
                blocks.append(TeacherBlock(inputs, outputs, halves and i == 0))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.pooled_norm = nn.BatchNorm1d(inputs, affine=False)
        self.dropout = nn.Dropout(DROPOUT)
        self.fc = nn.Linear(inputs, len(EXPRESSIONS))

    def convolutions(self) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """Each convolution with the batch norm behind it, in the order of the computation."""
        pairs = [(self.stem, self.norm)]
        for block in self.blocks:
            pairs += [(block.conv1, block.norm1), (block.conv2, block.norm2)]
        return pairs

    def pooled(self, x: Tensor) -> Tensor:
        """Faces (B, 1, 112, 112) from `prepare_faces` -> features (B, 256)."""
        x = F.relu(self.norm(self.stem(x.contiguous(memory_format=torch.channels_last))))
        return self.blocks(F.max_pool2d(x, 3, 2)).mean((2, 3))

    def forward(self, x: Tensor, folded: bool = False) -> Tensor:
        """Faces (B, 1, 112, 112) from `prepare_faces` -> logits (B, 7).

        folded is there for the trainings' sake and changes nothing.
        """
        return self.fc(self.dropout(self.pooled_norm(self.pooled(x))))


@register_network
def teacher() -> TeacherNetwork:
    """Teacher: a registered human face -> logits of the seven expressions."""
    return TeacherNetwork()


@torch.inference_mode()
def teacher_opinion(network: TeacherNetwork, x: Tensor) -> np.ndarray:
    """What it perceives in faces (B, 1, 112, 112) and in their mirror images, since an expression
    has no side: probabilities float32 (B, 7), the geometric mean of both looks."""
    network.eval()
    looks = torch.log_softmax(network(torch.cat([x, x.flip(3)])).float(), 1)
    return probabilities(looks.view(2, len(x), -1).mean(0))
