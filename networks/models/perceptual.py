"""HCNN and SCNN: the perceptual networks of ExprGen, Table 1, as printed.

Choices where the paper is silent:

- Dropout (0.2) acts on the pooled features, before FC-13: after a convolution it would disturb the
  batch statistics of the next one.
- Between FC-13 and FC-14 the classifiers have no ReLU: with only seven units one dead unit would
  cost a class. The 3D-CNN (cnn_3d.py), whose layers are wider, has one.
- The input is a face in grey, repeated over the three channels: the human faces are grey. A
  one-channel input is the same thing computed cheaper, with CONV-1 summed over its input channels.
- The average pooling takes whatever CONV-11 gives, 8x8 at 256 pixels, so that training can begin
  with smaller pictures.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UsageError
from ..vocabulary import EXPRESSIONS, REGISTERED_SIZE
from .face_input import EMPTY, grey_faces
from .layouts import CHANNELS, FOLDED_STRIDES, PRINTED_STRIDES, TABLE_1, LayerSpec
from .registry import register_network

DROPOUT = 0.2


class ConvLayer(nn.Module):
    """Convolution, batch norm, ReLU; the convolution needs no bias before a batch norm."""

    def __init__(self, spec: LayerSpec, inputs: int, outputs: int):
        super().__init__()
        self.spec = spec
        self.conv = nn.Conv2d(inputs, outputs, spec.kernel, padding=spec.kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor, stride: int | None = None) -> Tensor:
        """x (B, C, H, W) -> (B, 64, ceil(H / stride), ceil(W / stride)), at least 0."""
        weight = self.conv.weight
        if x.shape[1] == 1 and weight.shape[1] == 3:
            weight = weight.sum(1, keepdim=True)  # a grey picture repeated three times
        stride = self.spec.stride if stride is None else stride
        return F.relu(self.norm(F.conv2d(x, weight, None, stride, self.spec.kernel // 2)))


class PerceptualNetwork(nn.Module):
    """Table 1: eleven convolutions, average pooling, FC-13, FC-14.

    Args:
        outputs: width of FC-14 (7 expressions, or the controls of a character).
        hidden: width of FC-13; None means `outputs`, as in the paper.
        extra: length of a second input vector concatenated to the pooled features before FC-13
            (0 in the paper), standardised by the buffers `extra_mean` and `extra_std`.
        fc_relu: a ReLU between FC-13 and FC-14.
        bounded: outputs are clamped to [-1, 1] when evaluating.
    """

    def __init__(
        self,
        outputs: int = len(EXPRESSIONS),
        *,
        hidden: int | None = None,
        extra: int = 0,
        fc_relu: bool = False,
        bounded: bool = False,
        dropout: float = DROPOUT,
    ):
        super().__init__()
        widths = (3, *[CHANNELS] * len(TABLE_1))
        self.layers = nn.ModuleList(
            ConvLayer(spec, widths[i], widths[i + 1]) for i, spec in enumerate(TABLE_1)
        )
        self.extra = extra
        self.fc_relu = fc_relu
        self.bounded = bounded
        self.dropout = nn.Dropout(dropout)
        hidden = hidden or outputs
        self.fc13 = nn.Linear(CHANNELS + extra, hidden)
        self.fc14 = nn.Linear(hidden, outputs)
        self.register_buffer("extra_mean", torch.zeros(extra))
        self.register_buffer("extra_std", torch.ones(extra))

    def maps(
        self, x: Tensor, start: int = 0, stop: int = len(TABLE_1), folded: bool = False
    ) -> Tensor:
        """Convolutions `start` to `stop` - 1 (0 is CONV-1): (B, C, H, W) -> (B, 64, H', W').

        `folded` takes the cheaper strides: equal when evaluating. When training, the batch
        statistics of the strided layers then come from the pixels that are used alone.
        `start` and `stop` must not part a layer from the 1x1 layer behind it.
        """
        strides = FOLDED_STRIDES if folded else PRINTED_STRIDES
        for layer, stride in zip(self.layers[start:stop], strides[start:stop], strict=True):
            x = layer(x, stride)
        return x

    def head(self, pooled: Tensor, extra: Tensor | None = None) -> Tensor:
        """Pooled features (B, 64) and the second input (B, extra) -> (B, outputs)."""
        if self.extra:
            if extra is None:
                raise UsageError(
                    f"this network needs a second input of {self.extra} numbers a face",
                    fix="give the geometric features (and ARKit coefficients) with the faces",
                )
            pooled = torch.cat([pooled, (extra - self.extra_mean) / self.extra_std], 1)
        x = self.fc13(self.dropout(pooled))
        x = self.fc14(F.relu(x) if self.fc_relu else x)
        return x.clamp(-1.0, 1.0) if self.bounded and not self.training else x

    def forward(self, x: Tensor, extra: Tensor | None = None, folded: bool = False) -> Tensor:
        """Faces (B, 3 or 1, H, W) from `prepare_faces` -> (B, outputs) logits or unit values."""
        return self.head(pool(self.maps(x, folded=folded)), extra)


def pool(maps: Tensor) -> Tensor:
    """Average pooling of Table 1: (B, 64, H, W) -> (B, 64)."""
    return maps.mean((2, 3))


@register_network
def hcnn() -> PerceptualNetwork:
    """HCNN: a human face -> logits of the seven expressions (ExprGen, section 4.1)."""
    return PerceptualNetwork()


@register_network
def scnn() -> PerceptualNetwork:
    """SCNN: a character's face -> logits of the seven expressions (ExprGen, section 4.1)."""
    return PerceptualNetwork()


def prepare_faces(faces: np.ndarray, size: int = REGISTERED_SIZE) -> Tensor:
    """`face_input.grey_faces` as torch takes them: float32 (B, 1, size, size)."""
    return torch.from_numpy(grey_faces(faces, size))


def standardise(x: Tensor) -> Tensor:
    """Each picture (B, 1, H, W) of grey values 0..255 to mean 0 and about deviation 1.

    The same as in `face_input.grey_faces`, for pictures that a training has changed.
    """
    deviation, mean = torch.std_mean(x, (1, 2, 3), keepdim=True, correction=0)
    return (x - mean) / (deviation + EMPTY)


@torch.inference_mode()
def probabilities(logits: Tensor) -> np.ndarray:
    """Logits (B, 7) -> float32 (B, 7) in the order of EXPRESSIONS, rows sum to 1."""
    return torch.softmax(logits.float(), 1).numpy()
