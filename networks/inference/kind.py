"""The kind network without torch: see models/kind.py for what it is."""

from __future__ import annotations

import itertools

import numpy as np

from ..models.layouts import KIND_WIDTHS, KINDS
from ..models.weights_file import Weights
from .forms import form_of
from .network import Network, Outputs, softmax
from .onnx_graph import Graph
from .tensors import Tensors


@form_of("kind")
class KindReader:
    """Registered faces -> how surely they are a character's.

    Raises:
        UsageError: the arrays are not those of the network.
    """

    def __init__(self, weights: Weights):
        self.size = weights.info.input_size
        tensors = Tensors(weights)
        self._layers = [
            tensors.folded(f"layers.{i}", f"norms.{i}", wide, inputs, 5, 5)
            for i, (inputs, wide) in enumerate(itertools.pairwise(KIND_WIDTHS))
        ]
        self._fc = tensors.linear("fc", KIND_WIDTHS[-1], len(KINDS))
        tensors.all_taken()
        self._network = Network(self._build)

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Faces (B, 1, size, size) from `grey_faces` -> (B,) in 0..1, 1 for a character's."""
        logits = self._network(faces=faces)["logits"]
        return softmax(logits)[:, KINDS.index("character")]

    def _build(self, graph: Graph, batch: int) -> Outputs:
        x = graph.input("faces", batch, 1, self.size, self.size)
        for weight, bias in self._layers:
            x = graph.layer("Relu", graph.convolution(x, weight, bias, stride=2, padding=2))
        return {"logits": (graph.linear(graph.pooled(x), *self._fc), (batch, len(KINDS)))}
