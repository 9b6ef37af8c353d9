"""Affect from geometry: the file, and what it makes of a face."""

import numpy as np
import pytest

from exprgen.networks.errors import InputError
from exprgen.networks.face_model.affect import (
    TURNS,
    FaceAffect,
    affect_inputs,
    bare_marks,
    face_affect,
)
from exprgen.networks.face_model.cascade import LOOKED_AT
from exprgen.networks.face_model.projection import Camera, Heads, rotation_of
from exprgen.networks.vocabulary import EXPRESSIONS


def reader(model, outputs=9):
    rng = np.random.default_rng(0)
    count = len(model.expressions) + TURNS + 3 * len(LOOKED_AT)
    layers = ((rng.normal(0, 0.1, (count, 8)), np.zeros(8)),
              (rng.normal(0, 1, (8, outputs)), np.zeros(outputs)))  # fmt: skip
    return FaceAffect(np.zeros(count), np.ones(count), layers)


def seen(model, expression, turn=(0.0, 0.0, 0.0)):
    """Heads, a camera and the landmarks (N, 478, 3) of mean faces, as the landmarker tells them."""
    count = len(expression)
    camera = Camera.of((400, 400), kind="orthographic")
    rotation = np.tile(rotation_of(np.array([turn])), (count, 1, 1))
    heads = Heads(rotation, np.tile((0.0, 0.0, -900.0), (count, 1)))
    points = model.landmarks().shapes(np.zeros((count, model.identities)), expression)
    deep = -(points @ rotation.transpose(0, 2, 1))[..., 2:] * heads.scale(camera)[:, None, None]
    return heads, camera, np.concatenate([camera.project(points, heads), deep], axis=2)


def marks_of(model, expression, turn=(0.0, 0.0, 0.0)):
    heads, camera, marks = seen(model, expression, turn)
    return bare_marks(marks, camera, heads, np.zeros(model.identities), model)


def test_neither_pose_nor_rest_is_left_in_the_landmarks(model):
    rest = np.zeros((1, len(model.expressions)))
    smile = rest.copy()
    smile[0, model.expressions.index("mouthSmileLeft")] = 1.0
    assert np.abs(marks_of(model, rest, (0.1, 0.6, 0.2))).max() < 1e-6
    ahead, aside = marks_of(model, smile), marks_of(model, smile, (0.1, -0.7, 0.2))
    assert np.abs(ahead).max() > 3.0
    assert np.allclose(ahead, aside, atol=1e-6)


def test_it_is_kept_and_another_is_refused(model, tmp_path):
    one = reader(model)
    again = FaceAffect.load(one.save(tmp_path / "a.npz"), model)
    faces = np.full((3, len(model.expressions)), 0.3)
    x = affect_inputs(faces, np.tile(np.eye(3), (3, 1, 1)), np.ones((3, len(LOOKED_AT), 3)))
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
    chances, affect = face_affect()(faces, np.tile(np.eye(3), (2, 1, 1)), marks_of(model, faces))
    assert np.allclose(chances.sum(1), 1.0)
    assert chances[0].argmax() == EXPRESSIONS.index("joy")
    assert affect[0, 0] > 0.2 > affect[1, 0]


def test_it_loads_without_a_warning(recwarn):
    face_affect.__wrapped__()  # half floats against limits that they can't hold
    assert not recwarn.list
