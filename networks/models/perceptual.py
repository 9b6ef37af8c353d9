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

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UsageError
from ..vocabulary import EXPRESSIONS, REGISTERED_SIZE
from .registry import register_network

CHANNELS = 64
DROPOUT = 0.2


@dataclass(frozen=True)
class LayerSpec:
    """One row of Table 1: a convolution of `kernel` x `kernel` pixels at `stride`."""

    name: str
    kernel: int
    stride: int


TABLE_1 = (
    LayerSpec("CONV-1", 11, 1),
    LayerSpec("CONV-2", 1, 2),
    LayerSpec("CONV-3", 5, 1),
    LayerSpec("CONV-4", 1, 2),
    LayerSpec("CONV-5", 5, 1),
    LayerSpec("CONV-6", 1, 2),
    LayerSpec("CONV-7", 3, 1),
    LayerSpec("CONV-8", 1, 2),
    LayerSpec("CONV-9", 3, 1),
    LayerSpec("CONV-10", 1, 2),
    LayerSpec("CONV-11", 3, 1),
)
"""The convolutions of HCNN, SCNN and 3D-CNN (ExprGen, Table 1); each gives 64 channels."""

PRINTED_STRIDES = tuple(spec.stride for spec in TABLE_1)


def folded_strides(specs: tuple[LayerSpec, ...] = TABLE_1) -> tuple[int, ...]:
    """The strides of the cheaper, equal form: (2, 1, 2, 1, ...).

    A 1x1 layer at stride 2 reads only every second pixel of the layer before it, so the layer
    before can compute those alone: its stride becomes 2 and that of the 1x1 layer 1.
    """
    strides = [spec.stride for spec in specs]
    for i in range(len(specs) - 1):
        if specs[i + 1].kernel == 1 and specs[i + 1].stride == 2 and strides[i] == 1:
            strides[i], strides[i + 1] = 2, 1
    return tuple(strides)


FOLDED_STRIDES = folded_strides()


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
    """Registered faces as the networks take them.

    Args:
        faces: uint8 (B, H, W) grey or (B, H, W, 3) RGB.
        size: side of the network's input in pixels; other sizes are resampled.

    Returns:
        float32 (B, 1, size, size), standardised by `standardise`.

    Raises:
        UsageError: another type or shape.
    """
    if faces.dtype != np.uint8 or not (
        faces.ndim == 3 or (faces.ndim == 4 and faces.shape[3] == 3)
    ):
        raise UsageError(
            f"faces are {faces.dtype} {faces.shape}", fix="give uint8 (B, H, W) or (B, H, W, 3)"
        )
    x = torch.from_numpy(np.ascontiguousarray(faces)).float()
    if x.ndim == 4:
        x = x @ torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601, as OpenCV's grey
    x = x[:, None]
    if tuple(x.shape[2:]) != (size, size):
        x = F.interpolate(x, (size, size), mode="bilinear", antialias=True)
    return standardise(x)


def standardise(x: Tensor) -> Tensor:
    """Each picture (B, 1, H, W) of grey values 0..255 to mean 0 and about deviation 1.

    Per picture, so that exposure does not matter; the 8 grey levels added to the deviation keep an
    almost empty picture from becoming pure noise.
    """
    deviation, mean = torch.std_mean(x, (1, 2, 3), keepdim=True, correction=0)
    return (x - mean) / (deviation + 8.0)


@torch.inference_mode()
def probabilities(logits: Tensor) -> np.ndarray:
    """Logits (B, 7) -> float32 (B, 7) in the order of EXPRESSIONS, rows sum to 1."""
    return torch.softmax(logits.float(), 1).numpy()
