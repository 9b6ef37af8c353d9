"""Training of the cascaded regression of faces (Wu, Algorithm 1), from rendered people.

`python -m exprgen.sample_rigs.build.face_model.views` makes the pictures. People are parted into
those learned from, those that choose how strong the ridge is, and those that are measured. Within a
stage, what a face lacks is told by regressors that do not know its person (folds): else the next
stages would learn from errors that are smaller than those of strangers.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..face_model.cascade import (
    FACE_REGRESSION,
    FEATURES,
    LOOKED_AT,
    FaceRegression,
    Guess,
    Stage,
    Upright,
    gradients,
)
from ..face_model.fitting import Fitter
from ..face_model.measure import MEASURED_ANGLE, errors, whole_points
from ..face_model.model import FaceModel, face_model
from ..face_model.projection import Camera, Heads
from ..files import write_text, written_whole
from ..vocabulary import EXPRESSIONS, mirror_name
from .shared.loop import say
from .shared.options import changed_options, option, run_command

RIDGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Shares of the features' mean variance that are tried."""
FOLDS = 5
PARTS = ("train", "choose", "test")
MEASURED = 60
"""People among whom some are measured."""
GAIN = 0.995
"""What may be left of the error of the people to choose by, as a share, after a stage."""
MORE = "make more people with `python -m exprgen.sample_rigs.build.face_model.views`"
YAWS = (0, 15, 30, 45, 60, 75, 90)
FLIP = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class FaceRegressionSettings:
    """What one training needs; each option's help says what it is."""

    data: str = option(MISSING, "folder of views_NNN.npz")
    out: str = option(str(FACE_REGRESSION), "file to write")
    features: str = option("hog+ld", f"what a stage looks at: {'+'.join(FEATURES)}, or less")
    stages: int = option(4, "most stages of the cascade: one that gains nothing is left out")
    kept: int = option(12, "numbers that are kept of a patch's gradients")
    jitter: float = option(0.4, "deviation of landmarks that are shaken, millimetres")
    seed: int = option(0)


@dataclass(frozen=True)
class Case:
    """One picture of a person with its truth: grey (H, W); seen (478, 2) pixels; identity (I,) and
    expression (E,) of the model that are nearest to the truth; points (W, 3) true ones; person,
    label (index in EXPRESSIONS or -1), yaw in degrees; start: the fit to the landmarks."""

    grey: np.ndarray
    seen: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    points: np.ndarray
    person: int
    label: int
    yaw: float
    start: Guess


def train(s: FaceRegressionSettings) -> dict[str, float]:
    """Fit all stages, write the file and its card; returns the measures."""
    model = face_model()
    parts = load_cases(Path(s.data), model)
    regression, told = learn(s, model, parts)
    found = {"fit": Guess.joined([c.start for c in parts["test"]]), "regression": told}
    table = {name: measured(model, parts["test"], guesses) for name, guesses in found.items()}
    metrics = {f"{name} {k}": v for name, row in table.items() for k, v in row["all"].items()}
    counts = {name: len({c.person for c in cases}) for name, cases in parts.items()}
    meta = {"people": counts, "metrics": {k: round(v, 4) for k, v in metrics.items()}}
    replace(regression, meta=meta).save(s.out)
    pictures = {name: len(cases) for name, cases in parts.items()}
    _card(s, len(regression.stages), counts, pictures, table)
    return metrics


def learn(s: FaceRegressionSettings, model: FaceModel, parts: dict[str, list[Case]]):
    """The regression, and what it makes of the people that are measured (Algorithm 1)."""
    fitter = fitter_of(parts["test"][0], model)
    rng = np.random.default_rng(s.seed)
    both = [c for c in parts["train"] for c in (c, mirrored(c, model))]
    cases = {"train": [shaken(c, fitter, s.jitter, rng) for c in both],
             "choose": parts["choose"], "test": parts["test"]}  # fmt: skip
    centre, basis = patches(fitter, cases["train"], s.kept)
    regression = FaceRegression(tuple(s.features.split("+")), centre, basis, ())
    pictures = {n: [Upright.of(c.grey, fitter.camera, c.start.heads) for c in cs]
                for n, cs in cases.items()}  # fmt: skip
    seen = {n: np.array([c.seen for c in cs]) for n, cs in cases.items()}
    guesses = {n: Guess.joined([c.start for c in cs]) for n, cs in cases.items()}
    scale, before = importance(model), np.inf
    for number in range(s.stages):
        x = {n: regression.look(fitter.camera, pictures[n], seen[n], guesses[n]) for n in cases}
        lack = {n: lacking(cs, guesses[n]) for n, cs in cases.items()}
        people = np.array([c.person for c in cases["train"]])
        stage, own = _stage(x["train"], lack["train"], people, x["choose"], lack["choose"], scale)
        told = {n: own if n == "train" else x[n] @ stage.weights + stage.bias for n in cases}
        after = {n: guesses[n].moved(fitter, seen[n], told[n]) for n in cases}
        left = _left(model, cases["choose"], after["choose"])
        before = min(before, _left(model, cases["choose"], guesses["choose"]))
        if left > GAIN * before:
            say(f"stage {number + 1} gains nothing and is left out")
            break
        guesses, before = after, left
        regression = replace(regression, stages=(*regression.stages, stage))
        row = measured(model, cases["test"], guesses["test"])["all"]
        say(f"stage {number + 1}: " + ", ".join(f"{k} {v:.3f}" for k, v in row.items()))
    return regression, guesses["test"]


def _left(model: FaceModel, cases: list[Case], guesses: Guess) -> float:
    """What is wrong with guesses: both errors of the whole face, millimetres."""
    row = measured(model, cases, guesses)["all"]
    return row["whole rmse"] + 0.5 * row["whole mae"]


def _stage(x, lack, people, x_choose, lack_choose, scale):
    """A stage by ridge regression (eq. 13), and what regressors that do not know a person say of
    its faces."""
    groups = np.arange(lack.shape[1]) < face_model().identities
    mean_x, mean_y = x.mean(0), lack.mean(0)
    z, y = x - mean_x, lack - mean_y
    gram, pull = z.T @ z, z.T @ y
    size = np.trace(gram) / len(gram)
    best = {}
    for ridge in RIDGES:
        weights = np.linalg.solve(gram + ridge * size * np.eye(len(gram)), pull)
        off = ((x_choose - mean_x) @ weights + mean_y - lack_choose) * scale
        for group in (True, False):
            error = float((off[:, groups == group] ** 2).sum(1).mean())
            if group not in best or error < best[group][0]:
                best[group] = (error, ridge, weights[:, groups == group])
    weights = np.zeros((x.shape[1], lack.shape[1]))
    own = np.zeros_like(lack)
    fold = {p: k % FOLDS for k, p in enumerate(np.unique(people))}
    folds = np.array([fold[p] for p in people])
    for group in (True, False):
        weights[:, groups == group] = best[group][2]
        held = best[group][1] * size * np.eye(len(gram))
        for k in range(FOLDS):
            out = folds == k
            rest = np.linalg.solve(
                gram - z[out].T @ z[out] + held, (pull - z[out].T @ y[out])[:, groups == group]
            )
            own[np.ix_(out, groups == group)] = z[out] @ rest + mean_y[groups == group]
    say(f"  ridges {best[True][1]:g} (identity), {best[False][1]:g} (expression)")
    return Stage(weights, mean_y - mean_x @ weights), own


def lacking(cases: list[Case], guess: Guess) -> np.ndarray:
    """(N, I + E) what guesses lack to the truth."""
    true = [np.array([getattr(c, n) for c in cases]) for n in ("identity", "expression")]
    return np.concatenate([true[0] - guess.identity, true[1] - guess.expression], axis=1)


def importance(model: FaceModel) -> np.ndarray:
    """(I + E,) millimetres (root mean square over the face) that one of each parameter is."""
    rows = whole_points(model)
    tensor = model.at_points(rows)
    moves = np.concatenate([tensor.core[:, :, 1:, 0], tensor.core[:, :, 0, 1:]], 2)
    return np.sqrt((moves**2).sum(1).mean(0))


def patches(fitter: Fitter, cases: list[Case], kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (H,) and directions (H, C) of patches' gradients around the fits' landmarks."""
    rows, found = list(LOOKED_AT), []
    for case in cases[:: max(1, len(cases) // 400)]:
        picture = Upright.of(case.grey, fitter.camera, case.start.heads)
        places = fitter.camera.project(case.start.points[:, rows], case.start.heads)[0]
        found.append(gradients(picture.pixels, picture.places(places)))
    every = np.concatenate(found)
    centre = every.mean(0)
    _, vectors = np.linalg.eigh((every - centre).T @ (every - centre))
    return centre, vectors[:, ::-1][:, :kept]


# --- the pictures ---


def load_cases(folder: Path, model: FaceModel) -> dict[str, list[Case]]:
    """Cases by part; the fits to their landmarks are kept in the folder.

    Raises:
        InputError: there are too few people.
    """
    paths = sorted(folder.glob("views_*.npz"))
    if len(paths) < len(PARTS):
        raise InputError("has too few views_NNN.npz", file=folder, fix=MORE)
    parts: dict[str, list[Case]] = {name: [] for name in PARTS}
    for place, path in enumerate(paths):
        parts[_part(place)] += cases_of(path, model)
        if place % 20 == 19:
            say(f"{place + 1} of {len(paths)} people")
    return parts


def _part(place: int) -> str:
    """Of ten people seven are learned from, one chooses, two are measured; of those after the first
    MEASURED nobody is measured but learned from: the same dozen measures however many there are."""
    last = place % 10
    if last == 7:
        return PARTS[1]
    return PARTS[2] if last > 7 and place < MEASURED else PARTS[0]


def cases_of(path: Path, model: FaceModel) -> list[Case]:
    """A person's pictures; the fits to their landmarks are kept beside."""
    with np.load(path) as data:
        columns = {n: data[n] for n in data.files}
    seen = columns["landmarks"][..., :2].astype(float)
    if not len(seen):
        return []
    identity = nearest_identity(columns["rest"].astype(float), model)
    fitter = Fitter(model, Camera.of(columns["pictures"].shape[:0:-1], MEASURED_ANGLE))
    fits = _fits(path.with_name(f"fit_{path.name}"), fitter, seen)
    number = int(path.stem.rpartition("_")[2])
    heads = Heads(fits["rotation"], fits["translation"])
    starts = Guess.settled(fitter, seen, fits["identity"], fits["expression"], heads)
    out = []
    for n in range(len(seen)):
        out.append(Case(
            columns["pictures"][n], seen[n], identity,
            columns["arkit"][n, model.channels].astype(float), columns["points"][n].astype(float),
            number, int(columns["label"][n]), float(np.degrees(columns["orbit"][n, 1])),
            starts.of(np.array([n])),
        ))  # fmt: skip
    return out


def _fits(path: Path, fitter: Fitter, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Each picture's own fit to its landmarks, kept."""
    if not path.exists():
        solved = [fitter.clip(marks[None], np.zeros(1)) for marks in seen]
        columns = {
            "identity": np.array([f.identity for f in solved]),
            "expression": np.concatenate([f.expression for f in solved]),
            "rotation": np.concatenate([f.heads.rotation for f in solved]),
            "translation": np.concatenate([f.heads.translation for f in solved]),
        }
        with written_whole(path) as part, open(part, "wb") as file:
            np.savez(file, **columns)
    with np.load(path) as data:
        return {n: data[n] for n in data.files}


def nearest_identity(rest: np.ndarray, model: FaceModel) -> np.ndarray:
    """(I,) the identity whose face at rest is nearest to points (W, 3) at `whole_points`."""
    rows = whole_points(model)
    moves = model.at_points(rows).core[:, :, 1:, 0].reshape(-1, model.identities)
    lack = (rest - model.mean[rows]).ravel()
    return np.linalg.solve(
        moves.T @ moves + len(rows) * 0.01 * np.eye(len(moves.T)), moves.T @ lack
    )


def fitter_of(case: Case, model: FaceModel) -> Fitter:
    """The fitter for pictures of this size."""
    return Fitter(model, Camera.of(case.grey.shape[::-1], MEASURED_ANGLE))


def mirrored(case: Case, model: FaceModel) -> Case:
    """The same face seen in a mirror: the model's people are alike on both sides."""
    partner, swap = partners(model), swapped(model)
    flat = case.seen[partner] * (-1.0, 1.0) + (case.grey.shape[1], 0.0)
    start, heads = case.start, case.start.heads
    turned = Heads(FLIP @ heads.rotation @ FLIP, heads.translation @ FLIP)
    guess = Guess(
        start.identity,
        start.expression[:, swap],
        turned,
        start.points[:, partner] * (-1.0, 1.0, 1.0),
    )
    grey = np.ascontiguousarray(case.grey[:, ::-1])
    return replace(case, grey=grey, seen=flat, expression=case.expression[swap], yaw=-case.yaw,
                   start=guess)  # fmt: skip


def partners(model: FaceModel) -> np.ndarray:
    """(478,) each landmark's partner on the other side."""
    corners, shares = model.landmark_corners, model.landmark_shares
    places = np.einsum("lkc,lk->lc", model.mean[corners], shares)
    other = places * (-1.0, 1.0, 1.0)
    partner = ((places[None] - other[:, None]) ** 2).sum(2).argmin(1)
    mutual = partner[partner] == np.arange(len(partner))  # not of some points of the irises
    return np.where(mutual, partner, np.arange(len(partner)))


def swapped(model: FaceModel) -> np.ndarray:
    """(E,) each action's partner on the other side."""
    return np.array([model.expressions.index(mirror_name(n)) for n in model.expressions])


def shaken(case: Case, fitter: Fitter, deviation: float, rng: np.random.Generator) -> Case:
    """The same with landmarks that tremble: each by itself, and all a little together."""
    scale = float(case.start.heads.scale(fitter.camera)[0]) * deviation
    off = rng.normal(0, scale, case.seen.shape) + rng.normal(0, scale, 2)
    return replace(case, seen=case.seen + off)


# --- what it is worth ---


def measured(model: FaceModel, cases: list[Case], guesses: Guess) -> dict[str, dict]:
    """{"all": {...}, "joy": ..., "yaw 15": ...}: mean errors, see `face_model.measure.errors`."""
    found = errors_of(model, cases, guesses)
    kinds = [EXPRESSIONS[c.label] if c.label >= 0 else "no label" for c in cases]
    yaws = [f"yaw {min(YAWS, key=lambda y, c=c: abs(y - abs(c.yaw)))}" for c in cases]
    groups = {"all": range(len(cases))}
    for names in (kinds, yaws):
        for name in sorted(set(names)):
            groups[name] = [i for i, n in enumerate(names) if n == name]
    return {
        name: {k: float(np.mean([found[i][k] for i in rows])) for k in found[0]}
        | ({"pictures": len(rows)} if name != "all" else {})
        for name, rows in groups.items()
    }


def errors_of(model: FaceModel, cases: list[Case], guesses: Guess) -> list[dict[str, float]]:
    """Each picture's errors, see `face_model.measure.errors`."""
    shapes = model.at_points(whole_points(model)).shapes(guesses.identity, guesses.expression)
    return [errors(own, case.points, model) for case, own in zip(cases, shapes, strict=True)]


def _card(s: FaceRegressionSettings, stages: int, counts: dict, pictures: dict, table) -> None:
    """The model card, beside the file."""
    names = ["centre rmse", "whole rmse", "centre mae", "whole mae"]
    lines = [f"| {group} | " + " | ".join(
        f"{table['fit'][group][n]:.2f} -> {row[n]:.2f}" for n in names) + " |"
        for group, row in table["regression"].items()]  # fmt: skip
    text = f"""# Cascaded regression of faces

From the fit to the landmarks and the picture to the face model's parameters, in
{stages} stage{"s" * (stages > 1)} (Wu, Algorithm 1);
a stage looks at {s.features.replace("+", ", ")}.

- File: `{Path(s.out).name}`, float16

**Data.** Rendered people of nobody (`face_model.views`), whom the model does not know:
{counts["train"]} learned from ({pictures["train"]} pictures, and each in a mirror),
{counts["choose"]} to choose by ({pictures["choose"]}), {counts["test"]} to measure
({pictures["test"]}).

**Licence of the data.** CC0 (MakeHuman base mesh and targets).

Millimetres, the fit to the landmarks alone -> after all stages; people who were never seen, one
picture each time, faces laid over each other rigidly:

| | {" | ".join(names)} |
|---|---|---|---|---|
{chr(10).join(lines)}

Made by: `exprgen train face_regression --data VIEWS --out {Path(s.out).name}{changed_options(s)}`
"""
    write_text(Path(s.out).with_suffix(".md"), text)


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    title = __doc__.partition("\n")[0]
    return run_command("face_regression", title, FaceRegressionSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
