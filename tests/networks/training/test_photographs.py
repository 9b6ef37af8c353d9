"""The photograph reader learns from looks that are kept, and reads single pictures alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exprgen.networks.errors import ModelError
from exprgen.networks.inference.opening import fitted
from exprgen.networks.inference.photograph_reader import PhotographReader
from exprgen.networks.models.layouts import LOOKED, TEACHER_SIZE
from exprgen.networks.models.perceptual import hcnn, pool, prepare_faces
from exprgen.networks.models.photograph_reader import photograph_opinion, photograph_reader
from exprgen.networks.models.teacher import teacher
from exprgen.networks.models.weights_file import read_info, read_weights
from exprgen.networks.models.weights_io import WeightsInfo, save_network, weights_of
from exprgen.networks.perception import needed_weights, pooled
from exprgen.networks.perception.joint_opinion import PerceptionRunner
from exprgen.networks.perception.prior import EVEN_PHOTOGRAPHS, leaning_to, mixed
from exprgen.networks.training import photographs as training
from exprgen.networks.training.looks_drawn import fitted_layer
from exprgen.networks.training.shared import mixing
from exprgen.networks.training.shared.datasets import synthetic_faces
from exprgen.networks.vocabulary import EXPRESSIONS, POOLED

RNG = np.random.default_rng(6)
EVEN = [1 / 7] * 7
USUAL = [0.08, 0.01, 0.02, 0.30, 0.38, 0.10, 0.11]


def given(count):
    return RNG.random((2, count, LOOKED)), RNG.random((count, 9)), RNG.random((count, 52))


def reader(**training_facts):
    network = photograph_reader(3, 16)
    network.mean += 0.4
    info = WeightsInfo("photograph_reader", {"heads": 3, "hidden": 16}, training=training_facts)
    return network, weights_of(network, info)


def test_the_same_without_torch():
    network, weights = reader()
    numbers = given(4)
    said = fitted(PhotographReader, weights)(*numbers)
    np.testing.assert_allclose(said, photograph_opinion(network, *numbers), atol=1e-5)
    np.testing.assert_allclose(said.sum(1), 1, atol=1e-5)
    turned = fitted(PhotographReader, weights)(numbers[0][::-1], *numbers[1:])
    np.testing.assert_allclose(turned, said, atol=1e-5)


def test_every_second_head_looks_through_the_small_networks_too():
    network, _ = reader()
    looked, geometry, arkit = (torch.from_numpy(x).float() for x in given(3))
    other = looked[0].clone()
    other[:, POOLED:] += 1.0
    with torch.inference_mode():
        before, after = (network.eval()(x, geometry, arkit) for x in (looked[0], other))
    changed = (before - after).abs().amax((1, 2))
    assert changed[0] == 0
    assert changed[1] > 0
    assert changed[2] == 0


def test_what_looks_drawn_is_told_by_the_mean_of_all_looks():
    network, _ = reader()
    network.drawn_weight[0, 0] = 1.0
    network.drawn_bias.fill_(0.1)
    weights = weights_of(network, WeightsInfo("photograph_reader", {"heads": 3, "hidden": 16}))
    looked, geometry, arkit = given(4)
    looked[:, :, 0] = 0.4 + np.array([[0.5, -0.5, 0.5, -0.5], [0.5, -0.5, -0.2, 0.0]])
    said = fitted(PhotographReader, weights).drawn(looked, geometry, arkit)
    np.testing.assert_array_equal(said, [True, False, True, False])
    logits = [
        network.drawn(*(torch.from_numpy(x).float() for x in (o, geometry, arkit))) for o in looked
    ]
    np.testing.assert_array_equal(torch.stack(logits).mean(0).numpy() > 0, said)
    assert not fitted(PhotographReader, reader()[1]).drawn(looked, geometry, arkit).any()


def test_what_is_drawn_is_learned_from_both_kinds():
    rng = np.random.default_rng(3)
    photographs = torch.from_numpy(rng.normal(0, 1, (600, 5))).float()
    drawn = torch.from_numpy(rng.normal([2.5, 0, 0, 0, 0], 1, (80, 5))).float()
    weight, bias = fitted_layer(photographs, drawn)
    wrong = (photographs @ weight.T + bias > 0).float().mean()
    missed = (drawn @ weight.T + bias < 0).float().mean()
    assert wrong < 0.15
    assert missed < 0.15
    assert weight[0].abs().argmax() == 0


def test_weights_of_another_width_are_refused():
    for heads in (2, 0, float("inf"), "many"):
        info = WeightsInfo("photograph_reader", {"heads": heads, "hidden": 16})
        with pytest.raises(ModelError, match="does not fit its network"):
            fitted(PhotographReader, weights_of(photograph_reader(3, 16), info))


def test_it_reads_single_pictures_in_place_of_the_others():
    info = WeightsInfo("hcnn", labels=EXPRESSIONS, training={"prior": EVEN})
    large = WeightsInfo("teacher", labels=EXPRESSIONS, input_size=TEACHER_SIZE)
    small, second, network = hcnn().eval(), hcnn().eval(), teacher().eval()
    others = {
        "second": weights_of(second, info),
        "teacher": weights_of(network, replace(large, training={"prior": EVEN})),
    }
    photographs, weights = reader(prior=EVEN, usual=USUAL)
    runner = PerceptionRunner(weights_of(small, info), **others, photographs=weights)
    without = PerceptionRunner(weights_of(small, info), **others)
    faces = RNG.integers(0, 255, (3, 256, 256), dtype=np.uint8)
    numbers = RNG.random((3, 9)).astype(np.float32), RNG.random((3, 52)).astype(np.float32)
    looks = []
    for shown in (faces, np.ascontiguousarray(faces[..., ::-1])):
        with torch.inference_mode():
            parts = [network.pooled(prepare_faces(shown, TEACHER_SIZE))]
            parts += [pool(n.maps(prepare_faces(shown))) for n in (small, second)]
        looks.append(torch.cat(parts, 1).numpy())
    to = mixed(USUAL, EVEN_PHOTOGRAPHS)
    want = leaning_to(photograph_opinion(photographs, np.stack(looks), *numbers), EVEN, to)
    np.testing.assert_allclose(runner(faces, *numbers)["expression"], want, atol=1e-4)
    # Faces that look drawn are read as if there were no photograph reader.
    photographs.drawn_weight[0, 0] = 40.0
    photographs.drawn_bias.zero_()
    some = float(np.median([look[:, 0] for look in looks]))
    photographs.mean[0] = some
    drawn = np.mean([(look[:, 0] - some) for look in looks], axis=0) > 0
    assert 0 < drawn.sum() < 3
    weights = weights_of(photographs, weights.info)
    telling = PerceptionRunner(weights_of(small, info), **others, photographs=weights)
    said = telling(faces, *numbers)["expression"]
    as_before = without(faces, *numbers)["expression"]
    np.testing.assert_allclose(said[drawn], as_before[drawn], atol=1e-6)
    want = leaning_to(photograph_opinion(photographs, np.stack(looks), *numbers), EVEN, to)
    np.testing.assert_allclose(said[~drawn], want[~drawn], atol=1e-4)
    assert runner.prior_of_pictures == to
    assert runner(faces[:0], *(x[:0] for x in numbers))["expression"].shape == (0, 7)
    # Clips, and faces of which nothing was measured, are read as before.
    for options in ({"mirrored": False}, {}):
        measured = numbers if options else ()
        same = without(faces, *measured, **options)["expression"]
        np.testing.assert_array_equal(runner(faces, *measured, **options)["expression"], same)
    assert runner.prior == without.prior
    assert without.prior_of_pictures == without.prior
    assert PerceptionRunner(weights_of(small, info), photographs=weights).prior_of_pictures


@pytest.fixture
def faces(monkeypatch, tmp_path):
    """Drawn faces and networks that nothing has taught, which are the ones to look through."""
    torch.manual_seed(2)
    for name, network, size in (
        ("teacher", teacher(), TEACHER_SIZE),
        ("hcnn", hcnn(), 64),
        ("hcnn_posed", hcnn(), 64),
    ):
        info = WeightsInfo(name.partition("_")[0], labels=EXPRESSIONS, input_size=size)
        save_network(tmp_path / f"{name}.safetensors", network, info)
    monkeypatch.setenv("EXPRGEN_WEIGHTS_DIR", str(tmp_path))
    data = synthetic_faces(140, seed=1, size=64)
    monkeypatch.setattr(training, "load_faces", lambda folder: data)
    return data


def test_it_learns_from_looks_that_are_kept(faces, tmp_path, monkeypatch):
    out = tmp_path / "photograph_reader.safetensors"
    settings = training.PhotographSettings(
        "any", str(out), epochs=60, batch=64, hidden=32, heads=2, looks=1, kept=str(tmp_path / "k")
    )
    outcome = training.train(settings)
    assert outcome.metrics["accuracy"] > 0.5
    assert out.with_suffix(".md").is_file()
    info = read_info(out)
    assert info.config["under"] == pooled.looked_by()
    np.testing.assert_allclose(sum(info.training["usual"]), 1.0, atol=1e-3)
    np.testing.assert_allclose(sum(info.training["prior"]), 1.0, atol=1e-3)
    assert len([*(tmp_path / "k").iterdir()]) == 3

    def nobody():
        raise AssertionError("the faces were looked at again")

    monkeypatch.setattr(training, "Convolutions", nobody)
    training.train(replace(settings, epochs=0.5, out=str(tmp_path / "again.safetensors")))


def test_what_looks_drawn_leaves_the_heads_as_they_are(faces, tmp_path, monkeypatch):
    settings = training.PhotographSettings(
        "any", str(tmp_path / "a.safetensors"), epochs=2, hidden=8, looks=1, batch=64
    )
    training.train(settings)
    monkeypatch.setattr(
        training, "load_people", lambda folder: synthetic_faces(60, seed=7, size=64)
    )
    drawn = replace(settings, out=str(tmp_path / "b.safetensors"), drawn="people")
    metrics = training.train(drawn).metrics
    assert 0 <= metrics["photographs taken for drawn"] <= 1
    assert 0 <= metrics["drawn taken for drawn"] <= 1
    one, other = (read_weights(tmp_path / f"{name}.safetensors").tensors for name in "ab")
    changed = {name for name in one if not np.array_equal(one[name], other[name])}
    assert changed <= {"drawn_weight", "drawn_bias"}
    assert changed
    assert "synthetic people" in (tmp_path / "b.md").read_text()


def test_carried_photographs_are_learned_from_and_measured_apart(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(mixing, "load_faces", lambda folder: synthetic_faces(60, seed=7, size=64))
    out = tmp_path / "a.safetensors"
    settings = training.PhotographSettings(
        "any", str(out), epochs=1, hidden=8, looks=1, batch=64, carried="carried"
    )
    metrics = training.train(settings).metrics
    assert 0 <= metrics["carried accuracy"] <= 1
    assert not any(name.startswith("posed") for name in metrics)
    card = out.with_suffix(".md").read_text()
    assert "photographs of that set carried" in card
    assert "--carried carried" in card


def test_what_other_networks_taught_is_not_asked(faces, tmp_path):
    info = WeightsInfo("photograph_reader", {"heads": 2, "hidden": 16, "under": pooled.looked_by()})
    save_network(tmp_path / "photograph_reader.safetensors", photograph_reader(2, 16), info)
    assert needed_weights.load_advisers()["photographs"] is not None
    hcnn_file = tmp_path / "hcnn.safetensors"
    save_network(hcnn_file, hcnn(), read_weights(hcnn_file).info)
    assert needed_weights.load_advisers()["photographs"] is None


def test_sharpened_votes_are_nearer_to_what_most_said():
    votes = np.array([[0.6, 0.4, 0, 0, 0, 0, 0], [0, 0, 1.0, 0, 0, 0, 0]])
    sharper = training.sharpened(votes)
    np.testing.assert_allclose(sharper.sum(1), 1)
    assert sharper[0, 0] > 0.65
    assert sharper[0].argmax() == 0
    np.testing.assert_allclose(sharper[1], votes[1])
