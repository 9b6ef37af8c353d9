"""Which key poses guide a single picture: surprise opens its jaw, others as they like."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import sample_characters, to_unit
from exprgen.networks.perception.prior import EVEN_STILLS, unprejudiced
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving.controls import follow_controls, solve_controls
from exprgen.networks.solving.emphasis import SHARPEN, emphasise
from exprgen.networks.solving.marked_poses import as_pictures
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.tests.networks.solving.test_controls import clip

CHARACTERS = sample_characters()
SETTINGS = RetargetSettings(calibration="none", smoothing_eyes=0, smoothing_mouth=0)


def jaws_of(profile):
    return [
        i for i, c in enumerate(profile.expression_controls) if c.channels.get("jawOpen", 0) > 0.5
    ]


def units_of(profile, pose):
    controls = profile.expression_controls
    return to_unit(controls, np.array([[pose.values.get(c.name, c.rest) for c in controls]]))[0]


def pose_of(profile, expression):
    """The key pose of an expression with the jaw furthest up."""
    own = [p for p in profile.key_poses if p.expression == expression]
    return min(own, key=lambda p: units_of(profile, p)[jaws_of(profile)].max())


def drawn_jaw(profile, expression, solve=solve_controls, **meta):
    """The unit value of the jaw of three faces in the expression's most closed pose."""
    units = np.tile(units_of(profile, pose_of(profile, expression)), (3, 1))
    track = solve(clip(3, expression=expression, meta=meta), profile, units, SETTINGS)
    controls = profile.expression_controls
    jaw = [controls[i] for i in jaws_of(profile)]
    columns = [track.controls.index(c.name) for c in jaw]
    return to_unit(tuple(jaw), track.values[:, columns]).max()


@pytest.mark.parametrize("profile", CHARACTERS, ids=lambda p: p.name)
@pytest.mark.parametrize("solve", [solve_controls, follow_controls])
def test_a_sure_surprise_opens_the_mouth_of_a_picture_that_hides_it(profile, solve):
    assert drawn_jaw(profile, "surprise", solve, stills=True) > 0.3


@pytest.mark.parametrize("profile", CHARACTERS, ids=lambda p: p.name)
@pytest.mark.parametrize("expression", [e for e in EXPRESSIONS if e != "surprise"])
def test_a_closed_mouth_of_another_feeling_stays_closed_in_a_picture(profile, expression):
    assert drawn_jaw(profile, expression, stills=True) < 0.1


@pytest.mark.parametrize("profile", CHARACTERS, ids=lambda p: p.name)
def test_only_surprise_has_the_open_jaw_for_its_mark(profile):
    kept = as_pictures(profile.expression_controls, profile.key_poses)
    left_out = [p for p in profile.key_poses if p not in kept]
    assert left_out
    assert {p.expression for p in left_out} == {"surprise"}
    assert len([p for p in kept if p.expression == "surprise"]) >= 5
    assert kept == tuple(p for p in profile.key_poses if p in kept)


@pytest.mark.parametrize("profile", CHARACTERS, ids=lambda p: p.name)
def test_a_clip_is_drawn_to_all_key_poses(profile):
    """To the bit: its closed surprise stays closed, for it has motion that tells it."""
    units = np.tile(units_of(profile, pose_of(profile, "surprise")), (3, 1))
    track = clip(3, expression="surprise", meta={"stills": False})
    solved = solve_controls(track, profile, units, SETTINGS)
    controls = profile.expression_controls
    aims = emphasise(
        units, track.expression, controls, profile.key_poses, SETTINGS.emphasis, 1.0, SHARPEN
    )
    jaw = jaws_of(profile)[0]
    assert aims[:, jaw].max() < 0.15
    own = solved.values[:, [solved.controls.index(controls[jaw].name)]]
    np.testing.assert_allclose(to_unit((controls[jaw],), own)[:, 0], aims[:, jaw], atol=1e-5)


def test_a_calm_picture_is_not_opened():
    profile = CHARACTERS[0]
    track = clip(3, meta={"stills": True})
    track.expression[:] = 0.02
    track.expression[:, [EXPRESSIONS.index(e) for e in ("neutral", "surprise")]] = 0.6, 0.3
    read = unprejudiced(track.expression, (), EVEN_STILLS)
    assert (read.argmax(1) == EXPRESSIONS.index("neutral")).all()
    units = np.zeros((3, len(profile.expression_controls)))
    solved = solve_controls(track, profile, units, SETTINGS)
    jaw = profile.expression_controls[jaws_of(profile)[0]]
    assert solved.values[:, solved.controls.index(jaw.name)].max() < 0.01


def test_poses_that_say_nothing_of_a_jaw_are_left_alone():
    profile = CHARACTERS[0]
    controls, poses = profile.expression_controls, profile.key_poses
    without = tuple(replace(c, channels={}) for c in controls)
    assert as_pictures(without, poses) == poses
    assert as_pictures(controls, ()) == ()
    shut = tuple(p for p in poses if p.name in ("surprise_closed", "surprise_whistle"))
    assert as_pictures(controls, shut) == shut
