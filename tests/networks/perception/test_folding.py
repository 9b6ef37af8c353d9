"""The inference form equals the printed networks; shared layers run once; the doors check."""

import numpy as np
import pytest
import torch

from exprgen.networks.errors import UsageError
from exprgen.networks.models.cnn_3d import EXTRA_NAMES, rig_regressor
from exprgen.networks.models.perceptual import hcnn
from exprgen.networks.models.weights_io import WeightsInfo
from exprgen.networks.perception import folding, joint_opinion
from exprgen.networks.perception.folding import FoldedNetwork, SharedStem
from exprgen.networks.perception.joint_opinion import PerceptionRunner

torch.set_num_threads(1)  # small networks: threads would only wait for each other


def shaken(network, seed=0):
    """A network whose batch norms are as uneven as after a training."""
    torch.manual_seed(seed)
    for layer in network.layers:
        layer.norm.running_mean.normal_(0, 0.5)
        layer.norm.running_var.uniform_(0.3, 3)
        with torch.no_grad():
            layer.norm.weight.uniform_(0.5, 1.5)
            layer.norm.bias.normal_(0, 0.3)
    return network.eval()


@pytest.mark.parametrize(
    ("channels", "height", "width"), [(3, 256, 256), (1, 256, 256), (3, 71, 90), (1, 33, 65)]
)
@torch.inference_mode()
def test_folded_equals_printed(channels, height, width):
    network = shaken(hcnn())
    x = torch.randn(1, 1, height, width).expand(-1, channels, -1, -1)
    printed = network(x)
    folded = FoldedNetwork(network)(x)
    scale = float(printed.abs().max()) + 1
    assert float((printed - folded).abs().max()) < 2e-5 * scale
    assert float((printed - network(x, folded=True)).abs().max()) < 2e-5 * scale


@torch.inference_mode()
def test_colour_is_not_taken_for_grey():
    network = shaken(hcnn())
    x = torch.randn(2, 3, 64, 64)
    assert torch.allclose(network(x), FoldedNetwork(network)(x), rtol=1e-4, atol=1e-4)


def child_of(parent, controls, frozen, geometry=0, seed=1):
    """A regressor whose first `frozen` layers are the parent's."""
    child = shaken(rig_regressor(controls, geometry), seed)
    for mine, theirs in zip(child.layers[:frozen], parent.layers, strict=False):
        mine.load_state_dict(theirs.state_dict())
    return child


@torch.inference_mode()
def test_shared_stem_runs_once_and_changes_nothing():
    parent = shaken(hcnn())
    networks = {
        "a": FoldedNetwork(parent),
        "b": FoldedNetwork(child_of(parent, 5, 4)),
        "c": FoldedNetwork(child_of(parent, 6, 7)),
        "d": FoldedNetwork(child_of(parent, 3, 0)),
    }
    stem = SharedStem(networks)
    assert stem.shared == {"a": 11, "b": 4, "c": 7, "d": 0}
    x = torch.randn(2, 1, 64, 64)
    together = stem(x, {})
    for name, network in networks.items():
        assert torch.allclose(together[name], network(x), atol=1e-5), name


def runner(geometry=0, **options):
    parent = shaken(hcnn())
    child = child_of(parent, 4, 4, geometry)
    info = WeightsInfo(
        "rig_regressor", character="x", controls=("a", "b", "c", "d"), extra=EXTRA_NAMES[geometry]
    )
    return PerceptionRunner(
        (parent, WeightsInfo.of_classifier("hcnn")), {"x": (child, info)}, **options
    )


def test_runner_gives_probabilities_and_unit_values():
    faces = np.random.default_rng(0).integers(0, 256, (3, 256, 256), np.uint8)
    look = runner()
    result = look(faces)
    assert result["expression"].shape == (3, 7)
    assert np.allclose(result["expression"].sum(1), 1, atol=1e-5)
    assert result["rig"]["x"].shape == (3, 4)
    assert np.abs(result["rig"]["x"]).max() <= 1
    colour = look(np.repeat(faces[..., None], 3, 3))
    assert np.allclose(colour["expression"], result["expression"], atol=1e-3)
    nothing = look(faces[:0])
    assert nothing["expression"].shape == (0, 7)
    assert nothing["rig"]["x"].shape == (0, 4)


def test_runner_checks_at_the_door():
    faces = np.zeros((2, 256, 256), np.uint8)
    with pytest.raises(UsageError, match="float64"):
        runner()(faces.astype(float))
    with pytest.raises(UsageError, match="61 more numbers"):
        runner(61)(faces, np.zeros((2, 9)))
    with pytest.raises(UsageError, match="geometry"):
        runner(9)(faces, np.zeros((2, 8)))
    assert runner(61)(faces, np.zeros((2, 9)), np.zeros((2, 52)))["rig"]["x"].shape == (2, 4)


def test_bfloat16_needs_the_processor_and_a_small_change(monkeypatch):
    assert folding.choose_precision(True, 0.004) == torch.bfloat16
    assert folding.choose_precision(True, 0.006) == torch.float32
    assert folding.choose_precision(False, 0.0) == torch.float32
    monkeypatch.setattr(joint_opinion, "native_bfloat16", lambda: False)
    assert runner().precision == torch.float32
    monkeypatch.setattr(joint_opinion, "native_bfloat16", lambda: True)
    monkeypatch.setattr(joint_opinion, "bfloat16_change", lambda *_: 0.001)
    chosen = runner(calibration=np.zeros((1, 256, 256), np.uint8))
    assert (chosen.precision, chosen.change) == (torch.bfloat16, 0.001)


def test_bfloat16_change_is_measured():
    small = torch.randn(1, 1, 64, 64)
    change = folding.bfloat16_change({"a": FoldedNetwork(shaken(hcnn()))}, small)
    assert 0 < change < 1
