"""A mouth's quick motion is told from all of its landmarks together."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.errors import InputError
from exprgen.networks.solving.mouth_motion import (
    ANSWERS,
    MouthSeen,
    feature_names,
    measured,
    motion_features,
    mouth_motion,
    quick,
    with_mouth_motion,
)
from exprgen.networks.solving.relations import FORWARD, INDEX, LIP_GAPS, NAMES
from exprgen.networks.training.mouth_motion import MouthMotionSettings, fit
from exprgen.networks.training.shared.talkers import talkers

FRAMES = 100
MOUTH = {n for n in NAMES if n.startswith(("lip_gap", "upper_lip_", "lower_lip_", "jaw_height"))}


@pytest.fixture(scope="module")
def spoken():
    """Times, relations and coefficients of lips that open four times a second."""
    times = np.arange(FRAMES) / 25.0
    moved, arkit = np.zeros((FRAMES, len(NAMES))), np.zeros((FRAMES, 52))
    opening = 0.1 * (1.0 - np.cos(2 * np.pi * 4.0 * times))
    moved[:, LIP_GAPS] = opening[:, None]
    moved[:, INDEX["jaw_height"]] = -0.7 * opening
    touch = 1.0 - np.clip(opening / 0.05, 0.0, 1.0)
    return times, MouthSeen(moved, arkit, touch, np.zeros(FRAMES))


def test_features_have_their_names_and_know_neither_place_nor_clock(spoken):
    times, mouth = spoken
    seen = motion_features(times, mouth)
    assert seen.shape == (FRAMES, len(feature_names()))
    later = motion_features(times + 7.0, replace(mouth, moved=mouth.moved + 0.3))
    assert np.allclose(seen, later)


def test_only_what_lips_and_jaw_do_quickly_is_changed(spoken):
    times, mouth = spoken
    still = MouthSeen(*(np.tile(v[5], (FRAMES, *[1] * (v.ndim - 1))) for v in vars(mouth).values()))
    assert np.allclose(with_mouth_motion(times, still), still.moved)
    changed = np.ptp(with_mouth_motion(times, mouth) - mouth.moved, axis=0) > 1e-9
    assert {n for n, c in zip(NAMES, changed, strict=True) if c} <= MOUTH


def test_lips_still_open_when_they_opened(spoken):
    times, mouth = spoken
    told = with_mouth_motion(times, mouth)[:, LIP_GAPS].mean(1)
    assert np.corrcoef(told, mouth.moved[:, LIP_GAPS[0]])[0, 1] > 0.97


@pytest.fixture(scope="module")
def learning():
    return MouthMotionSettings(tracks="", truth="", ridge=1.0, moments=8)


def test_fit_finds_what_there_is_and_asks_landmarks_alone_of_the_gap(learning):
    rng = np.random.default_rng(1)
    seen = rng.normal(size=(2000, len(feature_names())))
    gap, jaw = feature_names().index("lip_gap_left +0.00"), feature_names().index("jawOpen +0.00")
    forward = seen[:, gap] - seen[:, jaw]
    true = np.stack([0.5 * (seen[:, gap] + seen[:, jaw]), seen[:, jaw], forward], axis=1)
    found = fit(seen, true, learning)
    assert found.told(seen)[:, 1:] == pytest.approx(true[:, 1:], abs=0.02)
    assert (found.weights[~measured(), 0] == 0).all()
    assert found.weights[gap, 0] == pytest.approx(0.5 * found.scale[gap], abs=0.05)


def test_what_a_regression_misses_of_chins_is_added_near_moments_that_were_seen(learning):
    rng = np.random.default_rng(3)
    kinds = rng.normal(size=(4, len(feature_names())))
    chosen = rng.integers(4, size=400)
    seen = kinds[chosen] + 0.02 * rng.normal(size=(400, kinds.shape[1]))
    true = np.zeros((400, 3))
    true[:, 1] = (chosen == 2) * 0.05
    found = fit(seen, true, replace(learning, ridge=1e6, calm=1e-3))
    assert found.told(seen)[:, 1] == pytest.approx(true[:, 1], abs=0.005)
    far = 40.0 * seen
    assert found.told(far) == pytest.approx(far / found.scale @ found.weights, abs=0.06)
    assert np.allclose(found.told(np.zeros_like(seen[:1])), 0.0)


def test_numbers_ship_for_every_feature():
    shipped = mouth_motion()
    assert shipped.weights.shape == (len(feature_names()), len(ANSWERS))
    assert shipped.moments.shape == (len(shipped.missed), len(feature_names()))
    assert (shipped.scale > 0).all()


def test_quick_motion_has_no_slow_part():
    times = np.arange(200) / 25.0
    slow = np.sin(2 * np.pi * 0.2 * times)
    assert np.abs(quick(times, slow)[50:150]).max() < 0.1


def test_a_folder_without_talkers_is_refused(tmp_path):
    with pytest.raises(InputError, match="no track of a talker"):
        next(talkers(tmp_path, tmp_path))


def test_how_far_lips_come_forward_is_told_and_not_measured(spoken):
    times, mouth = spoken
    rng = np.random.default_rng(2)
    noisy = mouth.moved.copy()
    noisy[:, FORWARD] = rng.normal(size=(FRAMES, 2))
    told, again = (
        with_mouth_motion(times, m)[:, FORWARD] for m in (mouth, replace(mouth, moved=noisy))
    )
    assert quick(times, again) == pytest.approx(quick(times, told), abs=0.6)
    assert np.abs(told[:, 0] - told[:, 1]).max() < 1e-9
