"""Training of a C-MLP, primary to secondary character (ExprGen, section 4.2.2).

Gradient descent without momentum, batch 10, rate 0.005, square loss, as published. Pairs come from
`matching.pair_characters`; beyond the paper, poses are also compared by the ARKit vector they were
made from, poses without a label pair with each other, and rest pairs with rest.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..characters.profile import arkit_to_unit, find_character
from ..errors import InputError, UsageError
from ..models.cmlp import character_mlp
from ..models.perceptual import PerceptualNetwork
from ..models.weights_io import ModelCard, WeightsInfo, load_network, save_network, write_card
from ..vocabulary import REGISTERED_SIZE
from .cnn_3d import explained
from .shared.classifying import classify
from .shared.datasets import load_ced_to_train
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.matching import (
    Described,
    DomainScale,
    MatchSettings,
    pair_characters,
    perceptual_distances,
    spread_report,
)
from .shared.options import changed_options, fixed, option, run_command
from .shared.prepared import checkpoint_folder
from .shared.report import write_report
from .shared.sets import TRAIN, VALIDATION, CharacterSet

WORTH = 0.7
"""Held-out error as a share of the mean pose's above which a network is of little use: half of the
variance is not explained. Those that ship are below 0.4."""
ENOUGH = 200
"""Poses of each character from which a C-MLP can be expected to be of use."""


@dataclass(frozen=True)
class CmlpSettings:
    """What one training of the C-MLP needs; each option's help says what it is."""

    ced: str = option(
        MISSING, "folder of the captured characters; their pictures count only with --scnn"
    )
    primary: str = option(MISSING, "character whose controls come in")
    secondary: str = option(MISSING, "character whose controls go out")
    out: str = option(MISSING)
    checkpoints: str = option("")
    resume: bool = option(False)
    scnn: str = option("", "SCNN's weights, for a secondary that SCNN has not seen")
    arkit: float = option(1.0, "weight of the ARKit distance; 0: the paper")
    refine: float = option(0.8, "share of the correction by what differs in ARKit; 0: the paper")
    rest: float = option(0.05, "share of pairs of rest with rest; 0: the paper")
    epochs: int = option(200, "times each pair is seen")
    batch: int = option(10, "pairs a step (the paper's)")
    rate: float = option(0.005, "learning rate (the paper's)")
    seed: int = option(0)
    threads: int = option(1)


@dataclass(frozen=True)
class PosePairs:
    """Unit values of matching poses: primary (N, M), secondary (N, K); split (N,)."""

    primary: np.ndarray
    secondary: np.ndarray
    split: np.ndarray


class CmlpTask:
    """Square loss between the secondary's unit values and the network's."""

    def __init__(self, model: nn.Module, pairs: PosePairs, rest: float):
        self.model, self.rest = model, rest
        self.inputs = torch.from_numpy(pairs.primary)
        self.targets = torch.from_numpy(pairs.secondary)
        self.train_rows = np.flatnonzero(pairs.split == TRAIN)
        self.check = np.flatnonzero(pairs.split == VALIDATION)

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        rows = rng.choice(self.train_rows, stage.batch)
        keep = torch.from_numpy((rng.random(stage.batch) >= self.rest).astype(np.float32))[:, None]
        predicted = self.model(self.inputs[rows] * keep)
        return ((predicted - self.targets[rows] * keep) ** 2).sum(1).mean()

    @torch.inference_mode()
    def evaluate(self, model: nn.Module, stage: Stage) -> dict[str, float]:
        model.eval()
        predicted = model(self.inputs[self.check]).numpy()
        truth = self.targets[self.check].numpy()
        score = explained(predicted, truth)
        rest = float(model(torch.zeros(1, self.inputs.shape[1])).abs().max())
        return {"explained": score, "largest at rest": rest, "score": score}


def make_pairs(
    primary: CharacterSet,
    secondary: CharacterSet,
    controls,
    settings: MatchSettings,
    scnn: PerceptualNetwork | None = None,
    size: int = REGISTERED_SIZE,
) -> PosePairs:
    """Match poses of two characters; training poses only with training poses.

    Args:
        controls: the secondary's expression controls.
        scnn: given where SCNN has not seen the secondary (combined distance of section 4.2.2).
        size: side of the pictures that it looks at, pixels.
    """
    parts = []
    for split in (TRAIN, VALIDATION):
        mine, theirs = primary.rows(split), secondary.rows(split)
        a, b = _described(primary, mine), _described(secondary, theirs)
        chances = perception = None
        if scnn is not None:
            chances = classify(scnn, primary.faces, mine, size)
            other = classify(scnn, secondary.faces, theirs, size)
            perception = perceptual_distances(chances, other)
        found = pair_characters(
            a, primary.labels[mine], b, secondary.labels[theirs], settings, chances, perception
        )
        units = secondary.units[theirs[found]]
        if settings.refine:
            step = arkit_to_unit(controls, a.arkit) - arkit_to_unit(controls, b.arkit[found])
            units = np.clip(units + settings.refine * step, -1, 1)
        parts.append((primary.units[mine], units.astype(np.float32), np.full(len(mine), split)))
    return PosePairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _described(posed: CharacterSet, rows: np.ndarray) -> Described:
    scale = DomainScale.of(posed.geometry[posed.found], posed.labels[posed.found])
    return Described(scale.normalise(posed.geometry[rows]), posed.intended[rows])


def train(s: CmlpSettings) -> Outcome:
    """Train, write weights, model card and report; returns the outcome."""
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    one, other = find_character(s.primary), find_character(s.secondary)
    primary, secondary = (load_ced_to_train(s.ced, p.name, bool(s.scnn)) for p in (one, other))
    controls = other.expression_controls
    if secondary.controls != tuple(c.name for c in controls):
        raise UsageError(
            f"the pictures of {other.name!r} were made with other controls",
            file=s.ced,
            fix="capture the character again",
        )
    scnn, size = None, REGISTERED_SIZE
    if s.scnn:
        scnn, info = load_network(s.scnn, "scnn")
        size = info.input_size
    match = MatchSettings(arkit=s.arkit, refine=s.refine)
    pairs = make_pairs(primary, secondary, controls, match, scnn, size)
    config = {"inputs": pairs.primary.shape[1], "outputs": pairs.secondary.shape[1]}
    task = CmlpTask(character_mlp(**config), pairs, s.rest)
    say(f"C-MLP {one.name} to {other.name}: {len(task.train_rows)} pairs")
    images = s.epochs * len(task.train_rows)
    stages = (Stage(0, images, s.batch, s.rate),)
    loop = LoopSettings(
        optimiser="plain",
        weight_decay=0.0,
        average=0.0,
        evaluate_every=max(1, images // s.batch // 40),
        patience=40,
        seed=s.seed,
    )
    folder = checkpoint_folder(s)
    settings = fixed(s)
    outcome = run(task, stages, folder, loop, settings, s.resume)
    _finish(s, one, other, primary, secondary, task, outcome, config, settings)
    return outcome


def check_use(task: CmlpTask, predicted: np.ndarray, place: Path) -> dict[str, float]:
    """What a network is worth beside none, on poses that it has not seen: "held-out error" and that
    of "the mean pose" of what it has seen, roots of mean squares of unit values. Tells them, as a
    warning where little is gained.

    Args:
        predicted: (V, K) its answers to `task.check`. place: the captured pictures, for messages.

    Raises:
        InputError: the mean pose is as near.
    """
    truth, seen = task.targets[task.check].numpy(), task.targets[task.train_rows].numpy()
    own, mean = (float(np.sqrt(((p - truth) ** 2).mean())) for p in (predicted, seen.mean(0)))
    told = (
        f"on {len(truth)} held-out poses its error is {own:.3f}, that of the mean pose "
        f"{mean:.3f} (of 1); it has learned from {len(seen)}"
    )
    if not own < mean:
        fix = f"capture more poses ({ENOUGH} or more), or train for longer (--epochs)"
        raise InputError(f"no useful C-MLP comes of it: {told}", file=place, fix=fix)
    little = own > WORTH * mean
    say(f"warning: the C-MLP is of little use: {told}; capture more poses" if little else told)
    return {"held-out error": own, "error of the mean pose": mean}


def _finish(s, one, other, primary, secondary, task, outcome, config, settings) -> None:
    with torch.inference_mode():
        predicted = outcome.model(task.inputs[task.check]).numpy()
    outcome.metrics |= check_use(task, predicted, Path(s.ced) / other.name)
    spread = spread_report(predicted, secondary.units, secondary.controls)
    outcome.metrics["spread of predictions / poses"] = spread["spread"]
    info = WeightsInfo(
        "character_mlp",
        config,
        character=other.name,
        controls=secondary.controls,
        source_character=one.name,
        source_controls=primary.controls,
        training={"settings": settings, "metrics": outcome.metrics, "steps": outcome.steps},
    )
    save_network(s.out, outcome.model, info)
    card = ModelCard(
        title=f"C-MLP {one.name} to {other.name}",
        purpose="From unit values of the primary's controls to the secondary's.",
        data=f"{len(task.train_rows)} pairs of poses with the same label and the nearest geometry.",
        licence_of_data=f"{one.name}: {one.license or 'as the character'}; "
        f"{other.name}: {other.license or 'as the character'}.",
        split="every tenth block of ten poses of each character is for validation",
        metrics=outcome.metrics | {"flattest control": spread["flattest"]},
        seed=s.seed,
        command=f"exprgen train cmlp --ced CED --primary {one.name} --secondary {other.name} "
        f"--out {Path(s.out).name}" + changed_options(s),
    )
    write_card(s.out, card, info)
    write_report(
        Path(s.out).with_suffix(".report.html"), card.title, asdict(s), outcome.history,
        outcome.metrics,
    )  # fmt: skip
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.3f}" for k, v in outcome.metrics.items()))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("cmlp", __doc__.partition("\n")[0], CmlpSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
