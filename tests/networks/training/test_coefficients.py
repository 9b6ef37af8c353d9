"""The coefficient reader learns, joins HCNN's opinion, and stays out where nothing was measured."""

import numpy as np
import pytest

from exprgen.networks.errors import ModelError
from exprgen.networks.inference.coefficient_reader import CoefficientReader, joint_opinion
from exprgen.networks.inference.upper_look import shared_digest
from exprgen.networks.models.coefficient_reader import coefficient_opinion, coefficient_reader
from exprgen.networks.models.perceptual import hcnn
from exprgen.networks.models.upper_look import begun_from
from exprgen.networks.models.weights_io import WeightsInfo, load_network, weights_of
from exprgen.networks.perception.joint_opinion import PerceptionRunner
from exprgen.networks.training.coefficients import CoefficientSettings, train
from exprgen.networks.vocabulary import EXPRESSIONS

RNG = np.random.default_rng(0)


def opinions(count):
    x = RNG.random((count, 7)).astype(np.float32) + 1e-3
    return x / x.sum(1, keepdims=True)


def test_joint_opinion_lies_between():
    a, b = opinions(50), opinions(50)
    joint = joint_opinion(a, b)
    np.testing.assert_allclose(joint.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(joint_opinion(a, b, 0.0), a, atol=1e-5)
    np.testing.assert_allclose(joint_opinion(a, b, 1.0), b, atol=1e-5)
    agreed = a.argmax(1) == b.argmax(1)
    assert (joint.argmax(1) == a.argmax(1))[agreed].all()
    certain = np.eye(7, dtype=np.float32)  # zeros of one must not make nonsense of the other
    assert np.isfinite(joint_opinion(certain, certain[::-1])).all()


def test_the_runner_joins_only_what_was_measured():
    runner = PerceptionRunner(weights_of(hcnn(), WeightsInfo.of_classifier("hcnn")))
    faces = RNG.integers(0, 255, (3, 256, 256), dtype=np.uint8)
    geometry, arkit = RNG.random((3, 9)).astype(np.float32), RNG.random((3, 52)).astype(np.float32)
    alone = runner(faces, geometry, arkit)["expression"]
    network = coefficient_reader()
    info = WeightsInfo("coefficient_reader", {"hidden": 256})
    runner.coefficients = CoefficientReader(weights_of(network, info))
    np.testing.assert_array_equal(runner(faces)["expression"], alone)
    opinion = coefficient_opinion(network, geometry, arkit)
    found = runner(faces, geometry, arkit)["expression"]
    np.testing.assert_allclose(found, joint_opinion(alone, opinion), atol=1e-6)


def test_faces_may_be_read_without_their_mirror_images():
    runner = PerceptionRunner(weights_of(hcnn(), WeightsInfo.of_classifier("hcnn")))
    faces = RNG.integers(0, 255, (3, 256, 256), dtype=np.uint8)
    both, alone = (runner(faces, mirrored=m)["expression"] for m in (True, False))
    other = runner(faces[..., ::-1], mirrored=False)["expression"]
    np.testing.assert_allclose(joint_opinion(alone, other, 0.5), both, atol=1e-5)
    assert np.abs(alone - both).max() > 1e-5


def test_a_second_reader_is_heard_by_the_first():
    info = WeightsInfo("hcnn", labels=EXPRESSIONS, training={"prior": [1 / 7] * 7})
    one, other = weights_of(hcnn(), info), weights_of(hcnn(), info)
    faces = RNG.integers(0, 255, (3, 256, 256), dtype=np.uint8)
    a, b = (PerceptionRunner(x)(faces)["expression"] for x in (one, other))
    both = PerceptionRunner(one, second=other)
    np.testing.assert_allclose(both(faces)["expression"], (a + b) / 2, atol=1e-6)
    assert both(faces)["rig"] == {}
    assert sum(both.prior) == pytest.approx(1)
    silent = weights_of(hcnn(), WeightsInfo("hcnn", labels=EXPRESSIONS))
    assert PerceptionRunner(one, second=silent).prior == ()


def test_the_upper_look_has_a_say_of_its_own():
    parent = hcnn()
    human = weights_of(parent, WeightsInfo("hcnn", labels=EXPRESSIONS, input_size=64))
    info = WeightsInfo("upper_look", {"under": shared_digest(human)}, EXPRESSIONS, input_size=64)
    faces = RNG.integers(0, 255, (3, 256, 256), dtype=np.uint8)
    alone = PerceptionRunner(human)(faces)
    assert "no_mouth" not in alone
    runner = PerceptionRunner(human, upper=weights_of(begun_from(parent), info))
    found = runner(faces)
    np.testing.assert_allclose(found["expression"], alone["expression"], atol=1e-6)
    lips = np.array(faces)
    lips[:, 170:, 60:200] = lips[:, 170:, 60:200][:, ::-1, ::-1]  # as bright as before
    np.testing.assert_allclose(runner(lips)["no_mouth"], found["no_mouth"], atol=2e-5)
    assert np.abs(runner(lips)["expression"] - found["expression"]).max() > 1e-4
    stranger = weights_of(hcnn(), human.info)
    with pytest.raises(ModelError, match="another HCNN"):
        PerceptionRunner(stranger, upper=weights_of(begun_from(parent), info))


def test_an_expression_has_no_side():
    runner = PerceptionRunner(weights_of(hcnn(), WeightsInfo.of_classifier("hcnn")))
    faces = RNG.integers(0, 255, (2, 256, 256), dtype=np.uint8)
    mirrored = np.ascontiguousarray(faces[:, :, ::-1])
    straight, back = runner(faces)["expression"], runner(mirrored)["expression"]
    np.testing.assert_allclose(straight, back, atol=1e-5)


@pytest.fixture
def measured(monkeypatch):
    """Faces whose label shows in two coefficients and a feature."""
    from exprgen.networks.training import coefficients
    from exprgen.networks.training.shared.datasets import synthetic_faces

    data = synthetic_faces(420, seed=1)
    data.arkit[:] = RNG.random(data.arkit.shape) * 0.2
    for label in range(len(EXPRESSIONS)):
        data.arkit[data.labels == label, label] += 0.7
    monkeypatch.setattr(coefficients, "load_faces", lambda folder: data)
    monkeypatch.setattr(coefficients, "subjects_of", lambda folder: np.full(len(data), ""))
    return data


def test_training_learns_and_loads(measured, tmp_path):
    out = tmp_path / "coefficient_reader.safetensors"
    settings = CoefficientSettings(data="any", out=str(out), epochs=60, batch=64, hidden=64)
    outcome = train(settings)
    assert outcome.metrics["accuracy"] > 0.9
    network, info = load_network(out, "coefficient_reader")
    assert info.labels == EXPRESSIONS
    assert out.with_suffix(".md").is_file()
    rows = measured.rows("val")
    answer = coefficient_opinion(network, measured.geometry[rows], measured.arkit[rows]).argmax(1)
    assert (answer == measured.labels[rows]).mean() == pytest.approx(outcome.metrics["accuracy"])
