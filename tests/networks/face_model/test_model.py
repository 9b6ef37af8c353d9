"""The bilinear face that ships: what it is made of, and that damaged files are refused."""

import numpy as np
import pytest

from exprgen.networks.errors import InputError
from exprgen.networks.face_model.model import FACE_MODEL, FaceModel
from exprgen.networks.face_model.projection import rotation_of
from exprgen.networks.track import load_arrays, save_arrays
from exprgen.networks.vocabulary import ARKIT_CHANNELS, LANDMARKS


def test_it_is_small_and_bilinear(model):
    assert FACE_MODEL.stat().st_size < 4e6
    assert model.identities == 50
    assert set(model.expressions) <= set(ARKIT_CHANNELS)
    rng = np.random.default_rng(0)
    identity, expression = rng.normal(0, 1, 50), rng.uniform(0, 1, len(model.expressions))
    zero = np.zeros(50), np.zeros(len(model.expressions))
    both = model.points(identity, expression)
    sums = model.points(identity, zero[1]) + model.points(zero[0], expression) - model.mean
    assert np.abs(both - sums).max() > 0.3  # actions differ between people
    twice = model.points(2 * identity, expression) - model.points(zero[0], expression)
    once = both - model.points(zero[0], expression)
    assert np.allclose(twice, 2 * once, atol=1e-6)


def test_a_person_and_a_point_say_the_same_as_the_whole(model):
    rng = np.random.default_rng(1)
    identity, expression = rng.normal(0, 1, 50), rng.uniform(0, 1, len(model.expressions))
    whole = model.points(identity, expression)
    rest, moves = model.person(identity)
    assert np.allclose(rest + np.tensordot(expression, moves, 1), whole, atol=1e-6)
    some = model.at_points(np.array([5, 99]))
    rest, moves = some.of_person(identity)
    assert np.allclose(rest + np.tensordot(expression, moves, 1), whole[[5, 99]], atol=1e-6)
    shape = some.shapes(np.stack([0 * identity, identity]), np.stack([expression] * 2))[1]
    assert np.allclose(shape, whole[[5, 99]], atol=1e-6)
    turn = rotation_of(np.array([[0.3, -0.5, 0.1]]))[0, :2]
    rest, *moves = some.rows(np.array([1])).across(turn, expression)
    seen = rest + np.tensordot(identity, np.array(moves), 1)
    assert np.allclose(seen[:, 0], turn @ whole[99], atol=1e-6)


def test_its_frame_is_millimetres_from_between_the_eyes(model):
    eyes = [model.mean[model.groups[f"eye_{side}"]].mean(0) for side in ("left", "right")]
    assert eyes[0][0] > 25
    assert np.allclose(eyes[0] * (-1, 1, 1), eyes[1], atol=0.5)
    assert np.abs(np.mean(eyes, axis=0)).max() < 2.0
    places = model.landmarks().mean
    assert places[LANDMARKS["nose_tip"], 2] > 20  # out of the face
    assert places[LANDMARKS["lip_top_outer_3"], 1] < -40


def test_landmarks_lie_where_their_names_say(model):
    places = {name: model.landmarks().mean[index] for name, index in LANDMARKS.items()}
    assert places["mouth_left_corner"][0] > 15 > -15 > places["mouth_right_corner"][0]
    assert places["brow_left_3"][1] > places["eye_left_top_1"][1] > places["eye_left_bottom_1"][1]
    lips = model.groups["lip_border_upper"]
    near = np.linalg.norm(model.mean[lips] - places["lip_top_outer_3"], axis=1).min()
    assert near < 6.0


def test_actions_do_what_they_are_called(model):
    def moved(name, landmark):
        _, moves = model.landmarks().of_person(np.zeros(50))
        return moves[model.expressions.index(name), LANDMARKS[landmark]]

    assert moved("jawOpen", "lip_bottom_outer_3")[1] < -10
    assert moved("mouthSmileLeft", "mouth_left_corner")[1] > 2
    assert abs(moved("mouthSmileLeft", "mouth_right_corner")[1]) < 1
    assert moved("browInnerUp", "brow_left_1")[1] > 3
    assert moved("browDownRight", "brow_right_5")[1] < -3


def test_lids_close(model):
    expression = np.zeros(len(model.expressions))
    expression[model.expressions.index("eyeBlinkLeft")] = 1.0
    points = model.points(np.zeros(50), expression)
    upper, lower = (points[model.groups[f"lid_{n}_left"]] for n in ("upper", "lower"))
    gaps = [np.linalg.norm(lower - u, axis=1).min() for u in upper]
    assert max(gaps) < 2.5


def test_a_model_comes_back_as_it_was_saved(model, tmp_path):
    model.save(tmp_path / "face.npz", {})
    again = FaceModel.load(tmp_path / "face.npz")
    identity, expression = np.ones(50), np.full(len(model.expressions), 0.3)
    assert np.allclose(again.points(identity, expression), model.points(identity, expression))


@pytest.mark.parametrize(
    ("field", "change", "said"),
    [
        ("faces", lambda a: a + np.uint16(60000), "points outside"),
        ("core", lambda a: a[:, :, :5], "different sizes"),
        ("mean", lambda a: a * np.nan, "not finite"),
        ("contour", lambda a: a[:3], "different sizes"),
    ],
)
def test_damaged_models_are_refused(tmp_path, field, change, said):
    meta, arrays = load_arrays(FACE_MODEL, "exprgen.face_model")
    arrays[field] = change(arrays[field])
    path = save_arrays(tmp_path / "bad.npz", "exprgen.face_model", meta, arrays)
    with pytest.raises(InputError, match=said) as error:
        FaceModel.load(path)
    assert str(path) in str(error.value) or error.value.file == path


def test_an_unknown_action_is_refused(tmp_path):
    meta, arrays = load_arrays(FACE_MODEL, "exprgen.face_model")
    meta["expressions"][0] = "wiggleEars"
    path = save_arrays(tmp_path / "bad.npz", "exprgen.face_model", meta, arrays)
    with pytest.raises(InputError, match="wiggleEars"):
        FaceModel.load(path)
