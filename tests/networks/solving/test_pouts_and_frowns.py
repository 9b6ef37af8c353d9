"""Faces that don't talk: pouts and drooping corners that a network sees, frowns, neutral looks."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import arkit_to_unit, find_character, sample_characters
from exprgen.networks.characters.response import load_response
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving.actor import actor_relations
from exprgen.networks.solving.actor_neutral import estimate_neutral, sure
from exprgen.networks.solving.coefficients import channels_in
from exprgen.networks.solving.drawn_shapes import CURVES, pouting
from exprgen.networks.solving.perform import plain_prior, solve_relations
from exprgen.networks.solving.relations import INDEX, LOWER_LIP, RELATIONS
from exprgen.networks.solving.targets import Geometry
from exprgen.networks.solving.told_shapes import frowned, unfrowned
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, NEUTRAL
from exprgen.tests.support import acted

STILL = RetargetSettings(smoothing_eyes=0.0, smoothing_mouth=0.0, emphasis=0.0)
FRAMES = 90
SHRUG = ARKIT_INDEX["mouthShrugLower"]
INNER, OUTER = INDEX["brow_inner_left"], INDEX["brow_outer_left"]


@pytest.fixture(scope="module")
def tobi():
    return load_response(find_character("tobi"))


@pytest.fixture(scope="module")
def calm(tobi):
    """An actor who holds still with a closed mouth."""
    actor = actor_relations(acted.worn(tobi, np.zeros((FRAMES, len(tobi.controls)))), STILL)
    return replace(actor, lips_meet=np.ones(FRAMES, bool), trust=1.0)


def seen(**amounts: float) -> np.ndarray:
    """(N, 52) what a network sees throughout."""
    out = np.zeros((FRAMES, len(ARKIT_CHANNELS)))
    for name, amount in amounts.items():
        sides = [n for n in (name, f"{name}Left", f"{name}Right") if n in ARKIT_INDEX]
        out[:, [ARKIT_INDEX[n] for n in sides]] = amount
    return out


TIMES, NOTHING = np.arange(FRAMES) / 25.0, np.zeros((FRAMES, len(ARKIT_CHANNELS)))


def test_a_little_of_a_pout_that_is_seen_is_a_pout(calm):
    moved, said = pouting(TIMES, calm, NOTHING, seen(mouthShrugLower=0.15))
    assert said[:, SHRUG] == pytest.approx(1.0)
    assert np.all(moved.moved[:, CURVES] < calm.moved[:, CURVES])
    others = np.delete(np.arange(len(RELATIONS)), CURVES)
    assert np.array_equal(moved.moved[:, others], calm.moved[:, others])
    weaker = pouting(TIMES, calm, NOTHING, seen(mouthShrugLower=0.06))[1]
    assert np.all((weaker[:, SHRUG] > 0.1) & (weaker[:, SHRUG] < 0.6))


def test_what_is_no_pout_stays_as_it_is(calm):
    pout = seen(mouthShrugLower=0.15, mouthFrown=0.3)
    for actor, looked in (
        (calm, NOTHING),
        (calm, seen(mouthShrugLower=0.02, mouthFrown=0.05)),
        (calm, pout + seen(mouthSmile=0.5)),
        (replace(calm, lips_meet=np.zeros(FRAMES, bool)), pout),
        (replace(calm, trust=0.4), pout),
    ):
        moved, said = pouting(TIMES, actor, NOTHING, looked)
        assert np.allclose(said, 0.0)
        assert np.allclose(moved.moved, actor.moved)


def test_corners_are_drawn_down_to_what_is_seen_of_them_and_no_further(calm):
    moved, _ = pouting(TIMES, calm, NOTHING, seen(mouthFrown=0.3))
    fall = (moved.moved - calm.moved)[:, CURVES]
    assert np.all((fall < -0.02) & (fall > -0.05))
    hanging = replace(calm, moved=calm.moved.copy())
    hanging.moved[:, CURVES] = -0.1
    moved, _ = pouting(TIMES, hanging, NOTHING, seen(mouthFrown=0.3))
    assert np.allclose(moved.moved, hanging.moved)


@pytest.mark.parametrize("name", ["mira", "tobi", "anselm", "rosa"])
def test_characters_pout(name, calm):
    profile = find_character(name)
    model = load_response(profile)
    controls = tuple(profile.control(n) for n in model.controls)
    response = Geometry.of(model, profile).response

    def shown(looked):
        actor, said = pouting(TIMES, calm, NOTHING, looked)
        plain = plain_prior(controls, np.zeros((FRAMES, len(controls))), said)
        return response.predict(
            solve_relations(TIMES, actor, profile, model, plain, plain, STILL)
        ).mean(0)

    more = shown(seen(mouthShrugLower=0.15)) - shown(NOTHING)
    assert more[LOWER_LIP].mean() > 0.02
    assert more[INDEX["lower_lip_forward"]] > 0.02
    assert more[CURVES].mean() < -0.02


def test_a_pose_holds_of_a_channel_what_that_alone_does():
    for profile in sample_characters():
        controls = profile.expression_controls
        alone = arkit_to_unit(controls, np.eye(len(ARKIT_CHANNELS)))
        made = np.abs(alone).max(1) > 0.1
        own = np.diag(channels_in(alone, profile))
        assert np.all(own[made] > 0.8), profile.name
        assert np.all(channels_in(-alone, profile)[made, made] >= 0.0)
        assert np.allclose(channels_in(0.0 * alone, profile), 0.0)


# --- frowns --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def geometry():
    profile = find_character("mira")
    return Geometry.of(load_response(profile), profile)


def brows(geometry, fall: float) -> np.ndarray:
    """(N, K) targets whose brows are held down."""
    values = np.tile(geometry.response.rest, (FRAMES, 1))
    values[:, [k for k, r in enumerate(RELATIONS.values()) if r.region == "brow"]] -= fall
    return values


def test_low_brows_stay_low_except_in_a_smile(calm, geometry):
    low, rest = brows(geometry, 0.04), geometry.response.rest
    said = np.tile(rest, (FRAMES, 1))
    assert np.allclose(unfrowned(TIMES, low, geometry, said, calm), low)
    smiling = replace(calm, moved=calm.moved.copy())
    smiling.moved[:, CURVES] = 0.05
    for actor in (smiling, replace(calm, trust=0.3)):
        lifted = unfrowned(TIMES, low, geometry, said, actor)
        assert lifted[:, [INNER, OUTER]] == pytest.approx(
            np.tile(rest[[INNER, OUTER]], (FRAMES, 1)), abs=1e-6
        )
    frown = brows(geometry, 0.06)
    assert np.allclose(unfrowned(TIMES, low, geometry, frown, smiling), low)


def test_a_frown_goes_deeper_within_reach_and_only_a_frown(geometry):
    rest = geometry.response.rest
    said, calm = brows(geometry, 0.06), np.tile(rest, (FRAMES, 1))
    falls = []
    for fall in (0.04, 0.08, 0.12, 0.16):
        low = brows(geometry, fall)
        deeper = frowned(TIMES, low, geometry, said, 1.0)
        falls.append(rest[INNER] - deeper[0, INNER])
        assert np.allclose(deeper[:, OUTER], low[:, OUTER])
        assert np.allclose(frowned(TIMES, low, geometry, calm, 1.0), low)
        assert np.allclose(frowned(TIMES, low, geometry, said, 0.4), low)
    assert falls[0] > 0.055
    assert np.all(np.diff(falls) > 0.0)
    assert falls[2] < -geometry.low[INNER]
    raised = brows(geometry, -0.04)
    assert np.allclose(frowned(TIMES, raised, geometry, said, 1.0), raised)


def test_a_frown_that_is_deeper_moves_as_it_did(geometry):
    low, beat = brows(geometry, 0.05), 0.01 * np.sin(2 * np.pi * 3.0 * TIMES)
    low[:, INNER] += beat
    deeper = frowned(TIMES, low, geometry, brows(geometry, 0.06), 1.0)[:, INNER]
    middle = slice(25, 65)
    assert np.corrcoef(deeper[middle], beat[middle])[0, 1] > 0.99


# --- neutral looks -------------------------------------------------------------------------------


def test_a_look_that_phrases_hear_neutral_is_the_neutral(tobi):
    """A build that coefficients take for an expression: brows that are said to be raised."""
    track = acted.worn(tobi, np.zeros((FRAMES, len(tobi.controls))))
    arkit = track.arkit.copy()
    arkit[:, [ARKIT_INDEX[f"browOuterUp{side}"] for side in ("Left", "Right")]] += 0.4
    values = np.tile(tobi.rest.mean(), (FRAMES, len(RELATIONS)))
    half, whole = (np.full((FRAMES, 7), (1.0 - sure_) / 6, np.float32) for sure_ in (0.8, 0.96))
    half[:, NEUTRAL], whole[:, NEUTRAL] = 0.8, 0.96
    doubted = replace(track, arkit=arkit, expression=half)
    heard = replace(track, arkit=arkit, expression=whole, readings=half)
    own, known = (estimate_neutral(t, values, "auto").relations for t in (doubted, heard))
    assert known[OUTER] == pytest.approx(values[0, OUTER], abs=5e-3)
    assert own[OUTER] < known[OUTER] - 0.01
    lid = INDEX["lid_gap_left"]
    assert known[lid] == pytest.approx(own[lid])


def test_half_a_trust_is_none():
    assert [sure(t) for t in (0.0, 0.5, 0.75, 1.0)] == [0.0, 0.0, 0.5, 1.0]
