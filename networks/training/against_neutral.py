"""Training of the reader against neutral: on what the tracker measured of people whose neutral is
known, rendered ones above all, and of others against people's neutral on the mean."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import MISSING, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..arrays import ROWS, Column, check_columns, read_array
from ..errors import UsageError
from ..files import write_array
from ..models.against_neutral import AgainstNeutral, against_neutral, opinion_against
from ..models.layouts import MEASURED
from ..models.weights_io import ModelCard, WeightsInfo, save_network, write_card
from ..perception.pooled import pooled_by, pooled_of
from ..vocabulary import ARKIT_CHANNELS, EXPRESSIONS, POOLED
from .hcnn import named
from .shared.classifying import HUMAN_LICENCE, measures, soft_cross_entropy
from .shared.datasets import load_faces
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.mixing import (
    Pool,
    balanced_chances,
    draw,
    held_out,
    pools,
    prior,
)
from .shared.options import changed_options, fixed, option, run_command
from .shared.own_neutral import Known, known, neutrals, played, usual_neutral
from .shared.performers import fold_of, subjects_of
from .shared.prepared import checkpoint_folder, place_to_prepare
from .shared.sets import TRAIN, TREMBLING, VALIDATION, FaceSet

STRANGERS = 0.3
"""Share of the faces that are seen against people's neutral though their own is known."""
BATCH = 512
"""Faces whose pictures are in memory at once."""
LEAST_TRUST = 0.6
"""How far the own neutral is mixed with people's at most, as where a clip hardly shows it."""


@dataclass(frozen=True)
class AgainstNeutralSettings:
    """What one training of the reader against neutral needs; each option's help says what it is."""

    data: str = option(MISSING)
    out: str = option(MISSING)
    checkpoints: str = option("")
    resume: bool = option(False)
    hidden: int = option(128, "width of the first hidden layer")
    pixels: bool = option(True, "look at what the teacher's convolutions give as well")
    kept: str = option(
        "",
        "folder to keep what those give in, for other trainings too; without it that goes "
        "when the training has ended",
    )
    faces: int = option(
        0, "photographs to learn from, classes nearly alike, and a fifth to check on; 0: all"
    )
    epochs: float = option(32.0)
    batch: int = option(256)
    rate: float = option(1e-3)
    balance: float = option(0.6)
    people: str = option("")
    people_share: float = option(0.5)
    without: str = option("", "K/N: learn nothing of the Kth of N parts of the synthetic people")
    minutes: float | None = option(None)
    seed: int = option(0)
    threads: int = option(1)


class AgainstNeutralTask:
    """The seven expressions from what differs from the actor's neutral; votes as targets."""

    def __init__(
        self,
        model: AgainstNeutral,
        parts: tuple[Pool, ...],
        sets: list[Known],
        usual: np.ndarray,
    ):
        self.model, self.parts, self.sets = model, parts, sets
        rows = [part.rows for part in parts]
        values, neutral = (
            np.concatenate([getattr(s, name)[r] for s, r in zip(sets, rows, strict=True)])
            for name in ("values", "neutral")
        )
        self.others = neutrals(parts[0].data)
        usual = torch.from_numpy(np.asarray(usual, np.float32))
        model.standardise_by(torch.from_numpy(values), torch.from_numpy(neutral), usual)

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        chosen = draw(self.parts, stage.batch, rng)
        values, neutral, targets = [], [], []
        for part, kept, places in zip(self.parts, self.sets, chosen, strict=True):
            rows = part.rows[places]
            shown, theirs = kept.values[rows], kept.neutral[rows]
            if part is not self.parts[0]:
                shown, theirs = played(shown, theirs, kept.own[rows], self.others, rng)
            values.append(shown)
            neutral.append(self._against(theirs, kept.own[rows], rng))
            targets.append(part.data.targets[rows])
        given = (_shaken(np.concatenate(x), rng) for x in (values, neutral))
        logits = self.model(*given).float()
        said = np.concatenate(targets).astype(np.float32)
        answers = logits.split(len(EXPRESSIONS), 1)
        return sum(soft_cross_entropy(part, said) for part in answers) / len(answers)

    def _against(self, own: np.ndarray, known: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What faces are seen against (B, 61), or (B, 317): their own neutral where it is known,
        mixed more or less with people's."""
        trust = rng.uniform(LEAST_TRUST, 1.0, len(own)) * (rng.random(len(own)) >= STRANGERS)
        trust = (trust * known)[:, None]
        usual = self.model.usual.numpy()
        return (trust * own + (1.0 - trust) * usual).astype(np.float32)

    def evaluate(self, model: AgainstNeutral, stage: Stage) -> dict[str, float]:
        found = self.measured(model)
        return found | {"score": float(np.mean([*found.values()]))}

    def measured(self, model: AgainstNeutral) -> dict[str, float]:
        """Accuracy and mean recall on validation faces, of people and of synthetic people of whom
        nothing was learned, of all numbers, of the upper ones, and with pixels."""
        found = {}
        checks = {"": (0, self.parts[0].data.rows(VALIDATION))}
        if (more := held_out(self.parts)) is not None:
            checks["posed "] = (1, more[1])
        for of, (place, rows) in checks.items():
            kept = self.sets[place]
            answers = opinion_against(model, kept.values[rows], kept.neutral[rows])
            for look, said in zip(("whole", "upper", "pixels"), answers, strict=False):
                seen = measures(said, kept.data.targets[rows])
                found |= {f"{of}{look} {k}": seen[k] for k in ("accuracy", "mean_recall")}
        return found


def _shaken(values: np.ndarray, rng: np.random.Generator) -> Tensor:
    noise = rng.normal(0, TREMBLING, values.shape)
    noise[:, : MEASURED - len(ARKIT_CHANNELS)] *= (
        0.25  # geometry: fractions of the face box, less spread
    )
    return torch.from_numpy((values + noise).astype(np.float32))


def train(s: AgainstNeutralSettings) -> Outcome:
    """Train, write weights and model card; returns the outcome.

    Raises:
        InputError: no prepared faces.
    """
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    data = load_faces(s.data)
    if s.faces:
        data = data.fewer({TRAIN: s.faces, VALIDATION: -(-s.faces // 5)}, s.seed)
    parts = pools(data, s.balance, s.people, s.people_share)
    if s.without and len(parts) > 1:
        parts = parts[0], _without(parts[1], subjects_of(s.people), s)
    folder = checkpoint_folder(s)
    pooled = [_pooled(part, s) for part in parts]
    usual = usual_neutral(parts[0].data, pooled[0])
    given = zip(parts, (s.data, s.people), pooled, strict=False)
    sets = [known(p.data, subjects_of(f), usual, seen) for p, f, seen in given]
    config = {"hidden": s.hidden}
    if s.pixels:
        config |= {"pooled": POOLED, "under": pooled_by()}
    task = AgainstNeutralTask(against_neutral(**config), parts, sets, usual)
    count = sum(len(part.rows) for part in parts)
    own = sum(int(k.own[p.rows].sum()) for k, p in zip(sets, parts, strict=True))
    say(f"against neutral: {count} faces, of {own} the own neutral is known")
    stages = (Stage(0, max(1, int(s.epochs * count)), s.batch, s.rate),)
    loop = LoopSettings(minutes=s.minutes, seed=s.seed, weight_decay=1e-2)
    outcome = run(task, stages, folder, loop, fixed(s, "kept"), s.resume)
    _finish(s, task, outcome, config, own)
    return outcome


def _pooled(part: Pool, s: AgainstNeutralSettings) -> np.ndarray | None:
    """(N, POOLED) what the teacher's convolutions give of a set's faces; zeros of those that nobody
    looks at. It is kept in a folder, where a resumed training finds it.

    Raises:
        ModelError: the teacher's file is missing or damaged.
    """
    if not s.pixels:
        return None
    data = part.data
    rows = np.concatenate([data.rows(TRAIN), data.rows(VALIDATION)])
    out = np.zeros((len(data), POOLED), np.float32)
    of = hashlib.sha256(np.ascontiguousarray(rows, np.int64).tobytes())
    of.update(np.ascontiguousarray(data.geometry).tobytes())
    folder = place_to_prepare(s)
    kept = folder / f"pooled_{pooled_by()}_{of.hexdigest()[:12]}.npy"
    if not kept.is_file():
        say(f"against neutral: the teacher looks at {len(rows)} faces")
        write_array(kept, _looked_at(data, rows))
    seen, wanted = read_array(kept, fix="delete it"), Column((ROWS, POOLED), np.floating)
    check_columns(kept, {"pooled": seen}, {"pooled": wanted}, "delete it", len(rows))
    out[rows] = seen
    return out


def _looked_at(data: FaceSet, rows: np.ndarray) -> np.ndarray:
    """float16 (len(rows), POOLED) what the teacher's convolutions give of some faces of a set."""
    out = np.zeros((len(rows), POOLED), np.float16)
    for some in np.array_split(np.arange(len(rows)), -(-len(rows) // BATCH)):
        out[some] = pooled_of(np.stack([data.faces[row] for row in rows[some]]))
        say(f"{some[-1] + 1}/{len(rows)} faces")
    return out


def _without(people: Pool, subjects: np.ndarray, s: AgainstNeutralSettings) -> Pool:
    """The synthetic people less one part of them, that they can be read as strangers.

    Raises:
        UsageError: the part is named wrongly.
    """
    part, _, folds = s.without.partition("/")
    if not (part.isdecimal() and folds.isdigit() and int(part) < int(folds)):
        raise UsageError("--without is a part and how many there are, such as 0/2")
    stays = [fold_of(str(subjects[row]), int(folds)) != int(part) for row in people.rows]
    rows = people.rows[np.array(stays)]
    return replace(people, rows=rows, chances=balanced_chances(people.data.labels[rows], s.balance))


def _finish(
    s: AgainstNeutralSettings, task: AgainstNeutralTask, outcome: Outcome, config: dict, own: int
) -> None:
    metrics = outcome.metrics
    training = {"settings": fixed(s, "kept"), "metrics": metrics, "steps": outcome.steps}
    training["prior"] = [round(float(p), 4) for p in prior(task.parts)]
    info = WeightsInfo("against_neutral", config, labels=EXPRESSIONS, training=training)
    save_network(s.out, outcome.model, info)
    card = ModelCard(
        title="Reader against neutral",
        purpose="Tells the seven expressions from how the tracker's measurements differ from the "
        "actor's own neutral: from all of them, from those above the mouth, and from what the "
        "teacher's convolutions give as well.",
        data=f"{named(task.parts)} Of {own} of them the own neutral is known.",
        licence_of_data=HUMAN_LICENCE,
        split="as the sets' own tables say (train / val; no person in both)",
        metrics=metrics,
        seed=s.seed,
        command=f"exprgen train against_neutral --data HED --out {Path(s.out).name}"
        + changed_options(s, "kept"),
        limits="As good as the tracker, and as the neutral that it is given.",
    )
    write_card(s.out, card, info)
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in metrics.items()))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    description = __doc__.partition("\n")[0]
    return run_command("against_neutral", description, AgainstNeutralSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
