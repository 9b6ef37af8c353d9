"""Key poses of a character that has none of its own: told by its channels and names."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.told_poses import guiding_poses, told_poses
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving import controls
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.tests.networks.solving.test_controls import clip


@pytest.fixture(scope="module")
def tobi():
    return find_character("tobi")


def test_own_key_poses_go_before_those_that_are_told(tobi):
    assert guiding_poses(tobi) == tobi.key_poses
    assert guiding_poses(replace(tobi, key_poses=tobi.key_poses[:1])) == tobi.key_poses[:1]


def test_a_character_of_arkit_names_has_all_expressions_told(tobi):
    told = guiding_poses(replace(tobi, key_poses=()))
    assert {p.expression for p in told} == set(EXPRESSIONS)
    assert all(0.0 <= v <= 1.0 for p in told for v in p.values.values())


def test_what_channels_can_not_make_is_not_told(tobi):
    smiles = tuple(c for c in tobi.controls if "Smile" in c.name)
    told = told_poses(replace(tobi, controls=smiles, key_poses=()))
    assert {p.expression for p in told} <= {"joy", "neutral"}
    assert told_poses(replace(tobi, controls=tobi.with_output("head"), key_poses=())) == ()


@pytest.mark.parametrize(
    ("expression", "channel"),
    [("anger", "browDownLeft"), ("disgust", "noseSneerLeft"), ("joy", "mouthSmileLeft")],
)
def test_a_character_without_key_poses_shows_what_is_perceived(tobi, expression, channel):
    """A trace of it in the face is drawn out, as far as the emphasis goes."""
    bare = replace(tobi, key_poses=())
    names = [c.name for c in bare.expression_controls]
    units = np.zeros((120, len(names)))
    units[:, names.index(channel)] = 0.1
    track = clip(expression=expression)
    shown = {}
    for emphasis in (0.0, 0.9):
        settings = RetargetSettings(calibration="none", emphasis=emphasis)
        solved = controls.solve_controls(track, bare, units, settings)
        shown[emphasis] = float(solved.values[60, solved.controls.index(channel)])
    assert shown[0.0] == pytest.approx(0.1, abs=0.01)
    assert shown[0.9] > 0.4
