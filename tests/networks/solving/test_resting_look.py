"""Faces at rest: what of an actor's build reads as a look, winks, poses that brows contradict."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving import contact
from exprgen.networks.solving.actor import actor_relations
from exprgen.networks.solving.drawn_shapes import CORNERS, CURVES
from exprgen.networks.solving.people import people
from exprgen.networks.solving.relations import INDEX, LID_GAPS
from exprgen.networks.solving.resting_look import with_resting_look
from exprgen.networks.solving.shown_feeling import CONTRADICTS, opposed_by_brows
from exprgen.networks.solving.targets import INNER_BROWS, Geometry
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX
from exprgen.tests.support import acted

FRAMES = 90
TIMES = np.arange(FRAMES) / 25.0
LOWER_LIDS = [INDEX[f"lower_lid_{side}"] for side in ("left", "right")]
STILL = RetargetSettings(smoothing_eyes=0.0, smoothing_mouth=0.0, emphasis=0.0)


@pytest.fixture(scope="module")
def geometry():
    tobi = find_character("tobi")
    return Geometry.of(load_response(tobi), tobi)


@pytest.fixture(scope="module")
def calm():
    """An actor who holds still, and looks at rest as people do."""
    tobi = load_response(find_character("tobi"))
    actor = actor_relations(acted.worn(tobi, np.zeros((FRAMES, len(tobi.controls)))), STILL)
    usual = people().mean
    return replace(actor, neutral=usual, trust=1.0, looks=True, facing=np.ones(FRAMES))


def built(actor, **off):
    """The same actor with a neutral face that differs from people's."""
    neutral = actor.neutral.copy()
    for name, much in off.items():
        neutral[INDEX[name]] += much
    return replace(actor, neutral=neutral)


def look(actor, geometry, moved=0.0, settings=STILL):
    values = np.tile(geometry.response.rest + moved, (FRAMES, 1))
    return (with_resting_look(TIMES, values, actor, geometry.response, settings) - values)[45]


def test_a_neutral_that_was_named_or_guessed_has_no_look(calm, geometry):
    heavy = built(calm, lid_gap_left=-0.04, lid_gap_right=-0.04)
    assert np.abs(look(heavy, geometry)).max() > 0.01
    for other in (replace(heavy, looks=False), replace(heavy, trust=0.4)):
        assert not look(other, geometry).any()


def test_brows_and_mouths_keep_what_they_play(calm, geometry):
    others = np.delete(look(calm, geometry), [*LID_GAPS, *LOWER_LIDS])
    assert not others.any()


def test_a_mouth_that_was_drawn_with_a_smile_is_straight_at_rest_and_smiles_as_before(calm):
    anselm = find_character("anselm")
    drawn = Geometry.of(load_response(anselm), anselm)
    still = look(calm, drawn)
    assert np.all((still[CURVES] < -0.03) & (still[CURVES] > -0.1))
    np.testing.assert_allclose(still[CORNERS], still[CURVES])
    smile = np.zeros_like(still)
    smile[CURVES] = 0.1
    assert not look(calm, drawn, smile)[CURVES].any()


def test_what_differs_from_side_to_side_or_is_low_at_rest_is_a_build(calm, geometry):
    built_so = built(calm, brow_outer_left=0.05, brow_inner_left=-0.06, brow_inner_right=-0.06)
    np.testing.assert_array_equal(look(built_so, geometry), look(calm, geometry))


def test_open_eyes_are_calm_heavy_ones_heavy_and_shut_or_startled_ones_as_they_are(calm, geometry):
    rest, moved = geometry.response.rest[LID_GAPS], np.zeros(len(geometry.response.rest))
    heavy = built(calm, lid_gap_left=-0.04, lid_gap_right=-0.04)
    usual, lower = look(calm, geometry)[LID_GAPS], look(heavy, geometry)[LID_GAPS]
    assert np.all((usual < -0.02 * rest) & (usual > -0.2 * rest))
    assert np.all(lower < usual - 0.05 * rest)
    wide = built(calm, lid_gap_left=0.04, lid_gap_right=0.04)
    np.testing.assert_allclose(look(wide, geometry)[LID_GAPS], usual)
    moved[LID_GAPS] = -rest
    assert np.allclose(look(heavy, geometry, moved)[LID_GAPS], 0.0, atol=1e-12)
    moved[LID_GAPS] = 0.3 * rest
    assert np.allclose(look(calm, geometry, moved)[LID_GAPS], 0.0)


def test_what_a_user_turns_off_has_no_look(calm, geometry):
    assert not look(calm, geometry, settings=replace(STILL, gain={"eye": 0.0})).any()


def test_one_eye_that_is_held_further_shut_winks_where_lids_and_coefficients_agree():
    shares, said = np.tile([0.3, 0.6], (FRAMES, 1)), np.zeros((FRAMES, len(ARKIT_CHANNELS)))
    said[:, ARKIT_INDEX["eyeBlinkLeft"]] = 0.4
    other = np.zeros_like(said)
    other[:, ARKIT_INDEX["eyeBlinkRight"]] = 0.4
    winks = contact.held_winks(TIMES, shares, said)
    np.testing.assert_allclose(winks, 1.0)
    np.testing.assert_allclose(contact.together(shares, winks), shares)
    assert not contact.held_winks(TIMES, shares, other).any(), "they don't agree"
    blink = np.full((FRAMES, 2), 1.0)
    blink[45:46, 0] = 0.0
    said[:] = 0.0
    said[45:46, ARKIT_INDEX["eyeBlinkLeft"]] = 1.0
    assert contact.held_winks(TIMES, blink, said).max() < 0.5, "a lid that is a frame earlier"


def test_a_pose_of_raised_brows_is_opposed_by_brows_that_are_held_down(geometry):
    controls = geometry.response.count
    reach = geometry.response.reach()[:, 1][:, INNER_BROWS].mean(1)
    raised = np.zeros((FRAMES, controls))
    raised[:, np.argsort(reach)[-2:]] = 1.0
    rest = np.tile(geometry.response.rest, (FRAMES, 1))
    low, high = rest.copy(), rest.copy()
    low[:, INNER_BROWS] -= 0.08
    high[:, INNER_BROWS] += 0.08

    def opposed(values, felt):
        return opposed_by_brows(TIMES, values, geometry, felt)[45]

    assert opposed(low, raised) == pytest.approx(CONTRADICTS)
    assert opposed(high, raised) == 0.0
    assert opposed(rest, raised) == 0.0
    assert opposed(low, np.zeros_like(raised)) == pytest.approx(0.0)
