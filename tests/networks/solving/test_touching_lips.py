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
from exprgen.networks.solving.targets import Geometry, _touching_lips
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
