"""The teacher without torch: see models/teacher.py for what it is."""

from __future__ import annotations

import numpy as np

from ..models.layouts import TEACHER_LEVELS, TEACHER_STEM
from ..models.weights_file import Weights
from ..vocabulary import EXPRESSIONS
from .forms import form_of
from .network import Network, Outputs, softmax
from .onnx_graph import Graph
from .tensors import Tensors


@form_of("teacher")
class Teacher:
    """Faces -> what it perceives, and what its convolutions give of them.

    Raises:
        UsageError: the arrays are not the teacher's.
    """

    def __init__(self, weights: Weights):
        tensors = Tensors(weights)
        self.size = weights.info.input_size
        self._stem = tensors.folded("stem", "norm", TEACHER_STEM, 1, 7, 7, bias=True)
        self._blocks = []
        inputs = TEACHER_STEM
        for outputs, count, halves in TEACHER_LEVELS:
            for i in range(count):
                name = f"blocks.{len(self._blocks)}"
                pair = [
                    tensors.folded(
                        f"{name}.conv{k}", f"{name}.norm{k}", outputs, wide, 3, 3, bias=True
                    )
                    for k, wide in ((1, inputs), (2, outputs))
                ]
                self._blocks.append((*pair, halves and i == 0))
                inputs = outputs
        scale, shift = tensors.norm("pooled_norm", inputs, affine=False)
        weight, bias = tensors.linear("fc", inputs, len(EXPRESSIONS))
        self._fc = (weight * scale).astype(np.float32), (bias + weight @ shift).astype(np.float32)
        tensors.all_taken()
        self._network = Network(self._build)

    def __call__(self, faces: np.ndarray, mirrored: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Faces (B, 1, size, size) from `grey_faces` -> probabilities float32 (B, 7): the geometric
        mean of what it says of them and of their mirror images, since an expression has no side, or
        of the faces alone; and float32 (L, B, POOLED) what its convolutions give, pooled, of the
        faces as they are and, where it looks at those, of their mirror images."""
        seen = np.concatenate([faces, faces[..., ::-1]]) if mirrored else faces
        found = self._network(faces=seen)
        looks = np.log(softmax(found["logits"]).clip(1e-30)).reshape(1 + mirrored, len(faces), -1)
        pooled = found["pooled"].reshape(1 + mirrored, len(faces), -1)
        return softmax(looks.mean(0)), pooled

    def _build(self, graph: Graph, batch: int) -> Outputs:
        x = graph.input("faces", batch, 1, self.size, self.size)
        x = graph.layer("Relu", graph.convolution(x, *self._stem, stride=2))
        x = graph.layer("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
        side = _strided(_strided(self.size, 7), 3)
        for first, second, halves in self._blocks:
            stride, padding = (2, 0) if halves else (1, 1)
            y = graph.convolution(x, *first, stride=stride, padding=padding)
            y = graph.convolution(graph.layer("Relu", y), *second, padding=1)
            if halves:
                x, y, side = _halved(graph, x, y, side, len(first[1]) - first[0].shape[1])
            x = graph.layer("Relu", graph.layer("Add", x, y))
        pooled = graph.pooled(x)
        logits = graph.linear(pooled, *self._fc)
        return {
            "logits": (logits, (batch, len(EXPRESSIONS))),
            "pooled": (pooled, (batch, len(self._fc[0][0]))),
        }


def _halved(graph: Graph, x: str, y: str, side: int, more: int) -> tuple[str, str, int]:
    """A halving block's input, averaged, and its answer as large as each other, and their side.

    more: channels that the input lacks.
    """
    halved, answered = side // 2, _strided(side, 3)
    x = graph.layer("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    largest = max(halved, answered)
    y = _padded(graph, y, 0, largest - answered)
    return _padded(graph, x, more, largest - halved), y, largest


def _padded(graph: Graph, x: str, channels: int, places: int) -> str:
    """Zeros for the channels, and for the last rows and columns, that are lacking."""
    if not channels and not places:
        return x
    ends = np.array([0, 0, 0, 0, 0, channels, places, places])
    return graph.layer("Pad", x, graph.constant(ends))


def _strided(side: int, kernel: int) -> int:
    """The side of what a kernel at stride 2 without padding leaves."""
    return (side - kernel) // 2 + 1
