"""What affect from geometry learns from."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from exprgen.networks.errors import InputError, UsageError
from exprgen.networks.face_model.affect import PLACES, TURNS
from exprgen.networks.face_model.model import face_model
from exprgen.networks.track import save_arrays
from exprgen.networks.training.face_affect import (
    COLUMNS,
    KIND,
    FaceAffectSettings,
    _part,
    in_mirror,
    principal,
    train,
)


def test_a_mirror_exchanges_sides_and_twice_is_as_before():
    model = face_model()
    x = np.random.default_rng(0).normal(size=(2, PLACES + TURNS))
    seen = in_mirror(x, model)
    marks = [v[:, :PLACES].reshape(2, -1, 3) for v in (x, seen)]
    assert np.allclose(marks[1][:, 61], marks[0][:, 291] * (-1.0, 1.0, 1.0))
    assert np.allclose(seen[:, PLACES:], x[:, PLACES:] * (1.0, -1.0, -1.0))
    assert np.allclose(in_mirror(seen, model), x)


def test_directions_are_those_in_which_faces_differ():
    rng = np.random.default_rng(0)
    axis = rng.normal(size=PLACES)
    axis /= np.linalg.norm(axis)
    places = 5.0 + np.outer(rng.normal(0, 9, 40), axis) + rng.normal(0, 0.01, (40, PLACES))
    usual, ways = principal(places, 3)
    assert ways.shape == (PLACES, 3)
    assert abs(ways[:, 0] @ axis) > 0.999
    assert np.allclose(usual, places.mean(0))


def test_what_was_kept_of_the_fits_is_refused(tmp_path):
    older = {"inputs": np.zeros((3, 252), np.float32)}
    save_arrays(tmp_path / "train_0_000_3.npz", KIND, {"pictures": 3}, older)
    with pytest.raises(InputError, match=r"inputs.*made again"):
        _part([None] * 3, "train", 0, 0, tmp_path)


def test_every_column_that_was_kept_is_checked(tmp_path):
    whole = {n: np.zeros((3, c.shape[1]), np.float32) for n, c in COLUMNS.items()}
    for name in COLUMNS:
        cut = {**whole, name: np.full_like(whole[name], np.nan)}
        save_arrays(tmp_path / "train_0_000_3.npz", KIND, {"pictures": 3}, cut)
        with pytest.raises(InputError, match=f"{name}.*made again"):
            _part([None] * 3, "train", 0, 0, tmp_path)


def test_photographs_without_a_face_are_told(tmp_path):
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((64, 64), 127, np.uint8))
    table = tmp_path / "labels.csv"
    s = FaceAffectSettings(source=str(table), out=str(tmp_path / "affect.npz"))
    for split, count in (("train", 1), ("val", 0)):
        table.write_text(f"file,label,split\ngrey.png,joy,{split}\n")
        with pytest.raises(InputError, match=f"its {count} photographs of split 'train'"):
            train(s)
    assert not (tmp_path / "affect.npz").exists()


@pytest.mark.parametrize("changed", [{"epochs": 0}, {"ways": 0}, {"ways": PLACES + 1}])
def test_numbers_with_which_nothing_is_learned_are_refused(tmp_path, changed):
    s = FaceAffectSettings(source=str(tmp_path), out=str(tmp_path / "a" / "affect.npz"))
    with pytest.raises(UsageError, match=r"ways|epochs"):
        train(replace(s, **changed))
    assert not (tmp_path / "a").exists()


def test_what_was_kept_of_another_source_is_not_learned_from(tmp_path):
    kept = {n: np.zeros((3, c.shape[1]), np.float32) for n, c in COLUMNS.items()}
    save_arrays(tmp_path / "train_0_000_3.npz", KIND, {"pictures": 3, "of": "others"}, kept)
    with pytest.raises(InputError, match=r"other photographs.*made again"):
        _part([None] * 3, "train", 0, 0, tmp_path)
