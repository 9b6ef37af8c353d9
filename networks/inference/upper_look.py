"""The upper look without torch: see models/upper_look.py for what it is."""

from __future__ import annotations

import hashlib

import numpy as np

from ..errors import UsageError
from ..models.layouts import CHANNELS, SHARED_LAYERS, TABLE_1, UPPER_ROWS
from ..models.weights_file import Weights
from ..vocabulary import EXPRESSIONS
from .forms import form_of
from .table1 import Table1, table1
from .tensors import Tensors


@form_of("upper_look")
class UpperLook:
    """The upper look's own layers.

    Raises:
        UsageError: the arrays are not those of the network, or it looks at no rows.
    """

    def __init__(self, weights: Weights):
        config, count = weights.info.config, len(EXPRESSIONS)
        self.rows, self.under = int(config.get("rows", UPPER_ROWS)), config.get("under", "")
        if self.rows < 1:
            raise UsageError(f"it looks at {self.rows} rows")
        tensors = Tensors(weights)
        self._layers = tuple(
            tensors.folded(
                f"layers.{i}.conv", f"layers.{i}.norm", CHANNELS, CHANNELS, spec.kernel, spec.kernel
            )
            for i, spec in enumerate(TABLE_1[SHARED_LAYERS:])
        )
        self._fc = tensors.linear("fc13", CHANNELS, count), tensors.linear("fc14", count, count)
        tensors.all_taken()

    def on(self, hcnn: Weights) -> Table1:
        """The whole network, from faces on.

        Raises:
            UsageError: it was trained on another HCNN's first layers.
        """
        if self.under != shared_digest(hcnn):
            raise UsageError("it was trained on the first layers of another HCNN")
        shared = table1(hcnn).layers[:SHARED_LAYERS]
        return Table1((*shared, *self._layers), *self._fc, rows=self.rows)


def shared_digest(hcnn: Weights) -> str:
    """Twelve hex digits that tell an HCNN's first SHARED_LAYERS layers from others."""
    sha = hashlib.sha256()
    for name in sorted(hcnn.tensors):
        parts = name.split(".")
        if parts[0] == "layers" and int(parts[1]) < SHARED_LAYERS:
            sha.update(np.ascontiguousarray(hcnn.tensors[name], "<f4").tobytes())
    return sha.hexdigest()[:12]
