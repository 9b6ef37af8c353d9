"""Emphasis is a step from the plain solution: quick motion keeps its way, contacts their lips."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving.actor import actor_relations
from exprgen.networks.solving.emphasised import BARE, GAPS, emphasised, turned
from exprgen.networks.solving.fit import Fit
from exprgen.networks.solving.perform import Reading, solve_relations
from exprgen.networks.solving.relations import LIP_GAPS, NAMES
from exprgen.networks.solving.targets import Geometry
from exprgen.tests.support import acted

STILL = RetargetSettings(smoothing_eyes=0.0, smoothing_mouth=0.0, emphasis=0.0)
FRAMES, TURN = 100, 0.004


@pytest.fixture(scope="module")
def talk():
    """A character's own model with lips that meet at rest, and a track of lively talk by it."""
    model = acted.with_meeting_lips(load_response(find_character("tobi")))
    t, units = np.arange(FRAMES) / 25.0, np.zeros((FRAMES, len(model.controls)))
    for size, hertz, *names in (
        (0.4, 2.3, "jawOpen"),
        (0.4, 1.7, "mouthSmileLeft", "mouthSmileRight"),
        (0.3, 3.1, "mouthPucker"),
        (0.2, 2.0, "mouthFrownLeft", "mouthFrownRight"),
        (0.5, 1.9, "browInnerUp"),
    ):
        for name in names:
            wave = np.maximum(np.sin(2.0 * np.pi * hertz * t + 0.3 * hertz), 0.0)
            units[:, model.controls.index(name)] = size * wave
    return acted.worn(model, units)


@pytest.mark.parametrize(
    ("name", "most", "apart"),
    [("mira", 0, 0.012), ("rosa", 0, 0.012), ("tobi", 2, 0.012), ("anselm", 10, 0.014)],
)
def test_emphasis_turns_hardly_a_quick_step_and_parts_no_lips(name, most, apart, talk):
    """Whatever a feeling wants of corners, lips and brows, an "oh" in it goes the actor's way:
    everywhere, but for `most` steps of a character whose controls can't."""
    profile = find_character(name)
    model = load_response(profile)
    geometry, actor = Geometry.of(model, profile), actor_relations(talk, STILL)
    plain = np.zeros((FRAMES, len(model.controls)))
    sad = next(p for p in profile.key_poses if p.expression == "sadness")
    rest = {c: profile.control(c) for c in model.controls}
    pose = [sad.values.get(n, c.rest) - c.rest for n, c in rest.items()]
    felt = np.tile(np.clip(np.array(pose), -1.0, 1.0), (FRAMES, 1))

    def shown(emphasis):
        asked = replace(STILL, emphasis=emphasis)
        sure = Reading(certain=1.0)
        solved = solve_relations(talk.times, actor, profile, model, plain, felt, asked, sure)
        return geometry.response.predict(solved)

    own = shown(0.0)
    closed = own[:, LIP_GAPS] < geometry.lips + 0.01
    kept = [i for i in range(len(NAMES)) if i not in BARE]
    for emphasis in (0.9, 1.0):
        now = shown(emphasis)
        assert np.abs(now - own).max() > 0.02
        assert turned(talk.times, own, now, TURN)[:, kept].sum() <= most
        assert (now - own)[:, LIP_GAPS][closed].max(initial=0.0) < apart


def test_nothing_that_is_felt_changes_nothing(talk):
    """Targets and priors that are alike leave every frame as it is, to the bit."""
    profile = find_character("tobi")
    model = load_response(profile)
    geometry = Geometry.of(model, profile)
    rng = np.random.default_rng(0)
    units = 0.3 * rng.uniform(size=(20, len(model.controls)))
    targets = geometry.bound.predict(units)
    ones = np.ones_like(units)
    fit = Fit(geometry.bound, targets, np.ones_like(targets), units, ones[0], -ones, ones)
    contact = np.zeros(len(GAPS)) - 1.0
    assert np.array_equal(emphasised(talk.times[:20], units, fit, fit, contact), units)


def test_what_is_not_read_is_not_emphasised(talk):
    """Where nothing is certain all of the emphasis changes nothing, to the bit."""
    profile = find_character("mira")
    model, actor = load_response(profile), actor_relations(talk, STILL)
    plain = np.zeros((FRAMES, len(model.controls)))
    felt = plain + 0.5
    own, now = (
        solve_relations(talk.times, actor, profile, model, plain, felt, asked, Reading(certain))
        for asked, certain in ((STILL, 1.0), (replace(STILL, emphasis=1.0), 0.0))
    )
    assert np.array_equal(own, now)


def test_lips_that_hardly_weigh_stay_together(talk):
    """A contact is asked for anew though nothing is asked of its gaps at first."""
    profile = find_character("tobi")
    model = load_response(profile)
    geometry = Geometry.of(model, profile)
    response, jaw = geometry.bound, model.controls.index("jawOpen")
    units = np.zeros((FRAMES, len(model.controls)))
    weights = np.ones((FRAMES, len(response.rest)))
    weights[:, GAPS] = 0.0
    ones = np.ones_like(units)
    plain = Fit(response, response.predict(units), weights, units, 0.1 * ones[0], -ones, ones)
    opened = units.copy()
    opened[40:60, jaw] = 0.3
    felt = replace(plain, targets=response.predict(opened), prior=opened)
    rest = plain.targets[0, GAPS]
    solved = emphasised(talk.times, units, plain, felt, rest)
    gaps = response.predict(solved)[:, GAPS] - rest
    assert gaps.max() < 0.012
