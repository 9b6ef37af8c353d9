"""The headset network without torch: see models/headset.py for what it is."""

from __future__ import annotations

import itertools

import numpy as np

from ..errors import UsageError
from ..models.layouts import (
    HEADSET_CODE,
    HEADSET_DARK,
    HEADSET_HIDDEN,
    HEADSET_NUMBERS,
    HEADSET_WIDTHS,
)
from ..models.weights_file import Weights
from ..vocabulary import ARKIT_CHANNELS, HEADSET_SIZE, HEADSET_VIEWS
from .forms import form_of
from .network import Network, Outputs
from .onnx_graph import Graph
from .tensors import Tensors


@form_of("headset")
class HeadsetReader:
    """Views of a headset's cameras -> codes of the expression -> coefficients.

    Raises:
        UsageError: the arrays are not those of the network.
    """

    def __init__(self, weights: Weights):
        tensors = Tensors(weights)
        self._branches = {name: _branch(tensors, name) for name in HEADSET_WIDTHS}
        self._nobody = tensors.take("adaptation.nobody", HEADSET_CODE)
        controls = weights.info.config.get("controls", len(ARKIT_CHANNELS))
        if controls != len(ARKIT_CHANNELS) or weights.info.character:
            raise UsageError(f"it gives {weights.info.character or controls}'s controls")
        self._hidden = tensors.linear("adaptation.hidden", 2 * HEADSET_CODE, HEADSET_HIDDEN)
        self._out = tensors.linear("adaptation.out", HEADSET_HIDDEN, controls)
        self._straight = tensors.take("adaptation.straight.weight", controls, HEADSET_CODE)
        tensors.all_taken()
        self._network = Network(self._build)

    def codes(self, views: np.ndarray) -> np.ndarray:
        """Views uint8 (B, 3, S, S) in the order of HEADSET_VIEWS -> (B, HEADSET_CODE)."""
        grey = views.astype(float)
        deviation = grey.std((2, 3), keepdims=True, ddof=1).clip(HEADSET_DARK)
        grey = (grey - grey.mean((2, 3), keepdims=True)) / deviation
        grey[:, 1] = grey[:, 1, :, ::-1]
        given = {name: grey[:, i : i + 1] for i, name in enumerate(HEADSET_VIEWS)}
        return self._network(**given)["codes"]

    def coefficients(self, codes: np.ndarray, neutral: np.ndarray | None = None) -> np.ndarray:
        """Codes (N, HEADSET_CODE), and that of the neutral (HEADSET_CODE,), None where it is not
        known -> float32 (N, 52) in 0..1."""
        own = np.broadcast_to(self._nobody if neutral is None else neutral, codes.shape)
        weight, bias = self._hidden
        hidden = np.maximum(np.concatenate([codes, own], 1) @ weight.T + bias, 0.0)
        weight, bias = self._out
        answer = hidden @ weight.T + bias + (codes - own) @ self._straight.T
        return np.clip(answer, 0.0, 1.0).astype(np.float32)

    def _build(self, graph: Graph, batch: int) -> Outputs:
        parts = []
        for view in HEADSET_VIEWS:
            x = graph.input(view, batch, 1, HEADSET_SIZE, HEADSET_SIZE)
            layers, fc = self._branches["mouth" if view == "mouth" else "eye"]
            for weight, bias in layers:
                x = graph.layer("Relu", graph.convolution(x, weight, bias, stride=2, padding=1))
            parts.append(graph.linear(graph.layer("Flatten", x), *fc))
        return {"codes": (graph.layer("Concat", *parts, axis=1), (batch, HEADSET_CODE))}


def _branch(tensors: Tensors, name: str) -> tuple[list, tuple]:
    """A branch's convolutions, norms folded in, and its FC layer."""
    widths = HEADSET_WIDTHS[name]
    layers = [
        tensors.folded(f"{name}.layers.{i}", f"{name}.norms.{i}", wide, inputs, 3, 3)
        for i, (inputs, wide) in enumerate(itertools.pairwise(widths))
    ]
    side = HEADSET_SIZE >> len(layers)
    fc = tensors.linear(f"{name}.fc", widths[-1] * side * side, HEADSET_NUMBERS[name])
    return layers, fc
