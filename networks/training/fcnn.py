"""Training of the f-CNN of a primary character (ExprGen, section 4.1, equation 1).

Triplets of a human face E, the character's picture with the same label and nearest geometry E+, and
a picture E- that differs in label or in geometry. E- is the hardest among the other pictures of the
batch. The branches are HCNN and SCNN, kept up to `frozen-layers` (11: only the FC layers learn).
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..characters.profile import find_character
from ..models.fcnn import FusedNetwork, distance, fcnn, hard_triplet_loss
from ..models.perceptual import pool
from ..models.weights_io import ModelCard, WeightsInfo, load_network, save_network, write_card
from .cnn_3d import Domains, choose_humans, perceived
from .shared.datasets import load_ced_to_train, load_faces
from .shared.features import Features, check_frozen, compute_features, freeze, train_mode
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.matching import MatchSettings, retrieve, squared_distances
from .shared.mixing import balanced_chances
from .shared.options import changed_options, fixed, option, run_command
from .shared.prepared import checkpoint_folder, place_to_prepare
from .shared.report import write_report
from .shared.sets import TRAIN, VALIDATION

FAR = 2.0
"""A picture of the same label is a negative if its distance is this many times the match's."""


@dataclass(frozen=True)
class FcnnSettings:
    """What one training of the f-CNN needs; each option's help says what it is."""

    data: str = option(MISSING)
    ced: str = option(MISSING)
    primary: str = option(MISSING)
    hcnn: str = option(MISSING, "HCNN's weights")
    scnn: str = option(MISSING, "SCNN's weights")
    out: str = option(MISSING)
    checkpoints: str = option("", "folder of checkpoints and kept layers; by default beside it")
    resume: bool = option(False)
    frozen_layers: int = option(11, "first layers of both branches that are kept: 4, ..., 11")
    humans: int = option(6000)
    variants: int = option(2, "variants of each face")
    hardest: float = option(0.5, "share of a batch's negatives that count, the hardest")
    arkit: float = option(1.0, "weight of the ARKit distance; 0: the paper")
    epochs: float = option(20.0, "times each human face is seen")
    batch: int = option(50, "triplets a step")
    rate: float = option(1e-3, "learning rate (the paper's is 0.0001 with SGD)")
    minutes: float | None = option(None)
    seed: int = option(0)
    threads: int = option(0)


@dataclass(frozen=True)
class Triplets:
    """Humans with their matches; negatives are chosen in the batch.

    human, character: kept layers. labels (Nh,) perceived, pose_labels (Nc,). match (Nh,) row of E+.
    distances (Nh, Nc) squared. split (Nh,).
    """

    human: Features
    character: Features
    labels: np.ndarray
    pose_labels: np.ndarray
    match: np.ndarray
    distances: np.ndarray
    split: np.ndarray


class FcnnTask:
    """Hinge loss of equation 1 with the hardest negatives of the batch."""

    def __init__(self, model: FusedNetwork, data: Triplets, frozen: int, hardest: float):
        self.model, self.data, self.frozen, self.hardest = model, data, frozen, hardest
        self.rows = np.flatnonzero(data.split == TRAIN)
        self.check = np.flatnonzero(data.split == VALIDATION)
        self.chances = balanced_chances(data.labels[self.rows], 0.7)

    def train_mode(self) -> None:
        self.model.train()
        train_mode(self.model.human, self.frozen)
        train_mode(self.model.character, self.frozen)

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        rows = rng.choice(self.rows, stage.batch, p=self.chances)
        y = self._distances(self.model, rows, rng)
        negatives = torch.where(self._mismatch(rows), y, torch.nan)
        return hard_triplet_loss(y.diagonal(), negatives, self.hardest)

    def _mismatch(self, rows: np.ndarray) -> Tensor:
        """(B, B) bool: the match of another face is wrong for this one."""
        poses = self.data.match[rows]
        other_label = self.data.labels[rows][:, None] != self.data.pose_labels[poses]
        apart = self.data.distances[np.ix_(rows, poses)]
        far = apart > FAR**2 * np.diag(apart)[:, None] + 1e-6
        return torch.from_numpy(other_label | far)

    def _distances(self, model: FusedNetwork, rows: np.ndarray, rng=None) -> Tensor:
        """(B, B) y_net of each human with each one's match."""
        human = self._pooled(model.human, self.data.human, rows, rng)
        character = self._pooled(model.character, self.data.character, self.data.match[rows], rng)
        n = len(rows)
        logits = model.compare(human.repeat_interleave(n, 0), character.repeat(n, 1))
        return distance(logits).view(n, n)

    def _pooled(self, branch, features: Features, rows: np.ndarray, rng) -> Tensor:
        count = len(features.flipped)
        variants = np.zeros(len(rows), int) if rng is None else rng.integers(count, size=len(rows))
        return pool(branch.maps(features.take(variants, rows), self.frozen, folded=True))

    @torch.inference_mode()
    def evaluate(self, model: nn.Module, stage: Stage) -> dict[str, float]:
        model.eval()
        right, total, pairs = 0.0, 0, []
        for rows in np.array_split(self.check, max(1, len(self.check) // 50)):
            y = self._distances(model, rows)
            wrong = self._mismatch(rows)
            right += float(((y > y.diagonal()[:, None]) & wrong).sum())
            total += int(wrong.sum())
            pairs.append(float((y.diagonal() < 0).float().mean()))
            pairs.append(float((y[wrong] > 0).float().mean()) if wrong.any() else 1.0)
        ranked = right / max(1, total)
        return {"triplets in order": ranked, "pairs right": float(np.mean(pairs)), "score": ranked}


def make_triplets(s: FcnnSettings, primary, networks) -> Triplets:
    """Match human faces with the character's pictures; see `matching`."""
    (hcnn, info), (scnn, _) = networks
    faces, posed = load_faces(s.data), load_ced_to_train(s.ced, primary.name)
    rows = choose_humans(faces, s.humans, s.seed)
    poses = np.flatnonzero(posed.labels >= 0)
    folder = place_to_prepare(s)
    options = (s.frozen_layers, s.variants, info.input_size, s.seed)
    human = compute_features(folder / "humans.npy", hcnn, faces.faces, rows, *options)
    character = compute_features(folder / "poses.npy", scnn, posed.faces, poses, *options)
    chances = (faces.targets[rows] + perceived(hcnn, human, s.frozen_layers)) / 2
    domains = Domains.of(faces, posed)
    match = MatchSettings(arkit=s.arkit, neighbours=1, hard_labels=True, refine=0.0)
    apart = squared_distances(domains.humans(faces, rows), domains.poses(posed, poses), match)
    best, _ = retrieve(apart, chances, posed.labels[poses], match)
    return Triplets(
        human, character, chances.argmax(1), posed.labels[poses], best[:, 0], apart,
        faces.split[rows],
    )  # fmt: skip


def train(s: FcnnSettings) -> Outcome:
    """Train, write weights, model card and report; returns the outcome."""
    check_frozen(s.frozen_layers)
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    primary = find_character(s.primary)
    networks = load_network(s.hcnn, "hcnn"), load_network(s.scnn, "scnn")
    folder = checkpoint_folder(s)
    model = fcnn()
    for branch, (network, _) in zip((model.human, model.character), networks, strict=True):
        branch.layers.load_state_dict(network.layers.state_dict())
        freeze(branch, s.frozen_layers)
    data = make_triplets(s, primary, networks)
    task = FcnnTask(model, data, s.frozen_layers, s.hardest)
    say(f"f-CNN of {primary.name}: {len(task.rows)} triplets")
    size = networks[0][1].input_size
    stages = (Stage(size, int(s.epochs * len(task.rows)), s.batch, s.rate),)
    loop = LoopSettings(
        minutes=s.minutes, seed=s.seed, weight_decay=5e-4, average=0.99, evaluate_every=200
    )
    settings = fixed(s)
    outcome = run(task, stages, folder, loop, settings, s.resume)
    _finish(s, primary, task, outcome, settings, size)
    return outcome


def _finish(s: FcnnSettings, primary, task: FcnnTask, outcome: Outcome, settings, size) -> None:
    training = {"settings": settings, "metrics": outcome.metrics, "steps": outcome.steps}
    info = WeightsInfo("fcnn", character=primary.name, input_size=size, training=training)
    save_network(s.out, outcome.model, info)
    card = ModelCard(
        title=f"f-CNN of {primary.name}",
        purpose="How alike a human's and the character's expression are.",
        data=f"{len(task.rows)} human faces with pictures of {primary.name}.",
        licence_of_data="Human faces: as HCNN's. Pictures: "
        f"{primary.license or 'as the character'}.",
        split="human faces as their table says",
        metrics=outcome.metrics,
        seed=s.seed,
        command=f"exprgen train fcnn --data HED --ced CED --primary {primary.name} "
        f"--hcnn hcnn.safetensors --scnn scnn.safetensors --out {Path(s.out).name}"
        + changed_options(s),
    )
    write_card(s.out, card, info)
    report = Path(s.out).with_suffix(".report.html")
    write_report(report, card.title, asdict(s), outcome.history, outcome.metrics)
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in outcome.metrics.items()))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("fcnn", __doc__.partition("\n")[0], FcnnSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
