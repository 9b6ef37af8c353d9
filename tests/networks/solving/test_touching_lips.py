"""Where a character's lips touch: at rest, or, where they are parted, when they are closed."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving.actor import actor_relations
from exprgen.networks.solving.perform import solve_relations
from exprgen.networks.solving.relations import LIP_GAPS, RELATIONS, WIDTH
from exprgen.networks.solving.targets import (
    HIDDEN,
    OVERLOOKED,
    WEIGHTS,
    Geometry,
    _brought_together,
    _touching_lips,
    targets_for,
)
from exprgen.tests.support import acted


@pytest.mark.parametrize(
    ("rest", "closed", "touch"),
    [
        (0.02, -0.2, 0.02),  # lips that touch: what closes an open jaw takes them past each other
        (0.1, 0.01, 0.01),  # parted, and brought together
        (0.1, -0.2, 0.1),  # landmarks that lie far apart on lips that touch
        (0.1, 0.1, 0.1),  # nothing closes them
    ],
)
def test_lips_touch_where_they_are_closed(rest, closed, touch):
    def gaps(value: float) -> np.ndarray:
        out = np.zeros(len(RELATIONS))
        out[LIP_GAPS] = value
        return out

    pose = np.ones(4)
    response = SimpleNamespace(rest=gaps(rest), predict=lambda poses: gaps(closed)[None])
    assert _touching_lips(response, pose) == pytest.approx([touch] * 3)


@pytest.mark.parametrize(
    ("parted", "nearest", "touch"),
    [
        (0.15, -0.3, 0.05),  # half of what closes them most is enough
        (0.15, -0.1, 0.1),  # as near as it brings them
        (0.15, 0.1, 0.2),  # nothing closes them
    ],
)
def test_lips_that_are_open_at_rest_touch_where_nothing_is_seen_between_them(
    parted, nearest, touch
):
    curves = np.zeros((2, 3, len(RELATIONS)))
    curves[1, :, LIP_GAPS] = nearest
    curves[0, :, LIP_GAPS] = 0.2
    response = SimpleNamespace(rest=np.full(len(RELATIONS), 0.2), curves=curves)
    assert _brought_together(response, parted) == pytest.approx([touch] * 3)


def test_a_mouth_that_hangs_open_at_rest_closes_when_the_actors_does():
    """Tobi as if his file had been saved with his jaw a third down."""
    frames, settings = 40, RetargetSettings(smoothing_mouth=0.0, emphasis=0.0)
    profile = find_character("tobi")
    model = load_response(profile)
    jaw = model.controls.index("jawOpen")
    hanging = np.zeros((1, len(model.controls)))
    hanging[0, jaw] = 0.35
    points = model.through(np.eye(3 * len(model.points)))
    moved = (points.predict(hanging)[0] - points.rest).reshape(-1, 3)
    shut = Geometry.of(model, profile).lips
    up = np.array(model.amounts)[:, None, None] * -moved
    opened = replace(
        model,
        rest=model.rest + moved,
        halves=np.concatenate([model.halves, [[jaw, -1]]]),
        curves=np.concatenate([model.curves, up[None]]),
        parted=0.2,
    )
    hangs = tuple(
        replace(c, rest=0.35, minimum=0.0) if c.name == "jawOpen" else c for c in profile.controls
    )
    profile = replace(profile, controls=hangs)
    geometry = Geometry.of(opened, profile)
    assert geometry.response.rest[LIP_GAPS].mean() - shut.mean() > 0.15
    actor = actor_relations(acted.worn(model, np.zeros((frames, len(model.controls)))), settings)
    actor = replace(actor, lips_meet=np.ones(frames, bool), lip_gaps=np.zeros((frames, 3)))
    calm = np.zeros((2, frames, len(model.controls)))
    solved = solve_relations(np.arange(frames) / 25, actor, profile, opened, *calm, settings)
    assert (geometry.response.predict(solved)[:, LIP_GAPS] - shut).mean() < 0.03


@pytest.mark.parametrize("name", ["mira", "blip"])
def test_round_lips_that_touch_do_so_where_narrowing_parts_them(name):
    """What narrows Blip's mouth opens it: there he closes it and narrows it less."""
    frames, settings = 40, RetargetSettings(smoothing_mouth=0.0, emphasis=0.0)
    worn = load_response(find_character("tobi"))
    actor = actor_relations(acted.worn(worn, np.zeros((frames, len(worn.controls)))), settings)
    moved = actor.moved.copy()
    moved[:, WIDTH] -= 0.15
    met = np.ones(frames, bool)
    round_ = replace(actor, moved=moved, pursed=np.ones(frames), lips_meet=met)
    round_ = replace(round_, lip_gaps=np.zeros((frames, 3)))
    profile = find_character(name)
    model = load_response(profile)
    geometry, calm = Geometry.of(model, profile), np.zeros((2, frames, len(model.controls)))
    times = np.arange(frames) / 25
    solved = solve_relations(times, round_, profile, model, *calm, settings)
    shown = geometry.response.predict(solved)
    assert (shown[:, LIP_GAPS] - geometry.lips).mean() < 0.03
    assert (shown - geometry.response.rest)[:, WIDTH].mean() < -0.02


@pytest.mark.parametrize(("name", "hides"), [("mira", True), ("tobi", True), ("blip", False)])
def test_small_openings_of_pursed_lips_are_wide_enough_to_be_seen(name, hides):
    """Rims of pursed lips come before the seam; the landmarks of a cartoon's lie on them."""
    frames, settings = 40, RetargetSettings(smoothing_mouth=0.0, emphasis=0.0)
    worn = load_response(find_character("tobi"))
    actor = actor_relations(acted.worn(worn, np.zeros((frames, len(worn.controls)))), settings)
    model = load_response(find_character(name))
    geometry = Geometry.of(model, find_character(name))

    def asked(gap: float, pursed: float):
        lips = np.full((frames, 3), gap)
        shut = np.full(frames, gap == 0.0)
        one = replace(actor, lip_gaps=lips, lips_meet=shut, pursed=np.full(frames, pursed))
        told = targets_for(np.arange(frames) / 25, one, geometry, settings)
        apart = (told.values[:, LIP_GAPS] - geometry.lips).mean()
        return apart, told.weights[:, LIP_GAPS].mean() / WEIGHTS["lip_gap"]

    (plain, surely), (round_, _) = asked(0.03, 0.0), asked(0.03, 1.0)
    assert round_ - plain == pytest.approx(HIDDEN if hides else 0.0, abs=0.1 * HIDDEN)
    wide = 3.0 * OVERLOOKED[1]
    assert asked(wide, 1.0)[0] == pytest.approx(asked(wide, 0.0)[0])
    assert surely > 1.5 * asked(wide, 0.0)[1]
    assert asked(0.0, 1.0)[0] < 0.015
    steps = [asked(gap, 1.0)[0] for gap in np.linspace(0.03, 0.12, 10)]
    assert (np.diff(steps) > 0).all(), "a wider opening stays the wider one"
