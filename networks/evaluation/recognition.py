"""How often a network names the expression that people named: accuracy, recall, confusion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import nn

from ..models.weights_io import load_network
from ..training.shared.classifying import classify
from ..training.shared.feeling_measures import affect_measures, calibration_error, reliability
from ..training.shared.hed_cache import load_hed
from ..training.shared.report import confusion_matrix
from ..vocabulary import CIRCUMPLEX, EXPRESSIONS
from .correlation import told
from .parts import Part


@dataclass(frozen=True)
class Recognition:
    """What a network made of a part.

    confusion: (7, 7) counts, rows people's label, columns the answer. missing: pictures of the part
    in which no face was found; they are in no other number. more: of answers that are chances,
    see `of_chances`.
    """

    network: str
    part: str
    confusion: np.ndarray
    missing: int = 0
    more: dict = field(default_factory=dict)

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
            **self.more,
        }


def probabilities_of(network: nn.Module, size: int, part: Part) -> np.ndarray:
    """float32 (N, 7) what a classifier says of a part's faces at its own input size."""
    if not len(part):
        return np.zeros((0, len(EXPRESSIONS)), np.float32)
    return classify(network, part.faces, part.rows, size)


def of_part(
    network: str,
    part: Part,
    answers: np.ndarray,
    more: Callable[[np.ndarray], dict] = lambda rows: {},
) -> list[Recognition]:
    """What was answered (N,) of a part and, where training held near copies of some of its
    pictures, of the others alone.

    Args:
        more: indices of pictures -> what else is told of them.
    """
    rows = {part.name: np.arange(len(part))}
    if part.seen.any():
        rows[f"{part.name} without copies"] = np.flatnonzero(~part.seen)
    return [
        replace(
            Recognition.of(network, name, part.labels[some], answers[some], part.missing),
            more=more(some),
        )
        for name, some in rows.items()
    ]


def of_chances(chances: np.ndarray, targets: np.ndarray, affect: np.ndarray | None) -> dict:
    """How far chances (N, 7) of faces can be believed, and valence and arousal, against shares of
    people's votes (N, 7): "ece", "reliability" and, where affect (N, 2) was read, "affect"; see
    `feeling_measures`. The truth of affect is the mean place of the votes on the circumplex."""
    if not len(chances):
        return {}
    certain, right = chances.max(1), chances.argmax(1) == targets.argmax(1)
    out = {
        "ece": told(calibration_error(certain, right)),
        "reliability": [
            (round(said, 4), round(hits, 4), n) for said, hits, n in reliability(certain, right)
        ],
    }
    if affect is not None:
        measured = affect_measures(affect, targets @ np.array(CIRCUMPLEX))
        out["affect"] = {name: told(value) for name, value in measured.items()}
    return out


def read_as_in_use(hed: str | Path, part: Part, batch: int = 32) -> list[Recognition]:
    """A human part as the retargeting reads it: HCNN on the face and its mirror image, and whatever
    else has a say there; see `of_part` and `of_chances`.

    Raises:
        ModelError: weights are missing or damaged.
    """
    from ..perception.affect import affect_reader
    from ..perception.needed_weights import load_runner

    data, (runner, _) = load_hed(hed), load_runner([])
    answers = [
        runner(np.stack(data.faces[rows]), data.geometry[rows], data.arkit[rows])["expression"]
        for rows in np.array_split(part.rows, -(-len(part) // batch))
    ]
    said, reader = np.concatenate(answers), affect_reader()
    affect = None if reader is None else reader(said, data.arkit[part.rows])

    def more(rows: np.ndarray) -> dict:
        felt = None if affect is None else affect[rows]
        return of_chances(said[rows], part.targets[rows], felt)

    return of_part("HCNN as in use", part, said.argmax(1), more)


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
