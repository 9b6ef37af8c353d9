"""Affect from geometry: the file, and what it makes of a face."""

import numpy as np
import pytest

from exprgen.networks.errors import InputError
from exprgen.networks.face_model.affect import TURNS, FaceAffect, affect_inputs, face_affect
from exprgen.networks.vocabulary import EXPRESSIONS


def reader(model, outputs=9):
    rng = np.random.default_rng(0)
    count = len(model.expressions) + TURNS
    layers = ((rng.normal(0, 0.1, (count, 8)), np.zeros(8)),
              (rng.normal(0, 1, (8, outputs)), np.zeros(outputs)))  # fmt: skip
    return FaceAffect(np.zeros(count), np.ones(count), layers)


def test_it_is_kept_and_another_is_refused(model, tmp_path):
    one = reader(model)
    again = FaceAffect.load(one.save(tmp_path / "a.npz"), model)
    x = affect_inputs(np.full((3, len(model.expressions)), 0.3), np.tile(np.eye(3), (3, 1, 1)))
    for told, own in zip(one.of_inputs(x), again.of_inputs(x), strict=True):
        assert np.allclose(told, own, atol=2e-3)
    with pytest.raises(InputError, match=r"b\.npz"):
        FaceAffect.load(reader(model, outputs=8).save(tmp_path / "b.npz"), model)


def test_a_smile_is_glad_and_a_frown_is_not(model):
    faces = np.zeros((2, len(model.expressions)))
    for row, names in enumerate((("mouthSmile", "cheekSquint"), ("mouthFrown", "browDown"))):
        for name in names:
            for side in ("Left", "Right"):
                faces[row, model.expressions.index(name + side)] = 0.8
    chances, affect = face_affect()(faces, np.tile(np.eye(3), (2, 1, 1)))
    assert np.allclose(chances.sum(1), 1.0)
    assert chances[0].argmax() == EXPRESSIONS.index("joy")
    assert affect[0, 0] > 0.2 > affect[1, 0]
