"""The learned renderer shows poses apart, and a loss on what they express reaches the controls."""

import numpy as np
import pytest
import torch

from exprgen.networks.errors import UsageError
from exprgen.networks.perceptual import hcnn, scnn
from exprgen.networks.training import pose_renderer, rig
from exprgen.networks.training.datasets import load_ced, synthetic_faces
from exprgen.networks.training.loop import Stage
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.networks.weights_io import WeightsInfo, save_network
from exprgen.tests import trainings


@pytest.fixture
def room(tmp_path, monkeypatch):
    monkeypatch.setattr(pose_renderer, "STAGE", Stage(64, 3200, 32, 4e-3))
    trainings.write_ced(tmp_path / "ced", trainings.write_profile(tmp_path))
    torch.manual_seed(0)
    for name, network in (("hcnn", hcnn()), ("scnn", scnn())):
        info = WeightsInfo(name, labels=EXPRESSIONS, input_size=64)
        save_network(tmp_path / f"{name}.safetensors", network, info)
    return tmp_path


def test_the_renderer_shows_poses_apart(room):
    posed = load_ced(room / "ced", "doll")
    renderer = pose_renderer.learn_renderer(posed, room / "renderer", 0, False)
    task = pose_renderer.RendererTask.of(posed)
    rows = task.check_rows
    shown = renderer(torch.from_numpy(posed.units[rows])).flatten(1)
    true = task.pictures[torch.from_numpy(rows)].flatten(1)
    nearest = torch.cdist(shown, true).argmin(1)
    labels = posed.labels[rows]
    assert (labels[nearest.numpy()] == labels).mean() > 0.5, "by chance it is one in seven"


def test_the_loss_reaches_the_controls():
    torch.manual_seed(0)
    loss = pose_renderer.Consistency(pose_renderer.PoseRenderer(5).eval(), scnn())
    units = torch.zeros(3, 5, requires_grad=True)
    said = torch.eye(7)[:3]
    value = loss.loss(units, said)
    value.backward()
    assert units.grad.abs().sum() > 0
    assert all(p.grad is None for p in loss.scnn.parameters())
    step = units.detach() - 0.05 * units.grad / units.grad.norm()
    assert loss.loss(step, said) < value
    np.testing.assert_allclose(loss.read(np.zeros((2, 5))).sum(1), 1, atol=1e-5)


def test_rig_training_takes_the_loss(room, monkeypatch):
    monkeypatch.setattr(rig, "load_faces", lambda _: synthetic_faces(70, 7))
    names = ("ced", "doll.json", "hcnn.safetensors", "rig.safetensors")
    ced, doll, init, out = (str(room / name) for name in names)
    values = {"variants": 2, "epochs": 1, "humans": 35, "consistency": 0.05}
    s = rig.RigSettings("drawn", ced, doll, init, out, **values)
    with pytest.raises(UsageError, match="needs a reader"):
        rig.train(s)
    metrics = rig.train(
        rig.RigSettings(
            "drawn", ced, doll, init, out, scnn=str(room / "scnn.safetensors"), **values
        )
    ).metrics
    assert 0 <= metrics["reads"] <= 1
