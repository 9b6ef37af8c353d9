"""The shape network without torch; see models/head_shapes.py for what it is."""

from __future__ import annotations

import itertools

import numpy as np

from ..errors import ModelError
from ..models.weights_file import Weights
from ..models.weights_places import find_weights
from .forms import form_of
from .opening import opened
from .tensors import Tensors

_EPSILON, _SLOPE = 1e-5, 0.2


@form_of("head_shapes")
class HeadShapes:
    """A neutral head -> what each action does to it.

    Raises:
        UsageError: the arrays are not those of the network.
    """

    def __init__(self, weights: Weights):
        config = weights.info.config
        actions, points, shapes, moves, hidden = (
            int(config.get(name, usual))
            for name, usual in (("actions", 51), ("points", 3000), ("shapes", 32), ("moves", 64),
                                ("hidden", 256))
        )  # fmt: skip
        tensors = Tensors(weights)
        self.actions = actions
        self.points = points
        self.mean = tensors.take("mean", 3 * points)
        self._shapes = tensors.take("shapes", shapes, 3 * points)
        self._moves = tensors.take("moves", moves, 3 * points)
        self._code = tensors.linear("code", actions, shapes)
        self._norm = tensors.take("norm.weight", 2 * shapes), tensors.take("norm.bias", 2 * shapes)
        widths = (2 * shapes, hidden, hidden, hidden, moves)
        self._layers = [
            tensors.linear(f"layers.{2 * i}", a, b)
            for i, (a, b) in enumerate(itertools.pairwise(widths))
        ]
        self._usual = tensors.take("usual.weight", moves, actions)
        tensors.all_taken()

    def __call__(self, code: np.ndarray, shape: np.ndarray) -> np.ndarray:
        """code (B, actions); shape (B, shapes) -> (B, moves); as the network's."""
        code, shape = (np.asarray(given, np.float32) for given in (code, shape))
        joined = np.concatenate([code @ self._code[0].T + self._code[1], shape], 1)
        halves = joined.reshape(len(joined), 2, -1)
        middle, spread = halves.mean(2, keepdims=True), halves.var(2, keepdims=True)
        x = ((halves - middle) / np.sqrt(spread + _EPSILON)).reshape(joined.shape)
        x = x * self._norm[0] + self._norm[1]
        for weight, bias in self._layers[:-1]:
            x = x @ weight.T + bias
            x = np.where(x > 0, x, _SLOPE * x)
        weight, bias = self._layers[-1]
        strength = np.abs(code).max(1, keepdims=True)
        return code @ self._usual.T + (x @ weight.T + bias) * strength

    def of_head(self, points: np.ndarray) -> np.ndarray:
        """A neutral head's points (P, 3), in the template's frame -> displacements (actions, P, 3)
        of each action at 1."""
        off = points.reshape(-1).astype(np.float32) - self.mean
        amounts = (self._shapes @ off)[None]
        code = np.eye(self.actions, dtype=np.float32)
        out = self(code, np.repeat(amounts, len(code), 0)) @ self._moves
        return out.reshape(len(code), -1, 3).astype(float)


def shape_network() -> HeadShapes:
    """The network, where somebody has trained it: it does not ship (docs/measured/bare_heads.md).

    Raises:
        ModelError: its weights are missing or damaged.
    """
    path = find_weights("head_shapes")
    if not path.is_file():
        raise ModelError(
            "the shape network was never trained here",
            file=path,
            fix=f"train it, in minutes and without data: exprgen train head_shapes --out {path}; "
            "or use the method transfer",
        )
    return opened(HeadShapes, path, "head_shapes")
