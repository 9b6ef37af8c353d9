"""Faces that are turned away follow the fitted head; all others stay as they are, bit by bit."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving import turned_faces as module
from exprgen.networks.solving.actor import actor_relations
from exprgen.networks.solving.relations import INDEX, NAMES, actor_points, measure
from exprgen.networks.solving.turned_faces import (
    PARTNER,
    STAGES,
    TERMS,
    WAYS,
    YAW,
    TurnedFaces,
    mirrored,
    stages,
    turned_faces,
    with_turned_faces,
)
from exprgen.networks.track import HELD
from exprgen.networks.training.turned_faces import Turned, fit
from exprgen.tests.support import acted

FRAMES, TURNS = 40, 14


@pytest.fixture(scope="module")
def tobi():
    return load_response(find_character("tobi"))


def clip(tobi, yaw: float):
    """An actor who looks at the camera, then turns, smiling more and more."""
    units = np.zeros((FRAMES, len(tobi.controls)))
    units[:, tobi.controls.index("mouthSmileLeft")] = np.linspace(0, 1, FRAMES)
    head = np.zeros((FRAMES, 3))
    head[TURNS:, 1] = yaw
    return acted.worn(tobi, units, head)


def test_who_never_turns_is_never_fitted(tobi, monkeypatch):
    def refuse(*_):
        raise AssertionError("loaded")

    monkeypatch.setattr(module, "turned_faces", refuse)
    monkeypatch.setattr(module, "fitted_relations", refuse)
    track = clip(tobi, float(YAW[0]) - 0.02)
    values = measure(actor_points(track))
    assert with_turned_faces(track, values) is values
    actor_relations(track, RetargetSettings())


@pytest.mark.parametrize("yaw", [0.8, -1.1])
def test_only_frames_that_are_turned_change(tobi, yaw):
    track = clip(tobi, yaw)
    state = track.state.copy()
    state[25] = HELD
    track = replace(track, state=state)
    values = measure(actor_points(track))
    both = with_turned_faces(track, values)
    same = (both == values).all(1)
    assert same[:2].all(), "half a second before a turn"
    assert same[25]
    assert not same[TURNS:25].any()
    assert np.isfinite(both).all()
    assert np.isfinite(actor_relations(track, RetargetSettings()).moved).all()


def test_a_face_that_is_always_turned_is_told_too(tobi):
    track = clip(tobi, 1.0)
    away = replace(track, **{n: getattr(track, n)[TURNS:] for n in
                             ("times", "state", "landmarks", "head_pose", "gaze", "blink", "arkit",
                              "confidence", "geometry", "expression", "face_offsets")})  # fmt: skip
    assert np.isfinite(with_turned_faces(away, measure(actor_points(away)))).all()


@pytest.mark.parametrize("way", [(0, 1), (1, 0), (-1, 0), (0.7, 0.7)])
def test_the_shares_of_stages_grow_smoothly_to_one(way):
    shares = stages(np.radians(np.outer(np.arange(91.0), (*way, 0.0))))
    whole = shares.sum(1)
    assert (whole[: int(np.degrees(YAW[0])) + 1] == 0).all()
    assert whole[-1] == pytest.approx(1.0)
    assert (np.diff(whole) >= -1e-12).all()
    assert np.abs(np.diff(shares, axis=0)).max() < 0.15


def test_both_sides_and_only_one_of_above_and_below_have_the_same_stages():
    left, right, up, down = stages(np.array([(0, -1.0, 0), (0, 1.0, 0), (0.8, 0, 0), (-0.8, 0, 0)]))
    assert (left == right).all()
    assert not (up * down).any()


def test_a_mirror_shows_what_it_is_shown():
    values = np.random.default_rng(0).normal(size=(4, len(NAMES)))
    yaw = np.array([0.9, -0.9, 0.5, 0.0])
    seen = mirrored(values, yaw)
    assert np.array_equal(mirrored(seen, yaw), values)
    assert np.array_equal(seen[1], values[1])
    assert seen[0, INDEX["lid_gap_left"]] == values[0, INDEX["lid_gap_right"]]
    assert seen[0, INDEX["jaw_side"]] == -values[0, INDEX["jaw_side"]]
    assert (PARTNER[PARTNER] == np.arange(len(NAMES))).all()


def told(person: str, seed: int, jaw: np.ndarray) -> Turned:
    """A person whose jaw follows the fitted head and hangs `jaw` lower; lids say nothing new."""
    rng = np.random.default_rng(seed)
    terms = rng.normal(0, 0.1, (200, len(NAMES), len(TERMS)))
    terms[:, :, -1] = module.OFFSET
    lasting = 0.5 * terms
    lasting[:, :, -1] = module.OFFSET
    lack, slow_lack = np.zeros((2, 200, len(NAMES)))
    k, lid = INDEX["jaw_height"], INDEX["lid_gap_left"]
    lack[:, k] = terms[:, k, 2] - terms[:, k, 0] - jaw
    slow_lack[:, k] = lasting[:, k, 2] - lasting[:, k, 0] - jaw
    lack[:, lid], slow_lack[:, lid] = rng.normal(0, 0.1, (2, 200))
    shares = np.eye(STAGES)[rng.integers(3, size=200)]
    return Turned(person, terms, shares, lack, lasting, slow_lack)


def test_blends_are_found_where_others_gain_by_them(tmp_path):
    found = fit([told("anna", 1, 0.03), told("bert", 2, 0.03)], 1e-6, 1e-6)
    k, lid = INDEX["jaw_height"], INDEX["lid_gap_left"]
    aside = WAYS["aside"]
    assert np.allclose(found.slow[aside, k], (-1, 0, 1, 0, -0.03 / module.OFFSET), atol=1e-3)
    assert np.allclose(found.quick[aside, k], (-1, 0, 1, 0, 0), atol=1e-3)
    assert not found.slow[WAYS["below"]].any(), "nobody was seen from there"
    assert not found.slow[:, lid].any()
    assert not found.quick[:, lid].any()
    apart = fit([told("anna", 1, 0.3), told("bert", 2, -0.3)], 1e-6, 1e-6)
    assert not apart.slow[:, k].any(), "what differs from person to person is nobody's"
    assert apart.quick[:, k].any()
    found.save(tmp_path / "blend.npz", {})


def test_what_ships_is_a_blend_of_all_relations_and_moves_none_far():
    shipped = turned_faces()
    assert isinstance(shipped, TurnedFaces)
    for weights in (shipped.slow, shipped.quick):
        assert weights.shape == (STAGES, len(NAMES), len(TERMS))
        assert np.isfinite(weights).all()
        assert np.abs(weights[:, :, -1] * module.OFFSET).max() < 0.3
    assert not shipped.quick[:, :, -1].any()


def test_of_a_long_clip_only_what_is_turned_and_some_of_the_rest_is_fitted(tobi, monkeypatch):
    track = clip(tobi, 0.9)
    looked = []

    def count(track, rows, frontal):
        looked.append(rows)
        return np.zeros((len(rows), len(NAMES)))

    monkeypatch.setattr(module, "fitted_relations", count)
    monkeypatch.setattr(module, "ENOUGH", 3)
    front = np.r_[np.zeros(400, int), np.arange(FRAMES)]
    long = replace(track, **{n: getattr(track, n)[front] for n in
                             ("state", "landmarks", "head_pose", "gaze", "blink", "arkit",
                              "confidence", "geometry", "expression", "face_offsets")},
                   times=np.arange(len(front)) / 25.0)  # fmt: skip
    with_turned_faces(long, measure(actor_points(long)))
    assert {*range(400 + TURNS, 400 + FRAMES)} <= {*looked[0].tolist()}
    assert len(looked[0]) < 100
