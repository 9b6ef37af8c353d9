"""Networks as graphs that OpenCV computes, for batches of any size and callers in any thread.

OpenCV is there anyway for pictures, and its runtime needs nothing more; see
docs/measured/runtime_and_zips.md for what it was chosen against.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from .onnx_graph import Graph

Outputs = dict[str, tuple[str, Sequence[int]]]
"""Name -> the layer that gives it, and its shape."""


class Network:
    """A graph, built anew for each size of a batch that is asked for.

    Args:
        build: (graph, batch) -> outputs; declares its inputs.
    """

    def __init__(self, build: Callable[[Graph, int], Outputs]):
        self._build = build
        # One a batch size and caller at a time: a computation of OpenCV's is nobody else's.
        self._free: dict[int, list] = defaultdict(list)

    def __call__(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """float32 arrays (B, ...) by the names of the inputs -> arrays by those of the outputs."""
        batch = len(next(iter(inputs.values())))
        try:
            net, names = self._free[batch].pop()
        except IndexError:
            net, names = self._made(batch)
        for name, values in inputs.items():
            net.setInput(np.ascontiguousarray(values, np.float32), name)
        # Copies: what OpenCV gives is its own memory, and the next call's.
        found = {n: np.array(v) for n, v in zip(names, net.forward(names), strict=True)}
        self._free[batch].append((net, names))
        return found

    def _made(self, batch: int) -> tuple:
        import cv2

        graph = Graph()
        outputs = self._build(graph, batch)
        model = np.frombuffer(graph.to_bytes(outputs), np.uint8)
        return cv2.dnn.readNetFromONNX(model), list(outputs)


def softmax(logits: np.ndarray) -> np.ndarray:
    """(B, K) -> float32 (B, K), rows sum to 1."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)
