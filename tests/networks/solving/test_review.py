"""A review finds what a character does otherwise than its actor, and says by how much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character, sample_characters, to_unit
from exprgen.networks.characters.response import load_response
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving import likeness, perform, review
from exprgen.networks.solving.actor import actor_relations
from exprgen.networks.solving.targets import Geometry
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.tests.support import acted

FRAMES = 120
STILL = RetargetSettings(smoothing_eyes=0.0, smoothing_mouth=0.0, emphasis=0.0)

if "tobi" not in [p.name for p in sample_characters()]:
    pytest.skip("the sample characters are not built", allow_module_level=True)


@pytest.fixture(scope="module")
def scene():
    """(Tobi's profile, response, geometry, a clip in which his like talks, its actor, and the unit
    values with which he does the same)."""
    profile = find_character("tobi")
    model = load_response(profile)
    geometry = Geometry.of(model, profile)
    units = np.zeros((FRAMES, len(model.controls)))
    t = np.arange(FRAMES) / 25.0
    talks = np.clip((np.arange(FRAMES) - 20) / 5, 0, 1)
    units[:, model.controls.index("jawOpen")] = talks * 0.5 * np.maximum(np.sin(14.5 * t), 0)
    blink = np.exp(-((np.arange(FRAMES) - 60) ** 2) / 4.0)
    for side in ("Left", "Right"):
        units[:, model.controls.index(f"eyeBlink{side}")] = blink
    track = acted.worn(model, units)
    actor = actor_relations(track, STILL)
    none = np.zeros_like(units)
    solved = perform.solve_relations(track.times, actor, profile, model, none, none, STILL)
    return profile, model, geometry, track, actor, solved


def looked_at(scene, units) -> list[review.Finding]:
    profile, model, geometry, track, actor, _ = scene
    shown = review.shown_by(profile, model.controls, units, actor, geometry, STILL)
    found = review.findings(track, [shown], np.arange(FRAMES))
    return [f for f in found if f.kind != review.READING]


def changed(scene, amount: float, frames: slice, *names: str) -> np.ndarray:
    units = scene[-1].copy()
    for name in names:
        units[frames, scene[1].controls.index(name)] = amount
    return units


def test_who_does_what_the_actor_does_is_left_in_peace(scene):
    assert looked_at(scene, scene[-1]) == []


def test_lips_that_stay_open_are_told_first_and_by_how_much(scene):
    calm = slice(4, 12)
    assert scene[4].lips_meet[calm].all()
    units = changed(scene, 0.5, calm, "jawOpen")
    (found,) = looked_at(scene, units)
    assert found.kind == review.LIPS_OPEN
    assert (found.start, found.end) == (4, 12)
    assert found.text.startswith("Tobi: lips ")
    assert "% of the mouth's width open, actor's closed" in found.text
    less = looked_at(scene, changed(scene, 0.2, calm, "jawOpen"))
    assert less[0].badness < found.badness
    both = changed(scene, 0.5, calm, "jawOpen")
    wide = scene[1].controls.index("eyeBlinkLeft")
    both[40:44, wide] = 1.0
    kinds = [f.kind for f in looked_at(scene, both)]
    assert set(kinds) == {review.LIPS_OPEN, review.LIDS_SHUT}
    badness = [f.badness for f in looked_at(scene, both)]
    assert badness == sorted(badness, reverse=True)


def test_lids_and_a_mouth_that_is_not_opened(scene):
    eye = changed(scene, 0.0, slice(56, 65), "eyeBlinkLeft")
    assert [f.kind for f in looked_at(scene, eye)] == [review.LIDS_OPEN]
    shown = looked_at(scene, eye)[0]
    assert shown.text.startswith("Tobi: left eye ")
    assert shown.text.endswith("actor's shut")
    shut = scene[-1].copy()
    shut[:] = scene[-1][5]
    assert review.LIPS_SHUT in [f.kind for f in looked_at(scene, shut)]


def test_several_characters_are_told_together(scene):
    profile, model, geometry, track, actor, _ = scene
    units = changed(scene, 0.5, slice(4, 12), "jawOpen")
    shown = review.shown_by(profile, model.controls, units, actor, geometry, STILL)
    found = review.findings(track, [shown, replace(shown, name="Bob")], np.arange(FRAMES))
    assert found[0].text.startswith("Tobi and Bob: lips")
    part = np.arange(6, FRAMES)
    shown = review.shown_by(profile, model.controls, units[6:], actor.at(part), geometry, STILL)
    assert review.findings(track, [shown], part)[0].start == 6, "rows are those of the track"


def test_key_poses_are_nearest_to_their_own_expression(scene):
    profile, model, geometry, *_ = scene
    rest = {c.name: c.rest for c in profile.controls}
    controls = tuple(profile.control(n) for n in model.controls)
    poses = [p for p in profile.key_poses if p.expression != "neutral"]
    values = np.array([[(rest | p.values)[n] for n in model.controls] for p in poses], float)
    near = likeness.likeness(to_unit(controls, values), profile, model.controls, geometry)
    stirred = near.any(axis=1)
    named = [EXPRESSIONS[i] for i in near.argmax(1)]
    right = [n == p.expression for n, p, s in zip(named, poses, stirred, strict=True) if s]
    assert stirred.sum() > 20
    assert all(right)


def test_a_pose_that_reads_as_something_else_is_told_by_whom_it_is_known(scene):
    """What a network saw is told with its chance, what a person said is not the actor's showing."""
    profile, model, geometry, track, actor, solved = scene
    pose = next(p for p in profile.key_poses if p.expression == "anger")
    controls = tuple(profile.control(n) for n in model.controls)
    values = {c.name: c.rest for c in profile.controls} | pose.values
    units = solved.copy()
    units[20:100] = to_unit(controls, np.array([values[n] for n in model.controls], float))
    shown = review.shown_by(profile, model.controls, units, actor, geometry, STILL)
    told = []
    for chance in (0.94, 1.0):
        expression = np.full((FRAMES, len(EXPRESSIONS)), (1.0 - chance) / (len(EXPRESSIONS) - 1))
        expression[:, EXPRESSIONS.index("joy")] = chance
        found = review.findings(replace(track, expression=expression), [shown], np.arange(FRAMES))
        told.append(next(f.text for f in found if f.kind == review.READS))
    assert told == [
        "Tobi: nearer to anger than to joy, which the actor shows (94%)",
        "Tobi: nearer to anger than to joy, which the phrase was said to be",
    ]
