"""How far the actor's neutral is trusted where expressions are read against it."""

from dataclasses import replace

import numpy as np

from exprgen.networks.perception.opinions import as_known, opinions_of
from exprgen.networks.vocabulary import EXPRESSIONS, NEUTRAL
from exprgen.tests.support import synthetic


def test_frames_that_are_called_neutral_are_trusted_though_a_pose_would_not():
    track = synthetic.face_track(frames=20)
    weights = (np.arange(20) < 5).astype(float)

    def read(label: int, trust: float) -> np.ndarray:
        chances = np.full((20, len(EXPRESSIONS)), 0.02, np.float32)
        chances[:, label] = 0.88
        seen = replace(track, expression=chances, readings=None)
        return opinions_of(seen, weights, trust)["against_neutral"]

    joy = EXPRESSIONS.index("joy")
    assert np.allclose(read(NEUTRAL, 0.0), read(NEUTRAL, 0.6))
    assert not np.allclose(read(NEUTRAL, 0.9), read(NEUTRAL, 0.6))
    assert np.allclose(read(joy, 0.0), read(joy, 0.6), atol=0.02), "a smile that lasts is no rest"


def test_who_is_never_seen_at_rest_is_read_by_the_whole_face():
    whole, small = np.array([0.6, 0.4]), np.array([0.2, 0.8])
    said = {"whole": whole[None], "no_mouth": small[None]}
    assert np.allclose(as_known(said, 1.0)["no_mouth"], small)
    assert np.allclose(as_known(said, 0.0)["no_mouth"], whole)
    assert 0.2 < as_known(said, 0.5)["no_mouth"][0, 0] < 0.6
    assert np.array_equal(as_known(said, 0.5)["whole"], whole[None])
