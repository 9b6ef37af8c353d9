"""The reader against neutral: what counts is what differs from the actor's own face at rest."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.errors import ModelError
from exprgen.networks.inference.against_neutral import AgainstNeutral as Plain
from exprgen.networks.inference.opening import fitted
from exprgen.networks.models.against_neutral import against_neutral, opinion_against
from exprgen.networks.models.layouts import UPPER_MEASURED
from exprgen.networks.models.weights_io import WeightsInfo, load_network, weights_of
from exprgen.networks.perception.against_neutral import AgainstNeutral, measured, neutral_of
from exprgen.networks.training import against_neutral as training
from exprgen.networks.training.shared import own_neutral
from exprgen.networks.training.shared.datasets import synthetic_faces
from exprgen.networks.vocabulary import (
    ARKIT_INDEX,
    EXPRESSIONS,
    GEOMETRIC_FEATURES,
    NEUTRAL,
    POOLED,
)

RNG = np.random.default_rng(4)
PEOPLE = 12


def numbers(count):
    return RNG.random((count, len(GEOMETRIC_FEATURES))), RNG.random((count, len(ARKIT_INDEX)))


def test_the_neutral_is_the_median_of_the_frames_that_show_it():
    geometry, arkit = numbers(9)
    weights = np.array([0, 1, 1, 1, 0, 0, 0, 0, 0.0])
    found = neutral_of(geometry, arkit, weights)
    np.testing.assert_allclose(found, np.median(measured(geometry, arkit)[1:4], 0))
    weights[8] = 9
    np.testing.assert_allclose(neutral_of(geometry, arkit, weights), measured(geometry, arkit)[8])
    assert neutral_of(geometry, arkit, np.zeros(9)) is None


def test_the_same_without_torch_and_blind_to_the_mouth_where_asked():
    network = against_neutral(32)
    network.usual += 0.2
    made = fitted(Plain, weights_of(network, WeightsInfo("against_neutral", {"hidden": 32})))
    values, neutral = measured(*numbers(4)), measured(*numbers(4))
    for want, mouth in zip(opinion_against(network, values, neutral), (True, False), strict=True):
        np.testing.assert_allclose(made(values, neutral, mouth), want, atol=1e-5)
    reader = AgainstNeutral(made)
    geometry, arkit = numbers(4)
    spoken = np.array(arkit)
    spoken[:, [ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthSmileLeft"]]] = 1.0
    seen = reader(geometry, arkit, neutral[0], mouth=False)
    np.testing.assert_array_equal(reader(geometry, spoken, neutral[0], mouth=False), seen)
    assert np.abs(reader(geometry, spoken, neutral[0]) - reader(geometry, arkit, neutral[0])).max()
    stranger = reader(geometry, arkit)
    np.testing.assert_allclose(stranger, reader(geometry, arkit, np.full(61, 0.2)), atol=1e-6)
    np.testing.assert_allclose(stranger, reader(geometry, arkit, neutral[0], 0.0), atol=1e-6)
    np.testing.assert_allclose(stranger.sum(1), 1, atol=1e-5)
    assert 15 < len(UPPER_MEASURED) < 40


def test_what_convolutions_give_is_seen_against_the_neutral_too():
    network = against_neutral(32, POOLED, "these")
    network.usual += 0.1
    config = {"hidden": 32, "pooled": POOLED, "under": "these"}
    made = fitted(Plain, weights_of(network, WeightsInfo("against_neutral", config)))
    geometry, arkit = numbers(4)
    pooled, weights = RNG.random((4, POOLED)), np.array([0, 1, 1, 1.0])
    own = neutral_of(geometry, arkit, weights, pooled)
    assert own.shape == (61 + POOLED,)
    values = measured(geometry, arkit, pooled)
    wanted = opinion_against(network, values, np.tile(own, (4, 1)))
    reader = AgainstNeutral(made)
    seen = reader.with_pixels(geometry, arkit, pooled, own)
    np.testing.assert_allclose(seen, wanted[2], atol=1e-5)
    np.testing.assert_allclose(reader(geometry, arkit, own), wanted[0], atol=1e-5)
    same = reader.with_pixels(
        geometry, arkit, pooled + 0.3, own + np.r_[np.zeros(61), [0.3] * POOLED]
    )
    np.testing.assert_allclose(same, seen, atol=1e-4)
    assert reader.under == config["under"]


def test_weights_of_another_width_are_refused():
    weights = weights_of(against_neutral(32), WeightsInfo("against_neutral", {"hidden": 16}))
    with pytest.raises(ModelError, match="does not fit its network"):
        fitted(Plain, weights)


@pytest.fixture
def people(monkeypatch):
    """People of whom each has a face of its own, on which expressions are small."""
    data = synthetic_faces(7 * 10 * PEOPLE, seed=1, size=8)
    person = np.arange(len(data)) // (7 * 10)
    subjects = np.array([f"p{i}" for i in person])
    data.split[:] = np.where(person < PEOPLE - 3, "train", "val")
    data.geometry[:] = 0.2
    builds = RNG.random((PEOPLE, data.arkit.shape[1])).astype(np.float32) * 0.6
    data.arkit[:] = builds[person]
    for label in range(len(EXPRESSIONS)):
        if label != NEUTRAL:
            data.arkit[data.labels == label, label] += 0.2
    data.arkit[:] += RNG.normal(0, 0.01, data.arkit.shape)
    monkeypatch.setattr(training, "load_faces", lambda folder: data)
    monkeypatch.setattr(training, "subjects_of", lambda folder: subjects)
    return data


def test_small_expressions_are_seen_against_each_ones_own_neutral(people, tmp_path):
    out = tmp_path / "against_neutral.safetensors"
    settings = training.AgainstNeutralSettings("any", str(out), epochs=40, batch=64, hidden=64)
    training.train(settings)
    network, info = load_network(out, "against_neutral")
    assert len(info.training["prior"]) == 7
    values = measured(people.geometry, people.arkit)
    subjects = np.arange(len(people)) // (7 * 10)
    neutral = np.stack(
        [np.median(values[(subjects == k) & (people.labels == NEUTRAL)], 0) for k in range(PEOPLE)]
    )[subjects]
    rows = people.rows("val")
    own = opinion_against(network, values[rows], neutral[rows])[0].argmax(1)
    usual = np.tile(network.usual.numpy()[: values.shape[1]], (len(rows), 1))
    stranger = opinion_against(network, values[rows], usual)[0].argmax(1)
    truth = people.labels[rows]
    assert (own == truth).mean() > 0.85
    assert (own == truth).mean() > (stranger == truth).mean() + 0.1
    assert out.with_suffix(".md").is_file()


def test_what_the_teacher_gives_is_kept_for_the_next_training(people, tmp_path, monkeypatch):
    settings = training.AgainstNeutralSettings(
        "any", str(tmp_path / "a.safetensors"), kept=str(tmp_path / "kept"), epochs=0.2, faces=140
    )
    training.train(settings)
    (kept,) = (tmp_path / "kept").glob("pooled_*.npy")
    assert np.load(kept).shape == (140 + 28, POOLED)

    def nobody(faces):
        raise AssertionError("the teacher was asked again")

    monkeypatch.setattr(training, "pooled_of", nobody)
    training.train(replace(settings, out=str(tmp_path / "b.safetensors")))
    assert (tmp_path / "b.safetensors").is_file()


def test_expressions_are_played_on_other_faces():
    neutral, others = RNG.random((50, 61)) * 0.2, RNG.random((7, 61)) * 0.3
    change = np.zeros((50, 61))
    change[:, len(GEOMETRIC_FEATURES) :] = RNG.random((50, 52)) * 0.4
    own = np.arange(50) < 40
    values, theirs = own_neutral.played(neutral + change, neutral, own, others, RNG)
    moved = np.abs(theirs - neutral).max(1) > 1e-9
    assert 0 < moved.sum() < 40
    assert not moved[~own].any()
    np.testing.assert_allclose((values - theirs)[moved], change[moved], atol=1e-9)
    assert all(np.isclose(others, row).all(1).any() for row in theirs[moved])
    strong, _ = own_neutral.played(neutral + 1, neutral, own, others, RNG)
    assert strong[moved, len(GEOMETRIC_FEATURES) :].max() <= 1.2 + 1e-9
    same, _ = own_neutral.played(neutral + change, neutral, own, others[:0], RNG)
    np.testing.assert_array_equal(same, neutral + change)
