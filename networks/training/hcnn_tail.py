"""Fine-tuning of HCNN's later layers: many looks at people for little time.

At 256 pixels nearly all the work of Table 1 is in its first layers. This training keeps them as
they are, computes what they say of each face once, and goes on with the rest, so that an epoch
takes seconds. It follows a first training by `hcnn`.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ..perceptual import hcnn
from ..vocabulary import EXPRESSIONS
from ..weights_io import ModelCard, WeightsInfo, load_network, save_network, write_card
from .datasets import TRAIN, VALIDATION, FaceSet, load_faces
from .features import check_frozen, compute_features, freeze
from .hcnn import HUMAN_LICENCE, measures
from .loop import LoopSettings, Outcome, Stage, run, say
from .options import option, run_command
from .report import confusion_matrix, write_report
from .scnn import LabelledFeatures, TransferTask

PEOPLE = "people"


@dataclass(frozen=True)
class HcnnTailSettings:
    data: str = option(MISSING, "folder of the prepared faces")
    init: str = option(MISSING, "HCNN's weights to go on from")
    out: str = option(MISSING, "weight file to write")
    checkpoints: str = option("", "folder of checkpoints and kept layers; by default beside it")
    resume: bool = option(False, "go on from the last checkpoint")
    frozen_layers: int = option(6, "first layers kept: 4, 6, 8, 10 or 11")
    per_class: int = option(1500, "faces of a class at most, to learn from")
    check: int = option(2000, "validation faces at most")
    variants: int = option(2, "variants of each face: as it is, mirrored, changed, ...")
    epochs: float = option(12.0, "times each face is seen")
    batch: int = option(50, "faces a step")
    rate: float = option(1e-3, "learning rate")
    minutes: float | None = option(None, "shorten the training to this time")
    seed: int = option(0, "seed of everything random")
    threads: int = option(0, "processor threads, 0: all")


def choose(data: FaceSet, s: HcnnTailSettings) -> np.ndarray:
    """Rows to work with: `per_class` of each class to learn from, `check` in proportion."""
    rng = np.random.default_rng(s.seed)
    learn = data.rows(TRAIN)
    picked = [rng.permutation(learn[data.labels[learn] == k])[: s.per_class] for k in range(7)]
    check = rng.permutation(data.rows(VALIDATION))[: s.check]
    return np.sort(np.concatenate([*picked, check]))


def train(s: HcnnTailSettings) -> Outcome:
    """Train, write weights, model card and report; returns the outcome."""
    check_frozen(s.frozen_layers)
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    parent, parent_info = load_network(s.init, "hcnn")
    folder = Path(s.checkpoints or Path(s.out).with_suffix(""))
    data = load_faces(s.data)
    rows = choose(data, s)
    size = parent_info.input_size
    features = compute_features(
        folder / "faces.npy", parent, data.faces, rows, s.frozen_layers, s.variants, size, s.seed
    )
    model = hcnn()
    model.load_state_dict(parent.state_dict())
    freeze(model, s.frozen_layers)
    targets = np.asarray(data.targets[rows], np.float32)
    split = np.asarray(data.split)[rows]
    sets = {PEOPLE: LabelledFeatures(features, targets, split)}
    task = TransferTask(model, sets, s.frozen_layers)
    count = len(task.rows[PEOPLE])
    say(f"HCNN from layer {s.frozen_layers + 1}: {count} faces, {len(rows) - count} to check on")
    stages = (Stage(size, int(s.epochs * count), s.batch, s.rate),)
    free = ("out", "checkpoints", "resume", "threads", "minutes")
    settings = {k: v for k, v in asdict(s).items() if k not in free}
    loop = LoopSettings(minutes=s.minutes, seed=s.seed, average=0.99, evaluate_every=200)
    outcome = run(task, stages, folder, loop, settings, s.resume)
    _finish(s, task, outcome, settings, size)
    return outcome


def _finish(s: HcnnTailSettings, task: TransferTask, outcome: Outcome, settings, size) -> None:
    answers, targets = task.answers(outcome.model, PEOPLE)
    outcome.metrics = measures(answers, targets)
    matrix = confusion_matrix(targets.argmax(1), answers.argmax(1), len(EXPRESSIONS))
    recall = matrix.diagonal() / np.maximum(matrix.sum(1), 1)
    by_class = {f"recall {n}": float(r) for n, r in zip(EXPRESSIONS, recall, strict=True)}
    training = {"settings": settings, "metrics": outcome.metrics, "steps": outcome.steps}
    info = WeightsInfo("hcnn", labels=EXPRESSIONS, input_size=size, training=training)
    save_network(s.out, outcome.model, info)
    card = ModelCard(
        title="HCNN",
        purpose="Tells the seven expressions from a registered human face (ExprGen, Table 1).",
        data="A first training on all faces of the human expression set (FER+ votes and mux), then "
        f"{len(task.rows[PEOPLE])} of them, at most {s.per_class} of a class.",
        licence_of_data=HUMAN_LICENCE,
        split="as the set's own table says (train / val; no person of mux in both)",
        metrics=outcome.metrics | by_class,
        seed=s.seed,
        command="exprgen train hcnn --data HED --out first.safetensors; exprgen train hcnn_tail "
        f"--data HED --init first.safetensors --out {Path(s.out).name}",
        limits="A first training: fear and disgust are rare in the data and read least surely.",
    )
    write_card(s.out, card, info)
    write_report(
        Path(s.out).with_suffix(".report.html"), "HCNN", asdict(s), outcome.history,
        outcome.metrics | by_class, matrix, EXPRESSIONS,
    )  # fmt: skip
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in outcome.metrics.items()))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("hcnn_tail", __doc__.partition("\n")[0], HcnnTailSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
