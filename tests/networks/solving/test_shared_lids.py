"""Lids that have a control each, neither of which shuts the eye alone."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.solving.relations import LID_GAPS
from exprgen.networks.solving.targets import Geometry


def test_the_eye_is_known_to_shut_by_both_lids_together():
    tobi = find_character("tobi")
    model = load_response(tobi)
    whole = Geometry.of(model, tobi)
    upper, lower = model.controls.index("eyeBlinkLeft"), model.controls.index("cheekPuff")
    rows = [int(np.flatnonzero(model.halves[:, 0] == c)[0]) for c in (upper, lower)]
    curves = model.curves.copy()
    curves[rows] = 0.5 * model.curves[rows[0]]
    halved = replace(model, curves=curves, pairs=model.pairs[:0], bends=model.bends[:0])
    names = {"eyeBlinkLeft", "cheekPuff"}
    controls = tuple(
        replace(c, channels={"eyeBlinkLeft": 1.0}, mirror="") if c.name in names else c
        for c in tobi.controls
    )
    shared = Geometry.of(halved, replace(tobi, controls=controls, key_poses=()))
    assert shared.lids[0] == pytest.approx(whole.lids[0], abs=0.01)
    assert shared.lids[0] < 0.1 * shared.response.rest[LID_GAPS[0]]
