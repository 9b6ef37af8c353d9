"""The tracker takes blinks for squints as well; characters blink by their upper lids."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import arkit_to_unit, find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving.actor import actor_relations
from exprgen.networks.solving.perform import SQUINTS, _unsquinted
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX
from exprgen.tests.support import acted

FRAMES, BLINK = 100, slice(48, 52)
TIMES = np.arange(FRAMES) / 25.0


@pytest.fixture(scope="module", params=["mira", "tobi", "anselm"])
def character(request):
    profile = find_character(request.param)
    model = load_response(profile)
    return model, [profile.control(n) for n in model.controls]


def squinting(controls, share):
    """(N, C) what the coefficients say where both eyes squint by `share` (N,)."""
    arkit = np.zeros((FRAMES, len(ARKIT_CHANNELS)))
    arkit[:, [ARKIT_INDEX[name] for name in SQUINTS]] = share[:, None]
    return arkit_to_unit(tuple(controls), arkit)


def test_what_squints_in_a_blink_alone_is_left_out(character):
    model, controls = character
    track = acted.worn(model, np.zeros((FRAMES, len(controls))))
    open_ = replace(actor_relations(track, RetargetSettings()), lids=np.ones((FRAMES, 2)))
    lids = np.ones((FRAMES, 2))
    lids[BLINK] = np.array([0.5, 0.0, 0.0, 0.6])[:, None]
    blinking = replace(open_, lids=lids)
    quick = np.zeros(FRAMES)
    quick[BLINK] = 0.6
    prior = squinting(controls, quick)
    assert prior.max() > 0.15
    assert _unsquinted(TIMES, prior, controls, blinking) == pytest.approx(0.0)
    np.testing.assert_array_equal(_unsquinted(TIMES, prior, controls, open_), prior)
    held = squinting(controls, np.full(FRAMES, 0.4))
    assert _unsquinted(TIMES, held, controls, blinking) == pytest.approx(held)
    assert _unsquinted(TIMES, held + prior, controls, blinking) == pytest.approx(held)
