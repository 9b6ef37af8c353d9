"""Networks are as printed, learn, and survive the way to a file and back."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from exprgen.networks.errors import ModelError, OutputError, UsageError
from exprgen.networks.inference.character_mlp import CharacterMlp
from exprgen.networks.models.cmlp import character_mlp
from exprgen.networks.models.cnn_3d import rig_regressor
from exprgen.networks.models.fcnn import fcnn, hard_triplet_loss, hinge_loss, similarity
from exprgen.networks.models.layouts import (
    AFFECT_INPUTS,
    CHANNELS,
    KINDS,
    LOOKED,
    MEASURED,
    TIME_INPUTS,
    TIME_REACH,
    UPPER_ROWS,
)
from exprgen.networks.models.perceptual import FOLDED_STRIDES, TABLE_1, hcnn, prepare_faces
from exprgen.networks.models.registry import build_network, network_names
from exprgen.networks.models.weights_file import (
    file_digest,
    read_info,
    read_weights,
    weights_path,
)
from exprgen.networks.models.weights_io import (
    ModelCard,
    WeightsInfo,
    half_precision_change,
    load_network,
    save_network,
    stored_tensors,
    weights_of,
    write_card,
)
from exprgen.networks.models.weights_places import WEIGHTS
from exprgen.networks.vocabulary import ARKIT_CHANNELS, EXPRESSIONS, HEADSET_SIZE, MOUTH

PRINTED = [
    (11, 1, 256), (1, 2, 128), (5, 1, 128), (1, 2, 64), (5, 1, 64), (1, 2, 32),
    (3, 1, 32), (1, 2, 16), (3, 1, 16), (1, 2, 8), (3, 1, 8),
]  # fmt: skip
"""Table 1: filter size, stride, side of the output at 256 pixels."""

CONFIGS = {
    "hcnn": {},
    "scnn": {},
    "fcnn": {},
    "kind": {},
    "coefficient_reader": {},
    "mouth_reader": {},
    "time_reader": {},
    "affect_reader": {},
    "against_neutral": {},
    "photograph_reader": {"heads": 2},
    "upper_look": {},
    "judge": {},
    "teacher": {},
    "rig_regressor": {"controls": 5, "geometry": 61},
    "character_mlp": {"inputs": 6, "outputs": 4},
    "head_shapes": {"actions": 5, "points": 7, "shapes": 4, "moves": 6, "hidden": 8},
    "headset": {},
}

torch.set_num_threads(1)  # small networks: threads would only wait for each other


@torch.inference_mode()
def test_table_1():
    network = hcnn().eval()
    x = torch.randn(1, 3, 256, 256)
    for spec, layer, (kernel, stride, side) in zip(TABLE_1, network.layers, PRINTED, strict=True):
        assert (spec.kernel, spec.stride) == (kernel, stride)
        assert layer.conv.kernel_size == (kernel, kernel)
        x = layer(x)
        assert x.shape == (1, 64, side, side), spec.name
        assert (x >= 0).all()
    assert (network.fc13.in_features, network.fc13.out_features) == (64, 7)
    assert (network.fc14.in_features, network.fc14.out_features) == (7, 7)
    assert network.dropout.p == 0.2
    assert network(torch.randn(2, 3, 256, 256)).shape == (2, 7)
    assert FOLDED_STRIDES == (2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 1)


def test_rig_regressor_is_table_1_with_wider_fc_layers():
    network = rig_regressor(46)
    assert (network.fc13.in_features, network.fc13.out_features) == (64, 46)
    assert (network.fc14.in_features, network.fc14.out_features) == (46, 46)
    assert rig_regressor(46, 61).fc13.in_features == 125
    with pytest.raises(UsageError, match="not one of"):
        build_network("rig_regressor", controls=5, geometry=3)


def test_every_network_has_a_config_here():
    assert set(network_names()) == set(CONFIGS)


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_forward_and_backward(name):
    network = build_network(name, **CONFIGS[name])
    network.train()
    face = torch.randn(2, 1, 48, 48)
    inputs = {
        "fcnn": (face, face),
        "rig_regressor": (face, torch.rand(2, 61)),
        "character_mlp": (torch.rand(2, 6),),
        "coefficient_reader": (torch.rand(2, 9), torch.rand(2, 52)),
        "teacher": (torch.randn(2, 1, 112, 112),),
        "head_shapes": (torch.eye(5)[:2], torch.randn(2, 4)),
        "headset": (torch.randn(2, 3, HEADSET_SIZE, HEADSET_SIZE),),
        "mouth_reader": (torch.randn(2, 1, 32, 48),),
        "time_reader": (torch.randn(2, 2 * TIME_REACH + 1, TIME_INPUTS),),
        "affect_reader": (torch.rand(2, AFFECT_INPUTS),),
        "against_neutral": (torch.rand(2, MEASURED), torch.rand(2, MEASURED)),
        "photograph_reader": (torch.rand(2, LOOKED), torch.rand(2, 9), torch.rand(2, 52)),
        "upper_look": (torch.randn(2, CHANNELS, UPPER_ROWS * 2, UPPER_ROWS * 2),),
    }.get(name, (face,))
    output = network(*inputs)
    output.square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


def test_unknown_network_and_config():
    with pytest.raises(UsageError, match="there is no network 'vgg'"):
        build_network("vgg")
    with pytest.raises(UsageError, match="does not take"):
        build_network("hcnn", layers=12)


def test_second_input_is_asked_for():
    with pytest.raises(UsageError, match="second input of 9"):
        rig_regressor(3, 9).eval()(torch.zeros(1, 1, 32, 32))


def test_unit_values_are_bounded_when_evaluating():
    network = rig_regressor(4).eval()
    torch.nn.init.constant_(network.fc14.bias, 7.0)
    assert float(network(torch.randn(1, 1, 32, 32)).detach().max()) == 1.0


def test_grey_equals_three_equal_channels():
    network = hcnn().eval()
    x = torch.randn(2, 1, 40, 56)
    assert torch.allclose(network(x), network(x.repeat(1, 3, 1, 1)), atol=1e-5)


def test_prepared_faces():
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (2, 256, 256), np.uint8)
    x = prepare_faces(faces)
    assert x.shape == (2, 1, 256, 256)
    assert abs(float(x.mean())) < 1e-3
    assert 0.8 < float(x.std()) < 1.0
    brighter = prepare_faces((faces // 2 + 60).astype(np.uint8))
    assert float((brighter - x).abs().mean()) < 0.15
    assert prepare_faces(np.zeros((1, 10, 10), np.uint8)).abs().max() == 0
    with pytest.raises(UsageError, match="float32"):
        prepare_faces(faces.astype(np.float32))


def test_hinge_loss_is_equation_1():
    y, labels = torch.tensor([2.0, 0.5, -2.0]), torch.tensor([1.0, 1.0, 1.0])
    assert hinge_loss(y, labels).tolist() == [0.0, 0.5, 3.0]
    assert hinge_loss(y, -labels).tolist() == [3.0, 1.5, 0.0]
    positive = torch.tensor([-2.0, -2.0])
    far = torch.tensor([[torch.nan, 5.0], [4.0, torch.nan]])
    assert float(hard_triplet_loss(positive, far)) == 0
    near = torch.tensor([[torch.nan, 5.0], [0.0, torch.nan]])
    assert float(hard_triplet_loss(positive, near)) == 0.5
    many = torch.tensor([[3.0, 0.0, 0.5, torch.nan]]).repeat(2, 1)
    assert float(hard_triplet_loss(positive, many)) == 1.0
    assert float(hard_triplet_loss(positive, many, share=0.5)) == 0.75
    assert float(similarity(torch.tensor([[3.0, -3.0]]))) > 0.99


def test_numpy_mlp_equals_torch():
    network = character_mlp(6, 4).eval()
    assert network.hidden.out_features == 5
    units = np.random.default_rng(0).uniform(-1, 1, (7, 6)).astype(np.float32)
    info = WeightsInfo("character_mlp", {"inputs": 6, "outputs": 4})
    mlp = CharacterMlp(weights_of(network, info))
    ours = mlp(units)
    assert np.allclose(ours, network(torch.from_numpy(units)).detach().numpy(), atol=1e-6)
    assert mlp(units[0]).shape == (4,)
    with pytest.raises(UsageError, match="5 unit values for 6 inputs"):
        mlp(units[:, :5])


def regressor_file(folder):
    info = WeightsInfo(
        "rig_regressor",
        {"controls": 2},
        character="doll",
        controls=("a", "b"),
        training={"seed": 3},
    )
    path = weights_path("rig_regressor", "doll", folder=folder)
    network = rig_regressor(2).eval()
    return path, network, info, save_network(path, network, info)


def test_there_and_back(tmp_path):
    path, network, info, digest = regressor_file(tmp_path)
    assert path.name == "rig_regressor_doll.safetensors"
    assert weights_path("character_mlp", "a", "b").name == "character_mlp_a_b.safetensors"
    loaded, read = load_network(path, "rig_regressor", character="doll", controls=("a", "b"))
    assert read == info
    assert read_info(path) == info
    assert file_digest(path) == digest
    x = torch.randn(2, 1, 64, 64)
    assert torch.allclose(network(x), loaded(x), atol=2e-3)
    assert half_precision_change(network, x) < 2e-3
    assert list(tmp_path.iterdir()) == [path]
    again = save_network(path, loaded, read)
    assert again == digest, "what was rounded once is not rounded again"


def fused_file(folder, shared: bool):
    """An f-CNN with trained-looking numbers; the branches' first convolutions are equal or not."""
    torch.manual_seed(0)
    network = fcnn().eval()
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.1, 0.2)
    if shared:
        network.character.layers[0].load_state_dict(network.human.layers[0].state_dict())
    path = folder / f"fcnn_{shared}.safetensors"
    save_network(path, network, WeightsInfo("fcnn"))
    return path, network


def header_of(path):
    with safe_open(path, framework="numpy") as f:
        return json.loads(f.metadata()["exprgen"]), set(f.keys())


def test_equal_tensors_are_stored_once(tmp_path):
    path, network = fused_file(tmp_path, shared=True)
    apart, _ = fused_file(tmp_path, shared=False)
    first = network.human.layers[0].state_dict()
    numbers = sum(t.numel() for k, t in first.items() if k != "norm.num_batches_tracked")
    assert apart.stat().st_size - path.stat().st_size > 2 * numbers
    header, stored = header_of(path)
    assert header["version"] == 2
    assert header["same"]["character.layers.0.conv.weight"] == "human.layers.0.conv.weight"
    assert not header["same"].keys() & stored
    header, _ = header_of(apart)
    assert header["version"] == 1, "earlier ExprGens read what needs nothing new"
    assert "same" not in header


def test_equal_tensors_come_back_each_as_its_own(tmp_path):
    path, network = fused_file(tmp_path, shared=True)
    wanted = stored_tensors(network, half=True)
    read = read_weights(path).tensors
    assert read.keys() == wanted.keys()
    assert all(np.array_equal(read[k], wanted[k].float().numpy()) for k in wanted)
    loaded, info = load_network(path, "fcnn")
    again = tmp_path / "again.safetensors"
    save_network(again, loaded, info)
    assert again.read_bytes() == path.read_bytes()
    human, character = (b.layers[0].conv.weight for b in (loaded.human, loaded.character))
    assert torch.equal(human, character)
    torch.nn.init.zeros_(human)
    assert character.detach().min() > 0, "one can be trained without the other"


@pytest.mark.parametrize(
    ("same", "message"),
    [
        ({"b": "x"}, "does not fit its network"),
        ({"b": "none"}, "'b' can't be the same as 'none'"),
        ({"x": "x"}, "'x' can't be the same as 'x'"),
        ({"b": "c", "c": "b"}, "can't be the same"),
        ({"b": 3}, "wrong things of itself"),
        (["b"], "wrong things of itself"),
    ],
)
def test_wrong_words_on_equal_tensors_are_refused(tmp_path, same, message):
    path = tmp_path / "w.safetensors"
    header = {"format": "exprgen.weights", "version": 2, "network": "hcnn", "same": same}
    save_file({"x": torch.zeros(1)}, path, {"exprgen": json.dumps(header)})
    with pytest.raises(ModelError, match=rf"w\.safetensors.*{message}.*Fix: "):
        load_network(path)


@pytest.mark.parametrize("name", ["prior", "usual"])
@pytest.mark.parametrize(
    "told", [7, None, "abcdefg", {str(i): 1 for i in range(7)}, [0.2] * 6, [float("nan")] * 7,
             [0.0] * 7, [0.4, 0.4, 0.4, 0.4, -0.2, -0.2, -0.2], [[1.0]] * 7]
)  # fmt: skip
def test_frequencies_that_are_none_are_refused(tmp_path, name, told):
    path = tmp_path / "w.safetensors"
    header = {"format": "exprgen.weights", "version": 1, "network": "hcnn"}
    save_file({"x": torch.zeros(1)}, path, {"exprgen": json.dumps(header | {"training": {}})})
    assert read_info(path).training == {}
    header["training"] = {name: told}
    save_file({"x": torch.zeros(1)}, path, {"exprgen": json.dumps(header)})
    with pytest.raises(ModelError, match=rf"w\.safetensors.*training\.{name}.*Fix: "):
        read_info(path)


def test_a_weight_file_tells_no_place_on_the_machine_that_made_it(tmp_path):
    settings = {"data": str(tmp_path / "faces"), "seed": 3, "more": [str(tmp_path / "x" / "a.npz")]}
    path, info = (
        tmp_path / "w.safetensors",
        WeightsInfo.of_classifier("hcnn", {"settings": settings}),
    )
    save_network(path, hcnn(), info)
    assert str(tmp_path).encode() not in path.read_bytes()
    kept = read_info(path).training["settings"]
    assert kept == {"data": "faces", "seed": 3, "more": ["a.npz"]}


@pytest.mark.parametrize("half", [True, False])
def test_size_on_disk(tmp_path, half):
    path = tmp_path / "hcnn.safetensors"
    save_network(path, hcnn(), WeightsInfo.of_classifier("hcnn"), half=half)
    assert path.stat().st_size < (0.8e6 if half else 1.6e6)


def test_what_does_not_fit_is_refused(tmp_path):
    path, _, info, _ = regressor_file(tmp_path)
    with pytest.raises(ModelError, match=r"rig_regressor_doll.*network 'rig_regressor', not 'hcn"):
        load_network(path, "hcnn")
    with pytest.raises(ModelError, match="'c' is in one only"):
        load_network(path, controls=("a", "b", "c"))
    with pytest.raises(ModelError, match="character 'doll', not 'bear'"):
        load_network(path, character="bear")
    with pytest.raises(ModelError, match=r"does not exist.*Fix: restore"):
        load_network(tmp_path / "none.safetensors")
    data = path.read_bytes()
    for damaged in (data[: len(data) // 2], b"", b"text"):
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match="damaged"):
            load_network(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="not of ExprGen"):
        load_network(path)
    header = {"format": "exprgen.weights", "version": 99, "network": "hcnn"}
    save_file({"x": torch.zeros(1)}, path, {"exprgen": json.dumps(header)})
    with pytest.raises(ModelError, match="version 99"):
        load_network(path)
    header["version"] = 1
    save_file({"x": torch.zeros(1)}, path, {"exprgen": json.dumps(header)})
    with pytest.raises(ModelError, match="does not fit its network"):
        load_network(path)
    with pytest.raises(OutputError, match="can't be written"):
        save_network(path / "below" / "a.safetensors", rig_regressor(2), info)


def test_model_card(tmp_path):
    path, _, info, digest = regressor_file(tmp_path)
    card = ModelCard("T", "P", "D", "L", "S", {"accuracy": 0.5}, 3, "exprgen train rig")
    text = write_card(path, card, info).read_text()
    for part in ("# T", digest, info.digest, "| accuracy | 0.5 |", "exprgen train rig", "seed 3"):
        assert part in text


def test_shipped_weights_load():
    for path in sorted(WEIGHTS.glob("*.safetensors")):
        network, info = load_network(path)
        assert path.with_suffix(".md").exists(), path
        if info.labels:
            named = {"kind": KINDS, "mouth_reader": MOUTH, "headset": ARKIT_CHANNELS}
            assert info.labels == named.get(info.network, EXPRESSIONS)
        if info.controls:
            width = network.fc14 if hasattr(network, "fc14") else network.output
            assert width.out_features == len(info.controls)
