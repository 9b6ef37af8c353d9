"""How far the actor's neutral is trusted where expressions are read against it."""

from dataclasses import replace

import numpy as np

from exprgen.networks.perception.opinions import opinions_of
from exprgen.networks.vocabulary import EXPRESSIONS, NEUTRAL
from exprgen.tests.support import synthetic


def test_frames_that_are_called_neutral_are_trusted_though_a_pose_would_not():
    track = synthetic.face_track(frames=20)
    weights = (np.arange(20) < 5).astype(float)

    def read(label: int, trust: float) -> np.ndarray:
        chances = np.full((20, len(EXPRESSIONS)), 0.05, np.float32)
        chances[:, label] = 0.7
        seen = replace(track, expression=chances, readings=None)
        return opinions_of(seen, weights, trust)["against_neutral"]

    joy = EXPRESSIONS.index("joy")
    assert np.allclose(read(NEUTRAL, 0.0), read(NEUTRAL, 0.6))
    assert not np.allclose(read(NEUTRAL, 0.9), read(NEUTRAL, 0.6))
    assert not np.allclose(read(joy, 0.0), read(joy, 0.6))
