"""49 landmarks -> registered face and geometric features."""

import cv2
import numpy as np
import pytest

from exprgen.networks.tracking import registration
from exprgen.networks.vocabulary import GEOMETRIC_FEATURES, LANDMARK_INDEX, LANDMARK_NAMES


def faces(seed=0):
    """The average face and others like it."""
    rng = np.random.default_rng(seed)
    average = registration.average_face()
    return [average, *(average + rng.normal(0, 2.0, average.shape) for _ in range(4))]


def similarity(degrees, scale, shift):
    angle = np.radians(degrees)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([matrix, shift])


def moved(names, by):
    points = registration.average_face()
    for name in names:
        points[LANDMARK_INDEX[name]] += by
    return points


def features(points):
    return dict(zip(GEOMETRIC_FEATURES, registration.geometric_features(points), strict=True))


@pytest.mark.parametrize("degrees", [-170, -40, 15, 90])
@pytest.mark.parametrize(("scale", "shift"), [(0.2, (5, -3)), (7.0, (900, 300))])
def test_features_ignore_scale_shift_and_rotation(degrees, scale, shift):
    change = similarity(degrees, scale, shift)
    for face in faces():
        np.testing.assert_allclose(
            registration.geometric_features(registration.apply_affine(change, face)),
            registration.geometric_features(face),
            atol=1e-5,
        )


def test_features_of_many_faces_at_once():
    many = np.stack(faces())
    together = registration.geometric_features(many)
    assert together.shape == (len(many), len(GEOMETRIC_FEATURES))
    assert together.dtype == np.float32
    np.testing.assert_array_equal(
        together, [registration.geometric_features(face) for face in many]
    )


def test_average_face_is_alike_on_both_sides():
    f = features(registration.average_face())
    for name in ("brow_height", "lid_height", "lip_height"):
        assert f[f"{name}_left"] == pytest.approx(f[f"{name}_right"], abs=2e-3)


@pytest.mark.parametrize("side", ["left", "right"])
def test_each_feature_follows_its_part_and_its_side(side):
    other = {"left": "right", "right": "left"}[side]
    rest = features(registration.average_face())

    raised = features(moved([f"brow_{side}_{i}" for i in range(1, 6)], (0, -8)))
    assert raised[f"brow_height_{side}"] > rest[f"brow_height_{side}"] + 0.02
    assert raised[f"brow_height_{other}"] < rest[f"brow_height_{other}"] + 0.005

    shut = features(moved([f"eye_{side}_top_1", f"eye_{side}_top_2"], (0, 7)))
    assert shut[f"lid_height_{side}"] < 0.35 * rest[f"lid_height_{side}"]
    assert shut[f"lid_height_{other}"] == pytest.approx(rest[f"lid_height_{other}"], abs=1e-3)
    assert shut[f"brow_height_{side}"] == pytest.approx(rest[f"brow_height_{side}"], abs=1e-3)

    smiling = features(moved([f"mouth_{side}_corner"], (0, -8)))
    assert smiling[f"lip_height_{side}"] < rest[f"lip_height_{side}"] - 0.03
    assert smiling[f"lip_height_{other}"] == pytest.approx(rest[f"lip_height_{other}"], abs=1e-3)


def test_open_and_closed_mouth_and_widths():
    rest = features(registration.average_face())
    lower = [n for n in LANDMARK_NAMES if n.startswith("lip_bottom")]
    gap = (
        registration.average_face()[LANDMARK_INDEX["lip_top_inner_2"]]
        - registration.average_face()[LANDMARK_INDEX["lip_bottom_inner_2"]]
    )
    assert features(moved(lower, gap))["closed_mouth"] == pytest.approx(0.0, abs=1e-6)
    assert features(moved(lower, (0, 25)))["closed_mouth"] > rest["closed_mouth"] + 0.1

    wide = registration.average_face()
    wide[LANDMARK_INDEX["mouth_left_corner"]] += (8, 0)
    wide[LANDMARK_INDEX["mouth_right_corner"]] -= (8, 0)
    assert features(wide)["mouth_width"] > rest["mouth_width"] + 0.08
    assert features(wide)["nose_width"] == pytest.approx(rest["nose_width"], abs=1e-6)


@pytest.mark.parametrize("degrees", [-60, 0, 25])
def test_registration_finds_the_average_face_again(degrees):
    change = similarity(degrees, 2.3, (400, 80))
    points = registration.apply_affine(change, registration.average_face())
    affine = registration.registering_affine(points)
    again = registration.apply_affine(affine, points)
    np.testing.assert_allclose(again, registration.average_face(), atol=1e-6)


def test_registration_undoes_most_of_a_turned_heads_foreshortening():
    narrow = registration.average_face() * [0.8, 1.0]
    affine = registration.registering_affine(narrow)
    again = registration.apply_affine(affine, narrow)
    assert np.ptp(again[:, 0]) / np.ptp(again[:, 1]) == pytest.approx(
        np.ptp(registration.average_face()[:, 0]) / np.ptp(registration.average_face()[:, 1]),
        rel=0.07,
    )


@pytest.mark.parametrize(
    ("part", "by"), [("lip_bottom", (0, 30)), ("brow_", (0, -10)), ("mouth_", (0, -12))]
)
def test_registration_leaves_the_expression_in(part, by):
    points = moved([n for n in LANDMARK_NAMES if n.startswith(part)], by)
    again = registration.apply_affine(registration.registering_affine(points), points)
    kept = (again - registration.average_face())[
        [i for i, n in enumerate(LANDMARK_NAMES) if n.startswith(part)], 1
    ].mean()
    assert 0.7 < kept / by[1] < 1.1


@pytest.mark.parametrize("scale", [0.2, 1.0, 8.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_warped_picture_shows_the_face_where_the_landmarks_say(scale, channels):
    points = registration.apply_affine(
        similarity(12, scale, (60 * scale, 60 * scale)), registration.average_face()
    )
    side = int(420 * scale)
    picture = np.full((side, side), 40, np.uint8)
    name = "nose_tip"
    x, y = points[LANDMARK_INDEX[name]]
    cv2.circle(picture, (round(x), round(y)), max(1, round(6 * scale)), 250, -1, cv2.LINE_AA)
    if channels == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    face = registration.register(picture, points)
    assert face.shape == (256, 256)
    assert face.dtype == np.uint8
    bright = np.argwhere(face > 140).mean(0)[::-1]
    np.testing.assert_allclose(
        bright, registration.average_face()[LANDMARK_INDEX[name]], atol=1.0 + 0.5 / scale
    )


def test_face_beyond_the_picture_repeats_its_edge():
    picture = np.full((50, 50, 3), 90, np.uint8)
    far = registration.average_face() + np.array([200, -300])
    assert (registration.register(picture, far) == 90).all()


def test_centred_affine_takes_the_middle_square():
    picture = np.zeros((48, 96), np.uint8)
    picture[:, 24:72] = 200
    face = registration.warp_face(picture, registration.centred_affine(96, 48))
    assert face[:, 4:-4].min() == 200
