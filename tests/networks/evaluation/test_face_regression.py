"""How errors of faces by expression are compared."""

from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("cv2")

from exprgen.networks.evaluation.face_regression import Spread, by_person, complete, spread
from exprgen.networks.vocabulary import EXPRESSIONS


@dataclass(frozen=True)
class Cell:
    person: int
    yaw: float
    label: int = 0


def test_sides_with_an_expression_missing_are_left_out():
    whole = [Cell(1, 30.0) for _ in EXPRESSIONS]
    lacking = [Cell(1, -60.0) for _ in EXPRESSIONS[1:]]
    assert complete([*lacking, *whole]) == whole


def test_spread_is_the_range_as_a_share_of_the_mean():
    table = {name: {"shape mae": 2.0} for name in EXPRESSIONS} | {"all": {"shape mae": 9.0}}
    assert spread(table, "shape mae") == 0.0
    table["joy"] = {"shape mae": 3.4}
    assert spread(table, "shape mae") == pytest.approx(1.4 / 2.2)


def test_a_persons_pictures_of_an_expression_are_one_value():
    kinds = range(len(EXPRESSIONS))
    cells = [Cell(person, yaw, k) for person in (4, 9) for yaw in (0.0, 30.0) for k in kinds]
    values = np.array([cell.person + cell.yaw + cell.label for cell in cells])
    assert np.allclose(by_person(cells, values), [[15.0 + p + k for k in kinds] for p in (4, 9)])


def test_what_only_people_differ_by_is_no_spread_and_noise_is_one_by_chance():
    people = np.random.default_rng(1).uniform(2, 5, (6, 1)) * np.ones(len(EXPRESSIONS))
    assert Spread.of(people).most_by_chance == pytest.approx(0.0, abs=1e-9)
    noisy = people + np.random.default_rng(2).normal(0, 0.3, people.shape)
    found = Spread.of(noisy)
    assert 0.05 < found.chance < found.most_by_chance
    strange = noisy + np.eye(len(EXPRESSIONS))[2] * 2.0
    found = Spread.of(strange)
    assert found.low > found.chance
    assert found.told > found.most_by_chance
