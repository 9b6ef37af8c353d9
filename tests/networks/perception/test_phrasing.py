"""Phrases: what flickers becomes steady, what changes changes then, a person's word is the last."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.perception import phrasing
from exprgen.networks.phrases import (
    Phrase,
    matched,
    overruled,
    phrase_curve,
    said_of,
    weights_of,
)
from exprgen.networks.track import FaceTrack
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.tests.support import synthetic

FPS = 25.0
JOY, ANGER, NEUTRAL, SURPRISE = (
    EXPRESSIONS.index(e) for e in ("joy", "anger", "neutral", "surprise")
)


def reading(label, sure=0.7):
    row = np.full(len(EXPRESSIONS), (1 - sure) / (len(EXPRESSIONS) - 1))
    row[label] = sure
    return row


def flickering(labels, seed=0, wrong=0.3):
    """Readings (N, 7) of which so many frames say something else, as speech makes them."""
    rng = np.random.default_rng(seed)
    said = [rng.integers(len(EXPRESSIONS)) if rng.random() < wrong else label for label in labels]
    return np.array([reading(label) for label in said])


def times_of(count, fps=FPS):
    return np.arange(count) / fps


def phrases_of(labels, **more):
    said = flickering(labels, **more)
    return phrasing.find_phrases(times_of(len(said)), said, np.ones(len(said), bool))


def test_a_steady_feeling_is_one_phrase_however_it_flickers():
    (clear,) = phrases_of([JOY] * 200, wrong=0.0)
    for seed in range(8):
        (phrase,) = phrases_of([JOY] * 200, seed=seed, wrong=0.4)
        assert phrase.expression == "joy"
        assert phrase.start == 0.0
        assert phrase.end == pytest.approx(8.0)
        assert 0.5 < phrase.confidence < clear.confidence


def test_a_small_feeling_that_lasts_is_named_though_each_look_leans_to_neutral():
    calm, small = reading(NEUTRAL, 0.9), np.full(len(EXPRESSIONS), 0.02)
    small[[NEUTRAL, JOY]] = 0.45
    said = np.array([calm] * 75 + [small] * 150 + [calm] * 75)
    found = phrasing.find_phrases(times_of(len(said)), said, np.ones(len(said), bool))
    assert [p.expression for p in found] == ["neutral", "joy", "neutral"]
    assert found[1].start == pytest.approx(3.0, abs=0.1)
    doubtful = np.array([calm] * 75 + [(calm + small) / 2] * 150 + [calm] * 75)
    (phrase,) = phrasing.find_phrases(times_of(len(said)), doubtful, np.ones(len(said), bool))
    assert phrase.expression == "neutral"


def test_what_is_over_at_once_is_not_believed_and_what_lasts_is():
    small = np.full(len(EXPRESSIONS), 0.02)
    small[[NEUTRAL, JOY]] = 0.35, 0.55
    for seconds, felt in ((1.2, ["neutral"]), (4.0, ["neutral", "joy", "neutral"])):
        calm = [reading(NEUTRAL, 0.9)] * 75
        said = np.array([*calm, *[small] * round(seconds * FPS), *calm])
        found = phrasing.find_phrases(times_of(len(said)), said, np.ones(len(said), bool))
        assert [p.expression for p in found] == felt


def test_who_begins_at_rest_is_seen_to_begin():
    calm, felt = [reading(NEUTRAL, 0.9)] * 8, [reading(ANGER, 0.9)] * 100
    said = np.array([*calm, *felt])
    found = phrasing.find_phrases(times_of(len(said)), said, np.ones(len(said), bool))
    assert [p.expression for p in found] == ["neutral", "anger"]
    assert found[1].start == pytest.approx(8 / FPS, abs=0.06)
    found = phrasing.find_phrases(times_of(100), said[8:], np.ones(100, bool))
    assert [p.expression for p in found] == ["anger"]


def test_a_change_is_found_when_it_happens():
    for seed in range(8):
        phrases = phrases_of([NEUTRAL] * 75 + [JOY] * 100 + [NEUTRAL] * 60, seed=seed)
        assert [p.expression for p in phrases] == ["neutral", "joy", "neutral"]
        assert phrases[1].start == pytest.approx(3.0, abs=0.3)
        assert phrases[2].start == pytest.approx(7.0, abs=0.3)


@pytest.mark.parametrize(
    ("seconds", "felt"), [(0.56, ["neutral", "joy", "neutral"]), (0.08, ["joy"])]
)
def test_what_a_clip_cuts_off_may_be_short(seconds, felt):
    ends = [NEUTRAL] * round(seconds * FPS)
    said = np.array([reading(label, 0.9) for label in [*ends, *[JOY] * 60, *ends]])
    found = phrasing.find_phrases(times_of(len(said)), said, np.ones(len(said), bool))
    assert [p.expression for p in found] == felt


def test_phrases_lie_end_to_end_and_none_is_hasty():
    rng = np.random.default_rng(3)
    labels = np.repeat(rng.integers(0, 7, 60), rng.integers(2, 60, 60))
    phrases = phrases_of(labels)
    assert all(a.end == b.start for a, b in itertools.pairwise(phrases))
    assert min(p.seconds for p in phrases[1:-1]) >= phrasing.SHORTEST - 1e-6
    assert all(a.expression != b.expression for a, b in itertools.pairwise(phrases))
    for p in phrases:
        assert sum(p.reading) == pytest.approx(1.0)
        assert p.confidence >= p.second[1]


def test_the_cut_is_the_best_there_is():
    """Against all cuts of a short clip, by trying them."""
    said = flickering([NEUTRAL] * 30 + [JOY] * 35, seed=5, wrong=0.5)
    edges, evidence = phrasing._on_grid(times_of(len(said)), said, np.ones(len(said), bool))
    cuts = phrasing._best_cuts(evidence)
    costs = phrasing._leaving_costs()
    assert cuts[0][0] == 0
    assert cuts[-1][1] == len(edges) - 1

    def worth(spans):
        total = sum(evidence[a:b, k].sum() for a, b, k in spans)
        total += phrasing.BEGINS * (spans[0][2] == NEUTRAL)
        total += phrasing.ENDS * (spans[-1][2] == NEUTRAL)
        for a, b, _ in spans[:-1]:
            total -= costs[min(b - a - 1 + (phrasing._BEGUN if a == 0 else 0), len(costs) - 1)]
        return total

    last = len(evidence)
    tried = [worth([(0, last, k)]) for k in range(7)]
    least = phrasing._SEEN + 1
    for cut in range(least, last - least):
        sums = evidence[:cut].sum(0), evidence[cut:].sum(0)
        pairs = [(i, k) for i in np.argsort(sums[0])[-2:] for k in np.argsort(sums[1])[-2:]]
        tried += [worth([(0, cut, i), (cut, last, k)]) for i, k in pairs if i != k]
    assert worth(cuts) >= max(tried) - 1e-9


@pytest.mark.parametrize("fps", [12.0, 24.0, 30.0, 60.0, 120.0])
def test_the_rate_changes_nothing(fps):
    labels = [NEUTRAL] * round(3 * fps) + [ANGER] * round(4 * fps)
    said = flickering(labels, seed=1, wrong=0.2)
    found = phrasing.find_phrases(times_of(len(said), fps), said, np.ones(len(said), bool))
    assert [p.expression for p in found] == ["neutral", "anger"]
    assert found[1].start == pytest.approx(3.0, abs=0.3)


def test_lost_frames_say_nothing():
    said = flickering([JOY] * 200)
    said[80:140] = reading(SURPRISE, 0.99)
    found = np.ones(200, bool)
    assert len(phrasing.find_phrases(times_of(200), said, found)) == 3
    found[80:140] = False
    (phrase,) = phrasing.find_phrases(times_of(200), said, found)
    assert phrase.expression == "joy"
    (phrase,) = phrasing.find_phrases(times_of(200), said, np.zeros(200, bool))
    assert phrase.expression == "neutral"


@pytest.mark.parametrize("count", [1, 2, 5, 15])
def test_clips_of_a_moment(count):
    (phrase,) = phrases_of([JOY] * count, wrong=0.0)
    assert phrase.expression == "joy"
    assert phrase.end == pytest.approx(phrase.start + max(count, 1) / FPS, abs=0.06)


def test_the_curve_passes_smoothly_from_one_to_the_next():
    two = (Phrase(0, 2, tuple(reading(JOY))), Phrase(2, 4, tuple(reading(ANGER))))
    curve = phrase_curve(times_of(100), two)
    assert np.allclose(curve.sum(1), 1.0)
    assert np.allclose(curve[0], two[0].reading)
    assert np.allclose(curve[-1], two[1].reading)
    assert np.abs(np.diff(curve, axis=0)).max() < 0.15
    assert (np.diff(curve.argmax(1)) != 0).sum() == 1


def test_a_person_has_the_last_word():
    read = (Phrase(0, 4, tuple(reading(NEUTRAL))), Phrase(4, 8, tuple(reading(JOY))))
    said = overruled(read, [(3.0, 5.0, weights_of("anger"))])
    assert [(p.start, p.end, p.expression, p.by_hand) for p in said] == [
        (0, 3.0, "neutral", False), (3.0, 5.0, "anger", True), (5.0, 8, "joy", False),
    ]  # fmt: skip
    later = overruled(said, [(4.0, 9.0, weights_of("joy+surprise"))])
    assert [(p.start, p.end, p.by_hand) for p in later] == [
        (0, 3, False),
        (3, 4, True),
        (4, 8, True),
    ]
    assert later[-1].confidence == pytest.approx(0.5)
    assert overruled(read, [(20.0, 30.0, weights_of("anger"))]) == read


def test_a_word_is_found_again_in_another_analysis():
    read = (Phrase(0, 4.2, tuple(reading(NEUTRAL))), Phrase(4.2, 8, tuple(reading(JOY))))
    assert matched(4.0, 8.0, read) == (4.2, 8)
    assert matched(1.0, 3.0, read) == (1.0, 3.0)
    assert matched(4.1, 4.4, read) == (4.1, 4.4)
    assert said_of(read[1], [(4.0, 8.0, ()), (0.0, 1.0, ())]) == 0
    assert said_of(read[0], [(4.0, 8.0, ())]) is None


@pytest.mark.parametrize(
    ("words", "wanted"),
    [("joy", {"joy": 1}), ("sadness*3 + joy", {"sadness": 0.75, "joy": 0.25})],
)
def test_mixtures_in_words(words, wanted):
    weights = dict(zip(EXPRESSIONS, weights_of(words), strict=True))
    assert {k: v for k, v in weights.items() if v} == pytest.approx(wanted)


@pytest.mark.parametrize(
    "words", ["", "glee", "joy*", "joy*-1", "joy*nan", "joy*inf", "joy++anger"]
)
def test_what_is_no_mixture(words):
    with pytest.raises(ValueError, match=r"expression|weight|float"):
        weights_of(words)


def test_a_track_keeps_its_phrases_and_an_older_one_gets_them(tmp_path):
    track = synthetic.face_track(frames=60)
    older = FaceTrack.load(track.save(tmp_path / "older.npz"))
    assert older.phrases is None
    felt = phrasing.felt(older)
    assert np.array_equal(felt.momentary, older.expression)
    again = FaceTrack.load(felt.save(tmp_path / "felt.npz"))
    assert [p.expression for p in again.phrases] == [p.expression for p in felt.phrases]
    assert np.allclose(again.expression, felt.expression)
    assert np.allclose(again.readings, felt.readings)
    assert phrasing.felt(again) is again
    said = phrasing.felt(again, ((0.0, 1.0, weights_of("fear")),))
    assert said.phrases[0].expression == "fear"
    assert np.array_equal(said.momentary, again.momentary)


def test_a_feeling_goes_on_through_calm_that_passes():
    sad, calm, glad = (
        tuple(reading(EXPRESSIONS.index(e), 0.9)) for e in ("sadness", "neutral", "joy")
    )
    times = times_of(200)

    def shown(seconds, before=sad, by_hand=False):
        end = 3.0 + seconds
        phrases = (
            Phrase(0.0, 3.0, before),
            Phrase(3.0, end, calm, by_hand),
            Phrase(end, 8.0, glad),
        )
        curve = phrase_curve(times, phrases).astype(np.float32)
        track = replace(
            synthetic.face_track(frames=len(times)), times=times, phrases=phrases, expression=curve
        )
        through = phrasing.through_calm(track)
        assert through.phrases == phrases
        return through.expression[np.abs(times - (3.0 + 0.5 * seconds)).argmin()]

    assert shown(1.2).argmax() == EXPRESSIONS.index("sadness")
    assert shown(2.5).argmax() == NEUTRAL
    assert shown(1.2, before=calm).argmax() == NEUTRAL
    assert shown(1.2, by_hand=True).argmax() == NEUTRAL


def test_separate_pictures_have_no_phrases():
    track = synthetic.face_track(frames=4, stills=True)
    assert phrasing.felt(track, ((0.0, 2.0, weights_of("fear")),)) is track


def test_live_what_is_felt_follows_and_does_not_flicker():
    said = flickering([NEUTRAL] * 100 + [JOY] * 100, seed=2)
    feeling = phrasing.Feeling()
    curve = np.array([feeling(t, row) for t, row in zip(times_of(200), said, strict=True)])
    label = curve.argmax(1)
    assert (label[25:100] == NEUTRAL).all()
    assert (label[130:] == JOY).all()
    assert (np.diff(label) != 0).sum() <= 3
    assert np.allclose(curve.sum(1), 1.0)
