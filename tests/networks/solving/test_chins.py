"""Chins hang beside the opening of the lips as the actor's do."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving import targets
from exprgen.networks.solving.actor import actor_relations
from exprgen.networks.solving.perform import solve_relations
from exprgen.networks.solving.relations import (
    INDEX,
    JAW,
    LID_GAPS,
    LIP_GAPS,
    LOWER_LIP,
    NAMES,
    WIDTH,
)
from exprgen.networks.solving.smoothing import slow, without_dips
from exprgen.networks.solving.targets import (
    ASIDE,
    BENT_UP,
    INNER_BROWS,
    Geometry,
    _centred,
    bound_targets,
    heavier,
    held_down,
    narrowed,
)
from exprgen.networks.solving.told_shapes import _opened_downwards
from exprgen.tests.support import acted

FRAMES = 100
TIMES = np.arange(FRAMES) / 25.0
STILL = RetargetSettings(smoothing_mouth=0.0, emphasis=0.0)


@pytest.fixture(scope="module")
def mira():
    profile = find_character("mira")
    model = load_response(profile)
    return profile, model, Geometry.of(model, profile)


def test_what_binds_beside_the_relations_is_the_chin_over_the_opening(mira):
    _, model, geometry = mira
    units = np.zeros((2, len(model.controls)))
    units[1, model.controls.index("jaw_open")] = 0.6
    shown = geometry.bound.predict(units)
    assert shown[:, :-2] == pytest.approx(geometry.response.predict(units))
    assert shown[:, -2:-1] == pytest.approx(geometry.seam.predict(units))
    assert shown[:, -1] == pytest.approx(shown[:, JAW] + shown[:, LIP_GAPS].mean(1))


def test_a_chin_binds_less_where_lips_are_held_together(mira):
    geometry = mira[2]
    values = np.tile(geometry.response.rest, (3, 1))
    touching, held = np.array([False, True, True]), np.array([0.0, 0.0, 1.0])
    bound = bound_targets(values, np.ones_like(values), geometry, touching, held)
    apart, touch, shut = bound.weights[:, -1]
    assert touch > apart > 2.0 * shut
    assert bound.values[:, -1] == pytest.approx(geometry.bound.rest[-1])


def chin_and_lips(mira, actor):
    """(N,) how low the chin hangs, (N,) how far the lips are open, of a solved performance."""
    profile, model, geometry = mira
    calm = np.zeros((2, FRAMES, len(model.controls)))
    solved = solve_relations(TIMES, actor, profile, model, *calm, STILL)
    shown = geometry.response.predict(solved) - geometry.response.rest
    return -shown[:, JAW], shown[:, LIP_GAPS].mean(1), solved


def still_actor(mira):
    _, model, _ = mira
    track = acted.worn(model, np.zeros((FRAMES, len(model.controls))))
    return actor_relations(track, STILL)


def test_a_jaw_that_moves_behind_parted_lips_is_seen(mira):
    actor = still_actor(mira)
    beat = 0.04 * np.sin(2 * np.pi * 3.0 * TIMES)
    moved = actor.moved.copy()
    moved[:, LIP_GAPS] += 0.12
    moved[:, JAW] -= 0.1 + beat
    open_ = replace(actor, moved=moved, lip_gaps=actor.lip_gaps * 0 + 0.12, lips_meet=TIMES < 0)
    chin, lips, _ = chin_and_lips(mira, open_)
    apart = chin - lips
    inner = slice(12, -12)
    assert np.corrcoef((apart - slow(TIMES, apart))[inner], beat[inner])[0, 1] > 0.95


def test_a_chin_does_not_go_up_through_its_teeth(mira):
    """Speech that would lift it over its rest hangs lower instead, and keeps its beat."""
    actor = still_actor(mira)
    beat = 0.05 * np.sin(2 * np.pi * 3.0 * TIMES)
    moved = actor.moved.copy()
    moved[:, LIP_GAPS] += 0.12
    moved[:, JAW] -= beat
    open_ = replace(actor, moved=moved, lip_gaps=actor.lip_gaps * 0 + 0.12, lips_meet=TIMES < 0)
    chin, lips, _ = chin_and_lips(mira, open_)
    inner = slice(12, -12)
    assert np.corrcoef(chin[inner] - lips[inner], beat[inner])[0, 1] > 0.9


def test_a_wide_open_mouth_opens_downwards_and_a_small_one_as_it_is_told(mira):
    """Heights that leave no room below an "ah" would bare its upper teeth."""
    response = mira[2].response
    actor, scale = still_actor(mira), np.ones(len(NAMES))
    values = np.tile(response.rest, (len(TIMES), 1))
    values[:, LIP_GAPS] += np.where(np.arange(FRAMES) < 50, 0.55, 0.2)[:, None]
    values[:, LOWER_LIP] -= 0.15
    aimed = _opened_downwards(values, actor, scale, response.rest) - response.rest
    wide = np.arange(FRAMES) < 50
    assert aimed[wide][:, LOWER_LIP] == pytest.approx(-0.55)
    assert aimed[wide, JAW] == pytest.approx(-0.55)
    np.testing.assert_array_equal(aimed[~wide], (values - response.rest)[~wide])


def test_a_wide_mouth_is_not_pursed_to_part_its_lips(mira):
    actor = still_actor(mira)
    moved = actor.moved.copy()
    moved[:, WIDTH] += 0.2
    moved[:, LIP_GAPS] += 0.25
    wide = replace(
        actor,
        moved=moved,
        lip_gaps=actor.lip_gaps * 0 + 0.25,
        lips_meet=TIMES < 0,
    )
    _, _, solved = chin_and_lips(mira, wide)
    assert solved[20:80, mira[1].controls.index("funnel")].max() < 0.1


def test_a_jaw_hangs_behind_lips_that_touch_for_a_sound(mira, monkeypatch):
    actor = still_actor(mira)
    said = np.zeros(FRAMES, bool)
    said[40:44] = said[60:64] = True
    moved = actor.moved.copy()
    moved[:, LIP_GAPS] += 0.15 * ~said[:, None]
    moved[:, LOWER_LIP] -= 0.12 * ~said[:, None]
    moved[:, JAW] -= np.where(said, 0.12, 0.14)
    gaps = np.where(said[:, None], 0.0, np.full((FRAMES, 3), 0.15))
    hanging = replace(actor, moved=moved, lip_gaps=gaps, lips_meet=said)
    low, apart, _ = chin_and_lips(mira, hanging)
    monkeypatch.setattr(targets, "BEHIND", 1.0)
    before, _, _ = chin_and_lips(mira, hanging)
    # What closes lips over an open jaw lets most of it hang too; the rest is held back less.
    assert (low[said] > before[said] + 0.001).all()
    assert low[said].min() > 0.6 * 0.12
    assert apart[said].max() < 0.01


def shown_lids(actor):
    """(N, 2) shares of the open eye, what is held half shut held further."""
    return heavier(TIMES, actor, held_down(TIMES, actor))


def test_eyes_that_blink_often_are_not_heavy_and_those_under_a_scowl_are(mira):
    actor = still_actor(mira)
    open_ = np.ones((FRAMES, 2))
    for start in range(5, FRAMES, 12):
        open_[start : start + 4] = 0.0
    assert without_dips(TIMES, open_, 0.5).min() == 1.0
    assert np.array_equal(shown_lids(replace(actor, lids=open_)), open_)
    held = replace(actor, lids=np.full((FRAMES, 2), 0.6))
    low = actor.moved.copy()
    low[:, INNER_BROWS] -= 0.06
    calm, scowling = (shown_lids(replace(held, moved=m)) for m in (actor.moved, low))
    assert (calm < held.lids).all()
    assert (scowling < calm - 0.05).all()
    smile = actor.moved.copy()
    smile[:, BENT_UP] += 0.1
    assert shown_lids(replace(held, moved=smile)) == pytest.approx(held.lids)


def test_eyes_that_are_held_narrow_are_slits_and_shut_ones_shut(mira):
    actor = still_actor(mira)
    shares = np.ones((FRAMES, 2))
    shares[20:80] = 0.08
    shares[40:60] = 0.0
    shares[90:94] = 0.08  # a blink on its way
    shown = shown_lids(replace(actor, lids=shares))
    assert (shown[40:60] == 0.0).all()
    assert (shown[25:38] > 0.18).all()
    assert (shown[90:94] <= shares[90:94]).all()
    aim = targets.targets_for(TIMES, replace(actor, lids=shares), mira[2], STILL)
    rest = mira[2].response.rest[LID_GAPS]
    assert (aim.values[25:38][:, LID_GAPS] > 0.18 * rest).all()
    assert aim.values[45, LID_GAPS] == pytest.approx(mira[2].lids)


def test_eyes_held_wide_are_shown_less_so_and_blink_by_the_same_shares():
    blink = np.ones((FRAMES, 1))
    blink[48:52, 0] = 0.6, 0.0, 0.3, 0.8
    for held in (0.7, 1.0):
        calm = held * blink
        assert narrowed(TIMES, calm) == pytest.approx(calm)
    wide = narrowed(TIMES, 1.4 * blink)
    assert 1.05 < wide[0] < 1.3
    assert wide == pytest.approx(wide[0] * blink)


def test_a_pursed_mouth_goes_aside_by_more_than_an_error():
    moved = np.zeros((3, len(NAMES)))
    side = INDEX["mouth_side"]
    moved[:, side] = 0.03, -0.12, 0.12
    kept = _centred(moved, np.array([1.0, 1.0, 0.0]))
    assert kept[:, side] == pytest.approx([0.0, -0.12 + ASIDE, 0.12])
    assert not np.delete(kept, side, axis=1).any()


def test_a_jaw_that_hangs_behind_a_sound_is_seen_with_pursed_lips_too(monkeypatch):
    profile = find_character("anselm")
    model = load_response(profile)
    anselm = profile, model, Geometry.of(model, profile)
    actor = still_actor(anselm)
    met = TIMES % 0.6 < 0.12
    moved = actor.moved.copy()
    moved[np.ix_(~met, LIP_GAPS)] += 0.12
    moved[:, JAW] -= 0.1
    gaps = np.where(met[:, None], 0.0, 0.12) * np.ones(3)
    spoken = replace(actor, moved=moved, lip_gaps=gaps, lips_meet=met)
    round_ = replace(spoken, pursed=np.ones(FRAMES))
    for one in (spoken, round_):
        low, apart, _ = chin_and_lips(anselm, one)
        assert low[met].mean() > low[~met].mean()
        assert apart[met].max() < 0.01
    monkeypatch.setattr("exprgen.networks.solving.perform.PURSED_BEHIND", 0.0)
    less = chin_and_lips(anselm, round_)[0]
    assert low[met].mean() > less[met].mean() + 0.001


@pytest.mark.parametrize("name", ["mira", "tobi", "anselm", "rosa"])
def test_a_jaw_that_goes_aside_does_not_part_lips_that_touch(name):
    """It would carry the lower lip off, and a corner of a mouth that is aside shows a dark slit."""
    profile = find_character(name)
    model = load_response(profile)
    cast = profile, model, Geometry.of(model, profile)
    actor = still_actor(cast)
    moved = actor.moved.copy()
    for relation, amount in (("mouth_side", 0.2), ("jaw_side", 0.12)):
        moved[:, INDEX[relation]] += amount
    met, gaps = np.ones(FRAMES, bool), np.zeros((FRAMES, 3))
    aside = replace(actor, moved=moved, lips_meet=met, lip_gaps=gaps)
    _, apart, solved = chin_and_lips(cast, aside)
    sheared = (cast[2].seam.predict(solved) - cast[2].seam.rest)[20:80]
    assert np.abs(sheared).max() < 0.04
    shown = cast[2].response.predict(solved) - cast[2].response.rest
    assert shown[20:80, INDEX["mouth_side"]].min() > 0.08
    assert np.abs(apart[20:80]).max() < 0.02
