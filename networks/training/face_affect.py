"""Training of affect from geometry alone (EMOCA, section 5.2): a small network learns what people
said of photographs from where all landmarks lie, with their depth, once the head's place, turn and
size are taken out; each face is learned from in a mirror too.

It is measured against the image readers on the same pictures.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import sys
from dataclasses import MISSING, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..arrays import ROWS, Column, check_columns
from ..errors import InputError, UsageError
from ..face_model.affect import (
    FACE_AFFECT,
    LEAST_SCALE,
    PLACES,
    TURNS,
    FaceAffect,
    affect_inputs,
)
from ..face_model.model import FaceModel, face_model
from ..files import write_text
from ..perception.affect import affect_reader
from ..perception.needed_weights import load_runner
from ..track import load_arrays, save_arrays
from ..tracking.face_detector import FaceDetector
from ..tracking.registration import geometric_features, register
from ..vocabulary import AFFECT, CIRCUMPLEX, EXPRESSIONS, MEDIAPIPE_LANDMARKS
from .face_regression import partners
from .hed import Item, list_items, read_item
from .shared.classifying import HUMAN_LICENCE
from .shared.feeling_measures import affect_measures
from .shared.loop import say
from .shared.options import changed_options, option, run_command
from .shared.prepared import prepared_folder
from .shared.sets import TRAIN, VALIDATION

KIND = "exprgen.faces_without_pose"
SMALL = 0.05
"""Share of the usual deviation below which a number is not stretched."""
BATCH, NOISE, DROPPED, PACE = 256, 0.1, 0.4, 2e-3
"""Faces a step, deviation of what shakes them, share of the hidden units that are left out, and the
largest learning rate."""
AGAIN = "delete the folder of kept faces, so that they are made again"
PART = 500
"""Pictures that are kept in a file."""
COLUMNS = {
    "inputs": Column((ROWS, PLACES + TURNS), np.float32),
    "targets": Column((ROWS, len(EXPRESSIONS)), np.float32),
    "read": Column((ROWS, len(AFFECT)), np.float32),
    "said": Column((ROWS, len(EXPRESSIONS)), np.float32),
}
"""What is kept of them, see `Faces`."""


@dataclass(frozen=True)
class FaceAffectSettings:
    """What one training needs; each option's help says what it is."""

    source: str = option(MISSING, "labelled photographs, as `exprgen train hed` reads them")
    out: str = option(str(FACE_AFFECT), "file to write")
    kept: str = option(
        "",
        "folder to keep the faces without pose in, for other trainings too; without it they go "
        "when the training has ended",
    )
    faces: int = option(40000, "photographs to learn from, at most")
    checked: int = option(800, "photographs to check on")
    ways: int = option(150, "directions in which faces differ that are looked at")
    hidden: int = option(256, "width of the hidden layers")
    epochs: int = option(16, "times that all are looked at")
    members: int = option(2, "networks that are trained and whose mean is learned by the last")
    seed: int = option(0)


@dataclass(frozen=True)
class Faces:
    """N photographs: inputs (N, K), see `face_model.affect`; targets (N, 7) votes;
    read (N, 2): valence and arousal by the image readers, of those to check on; said (N, 7)."""

    inputs: np.ndarray
    targets: np.ndarray
    read: np.ndarray
    said: np.ndarray

    @property
    def affect(self) -> np.ndarray:
        """(N, 2) where the votes lie on the plane of affect."""
        return self.targets @ np.array(CIRCUMPLEX)


def train(s: FaceAffectSettings) -> dict[str, float]:
    """Look at the photographs, train, write the file and its card; returns the measures.

    Raises:
        InputError: none to learn from, or to check on, that shows a face; or what was kept of them
        is of another kind. UsageError: a number with which nothing is learned.
    """
    _check(s)
    kept = prepared_folder(s)
    learn = faces_of(s, TRAIN, s.faces, kept)
    if len(learn.inputs) < s.ways:
        raise UsageError(
            f"{len(learn.inputs)} faces to learn from don't differ in {s.ways} ways",
            fix="give more photographs, or fewer --ways",
        )
    check = faces_of(s, VALIDATION, s.checked, kept)
    say(f"{len(learn.inputs)} photographs to learn from, {len(check.inputs)} to check on")
    reader = _learned(s, learn)
    chances, affect = reader.of_inputs(check.inputs)
    metrics = {f"geometry {k}": v for k, v in affect_measures(affect, check.affect).items()}
    metrics |= {f"image {k}": v for k, v in affect_measures(check.read, check.affect).items()}
    label = check.targets.argmax(1)
    metrics["geometry accuracy"] = float((chances.argmax(1) == label).mean())
    metrics["image accuracy"] = float((check.said.argmax(1) == label).mean())
    _finish(s, reader, metrics, (len(learn.inputs), len(check.inputs)))
    return metrics


def _check(s: FaceAffectSettings) -> None:
    for name in ("faces", "checked", "ways", "hidden", "epochs"):
        if getattr(s, name) < 1:
            raise UsageError(f"with --{name} 0 nothing is learned", fix="give a number from 1 up")
    if s.ways > PLACES:
        raise UsageError(
            f"--ways {s.ways}: faces differ in {PLACES} at most", fix=f"give 1 to {PLACES}"
        )


def faces_of(s: FaceAffectSettings, split: str, count: int, kept: Path) -> Faces:
    """Photographs of a split, the first `count` of a shuffled order in which the
    rarer expressions come more often (those to check on come as they are).

    Raises:
        InputError: none of them shows a face, or what was kept of them is of another kind.
    """
    items = [i for i in list_items(s.source) if i.split == split]
    rng = np.random.default_rng([s.seed, split == TRAIN])
    label = np.array([i.label for i in items], int)
    often = np.bincount(label, minlength=len(EXPRESSIONS))[label]
    wanted = np.zeros(len(items)) if split == VALIDATION else -0.5 * np.log(often)
    # Drawn by keys: a longer list begins with the shorter one.
    chosen = np.argsort(-(wanted + rng.gumbel(size=len(items))))[:count]
    parts = [chosen[i : i + PART] for i in range(0, len(chosen), PART)]
    found = [
        _part([items[i] for i in rows], split, n, s.seed, kept) for n, rows in enumerate(parts)
    ]
    if not sum(len(part["inputs"]) for part in found):
        raise InputError(
            f"none of its {len(items)} photographs of split {split!r} shows a face",
            file=s.source,
            fix="give photographs of both splits, see `exprgen train hed --help`",
        )
    return Faces(**{n: np.concatenate([p[n] for p in found]) for n in COLUMNS})


def _part(items: list[Item], split: str, number: int, seed: int, kept: Path) -> dict:
    path = kept / f"{split}_{seed}_{number:03d}_{len(items)}.npz"
    which = hashlib.sha256(repr(items).encode()).hexdigest()[:16]
    if not path.exists():
        columns = _look(items, split == VALIDATION)
        kept.mkdir(parents=True, exist_ok=True)
        save_arrays(path, KIND, {"pictures": len(items), "of": which}, columns)
        say(f"{path.stem}: {len(columns['inputs'])} of {len(items)} with a face")
    meta, columns = load_arrays(path, KIND, AGAIN)
    check_columns(path, columns, COLUMNS, AGAIN)
    if meta.get("of") != which:
        raise InputError("is of other photographs", file=path, fix=AGAIN)
    return columns


def _look(items: list[Item], read: bool) -> dict[str, np.ndarray]:
    rows, runner = [], load_runner([])[0] if read else None
    with FaceDetector() as detector:
        for item in items:
            picture = read_item(item)
            faces = detector.search(picture) if picture is not None else []
            if faces:
                face = max(faces, key=lambda f: f.area)
                inputs = affect_inputs(face.landmarks[None], face_model())[0]
                rows.append((inputs, item.target, *_read(runner, picture, face)))
    return {
        name: np.array([row[k] for row in rows], np.float32).reshape(len(rows), column.shape[1])
        for k, (name, column) in enumerate(COLUMNS.items())
    }


def _read(runner, picture: np.ndarray, face) -> tuple[np.ndarray, np.ndarray]:
    """Valence and arousal, and the probabilities, as the image readers have them."""
    if runner is None:
        return np.zeros(len(AFFECT)), np.zeros(len(EXPRESSIONS))
    marks = face.landmarks49
    said = runner(
        register(picture, marks)[None], geometric_features(marks)[None], face.arkit[None]
    )["expression"]
    return affect_reader()(said, face.arkit[None])[0], said[0]


class Network(nn.Module):
    """Two hidden layers; 7 logits and 2 places."""

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        sizes = (inputs, hidden, hidden, len(EXPRESSIONS) + len(AFFECT))
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))

    def forward(self, x: torch.Tensor, drop: float = 0.0) -> torch.Tensor:
        for k, layer in enumerate(self.layers):
            x = layer(nn.functional.dropout(torch.relu(x), drop, self.training) if k else x)
        return x


def _learned(s: FaceAffectSettings, learn: Faces) -> FaceAffect:
    """Some networks that learn from votes, and one that learns from votes and their mean."""
    torch.manual_seed(s.seed)
    both = np.concatenate([learn.inputs, in_mirror(learn.inputs, face_model())])
    usual, ways = principal(both[:, :PLACES], s.ways)
    along = np.concatenate([(both[:, :PLACES] - usual) @ ways, both[:, PLACES:]], axis=1)
    centre, scale = along.mean(0), along.std(0) + SMALL * np.median(along.std(0))
    scale = np.maximum(scale, LEAST_SCALE)
    x = torch.from_numpy(((along - centre) / scale).astype(np.float32))
    votes = torch.from_numpy(np.tile(learn.targets, (2, 1)).astype(np.float32))
    place = torch.from_numpy(np.tile(learn.affect, (2, 1)).astype(np.float32))
    known = []
    for _ in range(s.members):
        network = _trained(s, x, votes, place)
        with torch.no_grad():
            known.append(network.eval()(x))
    if known:
        mean = torch.stack(known).mean(0)
        votes = 0.5 * votes + 0.5 * torch.softmax(mean[:, : len(EXPRESSIONS)], 1)
        place = 0.7 * place + 0.3 * torch.tanh(mean[:, len(EXPRESSIONS) :])
    network = _trained(s, x, votes, place)
    layers = tuple(
        (layer.weight.detach().numpy().T.astype(float), layer.bias.detach().numpy().astype(float))
        for layer in network.layers
    )
    return FaceAffect(usual, ways, centre.astype(float), scale.astype(float), layers)


def principal(places: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of what landmarks do (N, PLACES): the mean, and the directions (PLACES, K) in which it
    differs most."""
    usual = places.mean(0)
    lack = places - usual
    _, directions = np.linalg.eigh(lack.T @ lack)
    return usual.astype(float), directions[:, ::-1][:, :count].astype(float)


def in_mirror(inputs: np.ndarray, model: FaceModel) -> np.ndarray:
    """What is looked at of faces in a mirror."""
    marks = inputs[:, :PLACES].reshape(len(inputs), -1, 3)[:, partners(model)] * (-1.0, 1.0, 1.0)
    turns = inputs[:, PLACES:] * (1.0, -1.0, -1.0)
    return np.concatenate([marks.reshape(len(inputs), -1), turns], axis=1).astype(inputs.dtype)


def _trained(s: FaceAffectSettings, x, votes, place) -> Network:
    network = Network(x.shape[1], s.hidden).train()
    optimiser = torch.optim.AdamW(network.parameters(), PACE, weight_decay=0.05)
    steps = s.epochs * math.ceil(len(x) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PACE, steps, pct_start=0.1)
    for _ in range(s.epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            noise = NOISE * torch.randn_like(x[rows])
            out = network(x[rows] + noise, DROPPED)
            logits, told = out[:, : len(EXPRESSIONS)], torch.tanh(out[:, len(EXPRESSIONS) :])
            entropy = -(votes[rows] * torch.log_softmax(logits, 1)).sum(1).mean()
            loss = entropy + sum(1.0 - _concordance(told[:, k], place[rows, k]) for k in range(2))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return network


def _concordance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    shared = ((a - a.mean()) * (b - b.mean())).mean()
    size = a.var(correction=0) + b.var(correction=0) + (a.mean() - b.mean()) ** 2
    return 2.0 * shared / (size + 1e-6)


def _finish(s: FaceAffectSettings, reader: FaceAffect, metrics: dict, counts: tuple) -> None:
    meta = {"metrics": {k: round(v, 4) for k, v in metrics.items()}, "pictures": list(counts)}
    replace(reader, meta=meta).save(s.out)
    names = [f"{which} {measure}" for which in AFFECT for measure in ("ccc", "pcc", "rmse", "sign")]
    rows = [
        f"| {n} | {metrics[f'geometry {n}']:.3f} | {metrics[f'image {n}']:.3f} |"
        for n in (*names, "accuracy")
    ]
    changed = changed_options(s, "kept")
    text = f"""# Affect from geometry

Valence, arousal and the seven expressions from where {MEDIAPIPE_LANDMARKS} landmarks lie, with
their depth, the head's place, turn and size taken out; it never sees a pixel (EMOCA, section 5.2).

- File: `{Path(s.out).name}`, float16

**Data.** {counts[0]} photographs with people's votes and their mirrors, looked at one by one;
{counts[1]} others to check on, which the image networks did not learn from either (the affect
reader's two dozen numbers did, from half of them). Votes are placed on the plane of affect by
Russell and Mehrabian 1977.

**Licence of the data.** {HUMAN_LICENCE}

| | geometry | the image readers, same pictures |
|---|---|---|
{chr(10).join(rows)}

**Limits.** Nobody rated valence and arousal of these faces. Small grey pictures: their landmarks
are coarse. Skin, wrinkles and teeth are in no number. It knows faces as the landmarker sees
them: points of a face model, which lie a little elsewhere, are told as less than they are.

Made by: `exprgen train face_affect --source PHOTOGRAPHS --out {Path(s.out).name}{changed}`
"""
    write_text(Path(s.out).with_suffix(".md"), text)
    say(", ".join(f"{k} {v:.3f}" for k, v in metrics.items()))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("face_affect", __doc__.partition("\n")[0], FaceAffectSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
