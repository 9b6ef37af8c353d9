"""`python -m exprgen.networks.evaluation.face_regression FOLDER`: how far off heads are that fit
and cascade tell of rendered people, by expression and by yaw (Wu, Table 1, Figures 4 and 5).

FOLDER: of `face_model.views --grid`, in which everybody has every expression from every side; so
what expressions differ by is theirs and not of the people who happen to show them. How much a few
people's expressions would differ by chance is told by exchanging each person's among themselves.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..face_model.cascade import FaceRegression, Guess, Upright, face_regression
from ..face_model.model import FaceModel, face_model
from ..face_model.regressed import agreed
from ..training.face_regression import Case, cases_of, errors_of, fitter_of, measured
from ..vocabulary import EXPRESSIONS

MEASURES = ("centre rmse", "whole rmse", "centre mae", "whole mae", "shape mae")
DRAWS = 2000
"""Times that people are drawn anew, or their expressions exchanged."""


def read(cases: list[Case], regression: FaceRegression, model: FaceModel) -> dict[str, Guess]:
    """What tells faces -> its guesses of cases."""
    fitter = fitter_of(cases[0], model)
    start = Guess.joined([case.start for case in cases])
    pictures = [Upright.of(case.grey, fitter.camera, case.start.heads) for case in cases]
    seen = np.array([case.seen for case in cases])
    mean = Guess(0.0 * start.identity, start.expression, start.heads, start.points)
    told = regression(fitter, pictures, seen, start)
    return {
        "mean face": mean,
        "fit": start,
        "regression": told,
        "regression, one identity a person": one_each(cases, told),
    }


def one_each(cases: list[Case], told: Guess) -> Guess:
    """The same faces with the identity that all pictures of a person agree on, as in a clip."""
    people, identity = np.array([case.person for case in cases]), np.array(told.identity)
    for person in np.unique(people):
        rows = np.flatnonzero(people == person)
        identity[rows] = agreed(told.of(rows))
    return replace(told, identity=identity)


def complete(cases: list[Case]) -> list[Case]:
    """Those of a person and side of whom every expression was found."""
    cells = [(case.person, round(abs(case.yaw))) for case in cases]
    counts = {cell: cells.count(cell) for cell in set(cells)}
    return [c for c, cell in zip(cases, cells, strict=True) if counts[cell] == len(EXPRESSIONS)]


def spread(table: dict[str, dict], measure: str) -> float:
    """Largest less smallest of the expressions, as a share of their mean."""
    values = [table[name][measure] for name in EXPRESSIONS if name in table]
    return float(np.ptp(values) / np.mean(values))


def by_person(cases: list[Case], values: np.ndarray) -> np.ndarray:
    """(P, 7) means of values (N,) of each person's pictures of each expression."""
    people, labels = (np.array([getattr(c, n) for c in cases]) for n in ("person", "label"))
    return np.array([
        [values[(people == person) & (labels == k)].mean() for k in range(len(EXPRESSIONS))]
        for person in np.unique(people)
    ])  # fmt: skip


@dataclass(frozen=True)
class Spread:
    """Of P people: how far expressions differ, as a share of their mean; within which it lies if
    others had been drawn (95%); and what it would be in the mean, and in 95% at most, if
    expressions were all alike and only pictures differed."""

    told: float
    low: float
    high: float
    chance: float
    most_by_chance: float

    @staticmethod
    def of(means: np.ndarray, seed: int = 0) -> Spread:
        """From (P, 7) errors, see `by_person`: people drawn anew (bootstrap), and each person's
        expressions exchanged among themselves (a paired permutation)."""
        rng = np.random.default_rng(seed)
        drawn = [means[rng.integers(0, len(means), len(means))] for _ in range(DRAWS)]
        exchanged = [rng.permuted(means, axis=1) for _ in range(DRAWS)]
        anew, chance = (np.array([_range(m) for m in many]) for many in (drawn, exchanged))
        low, high = np.quantile(anew, (0.025, 0.975))
        return Spread(_range(means), *map(float, (low, high, chance.mean())),
                      float(np.quantile(chance, 0.95)))  # fmt: skip


def _range(means: np.ndarray) -> float:
    return float(np.ptp(means.mean(0)) / means.mean())


def _chances(model: FaceModel, cases: list[Case], guesses: Guess) -> None:
    found = errors_of(model, cases, guesses)
    for measure in MEASURES:
        s = Spread.of(by_person(cases, np.array([row[measure] for row in found])))
        print(f"  {measure:<12} spread {s.told:.1%} (others: {s.low:.1%} to {s.high:.1%}); "
              f"by chance {s.chance:.1%}, at most {s.most_by_chance:.1%}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--regression", type=Path, help="by default the one that ships")
    given, model = parser.parse_args(), face_model()
    own = given.regression
    regression = FaceRegression.load(own, model) if own else face_regression(model)
    cases = [c for path in sorted(given.folder.glob("views_*.npz")) for c in cases_of(path, model)]
    kept = complete(cases)
    print(f"{len(kept)} of {len(cases)} pictures of {len({c.person for c in kept})} people")
    for name, guesses in read(kept, regression, model).items():
        table = measured(model, kept, guesses)
        print(f"\n{name}\n{'':<12} " + "  ".join(f"{m:>11}" for m in MEASURES))
        for group, row in table.items():
            print(f"{group:<12} " + "  ".join(f"{row[m]:>11.2f}" for m in MEASURES))
        told = "  ".join(f"{spread(table, m):>11.1%}" for m in MEASURES)
        print(f"{'spread':<12} {told}")
        _chances(model, kept, guesses)


if __name__ == "__main__":
    main()
