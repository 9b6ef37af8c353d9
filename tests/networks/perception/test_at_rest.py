"""The actor at rest is found in silence, and what is seen there is taken for the build."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.perception.at_rest import find_rest, less_build
from exprgen.networks.vocabulary import EXPRESSIONS, NEUTRAL
from exprgen.tests.support import synthetic

ANGER, JOY = EXPRESSIONS.index("anger"), EXPRESSIONS.index("joy")
FRAMES = 60


def said(**chances):
    """(7,) chances; what is not named shares the rest."""
    row = np.full(len(EXPRESSIONS), np.nan)
    for name, chance in chances.items():
        row[EXPRESSIONS.index(name)] = chance
    row[np.isnan(row)] = (1.0 - sum(chances.values())) / (len(EXPRESSIONS) - len(chances))
    return row.astype(np.float32)


def clip(first, then):
    """Twenty frames of silence that look like the first, then speech that looks like the other."""
    looks = np.array([first] * 20 + [then] * 40)
    track = synthetic.face_track(frames=FRAMES)
    blink = np.zeros((FRAMES, 2), np.float32)
    track = replace(track, expression=looks, readings=None, blink=blink)
    return track, (np.arange(FRAMES) >= 20).astype(float)


def test_a_build_that_looks_angry_is_found_at_rest():
    track, speaking = clip(said(anger=0.45, neutral=0.4), said(anger=0.4, joy=0.4))
    numbers = np.tile(said(neutral=0.7), (FRAMES, 1))
    rest, sure = find_rest(track, speaking, numbers)
    assert sure > 0.65
    assert (rest[:20] > 0).all()
    assert not rest[20:].any()
    left = less_build(track.momentary, rest, sure)
    np.testing.assert_allclose(left.sum(1), 1.0, atol=1e-5)
    assert left[:20].argmax(1).tolist() == [NEUTRAL] * 20
    assert left[20:].argmax(1).tolist() == [JOY] * 40


def test_a_smile_that_is_held_through_silence_is_no_build():
    track, speaking = clip(said(joy=0.94), said(joy=0.9))
    numbers = np.tile(said(joy=0.9), (FRAMES, 1))
    rest, sure = find_rest(track, speaking, numbers)
    assert sure < 0.01
    left = less_build(track.momentary, rest, sure)
    np.testing.assert_allclose(left, track.momentary, atol=0.01)


def test_what_lasts_alike_through_speech_and_silence_is_believed_less_to_be_rest():
    """An anger held through all of a clip looks as neutral there as such a build does alone."""
    looks, numbers = said(anger=0.45, neutral=0.4), np.tile(said(neutral=0.5), (FRAMES, 1))
    _, alone = find_rest(*clip(looks, said(anger=0.4, joy=0.4)), numbers)
    _, throughout = find_rest(*clip(looks, looks), numbers)
    assert throughout < 0.2 < 0.65 < alone
    _, calm = find_rest(*clip(said(neutral=0.85), said(neutral=0.85)), numbers)
    assert calm > 0.8, "a face that looks neutral needs nothing beside it"


def test_anger_that_the_numbers_miss_is_not_at_rest():
    track, speaking = clip(said(neutral=0.75), said(anger=0.65, neutral=0.3))
    speaking[50:] = 0.0  # silent again, and still angry
    numbers = np.tile(said(neutral=0.9), (FRAMES, 1))
    numbers[:20] = said(neutral=0.5)
    rest, _ = find_rest(track, speaking, numbers)
    assert rest[:20].all()
    assert not rest[20:].any()


def test_who_never_is_silent_has_no_rest():
    track, _ = clip(said(neutral=0.9), said(joy=0.9))
    rest, sure = find_rest(track, np.ones(FRAMES), np.tile(said(neutral=0.9), (FRAMES, 1)))
    assert sure == 0.0
    assert not rest.any()


def test_how_neutral_a_face_looks_at_rest_stays():
    looks = np.tile(said(neutral=0.7, anger=0.2), (5, 1))
    left = less_build(looks, np.ones(5), 1.0)
    assert left[0, NEUTRAL] == pytest.approx(0.7, abs=0.08)
    assert left[0, ANGER] < 0.1
