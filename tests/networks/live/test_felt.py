"""What is felt now: a build is no feeling, every reader that tells something is heard."""

import numpy as np
import pytest

from exprgen.networks.live.felt import FeltNow, Readers, RestingLooks
from exprgen.networks.live.seen import Said, Seen, as_track
from exprgen.networks.models.layouts import MEASURED
from exprgen.networks.perception.against_neutral import AgainstNeutral
from exprgen.networks.solving.neutral import Neutral
from exprgen.networks.vocabulary import EXPRESSIONS, NEUTRAL, POOLED

JOY, SADNESS = EXPRESSIONS.index("joy"), EXPRESSIONS.index("sadness")
POINTS = np.zeros((478, 3), np.float32)


def chances(label, sure=0.6):
    out = np.full(len(EXPRESSIONS), 0.1 / (len(EXPRESSIONS) - 2), np.float32)
    out[[label, NEUTRAL]] = sure, 0.9 - sure
    return out


def frames(said, count=40):
    return [Seen(i / 20, True, landmarks=POINTS, said=said) for i in range(count)]


def rest_of(said):
    shown = frames(said)
    return RestingLooks.of(as_track(shown), Neutral(np.ones(40), np.ones(40), 1.0))


@pytest.fixture(scope="module")
def readers():
    return Readers()


def last(readers, rest, said):
    felt = FeltNow(readers, rest)
    return [felt(frame) for frame in frames(said)][-1]


def test_a_face_that_looks_merry_at_rest_is_not_felt_as_joy(readers):
    build = Said(chances(JOY))
    unknown, known = last(readers, None, build), last(readers, rest_of(build), build)
    assert known[JOY] < 0.5 * unknown[JOY]
    assert known.argmax() == NEUTRAL
    sad = Said(chances(SADNESS, 0.85))
    assert last(readers, rest_of(build), sad)[SADNESS] > 2 * known[SADNESS]


def test_pixels_are_seen_against_those_at_rest_where_those_are_known(readers):
    said = Said(chances(NEUTRAL, 0.8), pooled=np.zeros(POOLED, np.float32))
    felt = FeltNow(readers, rest_of(said))
    felt(frames(said, 1)[0])
    assert {"whole", "against_neutral", "against_upper", "against_pixels"} <= set(felt._latest)
    without = rest_of(Said(chances(NEUTRAL, 0.8)))
    assert len(without.measured) == MEASURED
    felt = FeltNow(readers, without)
    felt(frames(said, 1)[0])
    assert "against_pixels" not in felt._latest


def test_of_one_who_is_not_known_what_convolutions_give_is_heard_too(readers):
    looks = chances(JOY)
    plain, seen = (FeltNow(readers, None) for _ in range(2))
    plain(frames(Said(looks), 1)[0])
    seen(frames(Said(looks, pooled=np.zeros(POOLED, np.float32)), 1)[0])
    np.testing.assert_allclose(plain._latest["whole"], looks / looks.sum(), atol=1e-5)
    whole = seen._latest["whole"]
    assert np.abs(whole - plain._latest["whole"]).max() > 0.01
    for said in seen._latest.values():
        np.testing.assert_allclose(said, whole, atol=1e-5)


@pytest.mark.parametrize(("known", "looks"), [(False, 3), (True, 4)])
def test_a_look_is_read_once_against_each_neutral(readers, monkeypatch, known, looks):
    """Against people's alone while nobody knows the actor's; else against the actor's, and what
    convolutions give against people's too."""
    asked = []
    for name in ("__call__", "with_pixels"):
        method = getattr(AgainstNeutral, name)

        def counted(*given, method=method, **options):
            asked.append(method)
            return method(*given, **options)

        monkeypatch.setattr(AgainstNeutral, name, counted)
    said = Said(chances(JOY), pooled=np.zeros(POOLED, np.float32))
    FeltNow(readers, rest_of(said) if known else None)(frames(said, 1)[0])
    assert len(asked) == looks


def test_a_phone_is_heard_by_its_coefficients_alone(readers):
    felt = FeltNow(readers, RestingLooks())
    felt(Seen(0.0, True, said=Said(chances(JOY))))
    assert set(felt._latest) == {"whole"}


def test_rest_in_which_nothing_but_neutral_is_seen_leaves_chances(readers):
    rest = rest_of(Said(np.eye(len(EXPRESSIONS), dtype=np.float32)[NEUTRAL]))
    felt = last(readers, rest, Said(chances(JOY)))
    assert np.isfinite(felt).all()
    assert felt.sum() == pytest.approx(1.0, abs=1e-3)
