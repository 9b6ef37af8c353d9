"""How near a character stays to its actor: the same actions on two builds."""

import numpy as np
import pytest

from exprgen.networks.characters.key_poses import POSES, arkit_weights
from exprgen.networks.characters.profile import arkit_to_unit, find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.evaluation.mimicry import mimicry, response_played
from exprgen.networks.face_model.following import at_rest, follow

NAMES = ("joy_laugh", "surprise_open", "anger_glare", "sadness_pout", "disgust_sneer")


@pytest.fixture(scope="module")
def plays():
    """name -> (P, E) what it plays in NAMES."""
    weights = np.array([arkit_weights(POSES[n]) for n in NAMES])
    out = {}
    for name in ("mira", "tobi"):
        profile = find_character(name)
        model = load_response(profile)
        controls = tuple(profile.control(n) for n in model.controls)
        out[name] = response_played(model, arkit_to_unit(controls, weights))
    return out


def test_a_character_that_does_the_same_is_near_and_others_are_not(plays):
    one, other = plays["mira"], plays["tobi"]
    seen = np.ones(1, bool)
    table = np.array([[follow(a[None], b[None], seen).score for b in other] for a in one])
    assert (table.argmax(1) == np.arange(len(NAMES))).all()
    assert np.median(np.diag(table)) > 0.95
    assert table[~np.eye(len(NAMES), dtype=bool)].max() < 0.5 < np.diag(table).min()


def test_the_curve_shows_where_a_character_leaves_its_actor(plays):
    same, other = plays["mira"], plays["tobi"].copy()
    seen = np.ones(len(same), bool)
    before = mimicry(same, other, seen)
    other[1] = plays["tobi"][NAMES.index("sadness_pout")]
    found = mimicry(same, other, seen)
    assert found.score < before.score
    assert found.curve.argmin() == 1
    assert np.allclose(np.delete(found.curve, 1), np.delete(before.curve, 1))


def test_faces_that_are_not_seen_do_not_count(plays):
    other = plays["tobi"].copy()
    other[0] = 0.0
    seen = np.arange(len(other)) > 0
    assert mimicry(plays["mira"], other, seen).score > 0.8
    assert np.isnan(mimicry(plays["mira"], other, ~seen & seen).score)


def test_a_face_at_rest_is_the_neutral_or_the_middle():
    points = np.arange(3.0)[:, None, None] * np.ones((3, 50, 3))
    every = np.ones(3, bool)
    assert at_rest(points, np.array([0.0, 0.0, 2.0]), every)[0, 0] == 2.0
    assert at_rest(points, np.zeros(3), every)[0, 0] == 1.0
