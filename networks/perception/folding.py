"""The exact inference form of Table 1 networks.

Three foldings, none of which changes an output by more than float32 rounding, at any picture size:

- strides: a 1x1 layer at stride 2 reads every second pixel of the layer before, so that layer
  computes only those (see `perceptual.folded_strides`): a quarter of the work;
- batch norm: its scale and shift go into the convolution before it;
- grey input: the three channels are the same picture, so CONV-1 is summed over them; a kernel of
  11x11 on one channel is then run as 11x1 on the picture's eleven horizontal shifts, which suits
  the processor's vector units.

Networks that share their first layers (3D-CNN and SCNN start from HCNN and keep them frozen) run
them once. bfloat16 is not exact: it is used only where the processor computes in it and the outputs
move by less than half a percent of their range (`choose_precision`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.perceptual import FOLDED_STRIDES, PerceptualNetwork, pool
from ..vocabulary import REGISTERED_SIZE

BFLOAT16_LIMIT = 0.005
"""Largest change of an output that bfloat16 may make, as a share of its range."""


def faces_a_pass(size: int) -> int:
    """How many faces of `size` pixels go through a network together: 1 at 256, 4 at 128.

    The activations of more no longer fit into the caches of common processors.
    """
    return max(1, (REGISTERED_SIZE // size) ** 2)


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

    def same_as(self, other: FoldedLayer) -> bool:
        """Both compute the same."""
        return (
            self.stride == other.stride
            and torch.equal(self.weight, other.weight)
            and torch.equal(self.bias, other.bias)
        )

    def to(self, dtype: torch.dtype) -> FoldedLayer:
        return FoldedLayer(self.weight.to(dtype), self.bias.to(dtype), self.stride)


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

    def to(self, dtype: torch.dtype) -> FoldedNetwork:
        """The same network with its convolutions in another precision."""
        other = copy.copy(self)
        other.layers = tuple(layer.to(dtype) for layer in self.layers)
        return other


class SharedStem:
    """Several networks over the same faces; equal first layers run once.

    Layers that are equal, by their weights, are found when it is made: nothing has to be declared.
    """

    def __init__(self, networks: Mapping[str, FoldedNetwork]):
        self.networks = dict(networks)
        first = next(iter(self.networks.values()))
        self.first = first
        self.shared = {name: _shared_layers(first, n) for name, n in self.networks.items()}

    @torch.inference_mode()
    def __call__(self, x: Tensor, extra: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
        """Faces (B, 1 or 3, H, W) and each network's second input -> outputs by name."""
        dtype = self.first.layers[0].weight.dtype
        x = x.to(dtype)
        wanted = sorted(set(self.shared.values()))
        # Outputs of the shared layers that some network branches off from.
        at = {0: x}
        done, maps = 0, x
        for depth in wanted:
            maps = self.first.maps(maps, done, depth)
            at[depth], done = maps, depth
        return {
            name: network.head(
                network.maps(at[self.shared[name]], self.shared[name]), extra.get(name)
            )
            for name, network in self.networks.items()
        }


def _shared_layers(a: FoldedNetwork, b: FoldedNetwork) -> int:
    count = 0
    for one, other in zip(a.layers, b.layers, strict=True):
        if not one.same_as(other):
            break
        count += 1
    return count


def native_bfloat16() -> bool:
    """The processor computes in bfloat16 itself; where it is imitated it is slower."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in checks)


def choose_precision(available: bool, change: float) -> torch.dtype:
    """bfloat16 if the processor has it and `change` (share of the range) stays below the limit."""
    return torch.bfloat16 if available and change < BFLOAT16_LIMIT else torch.float32


@torch.inference_mode()
def bfloat16_change(networks: Mapping[str, FoldedNetwork], faces: Tensor) -> float:
    """Largest change of any output on `faces` in bfloat16, as a share of its range.

    The range of a probability is 0..1, that of a unit value -1..1. The second inputs are zero.
    """
    worst = 0.0
    for network in networks.values():
        extra = torch.zeros(len(faces), network.extra)
        exact = network(faces, extra)
        rough = network.to(torch.bfloat16)(faces.bfloat16(), extra)
        if not network.bounded:
            exact, rough = exact.softmax(1), rough.softmax(1)
        size = 2.0 if network.bounded else 1.0
        worst = max(worst, float((exact - rough).abs().max()) / size)
    return worst
