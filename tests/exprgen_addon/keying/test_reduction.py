"""Keys that are left out: no curve strays, and what touches, or just doesn't, stays so."""

from __future__ import annotations

import numpy as np
import pytest

from exprgen.exprgen_addon.keying import reduction
from exprgen.networks.characters.profile import find_character, from_unit

FRAMES, FPS = 150, 25.0
ERROR = 0.01


def spoken(profile, seed: int = 0) -> np.ndarray:
    """(N, C) native values: every control goes its own small way, some of them at once."""
    rng = np.random.default_rng(seed)
    knots = rng.uniform(0.0, 0.35, (FRAMES // 4 + 2, len(profile.controls)))
    at = np.arange(FRAMES) / 4.0
    units = np.stack([np.interp(at, np.arange(len(k)), k) for k in knots.T], 1)
    units += rng.normal(0.0, 0.004, units.shape)
    names = [c.name for c in profile.controls]
    still = rng.random(FRAMES) < 0.5
    for word in ("jaw", "lower", "upper"):
        columns = [i for i, n in enumerate(names) if word in n.lower()]
        units[np.ix_(still, columns)] *= 0.05
    return from_unit(profile.controls, units)


def fitted(profile, values, gaps, interpolation, shots=None):
    """The keys, and what their curves show at each frame (N, C)."""
    frames = np.arange(FRAMES, dtype=float)
    shots = shots or [slice(0, FRAMES)]
    bounds = ERROR * np.array([c.maximum - c.minimum for c in profile.controls])
    keys = reduction.fit_curves(frames, values, bounds, interpolation, shots, gaps)
    shown = np.stack(
        [
            np.concatenate([_drawn(frames[r], values[r, i], k, r, interpolation) for r in shots])
            for i, k in enumerate(keys)
        ],
        1,
    )
    return keys, shown


def _drawn(frames, values, keys, rows, interpolation):
    own = (keys.kept >= rows.start) & (keys.kept < rows.stop)
    at = keys.kept[own] - rows.start
    return reduction.evaluate(frames, frames[at], values[at], keys.slopes[own], interpolation)


def missed(gaps, values, shown) -> np.ndarray:
    """(N, 5) by how much gaps are off, as shares of what they may be."""
    wanted = gaps.response.predict(gaps.units(values))
    off = np.abs(gaps.response.predict(gaps.units(shown)) - wanted)
    return off / gaps.limits(wanted)


@pytest.fixture(params=["mira", "rosa", "blip"])
def sample(request):
    profile = find_character(request.param)
    gaps = reduction.Gaps.of(profile, [c.name for c in profile.controls])
    return profile, gaps


@pytest.mark.parametrize("interpolation", ["LINEAR", "BEZIER"])
def test_gaps_that_touch_stay_as_they_are(sample, interpolation):
    profile, gaps = sample
    values = spoken(profile)
    plain, strayed = fitted(profile, values, None, interpolation)
    keys, shown = fitted(profile, values, gaps, interpolation)
    assert missed(gaps, values, strayed).max() > 1.0, "nothing to be kept in this take"
    assert missed(gaps, values, shown).max() <= 1.0 + 1e-9
    bounds = ERROR * np.array([c.maximum - c.minimum for c in profile.controls])
    assert np.all(np.abs(shown - values) <= bounds + 1e-9)
    count, before = (sum(len(k.kept) for k in each) for each in (keys, plain))
    assert count < 1.35 * before < values.size


def test_each_shot_is_fitted_by_itself(sample):
    profile, gaps = sample
    values, shots = spoken(profile, seed=3), [slice(0, 60), slice(60, FRAMES)]
    keys, shown = fitted(profile, values, gaps, "LINEAR", shots)
    assert missed(gaps, values, shown).max() <= 1.0 + 1e-9
    for k in keys:
        assert {0, 59, 60, FRAMES - 1} <= set(k.kept.tolist())
        assert k.held[list(k.kept).index(59)]
        assert not k.held[-1]


def test_a_track_of_some_controls_alone(sample):
    profile, _ = sample
    names = [c.name for c in profile.controls][::2]
    gaps = reduction.Gaps.of(profile, names)
    values = spoken(profile)[:, ::2]
    bounds = ERROR * np.array([profile.control(n).maximum for n in names])
    frames = np.arange(FRAMES, dtype=float)
    keys = reduction.fit_curves(frames, values, bounds, "LINEAR", [slice(0, FRAMES)], gaps)
    shown = np.stack(
        [
            _drawn(frames, v, k, slice(0, FRAMES), "LINEAR")
            for v, k in zip(values.T, keys, strict=True)
        ],
        1,
    )
    assert missed(gaps, values, shown).max() <= 1.0 + 1e-9


def test_no_bound_keeps_every_key(sample):
    profile, gaps = sample
    values = spoken(profile)
    none = np.zeros(len(profile.controls))
    frames = np.arange(FRAMES, dtype=float)
    keys = reduction.fit_curves(frames, values, none, "LINEAR", [slice(0, FRAMES)], gaps)
    assert all(len(k.kept) == FRAMES for k in keys)


def test_whoever_was_never_measured_has_no_gaps(profiles):
    profile = profiles[0]
    assert reduction.Gaps.of(profile, [c.name for c in profile.controls]) is None
