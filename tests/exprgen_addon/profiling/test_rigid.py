"""Rigid fits of point clouds: the turn is found, also where a part of the points bends along."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("bpy")

from exprgen.exprgen_addon.profiling.rigid import follows, rigid_motion

ABOUT_Z = np.array([0.0, 0.0, 1.0])


def turned(points: np.ndarray, angle) -> np.ndarray:
    """Points (N, 3) turned about the z axis by an angle, or by one angle each (N,), radians."""
    x, y, z = points.T
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c * x - s * y, s * x + c * y, z], axis=1)


@pytest.fixture
def cloud() -> np.ndarray:
    return np.random.default_rng(4).uniform(-1.0, 1.0, (300, 3))


@pytest.mark.parametrize("angle", [-0.7, 0.02, 1.5])
def test_a_turn_and_a_shift_are_told_apart(cloud, angle):
    vector, left = rigid_motion(cloud, turned(cloud, angle) + np.array([3.0, -1.0, 2.0]))
    np.testing.assert_allclose(vector, angle * ABOUT_Z, atol=1e-6)
    assert left == pytest.approx(0.0, abs=1e-6)


def test_a_mirror_image_is_no_turn(cloud):
    _, left = rigid_motion(cloud, cloud * (-1.0, 1.0, 1.0))
    assert left > 0.3


def test_nothing_moved_is_no_motion(cloud):
    vector, left = rigid_motion(cloud, cloud)
    np.testing.assert_allclose(vector, 0.0, atol=1e-6)
    assert left == 0.0


def test_a_bending_neck_is_left_out(cloud):
    stiff = cloud[:, 2] > -0.4
    angles = 0.5 * np.where(stiff, 1.0, (cloud[:, 2] + 1.0) / 0.6)
    bent = turned(cloud, angles)
    vector, left = rigid_motion(cloud, bent, 0.6)
    np.testing.assert_allclose(vector, 0.5 * ABOUT_Z, atol=0.01)
    assert left < 0.01 < rigid_motion(cloud, bent)[1]
    found = follows(cloud, bent, 0.5, 0.15)
    assert found[stiff].all()
    far = np.hypot(cloud[:, 0], cloud[:, 1]) > 0.5  # on the axis a turn moves nothing
    assert not found[(cloud[:, 2] < -0.7) & far].any()
