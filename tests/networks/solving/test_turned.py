"""Where a face is turned away, what is forward is told by the head that is fitted to it."""

import numpy as np
import pytest

from exprgen.networks.face_model.model import face_model
from exprgen.networks.face_model.projection import Heads, rotation_of
from exprgen.networks.solving.relations import INDEX, actor_points, measure
from exprgen.networks.solving.turned import FORWARD, with_fitted
from exprgen.tests.support.filmed_face import film, track_of

FRAMES = 40
FLAT = 0.5
"""What is left of depth where a tracker guesses it."""


@pytest.fixture(scope="module")
def clip():
    """(track, yaw (N,)): a face that looks at the camera and then away, its depth guessed."""
    model = face_model()
    filmed = film(model, frames=FRAMES, turn=0.05)
    yaw = np.linspace(0.0, 1.1, FRAMES)
    turn = rotation_of(np.outer(yaw, (0.0, 1.0, 0.0))) @ filmed.heads.rotation
    heads = Heads(turn, filmed.heads.translation)
    points = model.landmarks().shapes(np.tile(filmed.identity, (FRAMES, 1)), filmed.expression)
    track = track_of(filmed)
    track.landmarks[..., :2] = filmed.camera.project(points, heads)
    turned = points @ turn.swapaxes(1, 2)
    scale = heads.scale(filmed.camera)[:, None]
    track.landmarks[..., 2] = -FLAT * turned[..., 2] * scale
    track.head_pose[:, :3, :3] = turn
    return track, yaw


def test_what_is_forward_stays_where_it_was_as_the_face_turns(clip):
    track, yaw = clip
    values = measure(actor_points(track))
    told = with_fitted(track, values)
    away = yaw > 0.9
    width = INDEX["mouth_corners_forward"]
    before, after = (
        np.abs(v[away, width] - np.median(v[yaw < 0.3, width])).mean() for v in (values, told)
    )
    assert after < 0.7 * before
    rest = np.setdiff1d(np.arange(values.shape[1]), FORWARD)
    assert np.array_equal(told[:, rest], values[:, rest])
    assert np.allclose(told[yaw < 0.3], values[yaw < 0.3])


def test_a_face_that_looks_at_the_camera_is_left_as_it_is(clip):
    track = track_of(film(face_model(), frames=6, turn=0.1))
    values = measure(actor_points(track))
    assert with_fitted(track, values) is values
