"""The public-domain face recogniser from which the teacher starts: reading its file.

`dlib_face_recognition_resnet_model_v1.dat` by Davis King (CC0), as the package
face_recognition_models 0.3.0 on PyPI carries it. A file of dlib names each layer in clear text
and holds its numbers as little-endian float32, each tensor with its four sizes before it; integers
are a byte that counts their bytes and bears the sign, then those bytes.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import ModelError
from ...models.teacher import TeacherNetwork
from ...reading import read_bytes

FETCH = (
    "`pip download --no-deps --no-binary :all: face_recognition_models==0.3.0`, unpack it and name "
    "its models/dlib_face_recognition_resnet_model_v1.dat (SHA-256 begins 55533b28a958)"
)
LARGEST = 1 << 28
"""Bytes of the recogniser's file; it has 22 million."""
GREY_DEVIATION = 60.0
"""Deviation of the grey values in a common picture of a face; the recogniser saw them / 256, the
teacher sees them with deviation 1 (`standardise`)."""
_LAYER = re.compile(rb"\x05con_4|\x07affine_")
_TENSOR_VERSION = 2


def start_from(network: TeacherNetwork, file: str | Path, faces: Tensor) -> None:
    """Give the teacher the recogniser's trunk.

    The recogniser's batch norms are frozen into scales; here they become batch norms again, with
    the statistics of `faces`, so that the function stays the same and can be learned further.

    Args:
        file: the recogniser's.
        faces: (N, 1, 112, 112), standardised; some hundred.

    Raises:
        ModelError: missing or another file.
    """
    pairs = network.convolutions()
    layers = read_layers(file, [n for conv, _ in pairs for n in _sizes(conv)])
    for (conv, norm), numbers, affine in zip(pairs, layers[::2], layers[1::2], strict=True):
        _fill(conv, numbers)
        norm.weight.data, norm.bias.data = torch.from_numpy(affine).view(2, -1).clone()
    _renormalise(network, faces)


def read_layers(file: str | Path, sizes: list[int]) -> list[np.ndarray]:
    """The first len(sizes) tensors of convolutions and scales, float32, in the order of the file.

    Args:
        sizes: how many numbers each must hold.

    Raises:
        ModelError: the file can't be read or holds something else.
    """
    path = Path(file)
    data = read_bytes(path, LARGEST, ModelError, FETCH)
    places = [m.end() for m in _LAYER.finditer(data)][: len(sizes)]
    try:
        found = [_tensor(data, place) for place in places]
    except (ValueError, IndexError) as error:
        raise ModelError("is damaged", file=path, fix=FETCH) from error
    if [len(numbers) for numbers in found] != sizes:
        raise ModelError("is not the face recogniser's file", file=path, fix=FETCH)
    return found


def _sizes(conv) -> tuple[int, int]:
    """How many numbers the file has for a convolution, and for the scales behind it."""
    # The stem of the recogniser sees three channels.
    weights = conv.weight.numel() * (3 if conv.in_channels == 1 else 1)
    return weights + conv.out_channels, 2 * conv.out_channels


def _tensor(data: bytes, place: int) -> np.ndarray:
    version, place = _integer(data, place)
    if version != _TENSOR_VERSION:
        raise ValueError(f"tensor of version {version}")
    count = 1
    for _ in range(4):
        size, place = _integer(data, place)
        count *= size
    return np.frombuffer(data, "<f4", count, place).astype(np.float32)


def _integer(data: bytes, place: int) -> tuple[int, int]:
    """(value, where the next thing begins)."""
    head = data[place]
    end = place + 1 + (head & 0x0F)
    value = int.from_bytes(data[place + 1 : end], "little")
    return (-value if head & 0x80 else value), end


@torch.no_grad()
def _fill(conv, numbers: np.ndarray) -> None:
    weight, bias = torch.from_numpy(numbers[: -conv.out_channels]), numbers[-conv.out_channels :]
    if conv.in_channels == 1:
        # A grey picture is the same in all three channels.
        shape = (conv.out_channels, 3, *conv.weight.shape[2:])
        weight = weight.view(shape).sum(1, keepdim=True) * (GREY_DEVIATION / 256)
    conv.weight.copy_(weight.view_as(conv.weight))
    conv.bias.copy_(torch.from_numpy(bias))


@torch.no_grad()
def _renormalise(network: TeacherNetwork, faces: Tensor) -> None:
    """Batch norms that do what the scales behind the convolutions did, on `faces` exactly.

    A convolution's weights are brought to a common size as well, or one step of the optimiser would
    be a large one for some and none for others.
    """
    hooks = [
        conv.register_forward_hook(_Renormalise(norm)) for conv, norm in network.convolutions()
    ]
    network.eval()
    features = network.pooled(faces)
    for hook in hooks:
        hook.remove()
    network.pooled_norm.running_mean.copy_(features.mean(0))
    network.pooled_norm.running_var.copy_(features.var(0))


class _Renormalise:
    """While the faces pass: what comes out of a convolution decides the batch norm behind it."""

    def __init__(self, norm):
        self.norm = norm

    def __call__(self, conv, _, out: Tensor) -> Tensor:
        wanted = (2 / (conv.weight[0, 0].numel() * conv.out_channels)) ** 0.5
        factor = wanted / conv.weight.std()
        mean = out.mean((0, 2, 3))
        # As the batch norm itself counts: a channel that hardly varies keeps its scale.
        deviation = (out.var((0, 2, 3)) + self.norm.eps).sqrt()
        norm = self.norm
        norm.running_mean.copy_(mean * factor)
        norm.running_var.copy_(((deviation * factor) ** 2 - norm.eps).clamp_min(0))
        norm.bias.add_(norm.weight * mean)
        norm.weight.mul_(deviation)
        conv.weight.mul_(factor)
        conv.bias.mul_(factor)
        return out * factor
