"""A turned face's own points are those that it would show from the front."""

import numpy as np
import pytest

from exprgen.networks.face_model import pose_free as module
from exprgen.networks.face_model.pose_free import pose_free
from exprgen.networks.face_model.projection import Camera, Heads, rotation_of
from exprgen.networks.solving.relations import INDEX, LID_GAPS, LIP_GAPS, measure, own_points

FRAMES, FRONT = 40, 10
SIZE = (640, 480)
PLAYED = {"jawOpen": 0.5, "mouthSmileLeft": 0.6, "mouthSmileRight": 0.6, "browInnerUp": 0.7,
          "browOuterUpLeft": 0.5, "browOuterUpRight": 0.5}  # fmt: skip


def aside(model, degrees: float):
    """Landmarks (N, 478, 2), true points (N, 478, 3), rest and times of a person of the model who
    looks at the camera, then aside, and plays something all the time."""
    identity = np.random.default_rng(4).normal(0, 0.8, model.identities)
    clock = np.arange(FRAMES) / 25.0
    wave = 0.5 - 0.5 * np.cos(2 * np.pi * 1.5 * clock)
    weights = np.zeros((FRAMES, len(model.expressions)))
    for name, most in PLAYED.items():
        weights[:, model.expressions.index(name)] = most * wave
    rest, moves = model.landmarks().of_person(identity)
    points = rest + np.tensordot(weights, moves, 1)
    yaw = np.radians(degrees) * (np.arange(FRAMES) >= FRONT)
    turned = rotation_of(yaw[:, None] * (0.0, 1.0, 0.0))
    heads = Heads(turned, np.tile([0.0, 0.0, -900.0], (FRAMES, 1)))
    seen = Camera.of(SIZE, kind="orthographic").project(points, heads)
    return seen, points, rest, clock


@pytest.mark.parametrize("degrees", [-70.0, 45.0, 60.0])
def test_a_turned_face_measures_as_it_does_from_the_front(model, degrees):
    seen, points, rest, clock = aside(model, degrees)
    face = pose_free(seen, clock, np.arange(FRAMES) < FRONT, model=model)
    true = measure(own_points(points, rest))
    told = measure(own_points(face.points, face.rest))
    for rows in (LIP_GAPS, LID_GAPS, [INDEX["mouth_width"], INDEX["brow_height_left"]]):
        assert np.abs(told - true)[FRONT:, rows].mean() < 0.04
    gap = [v[FRONT:, LIP_GAPS].mean(1) for v in (true, told)]
    assert np.corrcoef(*gap)[0, 1] > 0.97


def test_hidden_landmarks_cost_nothing_but_what_they_knew(model):
    """Half of a profile's landmarks, and some of all frames', are not there."""
    seen, points, rest, clock = aside(model, 70.0)
    away = points[0, :, 0] > 0
    side = away if np.ptp(seen[-1, away, 0]) < np.ptp(seen[-1, ~away, 0]) else ~away
    seen[FRONT:, side] = np.nan
    seen[:, :5] = np.nan
    face = pose_free(seen, clock, np.arange(FRAMES) < FRONT, model=model)
    assert np.isfinite(face.points).all()
    gap = [measure(own_points(*f))[FRONT:, LIP_GAPS].mean(1)
           for f in ((points, rest), (face.points, face.rest))]  # fmt: skip
    assert np.corrcoef(*gap)[0, 1] > 0.9


def test_a_face_that_never_looks_at_the_camera_is_fitted_too(model):
    seen, _, _, clock = aside(model, 60.0)
    face = pose_free(seen[FRONT:], clock[FRONT:], np.zeros(FRAMES - FRONT, bool), model=model)
    assert np.isfinite(face.points).all()
    assert np.median(face.residual) < 2.0


def test_a_long_clip_is_fitted_in_pieces(model, monkeypatch):
    seen, _, _, clock = aside(model, 45.0)
    frontal = np.arange(FRAMES) < FRONT
    whole = pose_free(seen, clock, frontal, model=model)
    monkeypatch.setattr(module, "PIECE", 16)
    pieces = pose_free(seen, clock, frontal, model=model)
    assert pieces.points.shape == whole.points.shape
    assert np.abs(pieces.points - whole.points).mean() < 0.5


def test_nothing_seen_at_all_is_no_crash(model):
    face = pose_free(np.full((3, 478, 2), np.nan), np.arange(3.0), np.zeros(3, bool), model=model)
    assert face.points.shape == (3, 478, 3)
