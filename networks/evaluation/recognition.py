"""How often a network names the expression that people named: accuracy, recall, confusion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from ..models.weights_io import load_network
from ..training.shared.classifying import classify
from ..training.shared.hed_cache import load_hed
from ..training.shared.report import confusion_matrix
from ..vocabulary import EXPRESSIONS
from .correlation import told
from .parts import Part


@dataclass(frozen=True)
class Recognition:
    """What a network made of a part.

    confusion: (7, 7) counts, rows people's label, columns the answer. missing: pictures of the part
    in which no face was found; they are in no other number.
    """

    network: str
    part: str
    confusion: np.ndarray
    missing: int = 0

    @staticmethod
    def of(network: str, part: str, truth, answers, missing: int = 0) -> Recognition:
        """From labels (N,) and answers (N,), indices into EXPRESSIONS."""
        return Recognition(
            network, part, confusion_matrix(truth, answers, len(EXPRESSIONS)), missing
        )

    @property
    def count(self) -> int:
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share named right, 0..1; NaN for an empty part."""
        return float(self.confusion.trace() / self.count) if self.count else float("nan")

    @property
    def recall(self) -> dict[str, float]:
        """Expression -> share of its pictures that are named so; only those that occur."""
        counts = self.confusion.sum(1)
        return {
            name: float(self.confusion[i, i] / counts[i])
            for i, name in enumerate(EXPRESSIONS)
            if counts[i]
        }

    @property
    def mean_recall(self) -> float:
        """Mean of `recall`: every class counts alike."""
        return float(np.mean([*self.recall.values()])) if self.count else float("nan")

    def to_json(self) -> dict:
        return {
            "network": self.network,
            "part": self.part,
            "count": self.count,
            "missing": self.missing,
            "accuracy": told(self.accuracy),
            "mean_recall": told(self.mean_recall),
            "recall": {k: round(v, 4) for k, v in self.recall.items()},
            "confusion": self.confusion.tolist(),
        }


def probabilities_of(network: nn.Module, size: int, part: Part) -> np.ndarray:
    """float32 (N, 7) what a classifier says of a part's faces at its own input size."""
    if not len(part):
        return np.zeros((0, len(EXPRESSIONS)), np.float32)
    return classify(network, part.faces, part.rows, size)


def of_part(network: str, part: Part, answers: np.ndarray) -> list[Recognition]:
    """What was answered (N,) of a part and, where training held near copies of some of its
    pictures, of the others alone."""
    whole = Recognition.of(network, part.name, part.labels, answers, part.missing)
    fresh = ~part.seen
    if fresh.all():
        return [whole]
    name = f"{part.name} without copies"
    return [whole, Recognition.of(network, name, part.labels[fresh], answers[fresh], part.missing)]


def read_as_in_use(hed: str | Path, part: Part, batch: int = 32) -> list[Recognition]:
    """A human part as the retargeting reads it: HCNN on the face and its mirror image, and whatever
    else has a say there; see `of_part`.

    Raises:
        ModelError: weights are missing or damaged.
    """
    from ..perception.needed_weights import load_runner

    data, (runner, _) = load_hed(hed), load_runner([])
    answers = [
        runner(np.stack(data.faces[rows]), data.geometry[rows], data.arkit[rows])["expression"]
        for rows in np.array_split(part.rows, -(-len(part) // batch))
    ]
    said = np.concatenate(answers).argmax(1)
    return of_part("HCNN as in use", part, said)


def recognise(weights: str | Path, part: Part, network: str | None = None) -> list[Recognition]:
    """Measure a weight file on a part; see `of_part`.

    Args:
        network: what the file must hold ("hcnn", "scnn", "judge"), where that matters.

    Raises:
        ModelError: the file is missing, damaged, or of another network.
    """
    loaded, info = load_network(weights, network)
    answers = probabilities_of(loaded, info.input_size, part)
    return of_part(info.network.upper(), part, answers.argmax(1))
