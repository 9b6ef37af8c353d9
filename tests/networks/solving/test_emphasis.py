"""Perceptual emphasis: towards the perceived expression's key poses, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import sample_characters, to_unit
from exprgen.networks.perception.prior import leaning, leaning_to, mixed, unprejudiced
from exprgen.networks.solving.emphasis import SHARPEN, SHARPEN_STILLS, emphasise, lid_closing
from exprgen.networks.vocabulary import EXPRESSIONS, NEUTRAL

PRIMARY = sample_characters()[0]
CONTROLS, POSES = PRIMARY.expression_controls, PRIMARY.key_poses


def units_of(pose):
    values = [pose.values.get(c.name, c.rest) for c in CONTROLS]
    return to_unit(CONTROLS, np.array(values))


def perceived(expression, chance=1.0):
    out = np.zeros((1, 7))
    out[0, NEUTRAL], out[0, EXPRESSIONS.index(expression)] = 1 - chance, chance
    return out


def distance_to(units, expression):
    poses = [units_of(p) for p in POSES if p.expression == expression]
    return min(float(np.linalg.norm(units - p)) for p in poses)


@pytest.mark.parametrize("expression", [e for e in EXPRESSIONS if e != "neutral"])
def test_weak_pose_comes_nearer_to_its_expression(expression):
    pose = next(p for p in POSES if p.expression == expression)
    weak = 0.6 * units_of(pose)[None] + 0.1 * np.random.default_rng(0).standard_normal(
        len(CONTROLS)
    )
    drawn = emphasise(weak, perceived(expression), CONTROLS, POSES, 0.5)
    assert distance_to(drawn[0], expression) < distance_to(weak[0], expression)
    further = emphasise(weak, perceived(expression, 0.5), CONTROLS, POSES, 0.5)
    assert np.linalg.norm(further - weak) < np.linalg.norm(drawn - weak)


def test_nothing_changes_without_amount_or_expression():
    units = np.random.default_rng(1).uniform(-1, 1, (5, len(CONTROLS)))
    same = np.repeat(perceived("joy"), 5, 0)
    assert np.array_equal(emphasise(units, same, CONTROLS, POSES, 0.0), units)
    neutral = np.eye(7)[[NEUTRAL] * 5]
    assert np.array_equal(emphasise(units, neutral, CONTROLS, POSES, 1.0), units)
    assert np.array_equal(emphasise(units, same, CONTROLS, (), 1.0), units)


def test_neutral_keeps_what_neutral_poses_hold_and_calms_the_rest():
    pose = units_of(next(p for p in POSES if p.name == "neutral_parted"))
    frown = np.zeros(len(CONTROLS))
    frown[[c.region == "brow" for c in CONTROLS]] = 0.3
    neutral = np.eye(7)[[NEUTRAL]]
    drawn = emphasise((pose + frown)[None], neutral, CONTROLS, POSES, 0.8, calm=1.0)[0]
    assert np.linalg.norm(drawn - pose) < 0.6 * np.linalg.norm(frown)
    kept = emphasise(pose[None], neutral, CONTROLS, POSES, 0.8, calm=1.0)[0]
    assert np.linalg.norm(kept - pose) < 0.5 * np.linalg.norm(pose)


def test_a_sure_perception_is_shown_even_where_the_pose_has_nothing_of_it():
    nothing = np.zeros((1, len(CONTROLS)))
    drawn = emphasise(nothing, perceived("sadness"), CONTROLS, POSES, 0.8)
    assert distance_to(drawn[0], "sadness") < distance_to(nothing[0], "sadness")
    unsure = emphasise(nothing, perceived("sadness", 0.2), CONTROLS, POSES, 0.8)
    assert np.linalg.norm(unsure) < 0.1 * np.linalg.norm(drawn)


def test_a_closed_smile_stays_closed():
    closed = units_of(next(p for p in POSES if p.name == "joy_closed"))
    jaw = [c.name for c in CONTROLS].index("jaw_open")
    drawn = emphasise(0.7 * closed[None], perceived("joy"), CONTROLS, POSES, 1.0)
    assert drawn[0, jaw] < 0.08


def test_what_the_actor_does_more_of_stays():
    gasp = next(p for p in POSES if p.name == "surprise_parted")
    jaw = [c.name for c in CONTROLS].index("jaw_open")
    wide = units_of(gasp)[None].copy()
    wide[0, jaw] = 1.0
    drawn = emphasise(wide, perceived("surprise"), CONTROLS, POSES, 0.9)
    assert drawn[0, jaw] == pytest.approx(1.0)
    calm = emphasise(wide, np.eye(7)[[NEUTRAL]], CONTROLS, POSES, 0.9, calm=1.0)
    assert calm[0, jaw] < 0.5  # what a calm face has too much of is taken back


def test_a_lowered_lid_chooses_no_sobbing_mouth():
    names = [c.name for c in CONTROLS]
    shown = 0.6 * units_of(next(p for p in POSES if p.name == "sadness_pout"))
    shut = shown.copy()
    shut[lid_closing(CONTROLS) > 0] = 0.9
    open_eyed, closed_eyed = (
        emphasise(x[None], perceived("sadness"), CONTROLS, POSES, 0.9)[0] for x in (shown, shut)
    )
    mouth = [c.region == "mouth" for c in CONTROLS]
    np.testing.assert_allclose(closed_eyed[mouth], open_eyed[mouth], atol=1e-6)
    assert closed_eyed[names.index("jaw_open")] < 0.1
    assert set(np.array(names)[lid_closing(CONTROLS) > 0]) == {"lid_upper_L", "lid_upper_R"}


def test_two_expressions_mix_in_motion_but_not_in_a_picture():
    both = np.zeros((1, 7))
    both[0, [EXPRESSIONS.index("surprise"), EXPRESSIONS.index("disgust")]] = 0.54, 0.46
    nothing = np.zeros((1, len(CONTROLS)))
    sneer = [c.name for c in CONTROLS].index("nose_sneer_L")
    moving, still = (
        emphasise(nothing, both, CONTROLS, POSES, 0.9, sharpen=s)[0, sneer]
        for s in (SHARPEN, SHARPEN_STILLS)
    )
    assert still < 0.1 < moving


def test_a_pose_that_viewers_misread_is_no_guide_where_perception_is_sure():
    """A closed mouth that reads as calm must not stand for surprise while open ones are there."""
    closed = next(p for p in POSES if p.name == "surprise_closed")
    jaw = [c.name for c in CONTROLS].index("jaw_open")
    clear = tuple(replace(p, clarity=1.0) for p in POSES)
    unclear = tuple(
        replace(p, clarity=0.0) if p is closed else replace(p, clarity=1.0) for p in POSES
    )
    shown = 0.8 * units_of(closed)[None]
    follows, opens = (
        emphasise(shown, perceived("surprise"), CONTROLS, poses, 0.9)[0, jaw]
        for poses in (clear, unclear)
    )
    assert follows < 0.1 < opens
    # Where perception is unsure the actor's own face decides.
    unsure = perceived("surprise", 0.2)
    a, b = (emphasise(shown, unsure, CONTROLS, poses, 0.9) for poses in (clear, unclear))
    assert np.abs(a - b).max() < 0.05
    alone = (replace(closed, clarity=0.0),)
    assert np.linalg.norm(emphasise(shown, perceived("surprise"), CONTROLS, alone, 0.9)) > 0.5


def test_steady_in_its_input():
    units = np.random.default_rng(2).uniform(-0.5, 0.5, (1, len(CONTROLS)))
    near = units + 1e-4
    a, b = (emphasise(u, perceived("fear", 0.8), CONTROLS, POSES, 0.5) for u in (units, near))
    assert np.abs(a - b).max() < 2e-3


def test_what_was_learned_from_rare_pictures_gets_its_say():
    prior = np.full(7, 0.16)
    prior[EXPRESSIONS.index("disgust")] = 0.04
    seen = np.full((1, 7), 0.04)
    seen[0, EXPRESSIONS.index("anger")] = 0.45
    seen[0, EXPRESSIONS.index("disgust")] = 0.35
    even = unprejudiced(seen, prior)
    assert EXPRESSIONS[even[0].argmax()] == "disgust"
    np.testing.assert_allclose(even.sum(1), 1)
    np.testing.assert_allclose(unprejudiced(seen, ()), seen)
    # In two steps it is the same as at once.
    first = unprejudiced(seen, prior, 0.3)
    both = unprejudiced(first, leaning(prior, 0.3), 0.5)
    np.testing.assert_allclose(both, unprejudiced(seen, prior, 0.3 + 0.5 * 0.7), rtol=1e-6)
    assert leaning((), 0.3) == ()
    np.testing.assert_allclose(unprejudiced(seen, [1 / 7] * 7), seen / seen.sum())


def test_frequencies_between_the_usual_ones_and_even_ones():
    usual = np.array([0.08, 0.01, 0.02, 0.30, 0.38, 0.10, 0.11])
    np.testing.assert_allclose(mixed(usual, 0.0), usual)
    np.testing.assert_allclose(mixed(usual, 1.0), [1 / 7] * 7)
    np.testing.assert_allclose(sum(mixed(usual, 0.5)), 1.0)
    seen = np.full((2, 7), 1 / 7)
    np.testing.assert_allclose(leaning_to(seen, [1 / 7] * 7, usual), [usual] * 2)
    same = leaning_to(seen, usual, usual)
    np.testing.assert_allclose(same, seen)
    # What it leans to is undone by the same frequencies.
    back = unprejudiced(leaning_to(seen, usual, mixed(usual, 0.5)), mixed(usual, 0.5))
    np.testing.assert_allclose(back, unprejudiced(seen, usual))


def test_answers_weighed_so_give_most_of_what_they_are_weighed_for():
    """No power of the frequencies gives a larger sum of accuracy and mean recall."""
    rng = np.random.default_rng(3)
    usual = np.array([0.08, 0.01, 0.02, 0.30, 0.38, 0.10, 0.11])
    truth = rng.choice(7, 60_000, p=usual)
    values = np.eye(7)[truth] * 1.6 + rng.normal(size=(len(truth), 7))
    chances = np.exp(1.6 * values) * usual
    chances /= chances.sum(1, keepdims=True)

    def worth(said):
        right = said.argmax(1) == truth
        return right.mean() + np.mean([right[truth == k].mean() for k in range(7)])

    best = worth(leaning_to(chances, usual, mixed(usual, 0.5)))
    powers = [worth(unprejudiced(chances, usual, share)) for share in np.linspace(0, 1, 11)]
    assert best > max(powers) - 2e-3


def test_a_surprised_brow_is_raised_evenly_and_an_open_mouth_stays_open():
    """Inner ends that a mean over fear and surprise has raised further go back; a mouth that is
    wider open than any key pose's stays."""
    inner, outer = (
        [i for i, c in enumerate(CONTROLS) if c.name.startswith(f"brow_{end}_")]
        for end in ("inner", "outer")
    )
    jaw = [c.name for c in CONTROLS].index("jaw_open")
    pose = units_of(next(p for p in POSES if p.name == "surprise_open"))
    worried = pose.copy()
    worried[inner], worried[jaw] = 1.0, 1.0
    drawn = emphasise(worried[None], perceived("surprise"), CONTROLS, POSES, 1.0)[0]
    assert drawn[inner].max() - drawn[outer].min() < 0.5 * (1.0 - pose[outer].min())
    assert drawn[jaw] == pytest.approx(1.0)
