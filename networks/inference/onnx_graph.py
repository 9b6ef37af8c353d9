"""A network as an ONNX model in memory, written from its weights: what OpenCV's runtime reads.

ONNX is Protocol Buffers (ONNX IR specification; field numbers of onnx.proto3). A model of a dozen
kinds of layers needs so little of it that it is written here, which saves the zip two packages a
Python. Nothing of it touches a disk: the weight file stays the only file of a network.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

IR_VERSION, OPSET = 8, 13
_FLOAT, _INT64 = 1, 7
"""TensorProto.DataType"""
_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_INTS = 1, 2, 7
"""AttributeProto.AttributeType"""


class Graph:
    """A network that grows layer by layer; equal layers over the same input are there once."""

    def __init__(self):
        self._nodes: list[bytes] = []
        self._constants: list[list[bytes]] = []
        self._inputs: list[bytes] = []
        self._known: dict[tuple, str] = {}

    def input(self, name: str, *shape: int) -> str:
        """A float32 input of this shape."""
        self._inputs.append(_value(name, shape))
        return name

    def constant(self, values: np.ndarray) -> str:
        """Numbers that belong to the network: float32, or int64 where a layer wants places."""
        whole = np.issubdtype(values.dtype, np.integer)
        raw = values.astype("<i8" if whole else "<f4").tobytes()
        key = (values.shape, raw)
        if key not in self._known:
            name = self._known[key] = f"constant{len(self._constants)}"
            kind = _INT64 if whole else _FLOAT
            self._constants.append(_tensor(name, values.shape, raw, kind))
        return self._known[key]

    def layer(self, kind: str, *inputs: str, **attributes: int | float | Sequence[int]) -> str:
        """The output of an ONNX operator over earlier outputs."""
        key = (kind, inputs, tuple((k, str(v)) for k, v in attributes.items()))
        if key not in self._known:
            name = self._known[key] = f"layer{len(self._nodes)}"
            parts = [_bytes(1, given) for given in inputs]
            parts += [_bytes(2, name), _bytes(3, name), _bytes(4, kind)]
            parts += [_bytes(5, _attribute(k, v)) for k, v in attributes.items()]
            self._nodes.append(b"".join(parts))
        return self._known[key]

    def convolution(
        self,
        x: str,
        weight: np.ndarray,
        bias: np.ndarray,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
    ) -> str:
        """(B, C, H, W) with weight (O, C / groups, K, K) and bias (O,)."""
        return self.layer(
            "Conv",
            x,
            self.constant(weight),
            self.constant(bias),
            kernel_shape=list(weight.shape[2:]),
            strides=[stride, stride],
            pads=[padding] * 4,
            group=groups,
        )

    def linear(self, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
        """(B, I) with weight (O, I) and bias (O,) -> (B, O)."""
        return self.layer("Gemm", x, self.constant(weight), self.constant(bias), transB=1)

    def pooled(self, x: str) -> str:
        """The mean over all places: (B, C, H, W) -> (B, C)."""
        return self.layer("Flatten", self.layer("GlobalAveragePool", x))

    def first(self, x: str, count: int, axis: int = 0) -> str:
        """The first `count` of a batch, or along another axis."""
        places = (self.constant(np.array([n])) for n in (0, count, axis))
        return self.layer("Slice", x, *places)

    def to_bytes(self, outputs: dict[str, tuple[str, Sequence[int]]]) -> bytes:
        """The model. outputs: name -> the layer that gives it and its shape."""
        nodes = list(self._nodes)
        for name, (layer, _) in outputs.items():
            nodes.append(
                _bytes(1, layer) + _bytes(2, name) + _bytes(3, name) + _bytes(4, "Identity")
            )
        graph = [_bytes(1, node) for node in nodes]
        graph += [_bytes(2, "network")]
        for constant in self._constants:
            graph += _nested(5, constant)
        graph += [_bytes(11, given) for given in self._inputs]
        graph += [_bytes(12, _value(name, shape)) for name, (_, shape) in outputs.items()]
        opset = _bytes(1, "") + _number(2, OPSET)
        return b"".join([_number(1, IR_VERSION), *_nested(7, graph), _bytes(8, opset)])


def _value(name: str, shape: Sequence[int]) -> bytes:
    """ValueInfoProto of a float32 tensor."""
    dimensions = b"".join(_bytes(1, _number(1, n)) for n in shape)
    tensor = _number(1, _FLOAT) + _bytes(2, dimensions)
    return _bytes(1, name) + _bytes(2, _bytes(1, tensor))


def _tensor(name: str, dimensions: Sequence[int], raw: bytes, kind: int) -> list[bytes]:
    """TensorProto in pieces; raw: its numbers, little-endian."""
    shape = b"".join(_number(1, n) for n in dimensions)
    return [shape + _number(2, kind) + _bytes(8, name), *_nested(9, [raw])]


def _attribute(name: str, value: int | float | Sequence[int]) -> bytes:
    """AttributeProto."""
    start = _bytes(1, name)
    if isinstance(value, float):
        return start + _tag(2, 5) + struct.pack("<f", value) + _number(20, _ATTRIBUTE_FLOAT)
    if isinstance(value, int):
        return start + _number(3, value) + _number(20, _ATTRIBUTE_INT)
    return start + b"".join(_number(8, n) for n in value) + _number(20, _ATTRIBUTE_INTS)


def _tag(field: int, wire: int) -> bytes:
    return _varint(field << 3 | wire)


def _number(field: int, value: int) -> bytes:
    return _tag(field, 0) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _tag(field, 2) + _varint(len(data)) + data


def _nested(field: int, pieces: Sequence[bytes]) -> list[bytes]:
    """A message of pieces that are joined once, with all others: a network's numbers are long."""
    return [_tag(field, 2) + _varint(sum(map(len, pieces))), *pieces]


def _varint(value: int) -> bytes:
    """Seven bits a byte, lowest first; the highest bit says that more follow."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
