"""How errors of faces by expression are compared."""

from dataclasses import dataclass

import pytest

pytest.importorskip("cv2")

from exprgen.networks.evaluation.face_regression import complete, spread
from exprgen.networks.vocabulary import EXPRESSIONS


@dataclass(frozen=True)
class Cell:
    person: int
    yaw: float


def test_sides_with_an_expression_missing_are_left_out():
    whole = [Cell(1, 30.0) for _ in EXPRESSIONS]
    lacking = [Cell(1, -60.0) for _ in EXPRESSIONS[1:]]
    assert complete([*lacking, *whole]) == whole


def test_spread_is_the_range_as_a_share_of_the_mean():
    table = {name: {"shape mae": 2.0} for name in EXPRESSIONS} | {"all": {"shape mae": 9.0}}
    assert spread(table, "shape mae") == 0.0
    table["joy"] = {"shape mae": 3.4}
    assert spread(table, "shape mae") == pytest.approx(1.4 / 2.2)
