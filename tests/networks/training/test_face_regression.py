"""The training of the cascade: mirrors, people apart, stages that better."""

import numpy as np
import pytest

from exprgen.networks.errors import InputError
from exprgen.networks.face_model.cascade import Guess
from exprgen.networks.face_model.fitting import Fitter
from exprgen.networks.face_model.measure import whole_points
from exprgen.networks.face_model.model import face_model
from exprgen.networks.face_model.projection import Camera
from exprgen.networks.training import face_regression as training
from exprgen.tests.support.filmed_face import film

WIDE = 240


@pytest.fixture(scope="module")
def model():
    return face_model()


def case(model, person, grey, shift=0.4):
    """A face whose fit has the jaw wrong by as much as its landmarks are shifted."""
    filmed = film(model, seed=person, frames=1, turn=0.1)
    scale = WIDE / 640.0
    camera = Camera((WIDE, WIDE), filmed.camera.focal * scale)
    seen = filmed.camera.project(_points(model, filmed), filmed.heads)[0] * scale
    seen += np.array([0.0, (WIDE - 480 * scale) / 2.0])
    wrong = filmed.expression[0].copy()
    wrong[model.expressions.index("jawOpen")] += shift
    start = Guess.settled(
        Fitter(model, camera), seen[None], filmed.identity[None], wrong[None], filmed.heads
    )
    rest, moves = model.at_points(whole_points(model)).of_person(filmed.identity)
    true = rest + np.tensordot(filmed.expression[0], moves, 1)
    return training.Case(
        grey, seen, filmed.identity, filmed.expression[0], true, person, 3, 12.0, start
    )


def _points(model, filmed):
    rest, moves = model.landmarks().of_person(filmed.identity)
    return (rest + np.tensordot(filmed.expression[0], moves, 1))[None]


def test_a_mirror_of_a_mirror_is_the_same(model):
    grey = np.random.default_rng(0).integers(0, 255, (WIDE, WIDE), np.uint8)
    one = case(model, 1, grey)
    again = training.mirrored(training.mirrored(one, model), model)
    assert np.allclose(again.seen, one.seen, atol=1e-6)
    assert np.allclose(again.expression, one.expression)
    assert np.array_equal(again.grey, one.grey)
    assert np.allclose(again.start.heads.rotation, one.start.heads.rotation)


def test_stages_find_what_the_fit_has_wrong(model, monkeypatch):
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 255, (WIDE, WIDE), np.uint8)
    monkeypatch.setattr(training, "MEASURED_ANGLE", np.radians(63.0))
    cases = [case(model, n, grey, shift=rng.uniform(0.2, 0.6)) for n in range(24)]
    parts = {"train": cases[:16], "choose": cases[16:20], "test": cases[20:]}
    s = training.FaceRegressionSettings(data="", features="ld", stages=2, kept=2, jitter=0.05)
    found, told = training.learn(s, model, parts)
    start = Guess.joined([c.start for c in parts["test"]])
    before = training.measured(model, parts["test"], start)
    after = training.measured(model, parts["test"], told)
    assert len(found.stages) == 2
    assert after["all"]["whole mae"] < 0.7 * before["all"]["whole mae"]
    assert after["joy"]["pictures"] == after["yaw 15"]["pictures"] == 4


def test_people_stand_in_one_part_only_and_too_few_are_refused(model, tmp_path):
    parts = [training._part(n) for n in range(10)]
    assert [parts.count(p) for p in training.PARTS] == [7, 1, 2]
    more = [training._part(training.MEASURED + n) for n in range(10)]
    assert [more.count(p) for p in training.PARTS] == [9, 1, 0]
    with pytest.raises(InputError, match="too few"):
        training.load_cases(tmp_path, model)
