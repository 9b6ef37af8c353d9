"""Relations are solved: the character does what the actor does, on its own geometry."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import arkit_to_unit, find_character, sample_characters
from exprgen.networks.characters.response import LinearResponse, load_response
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving.actor import actor_relations, evened
from exprgen.networks.solving.contact import deepen_blinks, held_below, lids_opening, opening
from exprgen.networks.solving.drawn_shapes import over_teeth, raising, smiling, wrinkling
from exprgen.networks.solving.fit import Fit
from exprgen.networks.solving.perform import Reading, performer, solve_relations
from exprgen.networks.solving.relations import (
    INDEX,
    LID_GAPS,
    LIP_GAPS,
    NAMES,
    actor_points,
    measure,
    relation_weights,
)
from exprgen.networks.solving.shown_feeling import (
    carried_on,
    certainty,
    emphasis_of,
    room_to_smile,
    shown_share,
    told_by_landmarks,
)
from exprgen.networks.solving.smoothing import slow
from exprgen.networks.solving.targets import FULL, WEIGHTS, Geometry, kind_of
from exprgen.networks.solving.told_shapes import _levelled, _pressed, _rounded
from exprgen.networks.vocabulary import ARKIT_INDEX, EXPRESSIONS, NEUTRAL
from exprgen.tests.support import acted, synthetic

SAMPLES = [p.name for p in sample_characters()]
STILL = RetargetSettings(smoothing_eyes=0.0, smoothing_mouth=0.0, emphasis=0.0)


def sentence(model, frames: int = 120) -> np.ndarray:
    """(N, C) unit values of Tobi: calm at first, then lips that close and open, brows, a blink."""
    units = np.zeros((frames, len(model.controls)))
    t = np.arange(frames) / 25.0
    talks = np.clip((np.arange(frames) - 20) / 5, 0, 1)

    def put(value, *names):
        for name in names:
            units[:, model.controls.index(name)] = np.clip(value * talks, 0, 1)

    put(0.5 * np.maximum(np.sin(2 * np.pi * 2.3 * t), 0), "jawOpen")
    put(0.5 + 0.5 * np.sin(2 * np.pi * 1.1 * t), "mouthSmileLeft")
    put(0.3 + 0.3 * np.sin(2 * np.pi * 1.7 * t), "browInnerUp")
    blink = np.exp(-((np.arange(frames) - 60) ** 2) / 4.0)
    put(blink, "eyeBlinkLeft", "eyeBlinkRight")
    # Lips that rest a little apart, as a model's landmarks do, are the actor's touching lips.
    return units


@pytest.fixture(scope="module")
def actor_model():
    """Tobi's response with landmarks that meet where his lips and lids do, as a tracker's do."""
    return acted.with_meeting_lips(load_response(find_character("tobi")))


def fast(values: np.ndarray) -> np.ndarray:
    kernel = np.ones(17) / 17
    return values - np.stack([np.convolve(c, kernel, "same") for c in values.T], axis=1)


def alike(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(fast(a).ravel(), fast(b).ravel())[0, 1])


def test_every_relation_has_a_weight_and_a_place():
    assert len(relation_weights()) == len(NAMES) == len(INDEX)
    for name in NAMES:
        kind = name
        while kind not in WEIGHTS and "_" in kind:
            kind = kind.rpartition("_")[0]
        assert kind in WEIGHTS, name


def test_relations_of_an_actor_know_no_head_motion(actor_model):
    units = sentence(actor_model)
    t = np.arange(len(units)) / 25.0
    head = 0.3 * np.stack([np.sin(3 * t), np.sin(2 * t), 0.5 * np.sin(5 * t)], axis=1)
    still, turned = (measure(actor_points(acted.worn(actor_model, units, h))) for h in (None, head))
    assert np.abs(still - turned).max() < 0.02


@pytest.mark.parametrize("name", SAMPLES)
def test_a_character_does_what_the_actor_does(name, actor_model):
    profile, units = find_character(name), sentence(actor_model)
    track = acted.worn(actor_model, units)
    actor, model = actor_relations(track, STILL), load_response(profile)
    prior = np.zeros((len(units), len(model.controls)))
    solved = solve_relations(track.times, actor, profile, model, prior, prior, STILL)
    geometry = Geometry.of(model, profile)
    got = geometry.response.predict(solved)
    least = 0.9 if name == "blip" else 0.97  # one eye, 16 controls
    assert alike(got[:, LIP_GAPS], actor.lip_gaps) > least
    assert alike(got[:, LID_GAPS], actor.lids) > least
    scale = geometry.response.rest[INDEX["mouth_width"]]
    apart = (got[:, LIP_GAPS] - geometry.lips).mean(1) / scale
    assert actor.lips_meet.sum() > 30
    assert (apart[actor.lips_meet] < 0.02).mean() > 0.97
    assert (apart[actor.lip_gaps.mean(1) > 0.1] > 0.02).all()
    low = np.array([profile.control(n).minimum < profile.control(n).rest for n in model.controls])
    assert (solved <= 1).all()
    assert (solved >= -1.0 * low - 1e-9).all()


@pytest.mark.parametrize("name", ["mira", "tobi"])
def test_lips_that_are_pursed_come_forward_and_still_count_as_closed(name, actor_model):
    profile, units = find_character(name), np.zeros((60, len(actor_model.controls)))
    units[20:40, actor_model.controls.index("mouthPucker")] = 1.0
    track = acted.worn(actor_model, units)
    actor, model = actor_relations(track, STILL), load_response(profile)
    assert actor.pursed[30] > 0.5 > actor.pursed[5] == 0.0
    meet = {"lips_meet": np.ones(60, bool), "lip_gaps": np.zeros((60, 3))}
    actor = replace(actor, **meet, pursed=np.ones(60))
    controls = [profile.control(n) for n in model.controls]
    said = arkit_to_unit(tuple(controls), track.arkit)
    geometry = Geometry.of(model, profile)

    def solved(actor):
        units = solve_relations(track.times, actor, profile, model, said, said, STILL)
        return (geometry.response.predict(units) - geometry.response.rest)[30]

    round_, pressed = solved(actor), solved(replace(actor, pursed=np.zeros(60)))
    forward = INDEX["upper_lip_forward"]
    whole = (geometry.response.predict(said) - geometry.response.rest)[30, forward]
    assert round_[forward] > max(pressed[forward], 0.85 * whole) > 0
    assert (round_[LIP_GAPS] < 0.03).all()


def test_a_blink_shuts_both_eyes(actor_model):
    profile, units = find_character("mira"), sentence(actor_model)
    track = acted.worn(actor_model, units)
    actor, model = actor_relations(track, STILL), load_response(profile)
    solved = solve_relations(
        track.times, actor, profile, model, *np.zeros((2, len(units), len(model.controls))), STILL
    )
    geometry = Geometry.of(model, profile)
    gaps = geometry.response.predict(solved)[:, LID_GAPS]
    assert (gaps[60] < geometry.lids + 0.02).all()
    assert (gaps[40] > 0.8 * geometry.response.rest[LID_GAPS]).all()


def test_nothing_to_follow_leaves_the_prior(actor_model):
    """An actor who rests says nothing: controls that no relation sees keep what the prior says."""
    profile = find_character("anselm")
    model = load_response(profile)
    track = acted.worn(actor_model, 0 * sentence(actor_model))
    prior = np.zeros((len(track), len(model.controls)))
    prior[:, model.controls.index("iris_small")] = 0.4
    solved = solve_relations(
        track.times, actor_relations(track, STILL), profile, model, prior, prior, STILL
    )
    assert np.allclose(solved[:, model.controls.index("iris_small")], 0.4)
    assert np.abs(np.delete(solved, model.controls.index("iris_small"), 1)).max() < 0.25


def test_pictures_and_unknown_geometry_keep_what_they_have(tmp_path):
    made = replace(find_character("tobi"), path=tmp_path / "tobi.json")
    told = []
    stills = synthetic.face_track(frames=3, stills=True)
    track = object()
    assert performer(stills, RetargetSettings(), told.append)(track, made) is track
    assert not told
    clip = synthetic.face_track(frames=30)
    assert performer(clip, RetargetSettings(), told.append)(track, made) is track
    assert "relations are not solved" in told[0]["text"]


def test_a_fit_goes_around_a_kink():
    """A control that opens on both sides of rest: the step from one side must not overshoot."""
    response = LinearResponse(
        rest=np.zeros(1),
        halves=np.array([(0, 1), (0, -1)]),
        amounts=np.array([1.0]),
        curves=np.array([[[0.05]], [[0.6]]]),
        pairs=np.zeros((0, 2), int),
        bends=np.zeros((0, 1)),
        count=1,
    )
    goals = np.array([[0.0], [0.03], [0.3]])
    fit = Fit(
        response, goals, np.full((3, 1), 10.0), np.array([[0.5], [-0.5], [-0.5]]),
        np.array([0.01]), np.array([-1.0]), np.array([1.0]),
    )  # fmt: skip
    assert np.allclose(response.predict(fit.solve()), goals, atol=0.01)


def test_contacts_have_a_margin_and_openings_no_step():
    gap = np.array([0.2, 0.04, 0.03, 0.04, 0.03, 0.04, 0.2])
    shut = held_below(gap, 0.035, 0.045)
    assert list(shut) == [False, True, True, True, True, True, False]
    line = np.linspace(0, 0.2, 400)
    assert np.abs(np.diff(opening(line, line < 0.035, 0.035))).max() < 0.0015


def test_lids_that_are_held_narrow_are_slits_and_shut_ones_and_blinks_are_shut():
    times = np.arange(120) / 25
    eyes = np.ones(120)
    eyes[20:60] = 0.09
    eyes[35:45] = 0.0
    eyes[70:75] = (0.18, 0.09, 0.09, 0.09, 0.18)
    eyes[85:105] = -0.02
    lids = lids_opening(times, eyes)
    assert (lids[[*range(20, 35), *range(45, 60)]] > 0.0).all()
    assert (lids[[*range(35, 45), *range(70, 75), *range(85, 105)]] == 0.0).all()
    assert (lids[eyes == 1.0] == 1.0).all()


def test_half_seen_blinks_are_carried_down_and_squints_are_not():
    times = np.arange(60) / 25
    eyes = np.ones(60)
    eyes[20:24] = (0.6, 0.3, 0.35, 0.7)
    eyes[35:55] = 0.4
    deep = deepen_blinks(times, eyes)
    assert deep[21] == pytest.approx(0.0, abs=1e-9)
    assert np.array_equal(deep[35:55], eyes[35:55])
    assert np.array_equal(deep[:20], eyes[:20])


def test_articulation_widens_the_mouth_and_emphasis_breaks_no_contact(actor_model):
    """Whatever the key poses want, lips that touch go on touching, and motion keeps its side."""
    profile, units = find_character("mira"), sentence(actor_model)
    track = acted.worn(actor_model, units)
    actor, model = actor_relations(track, STILL), load_response(profile)
    plain = np.zeros((len(units), len(model.controls)))
    agape = plain.copy()
    agape[:, model.controls.index("jaw_open")] = 0.8
    geometry = Geometry.of(model, profile)

    def gaps(felt, **settings):
        asked = replace(STILL, **settings)
        half = Reading(certain=0.5)
        solved = solve_relations(track.times, actor, profile, model, plain, felt, asked, half)
        return geometry.response.predict(solved)[:, LIP_GAPS].mean(1) - geometry.lips.mean()

    own, wide = (gaps(plain, articulation=a) for a in (1.0, 1.4))
    felt = gaps(agape, emphasis=1.0)
    assert wide.max() > 1.2 * own.max()
    assert (felt[actor.lips_meet] < 0.02).mean() > 0.97
    assert np.corrcoef(fast(own[:, None])[:, 0], fast(felt[:, None])[:, 0])[0, 1] > 0.97


def test_a_smile_opens_downwards_and_only_a_smile_does(actor_model):
    units = np.zeros((80, len(actor_model.controls)))
    for name in ("mouthSmile", "mouthUpperUp"):
        units[20:, [actor_model.controls.index(f"{name}{s}") for s in ("Left", "Right")]] = 0.8
    track = acted.worn(actor_model, units)
    actor = actor_relations(track, STILL)

    def shown(expression):
        read = np.zeros((80, 7))
        read[:, EXPRESSIONS.index(expression)] = 1.0
        return smiling(track.times, actor, track.arkit, read)

    (glad, said), (angry, same) = shown("joy"), shown("anger")
    assert np.allclose(angry.moved[30:], actor.moved[30:], atol=1e-9)
    assert np.allclose(same[30:], track.arkit[30:], atol=1e-6)
    cheek, lid = ARKIT_INDEX["cheekSquintLeft"], INDEX["lower_lid_left"]
    assert said[60, cheek] > track.arkit[60, cheek] + 0.1
    assert glad.moved[60, lid] > actor.moved[60, lid]
    corners = [INDEX[f"mouth_corner_{s}"] for s in ("left", "right")]
    faint = actor.moved.copy()
    faint[:, corners] *= 0.3
    amazed = np.zeros((80, 7))
    amazed[:, EXPRESSIONS.index("joy")] = 1.0
    faint = smiling(track.times, replace(actor, moved=faint), track.arkit, amazed)[1][60, cheek]
    assert 0.0 < faint - track.arkit[60, cheek] < 0.7 * (said[60, cheek] - track.arkit[60, cheek])
    wide = replace(actor, lids=np.full((80, 2), 1.2))
    wide, said_wide = smiling(track.times, wide, track.arkit, amazed)
    assert said_wide[60, cheek] == pytest.approx(track.arkit[60, cheek])
    assert wide.moved[60, lid] == actor.moved[60, lid]
    upper = INDEX["upper_lip_middle"]
    assert glad.moved[60, upper] < 0.75 * actor.moved[60, upper]
    assert (glad.moved[:, LIP_GAPS] == actor.moved[:, LIP_GAPS]).all()
    raised = ARKIT_INDEX["mouthUpperUpLeft"]
    assert said[60, raised] < 0.6 * track.arkit[60, raised]


def test_a_wince_that_is_read_as_joy_is_no_smile(actor_model):
    """One corner alone goes up over teeth that are bared."""
    units = np.zeros((80, len(actor_model.controls)))
    for name in ("mouthSmileLeft", "mouthUpperUpLeft", "mouthUpperUpRight", "mouthFrownRight"):
        units[20:, actor_model.controls.index(name)] = 0.8
    track = acted.worn(actor_model, units)
    actor, glad, angry = actor_relations(track, STILL), np.zeros((80, 7)), np.zeros((80, 7))
    glad[:, EXPRESSIONS.index("joy")] = angry[:, EXPRESSIONS.index("anger")] = 1.0
    (shown, _), (plain, _) = (smiling(track.times, actor, track.arkit, r) for r in (glad, angry))
    bends = [INDEX[f"mouth_bend_{s}"] for s in ("left", "right")]
    assert actor.moved[60, bends].max() > 0.04 > 0.01 > actor.moved[60, bends].min()
    assert shown.moved[60, bends] == pytest.approx(actor.moved[60, bends], abs=0.01)
    width = INDEX["mouth_width"]
    assert shown.moved[60, width] == pytest.approx(plain.moved[60, width], abs=0.005)


def test_articulation_does_not_part_teeth_that_are_seen_together(actor_model):
    units = np.zeros((80, len(actor_model.controls)))
    for name in ("mouthUpperUp", "mouthLowerDown"):
        units[:, [actor_model.controls.index(f"{name}{s}") for s in ("Left", "Right")]] = 0.6
    track = acted.worn(actor_model, units)
    actor = replace(actor_relations(track, STILL), teeth=np.ones(80))
    actor = replace(actor, moved=actor.moved + 0.1 * np.isin(np.arange(len(NAMES)), LIP_GAPS))
    actor = replace(actor, lip_gaps=np.full((80, 3), 0.1))
    grin = over_teeth(track.times, actor, 1.3)
    assert 1.3 * grin.lip_gaps == pytest.approx(actor.lip_gaps)
    opened = [moved[:, LIP_GAPS].mean(1) for moved in (grin.moved, actor.moved)]
    assert 1.3 * opened[0] == pytest.approx(opened[1])
    lower, upper = INDEX["lower_lip_middle"], INDEX["upper_lip_middle"]
    less = (actor.moved - grin.moved)[:, LIP_GAPS].mean(1)
    assert (grin.moved - actor.moved)[:, lower] == pytest.approx(less)
    assert (grin.moved[:, upper] == actor.moved[:, upper]).all()
    for same in (over_teeth(track.times, actor, 1.0), over_teeth(track.times, actor, 0.7)):
        assert (same.moved == actor.moved).all()
    apart = replace(actor, teeth=np.zeros(80))
    assert (over_teeth(track.times, apart, 1.3).moved == actor.moved).all()


def test_speech_parts_lips_downwards_and_leaves_their_opening(actor_model):
    units = np.zeros((80, len(actor_model.controls)))
    for name in ("mouthUpperUp", "mouthLowerDown"):
        units[20:, [actor_model.controls.index(f"{name}{s}") for s in ("Left", "Right")]] = 0.6
    track = acted.worn(actor_model, units)
    actor, calm = actor_relations(track, STILL), np.zeros((80, 7))
    calm[:, NEUTRAL] = 1.0
    shown, said = smiling(track.times, actor, track.arkit, calm)
    upper, lower = INDEX["upper_lip_middle"], INDEX["lower_lip_middle"]
    less = actor.moved[60, upper] - shown.moved[60, upper]
    assert 0.3 * actor.moved[60, upper] < less < 0.7 * actor.moved[60, upper]
    assert actor.moved[60, lower] - shown.moved[60, lower] == pytest.approx(less)
    assert (shown.moved[:, LIP_GAPS] == actor.moved[:, LIP_GAPS]).all()
    raised = ARKIT_INDEX["mouthUpperUpLeft"]
    assert said[60, raised] < 0.7 * track.arkit[60, raised]


def pressed(width):
    """40 frames of an actor whose shut mouth is lifted whole, and wider by `width`, after 20."""
    moved, late = np.zeros((40, len(NAMES))), np.arange(40) >= 20
    heights = [i for i, n in enumerate(NAMES) if kind_of(n) in ("upper_lip", "lower_lip")]
    corners = [INDEX[f"mouth_corner_{s}"] for s in ("left", "right")]
    moved[np.ix_(late, heights + corners)] = 0.15
    moved[late, INDEX["mouth_width"]] = width
    track = acted.worn(load_response(find_character("tobi")), np.zeros((40, 52)))
    return track, replace(actor_relations(track, STILL), moved=moved)


def test_a_pressed_smile_is_curved_whatever_is_read_and_a_lifted_pout_is_not():
    calm = np.zeros((40, 7))
    calm[:, NEUTRAL] = 1.0
    bend, corner, lip = (
        INDEX[n] for n in ("mouth_bend_left", "mouth_corner_left", "upper_lip_middle")
    )
    track, smiles = pressed(0.15)
    shown, said = smiling(track.times, smiles, track.arkit, calm)
    assert shown.moved[30, corner] == smiles.moved[30, corner]
    assert shown.moved[30, lip] < 0.5 * smiles.moved[30, lip]
    assert shown.moved[30, bend] > 0.05
    assert said[30, ARKIT_INDEX["cheekSquintLeft"]] > 0.4
    track, pouts = pressed(-0.05)
    assert np.array_equal(smiling(track.times, pouts, track.arkit, calm)[0].moved, pouts.moved)


def test_pressed_lips_are_as_thin_as_either_tells():
    _track, shut = pressed(0.0)
    frames, late = np.arange(40), np.arange(40) >= 20
    values, own = np.zeros((40, len(NAMES))), np.zeros((40, len(NAMES)))
    own[:, FULL] = -0.03
    shut = replace(shut, lips_meet=late, pursed=np.where(frames > 35, 1.0, 0.0))
    thin = _pressed(frames / 25, values, own, shut)
    assert thin[30, FULL] == pytest.approx(-0.03, abs=0.002)
    assert np.abs(thin[[5, 39]]).max() < 0.002  # apart, and pursed
    assert np.abs(np.diff(thin[:35, FULL[0]])).max() < 0.012
    assert (np.delete(thin, FULL, axis=1) == 0.0).all()
    fuller = _pressed(frames / 25, values, -own, shut)
    assert (fuller == 0.0).all()


def test_a_smile_is_spread_no_wider_than_the_actor_ever_smiles(actor_model):
    """Narrow mouths are narrowed, and quick "ee"s widened; a quick smile would be a grin."""
    profile = find_character("tobi")
    geometry = Geometry.of(load_response(profile), profile)
    rest, times = geometry.response.rest, np.arange(100) / 25
    moment = np.exp(-((np.arange(100) - 50) ** 2) / 18.0)
    said = np.tile(rest, (100, 1))
    said[10:20, INDEX["mouth_width"]] -= 0.3

    def wider(corners, widest):
        values = np.tile(rest, (100, 1))
        values[10:20, INDEX["mouth_width"]] -= 0.1
        values[:, INDEX["mouth_width"]] += 0.2 * moment
        values[:, [INDEX[f"mouth_corner_{s}"] for s in ("left", "right")]] += corners
        return (_rounded(times, values, geometry, said, widest) - values)[50, INDEX["mouth_width"]]

    assert wider(0.0, 1.0) > 0.08
    assert wider(0.1, 1.0) < 0.6 * wider(0.0, 1.0)
    assert wider(0.0, 0.25) < 0.05
    assert wider(0.0, 0.2) < 1e-3


def test_a_wide_mouth_lets_its_chin_hang():
    """With the chin held up a laugh's lips could open by the upper one alone."""
    profile = find_character("tobi")
    rest, times = Geometry.of(load_response(profile), profile).response.rest, np.arange(50) / 25
    laugh, said = np.tile(rest, (50, 1)), np.tile(rest, (50, 1))
    laugh[:, INDEX["mouth_width"]] += 0.12
    laugh[:, LIP_GAPS] += 0.4
    laugh[:, INDEX["jaw_height"]] -= 0.3
    said[:, INDEX["jaw_height"]] -= 0.1
    shown = _levelled(times, laugh, said, rest, 1.0) - rest
    assert (shown[:, INDEX["jaw_height"]] < -0.25).all()
    upper, lower = INDEX["upper_lip_middle"], INDEX["lower_lip_middle"]
    assert shown[:, upper] == pytest.approx(0.0, abs=1e-9)
    assert shown[:, lower] == pytest.approx(-0.2)  # half of what nothing else tells


def test_emphasis_goes_as_far_as_the_actor_shows_of_it(actor_model):
    """A certain reading says that something is felt, not how strongly."""
    profile, frames = find_character("tobi"), 60
    model = load_response(profile)
    smiles = [f"mouthSmile{s}" for s in ("Left", "Right")]
    places = [model.controls.index(n) for n in smiles]
    plain = np.zeros((frames, len(model.controls)))
    glad, asked = plain.copy(), replace(STILL, emphasis=0.9)
    glad[:, places] = 0.9
    response, corner = Geometry.of(model, profile).response, INDEX["mouth_corner_left"]

    def lifted(amount, told, trust=1.0):
        units = plain.copy()
        units[:, [actor_model.controls.index(n) for n in smiles]] = amount
        calm = actor_relations(acted.worn(actor_model, plain), asked)
        points = measure(actor_points(acted.worn(actor_model, units)))
        moved = points - measure(actor_points(acted.worn(actor_model, plain)))
        actor = replace(calm, moved=moved, trust=trust)

        def solved(settings):
            times, read = np.arange(frames) / 25, Reading(certain=0.9, told=told)
            args = (times, actor, profile, model, plain, glad, settings, read)
            return response.predict(solve_relations(*args))[:, corner].mean()

        return solved(asked) - solved(replace(asked, emphasis=0.0))

    assert lifted(0.1, 1.0) < 0.4 * lifted(0.1, 0.0)
    assert lifted(0.4, 1.0) > lifted(0.1, 1.0)
    assert lifted(0.1, 1.0, trust=0.0) > 0.9 * lifted(0.1, 0.0)  # the neutral is a guess


def test_emphasis_turns_no_brow_that_the_actor_is_seen_to_hold(actor_model):
    """A scowl that is read as sadness; whose neutral is a guess may be built so."""
    profile, times = find_character("tobi"), np.arange(60) / 25
    model = load_response(profile)
    geometry = Geometry.of(model, profile)
    inner, sad = INDEX["brow_inner_left"], np.zeros((60, len(model.controls)))
    sad[:, [model.controls.index("browInnerUp")]] = 1.0
    whole, certain = (lambda regions: np.ones((60, len(regions)))), np.full(60, 0.8)

    def shown(held, trust):
        values = np.tile(geometry.response.rest, (60, 1))
        values[:, inner] += held
        felt = carried_on(times, values, geometry, sad, whole, certain, trust)
        return (felt - geometry.response.rest)[30, inner]

    assert shown(-0.05, 1.0) == pytest.approx(-0.05)
    assert shown(-0.05, 0.0) > 0.0
    assert -0.05 < shown(-0.05, 0.5) < shown(-0.05, 0.0)
    assert shown(0.02, 1.0) > 0.05


def test_emphasis_that_gives_way_to_sounds_turns_no_corner():
    """A frown that each "oh" takes back would lift corners which the actor draws down in it."""
    profile, times = find_character("tobi"), np.arange(100) / 25
    model = load_response(profile)
    geometry = Geometry.of(model, profile)
    corner, sad = INDEX["mouth_corner_left"], np.zeros((100, len(model.controls)))
    sad[:, [model.controls.index(f"mouthFrown{s}") for s in ("Left", "Right")]] = 1.0
    ohs = np.clip(np.sin(2 * np.pi * 2.5 * times), 0.0, 1.0)
    values = np.tile(geometry.response.rest, (100, 1))
    values[:, corner] -= 0.01 * ohs

    def away(regions):
        return np.repeat(1.0 - ohs[:, None], len(regions), axis=1)

    felt = carried_on(times, values, geometry, sad, away, np.ones(100), 0.0)
    own, shown = (np.diff(x[10:90, corner]) for x in (values, felt))
    assert (felt - values)[10:90, corner].max() < -0.02
    assert (own * shown).min() > -1e-6
    assert np.corrcoef(own, shown)[0, 1] > 0.95


def test_anger_and_disgust_make_each_other_certain_and_others_do_not():
    def certain(first, second):
        read = np.full((60, 7), 0.02)
        read[:, EXPRESSIONS.index(first)], read[:, EXPRESSIONS.index(second)] = 0.6, 0.3
        return certainty(np.arange(60) / 25, read)

    assert certain("anger", "disgust") == pytest.approx(0.9**1.5)
    assert certain("joy", "surprise") == pytest.approx(0.6**1.5)


def test_emphasis_straightens_a_mouth_and_hardly_turns_it():
    """The wince of tears is drawn wide like a smile; what corners hardly do is the feeling's, and
    a mouth that hangs under open eyes is only straightened."""
    profile, times = find_character("tobi"), np.arange(60) / 25
    model = load_response(profile)
    geometry = Geometry.of(model, profile)
    bend, corner = INDEX["mouth_bend_left"], INDEX["mouth_corner_left"]
    sad = np.zeros((60, len(model.controls)))
    sad[:, [model.controls.index(f"mouthFrown{s}") for s in ("Left", "Right")]] = 1.0
    meant = (geometry.response.predict(sad) - geometry.response.rest)[30, bend]
    whole, certain = (lambda regions: np.ones((60, len(regions)))), np.ones(60)

    def shown(held, eyes):
        values = np.tile(geometry.response.rest, (60, 1))
        values[:, bend] += held
        values[:, LID_GAPS] *= eyes
        felt = carried_on(times, values, geometry, sad, whole, certain, 0.0)
        return (felt - geometry.response.rest)[30, [bend, corner]]

    assert meant < -0.05
    assert shown(0.0, 0.2)[0] == pytest.approx(meant)
    assert 0.6 * meant < shown(0.1, 0.2)[0] < 0.4 * meant
    assert shown(0.1, 1.0)[0] == pytest.approx(0.0, abs=1e-6)
    assert 0.6 * shown(0.1, 0.2)[1] < shown(0.1, 1.0)[1] <= 0.0  # its corners hang less as well


@pytest.mark.parametrize(("name", "down"), [("mira", 0.5), ("tobi", 0.2)])
def test_weeping_knits_brows_over_squeezed_eyes_whose_rest_was_not_seen(name, down):
    """Tobi's outer ends hardly go down: his whole brows don't, or they would be level."""
    profile, times = find_character(name), np.arange(60) / 25
    model = load_response(profile)
    geometry = Geometry.of(model, profile)
    inner, outer = INDEX["brow_inner_left"], INDEX["brow_outer_left"]
    apart, rises = INDEX["brow_apart"], geometry.response.reach()[:, 1, inner]
    sad = np.zeros((60, len(model.controls)))
    sad[:, rises.argmax()] = 1.0
    whole, certain = (lambda regions: np.ones((60, len(regions)))), np.ones(60)

    def shown(eyes, trust=0.0):
        values = np.tile(geometry.response.rest, (60, 1))
        values[:, LID_GAPS] *= eyes
        felt = carried_on(times, values, geometry, sad, whole, certain, trust)
        return (felt - geometry.response.rest)[30]

    open_, weeping, seen = shown(1.0), shown(0.1), shown(0.1, trust=1.0)
    slant = open_[inner] - open_[outer]
    assert weeping[inner] - weeping[outer] == pytest.approx(slant)
    assert weeping[outer] == pytest.approx(open_[outer] - down * slant, abs=0.005)
    assert weeping[apart] < open_[apart] - 0.01
    assert seen[inner] == pytest.approx(shown(1.0, trust=1.0)[inner])


def test_brows_rise_as_a_whole_only_with_the_actor():
    profile, times = find_character("tobi"), np.arange(60) / 25
    model = load_response(profile)
    geometry = Geometry.of(model, profile)
    brow = [INDEX[f"brow_{place}_left"] for place in ("inner", "middle", "outer")]
    sad = np.zeros((60, len(model.controls)))
    sad[:, [model.controls.index("browInnerUp")]] = 1.0
    whole, certain = (lambda regions: np.ones((60, len(regions)))), np.ones(60)

    def shown(held):
        values = np.tile(geometry.response.rest, (60, 1))
        values[:, brow] += held
        felt = carried_on(times, values, geometry, sad, whole, certain, 0.0)
        return (felt - geometry.response.rest)[30, brow]

    still, raised = shown(0.0), shown(0.05)
    assert still.mean() == pytest.approx(0.0, abs=1e-6)
    assert still[0] > 0.03 > still[2]  # the slant is there
    assert raised.mean() > 0.05


def test_a_full_laugh_leaves_no_room_and_brows_take_nothing_of_joy():
    times, moved = np.arange(60) / 25, np.zeros((60, len(NAMES)))
    smile = [INDEX[name] for name in ("mouth_width", "mouth_bend_left", "mouth_bend_right")]

    def room(size):
        held = moved.copy()
        held[:, smile] = size
        return room_to_smile(times, held)

    assert room(0.05) == pytest.approx(1.0)
    assert room(0.05).mean() > room(0.11).mean() > room(0.13).mean()
    assert room(0.2) == pytest.approx(0.0)
    ones, glad = np.ones(60), np.linspace(0.0, 1.0, 60)
    brow, mouth = emphasis_of(
        times, replace(STILL, emphasis=0.9), ones, ones, glad, ("brow", "mouth")
    ).T
    assert brow == pytest.approx(mouth * (1.0 - glad))


def test_of_a_feeling_the_side_that_shows_less_of_it_tells(actor_model):
    profile = find_character("tobi")
    model = load_response(profile)
    geometry = Geometry.of(model, profile)
    smiles = [f"mouthSmile{s}" for s in ("Left", "Right")]
    glad = np.zeros((60, len(model.controls)))
    glad[:, [model.controls.index(n) for n in smiles]] = 0.9

    def share(*sides):
        units = 0.0 * glad
        units[:, [model.controls.index(f"mouthSmile{s}") for s in sides]] = 0.9
        return shown_share(np.arange(60) / 25, geometry.response.predict(units), geometry, glad)

    assert share("Left", "Right") == pytest.approx(1.0, abs=1e-6)
    assert share("Left").max() < 0.4
    assert share("Left") == pytest.approx(share("Right"), abs=0.1)


def test_a_pose_of_one_side_is_shown_by_that_side_alone():
    """A sneer or a raised brow means nothing of the other side, which shows nothing of it."""
    profile = find_character("tobi")
    model = load_response(profile)
    geometry = Geometry.of(model, profile)
    for name in ("mouthSmileLeft", "browOuterUpRight"):
        meant = np.zeros((60, len(model.controls)))
        meant[:, model.controls.index(name)] = 0.9
        done = geometry.response.predict(meant)
        rest = np.broadcast_to(geometry.response.rest, done.shape)
        share = [shown_share(np.arange(60) / 25, x, geometry, meant) for x in (done, rest)]
        assert share[0] == pytest.approx(1.0, abs=1e-6)
        assert share[1] == pytest.approx(0.0, abs=1e-6)


def test_a_smile_that_has_not_begun_is_not_shown():
    """What is slow leaks into the time before it: a second before a broad smile there is none."""
    profile = find_character("tobi")
    model = load_response(profile)
    geometry = Geometry.of(model, profile)
    glad = np.zeros((150, len(model.controls)))
    glad[:, [model.controls.index(f"mouthSmile{s}") for s in ("Left", "Right")]] = 0.9
    units = glad * (np.arange(150) >= 75)[:, None]
    values = geometry.response.predict(units)
    share = shown_share(np.arange(150) / 25, values, geometry, glad)
    assert share[:65].max() < 0.01
    assert share[110:].min() > 0.95


def test_what_landmarks_tell_of_a_feeling():
    read = np.zeros((40, 7))
    for name, share in (("joy", 0.4), ("sadness", 0.2), ("neutral", 0.4)):
        read[:, EXPRESSIONS.index(name)] = share
    times = np.arange(40) / 25
    assert told_by_landmarks(times, read) == pytest.approx(2 / 3)
    word = (0.0, 2.0, tuple(np.eye(7)[EXPRESSIONS.index("joy")]))
    assert told_by_landmarks(times, read, (word,)) == pytest.approx(0.0)


def test_a_nose_wrinkles_where_a_lip_is_lifted_under_a_frown_in_disgust(actor_model):
    def shown(expression, *channels):
        units = np.zeros((80, len(actor_model.controls)))
        for name in channels:
            places = [actor_model.controls.index(f"{name}{s}") for s in ("Left", "Right")]
            units[20:, places] = 0.9
        track = acted.worn(actor_model, units)
        read = np.zeros((80, 7))
        read[:, EXPRESSIONS.index(expression)] = 1.0
        actor = actor_relations(track, STILL)
        moved, said = wrinkling(track.times, actor, 0 * track.arkit, read)
        wing = INDEX["nostril_left"]
        rise = moved.moved[60, wing] - actor.moved[60, wing]
        return said[60, ARKIT_INDEX["noseSneerLeft"]], rise

    sneer, rise = shown("disgust", "browDown", "mouthUpperUp")
    assert sneer > 0.3
    assert rise > 0.01
    assert 0.0 < shown("anger", "browDown", "mouthUpperUp")[0] < sneer
    for expression, *channels in (
        ("joy", "browDown", "mouthUpperUp"), ("disgust", "browDown"), ("disgust", "mouthUpperUp"),
    ):  # fmt: skip
        assert shown(expression, *channels)[0] < 0.05


def test_an_emphasised_smile_gives_way_to_an_oh(actor_model):
    """The feeling is slow; lips that speech makes round for a moment are not spread by it."""
    profile, frames = find_character("tobi"), 100
    model = load_response(profile)
    units = np.zeros((frames, len(actor_model.controls)))
    moment = np.exp(-((np.arange(frames) - 50) ** 2) / 18.0)
    smiles = [actor_model.controls.index(f"mouthSmile{s}") for s in ("Left", "Right")]
    units[:, smiles] = 0.3 * (1.0 - moment)[:, None]
    units[:, actor_model.controls.index("mouthPucker")] = 0.6 * moment
    track = acted.worn(actor_model, units)
    plain = np.zeros((frames, len(model.controls)))
    glad = plain.copy()
    glad[:, [model.controls.index(f"mouthSmile{s}") for s in ("Left", "Right")]] = 0.9
    response, width = Geometry.of(model, profile).response, INDEX["mouth_width"]

    def wide(emphasis):
        asked = replace(STILL, emphasis=emphasis)
        actor = actor_relations(track, asked)
        sure = Reading(certain=1.0)
        solved = solve_relations(track.times, actor, profile, model, plain, glad, asked, sure)
        return response.predict(solved)[:, width]

    more = wide(0.9) - wide(0.0)
    assert more[20] > 0.01
    assert more[50] < 0.4 * more[20]


def test_an_actor_is_known_from_clip_to_clip(actor_model, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPRGEN_ACTORS_DIR", str(tmp_path))
    calm = acted.worn(actor_model, 0 * sentence(actor_model))
    asked = replace(STILL, actor="anna")
    first = actor_relations(calm, asked)
    frown = 0 * sentence(actor_model)
    for name in ("browDownLeft", "browDownRight"):
        frown[:, actor_model.controls.index(name)] = 1.0
    scowl = acted.worn(actor_model, frown)
    scowl = replace(scowl, meta={**scowl.meta, "source": "scowl.mp4"})
    brow = INDEX["brow_inner_left"]
    alone, known = (actor_relations(scowl, s).moved[:, brow].mean() for s in (STILL, asked))
    true = measure(actor_points(scowl) - actor_points(calm))[:, brow].mean()
    assert abs(known - true) < 0.3 * abs(true)
    assert abs(known - true) < abs(alone - true)
    assert "anna" in actor_relations(scowl, asked).source
    again = actor_relations(calm, asked)
    assert np.abs(again.neutral - first.neutral).max() < 0.02


def test_a_brow_that_a_smile_lowers_is_no_frown(actor_model):
    """Low brows throughout, of which the coefficients say nothing, aren't held; their beat is."""
    profile, units = find_character("tobi"), sentence(actor_model)
    low = actor_model.controls.index("browDownLeft"), actor_model.controls.index("browDownRight")
    units[20:, low] = 0.4
    track = acted.worn(actor_model, units)
    actor, model = actor_relations(track, STILL), load_response(profile)
    plain = np.zeros((len(units), len(model.controls)))
    frowning = plain.copy()
    frowning[:, [model.controls.index(f"browDown{side}") for side in ("Left", "Right")]] = 0.4
    brow, response = INDEX["brow_height_left"], Geometry.of(model, profile).response

    def moved(said):
        solved = solve_relations(track.times, actor, profile, model, said, said, STILL)
        return response.predict(solved)[30:110, brow] - response.rest[brow]

    assert moved(plain).mean() > moved(frowning).mean()
    quick = fast(moved(plain)[:, None]).ravel(), fast(actor.moved[30:110, [brow]]).ravel()
    assert np.corrcoef(*quick)[0, 1] > 0.75


def test_the_slow_part_is_a_gaussian_mean_over_the_frames_own_times():
    rng = np.random.default_rng(5)
    times = np.cumsum(rng.uniform(0.01, 0.06, 150))
    values = rng.normal(size=(150, 3))
    sigma = np.sqrt(np.log(2.0) / 2.0) / (np.pi * 0.8)
    weights = np.exp(-0.5 * ((times[:, None] - times[None]) / sigma) ** 2)
    dense = (weights / weights.sum(1, keepdims=True)) @ values
    assert np.allclose(slow(times, values), dense, atol=1e-3)


def test_opposite_controls_are_never_used_together(actor_model):
    """Tobi has a key for either side; a mouth that goes left uses the left one alone."""
    profile = find_character("tobi")
    model = load_response(profile)
    left, right = (model.controls.index(f"mouth{side}") for side in ("Left", "Right"))
    units = np.zeros((80, len(model.controls)))
    units[20:50, left] = 0.6
    units[50:, right] = 0.6
    units[20:, model.controls.index("mouthPucker")] = 0.7
    track = acted.worn(actor_model, units)
    plain = np.zeros_like(units)
    solved = solve_relations(
        track.times, actor_relations(track, STILL), profile, model, plain, plain, STILL
    )
    assert not ((solved[:, left] > 0.02) & (solved[:, right] > 0.02)).any()
    assert solved[30:45, left].mean() > 0.2
    assert solved[60:75, right].mean() > 0.2


def test_a_sure_feeling_shows_on_still_brows_and_an_unsure_one_does_not(actor_model):
    profile = find_character("tobi")
    model = load_response(profile)
    track = acted.worn(actor_model, np.zeros((60, len(model.controls))))
    plain = np.zeros((60, len(model.controls)))
    sad = plain.copy()
    sad[:, model.controls.index("browInnerUp")] = 1.0
    response, brow = Geometry.of(model, profile).response, INDEX["brow_inner_left"]

    def lifted(certain):
        asked = replace(STILL, emphasis=0.9)
        actor = actor_relations(track, asked)
        read = Reading(certain)
        solved = solve_relations(track.times, actor, profile, model, plain, sad, asked, read)
        return (response.predict(solved)[:, brow] - response.rest[brow]).mean()

    full = response.predict(sad)[0, brow] - response.rest[brow]
    assert lifted(1.0) > 0.5 * full
    assert lifted(0.15) < 0.35 * full
    assert lifted(0.0) < 0.05 * full


def test_a_turned_head_lifts_no_single_brow_and_a_flick_is_seen():
    times = np.arange(100) / 25
    moved = np.zeros((100, len(NAMES)))
    moved[:, INDEX["brow_height_right"]] = 0.06  # the tracker's guess of the far side
    moved[48:52, INDEX["brow_height_right"]] += 0.08
    even, turned = (evened(times, moved, np.full(100, c)) for c in (1.0, np.cos(0.7)))
    left, right = (INDEX[f"brow_height_{side}"] for side in ("left", "right"))
    assert np.array_equal(even, moved)
    assert abs((turned[:30, right] - turned[:30, left]).mean()) < 0.02
    assert turned[50, right] - turned[30, right] > 0.05


@pytest.mark.parametrize(("felt", "even"), [("joy", True), ("sadness", False)])
def test_brows_rise_evenly_unless_something_worries(actor_model, felt, even):
    units = np.zeros((100, len(actor_model.controls)))
    units[20:80, actor_model.controls.index("browInnerUp")] = 0.8
    track = acted.worn(actor_model, units)
    expression = np.full((100, len(EXPRESSIONS)), 0.02)
    expression[:, EXPRESSIONS.index(felt)] = 0.88
    actor = actor_relations(track, STILL)
    raised = raising(track.times, actor, expression).moved[50]
    inner, outer = (raised[INDEX[f"brow_{end}_left"]] for end in ("inner", "outer"))
    assert inner > 0.01
    assert (abs(inner - outer) < 0.25 * inner) == even
    assert inner + outer == pytest.approx(
        actor.moved[50, [INDEX["brow_inner_left"], INDEX["brow_outer_left"]]].sum()
    )


def test_a_photograph_of_an_actor_tells_the_neutral_of_a_clip(actor_model, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPRGEN_ACTORS_DIR", str(tmp_path))
    asked, brow = replace(STILL, actor="ben"), INDEX["brow_inner_left"]
    frown = 0 * sentence(actor_model)
    for name in ("browDownLeft", "browDownRight"):
        frown[:, actor_model.controls.index(name)] = 1.0
    scowl = acted.worn(actor_model, frown)
    calm = acted.worn(actor_model, 0 * frown[:1])

    def told(picture, read: int) -> dict:
        read = np.eye(7, dtype=np.float32)[[read]]
        meta = {**picture.meta, "stills": True, "names": ["ben"]}
        said = []
        performer(replace(picture, meta=meta, expression=read), asked, said.append)
        return said[0]

    said = told(acted.worn(actor_model, frown[:1]), EXPRESSIONS.index("anger"))
    assert said["level"] == "warning"
    assert not list(tmp_path.iterdir()), "it shows no neutral"
    said = told(calm, NEUTRAL)
    assert "ben" in said["text"]
    assert said["level"] == "info"
    alone, known = (actor_relations(scowl, s).moved[:, brow].mean() for s in (STILL, asked))
    true = measure(actor_points(scowl) - actor_points(calm))[:, brow].mean()
    assert abs(known - true) < 0.3 * abs(true)
    assert abs(known - true) < abs(alone - true)
    assert "ben" in actor_relations(scowl, asked).source
