"""Affect from geometry: the file, and what it makes of a face."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.errors import InputError
from exprgen.networks.face_model.affect import (
    PLACES,
    TURNS,
    FaceAffect,
    affect_inputs,
    face_affect,
)
from exprgen.networks.face_model.projection import Camera, Heads, rotation_of
from exprgen.networks.vocabulary import EXPRESSIONS


def reader(outputs=9, ways=12):
    rng = np.random.default_rng(0)
    layers = ((rng.normal(0, 0.1, (ways + TURNS, 8)), np.zeros(8)),
              (rng.normal(0, 1, (8, outputs)), np.zeros(outputs)))  # fmt: skip
    seen = np.zeros(ways + TURNS), np.ones(ways + TURNS)
    return FaceAffect(np.zeros(PLACES), rng.normal(0, 0.02, (PLACES, ways)), *seen, layers)


def seen(model, expression, turn=(0.0, 0.0, 0.0), far=900.0):
    """Landmarks (N, 478, 3) of mean faces, as the landmarker tells them."""
    count = len(expression)
    camera = Camera.of((400, 400), kind="orthographic")
    rotation = np.tile(rotation_of(np.array([turn])), (count, 1, 1))
    heads = Heads(rotation, np.tile((30.0, -20.0, -far), (count, 1)))
    points = model.landmarks().shapes(np.zeros((count, model.identities)), expression)
    deep = -(points @ rotation.transpose(0, 2, 1))[..., 2:] * heads.scale(camera)[:, None, None]
    return np.concatenate([camera.project(points, heads), deep], axis=2)


def test_neither_place_nor_turn_nor_size_is_left_in_the_landmarks(model):
    rest = np.zeros((1, len(model.expressions)))
    smile = rest.copy()
    smile[0, model.expressions.index("mouthSmileLeft")] = 1.0
    still = affect_inputs(seen(model, rest, (0.1, 0.6, 0.2)), model)
    assert np.abs(still[:, :PLACES]).max() < 1e-6
    assert np.abs(still[:, PLACES:]).max() > 0.3
    ahead, aside = (
        affect_inputs(seen(model, smile, turn, far), model)[:, :PLACES]
        for turn, far in (((0.0, 0.0, 0.0), 900.0), ((0.1, -0.7, 0.2), 1400.0))
    )
    assert np.abs(ahead).max() > 3.0
    assert np.allclose(ahead, aside, atol=1e-6)


def test_landmarks_of_nothing_are_told_something_finite(model):
    chances, affect = reader()(np.full((2, 478, 3), 7.0))
    assert np.isfinite(chances).all()
    assert np.isfinite(affect).all()


def test_none_is_told_of_no_face():
    chances, affect = reader()(np.zeros((0, 478, 3)))
    assert chances.shape == (0, 7)
    assert affect.shape == (0, 2)


def test_what_would_divide_by_nothing_is_refused(tmp_path):
    one = reader()
    flat = replace(one, scale=0.0 * one.scale)
    with pytest.raises(InputError, match="scale"):
        FaceAffect.load(flat.save(tmp_path / "a.npz"))


def test_it_is_kept_and_another_is_refused(tmp_path):
    one = reader()
    again = FaceAffect.load(one.save(tmp_path / "a.npz"))
    x = np.random.default_rng(1).normal(0, 1, (3, PLACES + TURNS))
    for told, own in zip(one.of_inputs(x), again.of_inputs(x), strict=True):
        assert np.allclose(told, own, atol=2e-3)
    with pytest.raises(InputError, match=r"b\.npz"):
        FaceAffect.load(reader(outputs=8).save(tmp_path / "b.npz"))


def test_a_smile_is_glad_and_a_frown_is_not(model):
    """Added to the usual face: the landmarker sees faces a little unlike the model's."""
    faces = np.zeros((2, len(model.expressions)))
    for row, names in enumerate((("mouthSmile", "cheekSquint"), ("mouthFrown", "browDown"))):
        for name in names:
            for side in ("Left", "Right"):
                faces[row, model.expressions.index(name + side)] = 0.8
    reader, nobody = face_affect(), np.zeros((2, model.identities))
    points = model.landmarks()
    done = (points.shapes(nobody, faces) - points.shapes(nobody, 0.0 * faces)).reshape(2, -1)
    chances, affect = reader.of_inputs(np.c_[reader.usual + done, np.zeros((2, TURNS))])
    assert np.allclose(chances.sum(1), 1.0)
    assert chances[0].argmax() == EXPRESSIONS.index("joy")
    assert affect[0, 0] > 0.2 > affect[1, 0]


def test_it_loads_without_a_warning(recwarn):
    face_affect.__wrapped__()  # half floats against limits that they can't hold
    assert not recwarn.list
