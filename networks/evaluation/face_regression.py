"""`python -m exprgen.networks.evaluation.face_regression FOLDER`: how far off heads are that fit
and cascade tell of rendered people, by expression and by yaw (Wu, Table 1, Figures 4 and 5).

FOLDER: of `face_model.views --grid`, in which everybody has every expression from every side; so
what expressions differ by is theirs and not of the people who happen to show them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..face_model.cascade import FaceRegression, Guess, Upright, face_regression
from ..face_model.model import FaceModel, face_model
from ..training.face_regression import Case, cases_of, fitter_of, measured
from ..vocabulary import EXPRESSIONS

MEASURES = ("centre rmse", "whole rmse", "centre mae", "whole mae", "shape mae")


def read(cases: list[Case], regression: FaceRegression, model: FaceModel) -> dict[str, Guess]:
    """What tells faces -> its guesses of cases."""
    fitter = fitter_of(cases[0], model)
    start = Guess.joined([case.start for case in cases])
    pictures = [Upright.of(case.grey, fitter.camera, case.start.heads) for case in cases]
    seen = np.array([case.seen for case in cases])
    mean = Guess(0.0 * start.identity, start.expression, start.heads, start.points)
    return {
        "mean face": mean,
        "fit": start,
        "regression": regression(fitter, pictures, seen, start),
    }


def complete(cases: list[Case]) -> list[Case]:
    """Those of a person and side of whom every expression was found."""
    cells = [(case.person, round(abs(case.yaw))) for case in cases]
    counts = {cell: cells.count(cell) for cell in set(cells)}
    return [c for c, cell in zip(cases, cells, strict=True) if counts[cell] == len(EXPRESSIONS)]


def spread(table: dict[str, dict], measure: str) -> float:
    """Largest less smallest of the expressions, as a share of their mean."""
    values = [table[name][measure] for name in EXPRESSIONS if name in table]
    return float(np.ptp(values) / np.mean(values))


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
        print(f"\n{name:<12} " + "  ".join(f"{m:>11}" for m in MEASURES))
        for group, row in table.items():
            print(f"{group:<12} " + "  ".join(f"{row[m]:>11.2f}" for m in MEASURES))
        told = "  ".join(f"{spread(table, m):>11.1%}" for m in MEASURES)
        print(f"{'spread':<12} {told}")


if __name__ == "__main__":
    main()
