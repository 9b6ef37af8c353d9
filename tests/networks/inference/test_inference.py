"""The networks without torch: as torch computes them, at any batch, from any thread, or refused."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from exprgen.networks.characters.profile import load_profile, sample_characters
from exprgen.networks.errors import ModelError, UsageError
from exprgen.networks.evaluation.runtimes import LARGEST_DIFFERENCE, runtimes
from exprgen.networks.inference.network import Network, softmax
from exprgen.networks.inference.onnx_graph import Graph
from exprgen.networks.inference.opening import fitted
from exprgen.networks.inference.table1 import (
    FaceReaders,
    every_second,
    every_second_weight,
    table1,
)
from exprgen.networks.inference.teacher import Teacher
from exprgen.networks.models.cnn_3d import EXTRA_NAMES, rig_regressor
from exprgen.networks.models.face_input import EMPTY, grey_faces, resampling
from exprgen.networks.models.layouts import TEACHER_SIZE
from exprgen.networks.models.perceptual import hcnn
from exprgen.networks.models.teacher import teacher, teacher_opinion
from exprgen.networks.models.weights_io import WeightsInfo, weights_of
from exprgen.networks.models.weights_places import WEIGHTS
from exprgen.networks.perception.joint_opinion import PerceptionRunner
from exprgen.networks.perception.needed_weights import load_runner
from exprgen.networks.vocabulary import POOLED

torch.set_num_threads(1)  # small networks: threads would only wait for each other

SERVES_TRAININGS = {"fcnn", "judge"}


def shaken(network, seed=0):
    """A network whose batch norms are as uneven as after a training."""
    torch.manual_seed(seed)
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            norm.running_mean.normal_(0, 0.5)
            norm.running_var.uniform_(0.3, 3)
            if norm.affine:
                with torch.no_grad():
                    norm.weight.uniform_(0.5, 1.5)
                    norm.bias.normal_(0, 0.3)
    return network.eval()


def child_of(parent, controls, frozen, geometry=0, seed=1):
    """A regressor whose first `frozen` layers are the parent's."""
    child = shaken(rig_regressor(controls, geometry), seed)
    for mine, theirs in zip(child.layers[:frozen], parent.layers, strict=False):
        mine.load_state_dict(theirs.state_dict())
    return child


def plain(network, controls=0, geometry=0):
    """A network of torch's without torch."""
    if not controls:
        return table1(weights_of(network, WeightsInfo.of_classifier("hcnn")))
    config = {"controls": controls, "geometry": geometry}
    return table1(weights_of(network, WeightsInfo("rig_regressor", config)))


@pytest.mark.parametrize("path", sorted(WEIGHTS.glob("*.safetensors")), ids=lambda p: p.stem)
def test_every_shipped_network_is_as_torch_computes_it(path):
    both = runtimes(path)
    if both is None:
        assert any(path.stem.startswith(name) for name in SERVES_TRAININGS)
        return
    with torch.inference_mode():
        assert both.difference < LARGEST_DIFFERENCE


@pytest.mark.parametrize("old", [256, 100, 40])
@pytest.mark.parametrize("new", [64, 112])
def test_faces_are_resampled_as_torch_does(old, new):
    x = np.random.default_rng(old).uniform(0, 255, (old, old)).astype(np.float32)
    theirs = F.interpolate(
        torch.from_numpy(x)[None, None], (new, new), mode="bilinear", antialias=True
    )
    ours = resampling(old, new) @ x @ resampling(old, new).T
    np.testing.assert_allclose(ours, theirs[0, 0].numpy(), atol=2e-3)


@pytest.mark.parametrize(("shape", "new"), [((256, 256), 112), ((40, 90), 64), ((64, 64), 64)])
def test_faces_are_resampled_in_parts_as_in_one(shape, new):
    faces = np.random.default_rng(1).integers(0, 256, (2, *shape), dtype=np.uint8)
    height, width = shape
    whole = resampling(height, new) @ faces.astype(np.float32) @ resampling(width, new).T
    deviation = whole.std((1, 2), keepdims=True) + EMPTY
    whole = (whole - whole.mean((1, 2), keepdims=True)) / deviation
    assert np.abs(grey_faces(faces, new)[:, 0] - whole).max() < 1e-4


@pytest.mark.parametrize("size", [12, 13])
def test_every_second_pixel_gives_what_the_stride_gives(size):
    random = np.random.default_rng(2)
    faces, weight = random.normal(size=(2, 1, size, size)), random.normal(size=(3, 1, 11, 11))
    given = torch.from_numpy(faces).float(), torch.from_numpy(weight).float()
    wanted = torch.nn.functional.conv2d(*given, stride=2, padding=5)
    parts = torch.from_numpy(every_second(faces)), torch.from_numpy(every_second_weight(weight))
    found = torch.nn.functional.conv2d(parts[0], parts[1].float())
    assert found.shape == wanted.shape
    assert torch.allclose(found, wanted, atol=1e-4)


@torch.inference_mode()
def test_shared_layers_run_once_and_change_nothing():
    parent = shaken(hcnn())
    other, child = shaken(hcnn(), 7), child_of(parent, 5, 4, 9)
    stranger = child_of(parent, 3, 0)
    tables = {"a": plain(parent), "o": plain(other)}
    regressors = {"b": plain(child, 5, 9), "d": plain(stranger, 3)}
    assert regressors["b"].shared_with(tables["a"]) == 4
    graph = Graph()
    tables["a"].maps(graph, "x")
    alone = len(graph._nodes)
    regressors["b"].maps(graph, "x")
    assert len(graph._nodes) == alone + 2 * (11 - 4)
    x = np.random.default_rng(0).standard_normal((3, 1, 64, 64)).astype(np.float32)
    extra = np.random.default_rng(1).random((3, 9), np.float32)
    found = FaceReaders(tables, regressors, 64)(x, {"b": extra})
    there, back = torch.from_numpy(x), torch.from_numpy(np.ascontiguousarray(x[..., ::-1]))
    for name, network in (("a", parent), ("o", other)):
        for seen, faces in zip(found[name], (there, back), strict=True):
            np.testing.assert_allclose(
                softmax(seen), network(faces).softmax(1).numpy(), atol=LARGEST_DIFFERENCE
            )
    units = child(there, torch.from_numpy(extra)).numpy()
    np.testing.assert_allclose(found["b"], units, atol=LARGEST_DIFFERENCE)
    np.testing.assert_allclose(found["d"], stranger(there).numpy(), atol=LARGEST_DIFFERENCE)


def test_the_teacher_at_other_sizes_than_its_own():
    network = shaken(teacher())
    for size in (TEACHER_SIZE, 97):
        info = WeightsInfo("teacher", input_size=size)
        x = np.random.default_rng(2).standard_normal((1, 1, size, size)).astype(np.float32)
        look = Teacher(weights_of(network, info))
        theirs = teacher_opinion(network, torch.from_numpy(x))
        both = torch.from_numpy(np.stack([x[0], x[0, ..., ::-1]]).copy())
        with torch.inference_mode():
            features = network.pooled(both).numpy()[:, None]
        for mirrored in (True, False):
            found, pooled = look(x, mirrored)
            assert pooled.shape == (1 + mirrored, 1, POOLED)
            wanted = features[: 1 + mirrored]
            np.testing.assert_allclose(pooled, wanted, atol=1e-5 * np.abs(features).max())
            if mirrored:
                np.testing.assert_allclose(found, theirs, atol=LARGEST_DIFFERENCE)


def test_a_network_serves_any_batch_and_many_threads():
    readers = FaceReaders({"": plain(shaken(hcnn()))}, {}, 64)
    x = np.random.default_rng(0).standard_normal((5, 1, 64, 64)).astype(np.float32)
    whole = readers(x, {})[""]
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda i: readers(x[i : i + 1], {})[""], [0, 1, 2, 3, 4] * 4))
    for i, part in enumerate(parts):
        np.testing.assert_allclose(part[:, 0], whole[:, i % 5], atol=1e-4)


def test_a_graph_s_numbers_come_out_again():
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)

    def build(graph, batch):
        x = graph.input("x", batch, 3)
        assert graph.constant(weight) == graph.constant(weight.copy())
        return {"y": (graph.linear(x, weight, np.array([0.5, -300.0], np.float32)), (batch, 2))}

    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    found = Network(build)(x=x)["y"]
    np.testing.assert_allclose(found, x @ weight.T + (0.5, -300.0), rtol=1e-5)


@pytest.mark.parametrize("change", ["missing", "unknown", "shape", "config"])
def test_weights_that_do_not_fit_are_refused(change):
    weights = weights_of(hcnn(), WeightsInfo.of_classifier("hcnn"))
    if change == "missing":
        weights.tensors.pop("layers.3.conv.weight")
    elif change == "unknown":
        weights.tensors["more"] = np.zeros(3, np.float32)
    elif change == "shape":
        weights.tensors["fc14.bias"] = np.zeros(8, np.float32)
    else:
        weights.info.config["geometry"] = 10**12  # asks for no memory
    with pytest.raises(ModelError, match="does not fit its network"):
        fitted(table1, weights)


def runner(geometry=0):
    parent = shaken(hcnn())
    child = child_of(parent, 4, 4, geometry)
    info = WeightsInfo(
        "rig_regressor",
        {"controls": 4, "geometry": geometry},
        character="x",
        controls=("a", "b", "c", "d"),
        extra=EXTRA_NAMES[geometry],
    )
    human = weights_of(parent, WeightsInfo.of_classifier("hcnn"))
    return PerceptionRunner(human, {"x": weights_of(child, info)})


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


def test_a_runner_that_is_ready_makes_no_network_for_a_clip_s_faces(monkeypatch):
    made = []
    make = Network._made
    monkeypatch.setattr(Network, "_made", lambda self, n: made.append(n) or make(self, n))
    runner, _ = load_runner([load_profile(c.path) for c in sample_characters()[:1]])
    runner.prepare()
    count = len(made)
    faces = np.random.default_rng(3).integers(0, 256, (4, 256, 256), dtype=np.uint8)
    given = faces, np.zeros((4, 9), np.float32), np.zeros((4, 52), np.float32)
    runner(*given, mirrored=False)
    for count_of_faces in (1, 3):
        runner.units(*(part[:count_of_faces] for part in given))
    assert count
    assert len(made) == count


def test_runner_checks_at_the_door():
    faces = np.zeros((2, 256, 256), np.uint8)
    with pytest.raises(UsageError, match="float64"):
        runner()(faces.astype(float))
    with pytest.raises(UsageError, match="61 more numbers"):
        runner(61)(faces, np.zeros((2, 9)))
    with pytest.raises(UsageError, match="geometry"):
        runner(9)(faces, np.zeros((2, 8)))
    assert runner(61)(faces, np.zeros((2, 9)), np.zeros((2, 52)))["rig"]["x"].shape == (2, 4)


def test_nothing_of_it_needs_torch():
    """What an analysis and a solving import, in a Python whose torch can't be imported."""
    import subprocess
    import sys

    code = """
import sys
sys.modules["torch"] = None
import numpy as np
from exprgen.networks import pipeline
from exprgen.networks.perception import character_pictures, coefficients, mouth, pictures
from exprgen.networks.perception.needed_weights import load_runner
from exprgen.networks.vocabulary import POOLED
from exprgen.networks.perception.weights_check import examine_weights
from exprgen.networks.characters.profile import sample_characters
faces = np.zeros((1, 256, 256), np.uint8)
assert pictures.classifier_of("character")(faces)["expression"].shape == (1, 7)
assert pictures.kind_of(faces[0])[0] in ("human", "character")
assert coefficients.perceived_in(np.zeros((2, 52))).shape == (2, 7)
assert mouth.MouthLooker.load()(faces, np.random.rand(1, 49, 2) * 256).shape == (1, 4)
assert all(f["ok"] for f in examine_weights(list(sample_characters())))
"""
    code = code.replace("from exprgen.networks.training.shared import datasets\n", "")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_opencv_reads_what_the_graph_writes():
    graph = Graph()
    x = graph.input("x", 1, 1, 8, 8)
    kernel = np.ones((300, 1, 3, 3), np.float32)  # a number that takes two bytes
    y = graph.convolution(x, kernel, np.zeros(300, np.float32), padding=1)
    data = graph.to_bytes({"y": (graph.first(graph.pooled(y), 1), (1, 300))})
    net = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
    net.setInput(np.ones((1, 1, 8, 8), np.float32), "x")
    np.testing.assert_allclose(net.forward(), np.full((1, 300), 484 / 64), rtol=1e-5)
