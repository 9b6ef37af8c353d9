"""Faces that a framing misses: tried elsewhere, and framed by what was found."""

from __future__ import annotations

import numpy as np

from exprgen.exprgen_addon.studio.face_search import (
    FITS,
    asked_framing,
    find_elsewhere,
    follows_jaw,
    tries,
)
from exprgen.networks.characters.profile import Framing
from exprgen.networks.tracking.registration import FRONTAL_FACE
from exprgen.networks.vocabulary import LANDMARK_NAMES

FORWARD = np.array((0.0, -1.0, 0.0))


def face_at(place, width: float) -> np.ndarray:
    """(49, 3) landmarks of an average face that looks along -Y; `width` metres across."""
    flat = np.array([FRONTAL_FACE[n] for n in LANDMARK_NAMES], float)
    flat = (flat - flat.mean(0)) * width / np.ptp(flat[:, 0])
    return np.stack([flat[:, 0], np.zeros(49), -flat[:, 1]], 1) + place


def test_a_framing_that_fits_stays():
    places = face_at((0.0, -0.1, 1.5), 0.1)
    asked = asked_framing(Framing((9.0, 9.0, 9.0)), places, FORWARD)
    assert 0.2 < asked.size < 0.27
    assert asked_framing(asked, places, FORWARD) is asked


def test_one_that_is_far_too_large_small_or_aside_is_made_anew():
    places = face_at((0.0, -0.1, 1.5), 0.1)
    right = asked_framing(Framing((9.0, 9.0, 9.0)), places, FORWARD)
    for wrong in (
        Framing(right.center, (0, -1, 0), 6 * right.size),
        Framing(right.center, (0, -1, 0), right.size / 3),
        Framing((0.0, -0.1, 1.2), (0, -1, 0), right.size),
    ):
        made = asked_framing(wrong, places, FORWARD)
        np.testing.assert_allclose(made.center, right.center, atol=1e-6)
        assert FITS[0] < made.size / right.size < FITS[1]


def test_a_face_seen_from_behind_turns_the_framing():
    places = face_at((0.0, 0.1, 1.5), 0.1)
    made = asked_framing(Framing((0.0, 0.0, 1.5), (0, -1, 0), 0.24), places, -FORWARD)
    np.testing.assert_allclose(made.forward, -FORWARD)


def test_the_likeliest_tries_come_first_and_end():
    groups = list(tries())
    assert 15 < sum(map(len, groups)) < 40
    seen = []

    def look_for(looks):
        seen.append(looks)
        return [(looks[-1], np.zeros((49, 2)))] if looks[0].zoom > 1.0 else []

    found, _ = find_elsewhere(look_for, lambda look, pixels: True)
    assert (found.how, len(seen)) == ("nearer", 2)
    found, _ = find_elsewhere(look_for, lambda look, pixels: look.zoom > 3.0)
    assert found.look.zoom == 4.0
    assert find_elsewhere(lambda looks: [], lambda look, pixels: True) is None


def test_what_does_not_follow_the_jaw_is_no_face():
    """As a pattern in the hair behind the head, which the landmarker may take for one."""
    places = face_at((0.0, -0.1, 1.5), 0.1)
    behind = places + np.array((0.0, 0.3, 0.0))
    rest = np.concatenate([places, behind])
    opened = rest.copy()
    opened[[i for i, n in enumerate(LANDMARK_NAMES) if n.startswith("lip_bottom")], 2] -= 0.01
    assert follows_jaw(rest, opened, places)
    assert not follows_jaw(rest, opened, behind)
