"""HCNN, SCNN and 3D-CNN without torch: Table 1 in its exact inference form.

Four foldings, none of which changes an output by more than float32 rounding, at any picture size:

- strides: a 1x1 layer at stride 2 reads every second pixel of the layer before, so that layer
  computes only those: a quarter of the work;
- batch norm: its scale and shift go into the convolution before it;
- grey input: the three channels are the same picture, so CONV-1 is summed over them;
- every second pixel: what CONV-1 takes at stride 2 from one picture it takes at stride 1 from the
  four pictures of every second pixel, in half the time: what lies in a row is then read in a row.

Networks that share their first layers (3D-CNN and SCNN start from HCNN and keep them frozen) run
them once: a graph holds equal layers over one input only once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..models.layouts import CHANNELS, FOLDED_STRIDES, SHARED_LAYERS, TABLE_1
from ..models.weights_file import Weights
from ..vocabulary import EXPRESSIONS
from .forms import form_of
from .network import Network, Outputs
from .onnx_graph import Graph
from .tensors import Tensors


@dataclass(frozen=True)
class Table1:
    """A Table 1 network's numbers, folded: (weight, bias) of the convolutions, of FC-13 and FC-14.

    extra: length of the second input. fc_relu, bounded: see models/perceptual.py. rows: of what the
    first SHARED_LAYERS layers give those that are looked at, from the top; 0 for all.
    """

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    fc13: tuple[np.ndarray, np.ndarray]
    fc14: tuple[np.ndarray, np.ndarray]
    extra: int = 0
    fc_relu: bool = False
    bounded: bool = False
    rows: int = 0

    @property
    def outputs(self) -> int:
        return len(self.fc14[1])

    def maps(self, graph: Graph, x: str, start: int = 0, stop: int | None = None) -> str:
        """Convolutions `start` to `stop` - 1; the first is of `every_second` pixel."""
        steps = list(enumerate(zip(self.layers, FOLDED_STRIDES, strict=True)))[start:stop]
        for place, ((weight, bias), stride) in steps:
            if place == SHARED_LAYERS and self.rows:
                x = graph.first(x, self.rows, axis=2)
            if place:
                padding = weight.shape[2] // 2
                x = graph.convolution(x, weight, bias, stride=stride, padding=padding)
            else:
                x = graph.convolution(x, every_second_weight(weight), bias)
            x = graph.layer("Relu", x)
        return x

    def head(self, graph: Graph, x: str, extra: str | None) -> str:
        """Output of CONV-11, pooled, and second input -> (B, outputs)."""
        if self.extra:
            x = graph.layer("Concat", x, extra, axis=1)
        x = graph.linear(x, *self.fc13)
        return graph.linear(graph.layer("Relu", x) if self.fc_relu else x, *self.fc14)

    def shared_with(self, other: Table1) -> int:
        """How many first convolutions both have in common."""
        count = 0
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            if not all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True)):
                break
            count += 1
        return count


@form_of("hcnn", "scnn", "rig_regressor")
def table1(weights: Weights) -> Table1:
    """Weights folded.

    Raises:
        UsageError: the arrays are not those of the network that they name.
    """
    regressor, config = weights.info.network == "rig_regressor", weights.info.config
    outputs = int(config.get("controls", 0)) if regressor else len(EXPRESSIONS)
    extra = int(config.get("geometry", 0))
    hidden = int(config.get("hidden") or outputs)
    tensors = Tensors(weights)
    widths = (3, *[CHANNELS] * len(TABLE_1))
    layers = tuple(
        tensors.folded(
            f"layers.{i}.conv", f"layers.{i}.norm", CHANNELS, widths[i], spec.kernel, spec.kernel
        )
        for i, spec in enumerate(TABLE_1)
    )
    first = layers[0][0].sum(1, keepdims=True), layers[0][1]
    mean, deviation = (tensors.take(f"extra_{part}", extra) for part in ("mean", "std"))
    weight, bias = tensors.linear("fc13", CHANNELS + extra, hidden)
    # The second input's standardising goes into FC-13.
    second = weight[:, CHANNELS:].astype(float) / deviation
    fc13 = np.hstack([weight[:, :CHANNELS], second]), bias - second @ mean
    table = Table1(
        (first, *layers[1:]),
        tuple(part.astype(np.float32) for part in fc13),
        tensors.linear("fc14", hidden, outputs),
        extra,
        fc_relu=regressor,
        bounded=regressor,
    )
    tensors.all_taken()
    return table


class FaceReaders:
    """Classifiers and 3D-CNNs over the same faces of one size.

    The classifiers may look at the mirrored faces too: an expression has no side.
    """

    def __init__(
        self, classifiers: Mapping[str, Table1], regressors: Mapping[str, Table1], size: int
    ):
        self._classifiers, self._regressors = dict(classifiers), dict(regressors)
        self._size = size
        self._looks = {looks: Network(partial(self._build, looks=looks)) for looks in (1, 2)}

    def __call__(
        self, faces: np.ndarray, extra: Mapping[str, np.ndarray], mirrored: bool = True
    ) -> dict[str, np.ndarray]:
        """Faces (B, 1, size, size) from `grey_faces` and each 3D-CNN's second input -> by name,
        a classifier's logits (2, B, 7) of the faces and their mirror images, or (1, B, 7) of the
        faces alone, a 3D-CNN's unit values (B, outputs); and, where mirror images are looked at, as
        "pooled NAME" what a classifier's convolutions give of both (2, B, 64)."""
        looks = 2 if mirrored and self._classifiers else 1
        seen = np.concatenate([faces, faces[..., ::-1]]) if looks == 2 else faces
        second = {_extra(n): extra[n] for n, r in self._regressors.items() if r.extra}
        found = self._looks[looks](faces=every_second(seen), **second)
        given = {n: f"out {n}" for n in self._classifiers}
        given |= {pooled_name(n): pooled_name(n) for n in self._classifiers if looks > 1}
        result = {n: found[of].reshape(looks, len(faces), -1) for n, of in given.items()}
        for name, regressor in self._regressors.items():
            units = found[f"out {name}"]
            result[name] = np.clip(units, -1.0, 1.0) if regressor.bounded else units
        return result

    def nothing(self) -> dict[str, np.ndarray]:
        """The same of no faces."""
        widths = {n: r.outputs for n, r in self._regressors.items()}
        return {
            **{n: np.zeros((2, 0, c.outputs), np.float32) for n, c in self._classifiers.items()},
            **{pooled_name(n): np.zeros((2, 0, CHANNELS), np.float32) for n in self._classifiers},
            **{n: np.zeros((0, width), np.float32) for n, width in widths.items()},
        }

    def _build(self, graph: Graph, batch: int, looks: int) -> Outputs:
        side = _side(self._size)
        x = graph.input("faces", batch, 4, side, side)
        outputs: Outputs = {}
        for name, network in self._classifiers.items():
            pooled = graph.pooled(network.maps(graph, x))
            outputs[f"out {name}"] = network.head(graph, pooled, None), (batch, network.outputs)
            if looks > 1:
                outputs[pooled_name(name)] = pooled, (batch, CHANNELS)
        count = batch // looks
        for name, network in self._regressors.items():
            shared = max((network.shared_with(c) for c in self._classifiers.values()), default=0)
            maps = network.maps(graph, x, 0, shared)
            if looks > 1:
                maps = graph.first(maps, count)
            extra = graph.input(_extra(name), count, network.extra) if network.extra else None
            layer = network.head(graph, graph.pooled(network.maps(graph, maps, shared)), extra)
            outputs[f"out {name}"] = layer, (count, network.outputs)
        return outputs


_STEM = TABLE_1[0].kernel
"""Side of CONV-1's kernel, odd; it goes over every second pixel, half of it beyond each edge."""


def every_second(faces: np.ndarray) -> np.ndarray:
    """Faces (B, 1, size, size), zeros around them as CONV-1 sees them -> (B, 4, side, side) what
    lies in even and odd rows and columns: even even, even odd, odd even, odd odd."""
    count, _, size, _ = faces.shape
    side, before = _side(size), _STEM // 2
    framed = np.zeros((count, 2 * side, 2 * side), np.float32)
    framed[:, before : before + size, before : before + size] = faces[:, 0]
    parts = framed.reshape(count, side, 2, side, 2)
    return parts.transpose(0, 2, 4, 1, 3).reshape(count, 4, side, side)


def every_second_weight(weight: np.ndarray) -> np.ndarray:
    """CONV-1's weight (O, 1, K, K), K odd -> (O, 4, K // 2 + 1, K // 2 + 1) over `every_second`."""
    outputs, half = len(weight), _STEM // 2 + 1
    even = np.pad(weight[:, 0], ((0, 0), (0, 1), (0, 1)))
    parts = even.reshape(outputs, half, 2, half, 2)
    return parts.transpose(0, 2, 4, 1, 3).reshape(outputs, 4, half, half)


def _side(size: int) -> int:
    """The side of each of `every_second`'s pictures of faces of this size."""
    return (size + 1) // 2 + _STEM // 2


def pooled_name(name: str) -> str:
    """What a classifier's convolutions give goes by this name."""
    return f"pooled {name}"


def _extra(name: str) -> str:
    return f"extra {name}"
