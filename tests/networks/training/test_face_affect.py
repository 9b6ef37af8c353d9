"""What affect from geometry learns from."""

import numpy as np
import pytest

pytest.importorskip("torch")

from exprgen.networks.errors import InputError
from exprgen.networks.face_model.affect import TURNS
from exprgen.networks.face_model.cascade import LOOKED_AT
from exprgen.networks.face_model.model import face_model
from exprgen.networks.track import save_arrays
from exprgen.networks.training.face_affect import KIND, _part, in_mirror


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


def test_fits_that_were_kept_before_the_landmarks_were_looked_at_are_refused(tmp_path):
    model = face_model()
    older = {"inputs": np.zeros((3, len(model.expressions) + TURNS), np.float32)}
    save_arrays(tmp_path / "train_0_000_3.npz", KIND, {"pictures": 3}, older)
    with pytest.raises(InputError, match=r"inputs.*made again"):
        _part([None] * 3, "train", 0, 0, tmp_path)
