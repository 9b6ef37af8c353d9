"""Angles of the head from its poses."""

import numpy as np

from exprgen.networks.solving.head_and_gaze import head_angles, rotation_of


def _poses(count: int = 282) -> np.ndarray:
    rng = np.random.default_rng(3)
    poses = np.tile(np.eye(4, dtype=np.float32), (count, 1, 1))
    poses[:, :3, :3] = [rotation_of(*angles) for angles in rng.uniform(-0.6, 0.6, (count, 3))]
    return poses


def test_angles_are_the_same_wherever_poses_lie_in_memory():
    """To the last bit: a choice between sides that gain alike would make more of it."""
    poses, rng = _poses(), np.random.default_rng(4)
    first, kept = head_angles(poses), []
    for _ in range(200):
        kept.append(np.empty(rng.integers(1, 5000), np.uint8))
        if len(kept) > 50:
            kept.pop(0)
        assert np.array_equal(head_angles(poses.copy()), first)
