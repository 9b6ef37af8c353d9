"""Training of the coefficient reader on what the tracker measured of human faces."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..coefficient_reader import (
    CoefficientReader,
    coefficient_opinion,
    coefficient_reader,
    joint_opinion,
)
from ..vocabulary import EXPRESSIONS
from ..weights_io import ModelCard, WeightsInfo, load_network, save_network, write_card
from .datasets import TRAIN, VALIDATION, FaceSet, load_faces
from .hcnn import HUMAN_LICENCE, balanced_chances, classify, measures, soft_cross_entropy
from .loop import LoopSettings, Outcome, Stage, run, say
from .options import fixed, option, run_command

NOISE = 0.02
"""Deviation of the noise on the coefficients: the tracker's own trembling on a held face."""


@dataclass(frozen=True)
class CoefficientSettings:
    data: str = option(MISSING, "folder of the prepared human faces")
    out: str = option(MISSING, "weight file to write")
    hcnn: str = option("", "HCNN's weights, to measure the joint opinion as well")
    checkpoints: str = option("", "folder of checkpoints; by default beside the weight file")
    resume: bool = option(False, "go on from the last checkpoint")
    hidden: int = option(256, "width of the first hidden layer")
    epochs: float = option(32.0, "times each face is seen")
    batch: int = option(256, "faces a step")
    rate: float = option(1e-3, "learning rate")
    balance: float = option(0.6, "0: as the data are, 1: every class alike")
    minutes: float | None = option(None, "shorten the training to this time")
    seed: int = option(0, "seed of everything random")
    threads: int = option(1, "processor threads, 0: all")


class CoefficientTask:
    """The seven expressions from geometric features and coefficients; votes as targets."""

    def __init__(self, model: CoefficientReader, data: FaceSet, balance: float):
        self.model = model
        self.rows, self.check_rows = data.rows(TRAIN), data.rows(VALIDATION)
        self.chances = balanced_chances(data.labels[self.rows], balance)
        self.targets = np.asarray(data.targets, np.float32)
        self.geometry = np.asarray(data.geometry, np.float32)
        self.arkit = np.asarray(data.arkit, np.float32)
        model.standardise_by(*(torch.from_numpy(x[self.rows]) for x in (self.geometry, self.arkit)))

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        rows = self.rows[rng.choice(len(self.rows), stage.batch, p=self.chances)]
        arkit = self.arkit[rows] + rng.normal(0, NOISE, (len(rows), self.arkit.shape[1]))
        arkit = torch.from_numpy(arkit.clip(0, 1).astype(np.float32))
        logits = self.model(torch.from_numpy(self.geometry[rows]), arkit)
        return soft_cross_entropy(logits.float(), self.targets[rows])

    def evaluate(self, model: CoefficientReader, stage: Stage) -> dict[str, float]:
        return measures(self.opinions(model), self.targets[self.check_rows])

    def opinions(self, model: CoefficientReader) -> np.ndarray:
        """Probabilities (N, 7) of the validation faces."""
        rows = self.check_rows
        return coefficient_opinion(model, self.geometry[rows], self.arkit[rows])


def train(s: CoefficientSettings) -> Outcome:
    """Train, write weights and model card; returns the outcome."""
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    data = load_faces(s.data)
    task = CoefficientTask(coefficient_reader(s.hidden), data, s.balance)
    say(f"coefficient reader: {len(task.rows)} faces, {len(task.check_rows)} to check on")
    settings = fixed(s, "hcnn")
    stages = (Stage(0, max(1, int(s.epochs * len(task.rows))), s.batch, s.rate),)
    loop = LoopSettings(minutes=s.minutes, seed=s.seed, weight_decay=1e-2)
    folder = Path(s.checkpoints or Path(s.out).with_suffix(""))
    outcome = run(task, stages, folder, loop, settings, s.resume)
    metrics = outcome.metrics | _joint(s, data, task, outcome)
    training = {"settings": settings, "metrics": metrics, "steps": outcome.steps}
    info = WeightsInfo(
        "coefficient_reader",
        config={"hidden": s.hidden},
        labels=EXPRESSIONS,
        training=training,
    )
    save_network(s.out, outcome.model, info)
    card = ModelCard(
        title="Coefficient reader",
        purpose="Tells the seven expressions from the tracker's measurements, beside HCNN.",
        data=f"{len(task.rows)} faces of the human expression set (FER+ votes and mux).",
        licence_of_data=HUMAN_LICENCE,
        split="as the set's own table says (train / val; no person of mux in both)",
        metrics=metrics,
        seed=s.seed,
        command=f"exprgen train coefficients --data HED --hcnn hcnn.safetensors "
        f"--out {Path(s.out).name}",
        limits="As good as the tracker: closed eyes, hands and strong turns mislead it.",
    )
    write_card(s.out, card, info)
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in metrics.items()))
    return outcome


def _joint(
    s: CoefficientSettings, data: FaceSet, task: CoefficientTask, outcome: Outcome
) -> dict[str, float]:
    """Measures of HCNN's and the reader's joint opinion on the validation faces."""
    if not s.hcnn:
        return {}
    network, info = load_network(s.hcnn, "hcnn")
    pixels = classify(network, data.faces, task.check_rows, info.input_size)
    found = measures(joint_opinion(pixels, task.opinions(outcome.model)), _targets(task))
    return {f"joint {name}": value for name, value in found.items()}


def _targets(task: CoefficientTask) -> np.ndarray:
    return task.targets[task.check_rows]


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    name = "coefficients"
    return run_command(name, __doc__.partition("\n")[0], CoefficientSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
