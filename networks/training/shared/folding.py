"""Table 1 networks as trainings look with them where they do not learn: exact, and cheaper.

Strides and batch norm are folded into the convolutions and a grey picture's three channels into
one; see inference/table1.py, which does the same without torch. A kernel of 11x11 on one channel is
run as 11x1 on the picture's eleven horizontal shifts, which suits the processor's vector units.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.perceptual import FOLDED_STRIDES, PerceptualNetwork, pool


@dataclass(frozen=True)
class FoldedLayer:
    """Convolution with batch norm and stride folded in, then ReLU."""

    weight: Tensor
    bias: Tensor
    stride: int

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 64, ceil(H / stride), ceil(W / stride))."""
        if x.shape[1] == 1 and self.weight.shape[1] == 3:
            return _grey_convolution(x, self.weight.sum(1), self.bias, self.stride)
        padding = self.weight.shape[2] // 2
        return F.conv2d(x, self.weight, self.bias, self.stride, padding).relu_()


def _grey_convolution(x: Tensor, kernel: Tensor, bias: Tensor, stride: int) -> Tensor:
    """x (B, 1, H, W) with kernel (64, K, K), zero-padded, then ReLU."""
    size = kernel.shape[1]
    around = size // 2
    padded = F.pad(x, (around,) * 4)[:, 0].contiguous()
    b, height, width = padded.shape
    columns = (width - size) // stride + 1
    shifts = padded.as_strided(
        (b, height, columns, size), (height * width, width, stride, 1)
    ).contiguous()
    weight = kernel.permute(0, 2, 1)[..., None].contiguous(memory_format=torch.channels_last)
    return F.conv2d(shifts.permute(0, 3, 1, 2), weight, bias, (stride, 1)).relu_()


def fold_layers(network: PerceptualNetwork) -> tuple[FoldedLayer, ...]:
    """The eleven convolutions of a Table 1 network, folded (in float64, then rounded once)."""
    return tuple(
        _fold(layer, stride) for layer, stride in zip(network.layers, FOLDED_STRIDES, strict=True)
    )


@torch.no_grad()
def _fold(layer, stride: int) -> FoldedLayer:
    norm = layer.norm
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    weight = layer.conv.weight.double() * scale[:, None, None, None]
    bias = norm.bias.double() - norm.running_mean.double() * scale
    weight = weight.float().contiguous(memory_format=torch.channels_last)
    return FoldedLayer(weight, bias.float(), stride)


class FoldedNetwork:
    """A Table 1 network ready for use; equal to the printed one in evaluation mode."""

    def __init__(self, network: PerceptualNetwork):
        self.layers = fold_layers(network)
        self.extra = network.extra
        self.bounded = network.bounded
        self._head = network.eval().head

    @torch.inference_mode()
    def __call__(self, x: Tensor, extra: Tensor | None = None) -> Tensor:
        """Faces (B, 1 or 3, H, W) from `prepare_faces`, second input -> (B, outputs)."""
        return self.head(self.maps(x), extra)

    def maps(self, x: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Layers `start` to `stop` - 1."""
        for layer in self.layers[start:stop]:
            x = layer(x)
        return x

    def head(self, maps: Tensor, extra: Tensor | None = None) -> Tensor:
        """Output of CONV-11 and second input -> (B, outputs), float32."""
        return self._head(pool(maps.float()), extra)


def native_bfloat16() -> bool:
    """The processor computes in bfloat16 itself; where it is imitated it is slower."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in checks)
