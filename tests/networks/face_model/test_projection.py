"""Heads are found again where cameras have seen them."""

import numpy as np
import pytest

from exprgen.networks.errors import UsageError
from exprgen.networks.face_model.projection import Camera, Heads, place, refine, rotation_of

SIZE = (640, 480)


def _scene(kind, seed=0, frames=5):
    rng = np.random.default_rng(seed)
    points = np.tile(rng.normal(0, (40, 50, 30), (60, 3)), (frames, 1, 1))
    rotation = rotation_of(rng.normal(0, 0.4, (frames, 3)))
    translation = np.stack(
        [rng.normal(0, 60, frames), rng.normal(0, 40, frames), rng.uniform(-900, -400, frames)], 1
    )
    camera = Camera.of(SIZE, kind=kind)
    heads = Heads(rotation, translation)
    return camera, points, heads, camera.project(points, heads)


def _degrees_apart(one, other):
    turn = np.einsum("nij,nkj->nik", one, other)
    cosine = (np.trace(turn, axis1=1, axis2=2) - 1) / 2
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


@pytest.mark.parametrize("kind", ["perspective", "orthographic"])
def test_heads_are_placed_where_they_were(kind):
    camera, points, heads, seen = _scene(kind)
    weights = np.ones(points.shape[:2])
    found = place(camera, seen, points, weights, None)
    for _ in range(12):
        found = refine(camera, seen, points, weights, found)
    assert _degrees_apart(found.rotation, heads.rotation).max() < 0.1
    assert np.abs(found.translation - heads.translation).max() < 1.0
    assert np.abs(camera.project(points, found) - seen).max() < 0.05


def test_an_orthographic_picture_is_solved_at_once():
    camera, points, heads, seen = _scene("orthographic")
    found = place(camera, seen, points, np.ones(points.shape[:2]), None)
    assert _degrees_apart(found.rotation, heads.rotation).max() < 1e-3
    assert np.abs(found.translation - heads.translation).max() < 1e-2


def test_posit_comes_nearer_in_perspective():
    camera, points, heads, seen = _scene("perspective")
    weights = np.ones(points.shape[:2])
    first = place(camera, seen, points, weights, None)
    better = first
    for _ in range(4):
        better = place(camera, seen, points, weights, better)
    off = [_degrees_apart(h.rotation, heads.rotation).mean() for h in (first, better)]
    assert off[1] < 0.2 * off[0]


def test_a_camera_knows_its_angle_of_view():
    camera = Camera.of(SIZE, 0.8)
    assert camera.angle == pytest.approx(0.8)
    middle = camera.project(np.zeros((1, 1, 3)), Heads(np.eye(3)[None], np.array([[0, 0, -500.0]])))
    assert middle[0, 0] == pytest.approx((320, 240))


@pytest.mark.parametrize(("kind", "focal"), [("fisheye", 500.0), ("perspective", 0.0)])
def test_no_such_camera(kind, focal):
    with pytest.raises(UsageError):
        Camera(SIZE, focal, kind)
