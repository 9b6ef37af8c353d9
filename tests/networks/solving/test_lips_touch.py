"""Whether lips touch is told by landmarks and coefficients together."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.solving.contact import LIPS_NEVER, lips_shut
from exprgen.networks.solving.lips_touch import NAMES, lips_touch, touch_chance, touch_features
from exprgen.networks.training.contact import fit
from exprgen.networks.vocabulary import ARKIT_INDEX
from exprgen.tests.support import synthetic


@pytest.fixture(scope="module")
def spoken():
    """A track and its lip gap: open vowels, and from frame 40 to 44 a closure that the landmarker
    sees .045 apart while the jaw is up."""
    track = synthetic.face_track(frames=80, fps=25.0)
    gap, jaw = np.full(80, 0.16), np.full(80, 0.3)
    gap[40:45], jaw[40:45] = 0.045, 0.01
    arkit = np.zeros_like(track.arkit)
    arkit[:, ARKIT_INDEX["jawOpen"]] = jaw
    track.arkit[:] = arkit
    return track, gap


def test_a_mouth_closed_for_its_sound_is_told_from_an_open_one(spoken):
    track, gap = spoken
    chance = touch_chance(track, gap)
    assert chance[41:44].min() > 0.7
    assert np.delete(chance, np.arange(36, 49)).max() < 0.3
    assert lips_shut(gap, chance)[41:44].all()
    assert not lips_shut(gap, None).any()  # the gap alone misses it


def test_what_is_far_apart_never_touches(spoken):
    _, gap = spoken
    shut = lips_shut(gap + LIPS_NEVER, np.ones(len(gap)))
    assert not shut.any()


def test_features_have_their_names_and_look_at_seconds_not_at_frames(spoken):
    track, gap = spoken
    seen = touch_features(track, gap)
    assert seen.shape == (len(gap), len(NAMES))
    sparse = replace(track, times=track.times * 2.0)  # half the rate: other neighbours count
    assert not np.allclose(seen, touch_features(sparse, gap))
    moved = replace(track, times=track.times + 5.0)
    assert np.allclose(seen, touch_features(moved, gap))


def test_fit_separates_what_can_be_separated():
    rng = np.random.default_rng(3)
    seen = rng.normal(size=(400, 3))
    touching = seen @ (2.0, -1.0, 0.0) + 0.3 > 0
    found = fit(seen, touching, ridge=0.1)
    assert ((found.chance(seen) > 0.5) == touching).mean() > 0.97
    assert abs(found.weights[2]) < 0.2 * abs(found.weights[0])


def test_numbers_ship_for_every_feature():
    shipped = lips_touch()
    assert all(len(getattr(shipped, n)) == len(NAMES) for n in ("middle", "scale", "weights"))
