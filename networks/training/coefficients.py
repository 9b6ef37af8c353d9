"""Training of the coefficient reader on what the tracker measured of human faces."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..inference.coefficient_reader import joint_opinion
from ..models.coefficient_reader import (
    CoefficientReader,
    coefficient_opinion,
    coefficient_reader,
)
from ..models.weights_io import ModelCard, WeightsInfo, load_network, save_network, write_card
from ..vocabulary import EXPRESSIONS, GEOMETRIC_FEATURES
from .hcnn import named
from .shared.classifying import HUMAN_LICENCE, classify, measures, soft_cross_entropy
from .shared.datasets import load_faces
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.mixing import Pool, draw, held_out, pools
from .shared.options import changed_options, fixed, option, run_command
from .shared.own_neutral import Known, known, neutrals, played, usual_neutral
from .shared.performers import subjects_of
from .shared.prepared import checkpoint_folder
from .shared.sets import TREMBLING, VALIDATION, FaceSet


@dataclass(frozen=True)
class CoefficientSettings:
    """What one training of the coefficient reader needs; each option's help says what it is."""

    data: str = option(MISSING)
    out: str = option(MISSING)
    hcnn: str = option("", "HCNN's weights, to measure the joint opinion as well")
    checkpoints: str = option("")
    resume: bool = option(False)
    hidden: int = option(256, "width of the first hidden layer")
    epochs: float = option(32.0)
    batch: int = option(256)
    rate: float = option(1e-3)
    balance: float = option(0.6)
    people: str = option("")
    people_share: float = option(0.15)
    minutes: float | None = option(None)
    seed: int = option(0)
    threads: int = option(1)


class CoefficientTask:
    """The seven expressions from geometric features and coefficients; votes as targets.

    Args:
        sets: of each part its measurements and, where known, each face's own neutral.
    """

    def __init__(self, model: CoefficientReader, parts: tuple[Pool, ...], sets: list[Known]):
        self.model, self.parts, self.sets = model, parts, sets
        self.others = neutrals(parts[0].data)
        self.data = data = parts[0].data
        self.check_rows = data.rows(VALIDATION)
        rows = parts[0].rows
        model.standardise_by(*(torch.from_numpy(x[rows]) for x in (data.geometry, data.arkit)))

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        values, targets = [], []
        drawn = draw(self.parts, stage.batch, rng)
        for part, kept, places in zip(self.parts, self.sets, drawn, strict=True):
            rows = part.rows[places]
            shown = kept.values[rows]
            if part is not self.parts[0]:
                shown, _ = played(shown, kept.neutral[rows], kept.own[rows], self.others, rng)
            values.append(shown)
            targets.append(part.data.targets[rows])
        geometry, arkit = np.split(np.concatenate(values), [len(GEOMETRIC_FEATURES)], axis=1)
        arkit = arkit + rng.normal(0, TREMBLING, arkit.shape)
        arkit = torch.from_numpy(arkit.clip(0, 1).astype(np.float32))
        targets = np.concatenate(targets).astype(np.float32)
        logits = self.model(torch.from_numpy(geometry.astype(np.float32)), arkit)
        return soft_cross_entropy(logits.float(), targets)

    def evaluate(self, model: CoefficientReader, stage: Stage) -> dict[str, float]:
        rows = self.check_rows
        return measures(opinions(model, self.data, rows), self.data.targets[rows])


def opinions(model: CoefficientReader, data: FaceSet, rows: np.ndarray) -> np.ndarray:
    """Probabilities (len(rows), 7) of these faces of a set."""
    return coefficient_opinion(model, data.geometry[rows], data.arkit[rows])


def train(s: CoefficientSettings) -> Outcome:
    """Train, write weights and model card; returns the outcome."""
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    data = load_faces(s.data)
    parts = pools(data, s.balance, s.people, s.people_share)
    usual = usual_neutral(data)
    folders = zip((s.data, s.people), parts, strict=False)
    sets = [known(part.data, subjects_of(folder), usual) for folder, part in folders]
    task = CoefficientTask(coefficient_reader(s.hidden), parts, sets)
    count = sum(len(part.rows) for part in parts)
    say(f"coefficient reader: {count} faces, {len(task.check_rows)} to check on")
    settings = fixed(s, "hcnn")
    stages = (Stage(0, max(1, int(s.epochs * count)), s.batch, s.rate),)
    loop = LoopSettings(minutes=s.minutes, seed=s.seed, weight_decay=1e-2)
    folder = checkpoint_folder(s)
    outcome = run(task, stages, folder, loop, settings, s.resume)
    _finish(s, task, outcome, settings)
    return outcome


def _finish(
    s: CoefficientSettings, task: CoefficientTask, outcome: Outcome, settings: dict
) -> None:
    metrics = outcome.metrics | _joint(s, task, outcome)
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
        data=named(task.parts),
        licence_of_data=HUMAN_LICENCE,
        split="as the set's own table says (train / val; no person of mux in both)",
        metrics=metrics,
        seed=s.seed,
        command=f"exprgen train coefficients --data HED --out {Path(s.out).name}"
        + changed_options(s),
        limits="As good as the tracker: closed eyes, hands and strong turns mislead it.",
    )
    write_card(s.out, card, info)
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in metrics.items()))


def _joint(s: CoefficientSettings, task: CoefficientTask, outcome: Outcome) -> dict[str, float]:
    """Measures of HCNN's and the reader's joint opinion on the validation faces, and on synthetic
    people of whom no picture was learned."""
    if not s.hcnn:
        return {}
    network, info = load_network(s.hcnn, "hcnn")
    out = {}
    for name, kept in (("joint", (task.data, task.check_rows)), ("posed", held_out(task.parts))):
        if kept is None:
            continue
        data, rows = kept
        pixels = classify(network, data.faces, rows, info.input_size)
        joint = joint_opinion(pixels, opinions(outcome.model, data, rows))
        out |= {f"{name} {k}": v for k, v in measures(joint, data.targets[rows]).items()}
    return out


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    name = "coefficients"
    return run_command(name, __doc__.partition("\n")[0], CoefficientSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
