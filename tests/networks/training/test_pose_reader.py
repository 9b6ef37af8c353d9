"""A learned reader tells poses apart as SCNN does, and a loss on it reaches the controls."""

import numpy as np
import pytest
import torch

from exprgen.networks.errors import UsageError
from exprgen.networks.models.perceptual import hcnn, scnn
from exprgen.networks.models.weights_io import WeightsInfo, save_network
from exprgen.networks.training import cnn_3d
from exprgen.networks.training.shared import pose_reader
from exprgen.networks.training.shared.datasets import load_ced, synthetic_faces
from exprgen.networks.training.shared.loop import Stage
from exprgen.networks.training.shared.pose_reader import PoseReader, ReaderTask, learn_reader
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.tests.support import trainings


@pytest.fixture
def room(tmp_path):
    trainings.write_ced(tmp_path / "ced", trainings.write_profile(tmp_path))
    torch.manual_seed(0)
    for name, network in (("hcnn", hcnn()), ("scnn", scnn())):
        info = WeightsInfo(name, labels=EXPRESSIONS, input_size=64)
        save_network(tmp_path / f"{name}.safetensors", network, info)
    return tmp_path


def test_the_reader_reads_poses_as_their_pictures_are_read(room, monkeypatch):
    posed = load_ced(room / "ced", "doll")

    def of(posed, scnn, size):  # a reader of pictures that is always right
        said = np.eye(7, dtype=np.float32)[posed.labels] * 0.9 + 0.1 / 7
        rows = (posed.rows("train"), posed.rows("val"))
        return ReaderTask(PoseReader(posed.units.shape[1]), posed.units, said, *rows)

    monkeypatch.setattr(ReaderTask, "of", of)
    reader = learn_reader(posed, room / "scnn.safetensors", room / "reader", 0, False)
    shown = posed.units[posed.rows("val")]
    labels = posed.labels[posed.rows("val")]
    apart = np.unique(shown.round(3), axis=0, return_inverse=True)[1].ravel()
    # The drawn doll's controls can't tell all seven apart: as right as its poses allow.
    possible = np.mean([(labels[apart == k] == labels[apart == k][0]).mean() for k in set(apart)])
    assert (reader.read(shown).argmax(1) == labels).mean() > 0.6 * possible


def test_the_loss_reaches_the_controls():
    torch.manual_seed(0)
    reader = PoseReader(5).eval().requires_grad_(False)
    units = torch.zeros(3, 5, requires_grad=True)
    said = torch.eye(7)[:3]
    value = reader.loss(units, said)
    value.backward()
    assert units.grad.abs().sum() > 0
    step = units.detach() - 0.05 * units.grad / units.grad.norm()
    assert reader.loss(step, said) < value
    np.testing.assert_allclose(reader.read(np.zeros((2, 5))).sum(1), 1, atol=1e-5)


def test_rig_training_takes_the_loss(room, monkeypatch):
    monkeypatch.setattr(cnn_3d, "load_faces", lambda _: synthetic_faces(70, 7))
    names = ("ced", "doll.json", "hcnn.safetensors", "rig.safetensors")
    ced, doll, init, out = (str(room / name) for name in names)
    values = {"variants": 2, "epochs": 3, "humans": 70, "consistency": 0.05}
    s = cnn_3d.RigSettings("drawn", ced, doll, init, out, **values)
    with pytest.raises(UsageError, match="needs a reader"):
        cnn_3d.train(s)
    metrics = cnn_3d.train(
        cnn_3d.RigSettings(
            "drawn", ced, doll, init, out, scnn=str(room / "scnn.safetensors"), **values
        )
    ).metrics
    assert 0 <= metrics["reads"] <= 1


def test_a_reader_that_learned_of_another_scnn_is_not_gone_on_with(room, monkeypatch):
    posed = load_ced(room / "ced", "doll")
    monkeypatch.setattr(pose_reader, "STAGE", Stage(0, 64, 64, 2e-3))
    first, other = room / "scnn.safetensors", room / "other.safetensors"
    learn_reader(posed, first, room / "reader", 0, False)
    learn_reader(posed, first, room / "reader", 0, True)
    save_network(other, scnn(), WeightsInfo("scnn", labels=EXPRESSIONS, input_size=64))
    with pytest.raises(UsageError, match="was made with scnn = "):
        learn_reader(posed, other, room / "reader", 0, True)
