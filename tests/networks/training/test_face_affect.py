"""What affect from geometry learns from."""

import numpy as np
import pytest

pytest.importorskip("torch")

from exprgen.networks.face_model.affect import TURNS
from exprgen.networks.face_model.cascade import LOOKED_AT
from exprgen.networks.face_model.model import face_model
from exprgen.networks.training.face_affect import in_mirror


def test_a_mirror_exchanges_sides_and_twice_is_as_before():
    model = face_model()
    actions = len(model.expressions)
    x = np.random.default_rng(0).normal(size=(2, actions + TURNS + 3 * len(LOOKED_AT)))
    seen = in_mirror(x, model)
    left, right = (model.expressions.index(f"mouthSmile{side}") for side in ("Left", "Right"))
    assert np.array_equal(seen[:, left], x[:, right])
    marks = [v[:, actions + TURNS :].reshape(2, -1, 3) for v in (x, seen)]
    one, other = (LOOKED_AT.index(corner) for corner in (61, 291))
    assert np.allclose(marks[1][:, one], marks[0][:, other] * (-1.0, 1.0, 1.0))
    assert np.allclose(in_mirror(seen, model)[:, : actions + TURNS], x[:, : actions + TURNS])
