"""The mouth reader without torch: see models/mouth_reader.py for what it is."""

from __future__ import annotations

import itertools

import numpy as np

from ..models.layouts import MOUTH_WIDTHS
from ..models.weights_file import Weights
from ..tracking.mouth_crop import CROP_SIZE
from ..vocabulary import MOUTH
from .forms import form_of
from .network import Network, Outputs
from .onnx_graph import Graph
from .tensors import Tensors

EMPTY = 4.0
"""The least deviation, in grey levels, by which a mouth's picture is divided."""


@form_of("mouth_reader")
class MouthReader:
    """Pictures of mouths -> what is in them.

    Raises:
        UsageError: the arrays are not those of the network.
    """

    def __init__(self, weights: Weights):
        tensors = Tensors(weights)
        pairs = list(itertools.pairwise(MOUTH_WIDTHS))
        self._layers = [
            tensors.folded(f"layers.{i}", f"norms.{i}", wide, inputs, 3, 3)
            for i, (inputs, wide) in enumerate(pairs)
        ]
        across, down = (side >> len(pairs) for side in CROP_SIZE)
        self._fc = tensors.linear("fc", MOUTH_WIDTHS[-1] * across * down, len(MOUTH))
        tensors.all_taken()
        self._network = Network(self._build)

    def __call__(self, mouths: np.ndarray) -> np.ndarray:
        """Mouths uint8 (B, 32, 48) -> float32 (B, 4) in 0..1, in the order of MOUTH."""
        grey = mouths.astype(float)
        deviation = grey.std((1, 2), keepdims=True, ddof=1).clip(EMPTY)
        grey = (grey - grey.mean((1, 2), keepdims=True)) / deviation
        logits = self._network(mouths=grey[:, None])["logits"]
        return (1.0 / (1.0 + np.exp(-logits))).astype(np.float32)

    def _build(self, graph: Graph, batch: int) -> Outputs:
        x = graph.input("mouths", batch, 1, *CROP_SIZE[::-1])
        for weight, bias in self._layers:
            x = graph.layer("Relu", graph.convolution(x, weight, bias, stride=2, padding=1))
        flat = graph.layer("Flatten", x)
        return {"logits": (graph.linear(flat, *self._fc), (batch, len(MOUTH)))}
