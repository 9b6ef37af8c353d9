"""The cascaded regression: what a stage looks at, and what it makes of a clip."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from exprgen.networks.errors import InputError
from exprgen.networks.face_model.cascade import (
    LOOKED_AT,
    SCALE,
    SIDE,
    FaceRegression,
    Guess,
    Stage,
    Upright,
    face_regression,
    feature_count,
    gradients,
)
from exprgen.networks.face_model.face_fit import fit_track
from exprgen.networks.face_model.fitting import Fitter
from exprgen.networks.face_model.measure import centre_points, errors, whole_points
from exprgen.networks.face_model.projection import Camera, Heads, rotation_of
from exprgen.networks.face_model.regressed import regressed, told_alone
from exprgen.tests.support.filmed_face import SIZE, film, track_of

KEPT = 3


def regression(model, told=None, features=("hog", "ld")):
    """One stage that always tells the same."""
    out = model.identities + len(model.expressions)
    weights = np.zeros((feature_count(features, KEPT, out), out))
    bias = np.zeros(out) if told is None else told
    basis = np.eye(144)[:, :KEPT]
    return FaceRegression(features, np.zeros(144), basis, (Stage(weights, bias),))


def test_it_is_kept_and_one_of_another_model_is_refused(model, tmp_path):
    told = np.arange(model.identities + len(model.expressions)) / 64.0
    path = regression(model, told).save(tmp_path / "r.npz")
    again = FaceRegression.load(path, model)
    assert again.features == ("hog", "ld")
    assert np.allclose(again.stages[0].bias, told)
    broken = regression(model)
    broken = replace(broken, stages=(Stage(broken.stages[0].weights[:-1], told),))
    with pytest.raises(InputError, match=r"other\.npz"):
        FaceRegression.load(broken.save(tmp_path / "other.npz"), model)
    for features in ([["hog"]], [], ["hog", "nose"]):
        broken = replace(regression(model), features=features)
        with pytest.raises(InputError, match="is no regression of faces"):
            FaceRegression.load(broken.save(tmp_path / "odd.npz"), model)


def test_the_picture_is_upright_and_of_one_size_whatever_the_camera_saw(model):
    camera = Camera.of(SIZE)
    grey = np.zeros(SIZE[::-1], np.uint8)
    marks = model.landmarks().mean
    seen = []
    for roll, away, zoom in ((0.0, -500.0, 1.0), (0.6, -400.0, 1.0), (-0.4, -900.0, 0.5)):
        turn = rotation_of(np.array([[0.0, 0.0, roll]]))
        heads = Heads(turn, np.array([[0.0, 0.0, away]]))
        shown = cv2.resize(grey, None, fx=zoom, fy=zoom)
        picture = Upright.of(shown, camera, heads, zoom)
        assert picture.pixels.shape == (SIDE, SIDE)
        seen.append(picture.places(camera.project(marks[None], heads)[0]))
    eyes = (33, 263)
    for places in seen:
        apart = places[eyes[1]] - places[eyes[0]]
        assert abs(apart[1]) < 0.5
        assert apart[0] == pytest.approx(SCALE * np.ptp(marks[list(eyes), 0]), rel=0.1)


def test_what_the_picture_shows_lies_where_its_places_are(model):
    camera = Camera.of(SIZE)
    heads = Heads(rotation_of(np.array([[0.0, 0.0, 0.5]])), np.array([[40.0, 10.0, -500.0]]))
    nose = camera.project(model.landmarks().mean[[1]][None], heads)[0, 0]
    for zoom in (1.0, 0.5, 4.0):
        grey = np.zeros((int(SIZE[1] * zoom), int(SIZE[0] * zoom)), np.uint8)
        cv2.circle(grey, tuple(int(v * zoom) for v in nose), int(6 * max(zoom, 1)), 255, -1)
        picture = Upright.of(grey, camera, heads, zoom)
        rows, columns = np.nonzero(picture.pixels > 100)
        assert np.allclose([columns.mean(), rows.mean()], picture.places(nose[None])[0], atol=1.5)


@pytest.mark.parametrize("away", [(0.0, 0.0, -90.0), (-9000.0, 0.0, -500.0), (0.0, 9000.0, -60.0)])
def test_a_head_that_fills_or_leaves_the_picture_has_one_too(model, away):
    heads = Heads(rotation_of(np.zeros((1, 3))), np.array([away]))
    for zoom in (1.0, 0.02, 4.0):
        grey = np.full((max(int(SIZE[1] * zoom), 1), max(int(SIZE[0] * zoom), 1)), 80, np.uint8)
        picture = Upright.of(grey, Camera.of(SIZE), heads, zoom)
        assert picture.pixels.shape == (SIDE, SIDE)


def test_gradients_at_the_edge_of_the_picture_are_those_inside(model):
    pixels = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE), np.uint8)
    seen = gradients(pixels, np.array([[-50.0, 20.0], [16.0, 20.0], [SIDE + 9.0, SIDE + 9.0]]))
    assert seen.shape == (3, 144)
    assert np.allclose(seen[0], seen[1])


def test_a_stage_that_tells_nothing_changes_nothing(model):
    filmed = film(model, frames=1)
    fitter = Fitter(model, filmed.camera)
    start = Guess.settled(
        fitter, filmed.seen, filmed.identity[None], filmed.expression, filmed.heads
    )
    grey = np.full(SIZE[::-1], 90, np.uint8)
    upright = Upright.of(grey, filmed.camera, filmed.heads)
    end = regression(model, features=("hog", "ld", "turned", "so_far"))(
        fitter, [upright], filmed.seen, start
    )
    assert np.allclose(end.identity, start.identity)
    assert np.allclose(end.expression, start.expression)
    off = fitter.camera.project(end.points, end.heads)[0] - filmed.seen[0]
    assert np.abs(off[list(LOOKED_AT)]).max() < 5.0


def test_pictures_go_through_together_as_each_alone(model):
    filmed = film(model, frames=3)
    fitter, rng = Fitter(model, filmed.camera), np.random.default_rng(0)
    told = regression(model, features=("hog", "ld", "turned", "so_far"))
    weights = rng.normal(0, 1e-3, told.stages[0].weights.shape)
    told = replace(told, stages=(Stage(weights, told.stages[0].bias),) * 2)
    people = rng.normal(0, 1, (3, model.identities))
    start = Guess.settled(fitter, filmed.seen, people, filmed.expression, filmed.heads)
    pictures = [
        Upright.of(rng.integers(0, 255, SIZE[::-1], np.uint8), filmed.camera, filmed.heads.of([n]))
        for n in range(3)
    ]
    together = told(fitter, pictures, filmed.seen, start)
    alone = Guess.joined([
        told(fitter, pictures[n : n + 1], filmed.seen[n : n + 1], start.of([n])) for n in range(3)
    ])  # fmt: skip
    assert not np.allclose(together.identity, people, atol=0.01)
    for name in ("identity", "expression", "points"):
        assert np.allclose(getattr(together, name), getattr(alone, name), atol=1e-6)


def test_a_clip_keeps_one_identity_and_plays_what_is_told(model):
    track = track_of(film(model, frames=6))
    fit = fit_track(track)
    told = np.zeros(model.identities + len(model.expressions))
    told[0] = 0.5
    puff = model.expressions.index("cheekPuff")
    told[model.identities + puff] = 0.9
    grey = np.full(SIZE[::-1], 90, np.uint8)
    pictures = [(n, grey, 1.0) for n in range(6)]
    found = regressed(track, fit, pictures, regression(model, told), model)
    assert fit.identity[0] + 0.2 < found.identity[0] < fit.identity[0] + 0.6
    assert found.expression[:, puff].min() > fit.expression[:, puff].max() + 0.1
    assert len(found) == 6
    assert regressed(track, fit, [], regression(model, told), model) is fit
    alone = told_alone(track, fit, pictures, regression(model, told), model)
    assert alone.identity[0] >= found.identity[0]
    assert (alone.expression[:, puff] >= found.expression[:, puff] - 1e-6).all()


def test_errors_are_those_of_the_shape_not_of_where_it_stands(model):
    points = model.mean[whole_points(model)]
    turned = points @ rotation_of(np.array([[0.1, 0.2, 0.3]]))[0].T + 7.0
    assert max(errors(turned, points, model).values()) < 1e-6
    larger = errors(1.05 * points, points, model)
    assert larger["whole mae"] > 1.0 > 1e-6 > larger["shape mae"]
    deeper = points + np.where(centre_points(model), 1.0, -1.0)[:, None] * (0.0, 0.0, 1.0)
    found = errors(deeper, points, model)
    assert 0.3 < found["whole rmse"] < 1.0


def test_the_one_that_ships_is_of_the_model_that_ships(model):
    assert face_regression(model).stages
