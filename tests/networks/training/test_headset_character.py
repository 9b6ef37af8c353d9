"""A character's own F on a backbone that is kept."""

import numpy as np
import pytest
import torch

from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.errors import ModelError
from exprgen.networks.inference.headset import HeadsetReader
from exprgen.networks.inference.opening import opened
from exprgen.networks.models.headset import HeadsetNetwork
from exprgen.networks.models.weights_io import WeightsInfo, load_network, save_network
from exprgen.networks.training import headset_character
from exprgen.networks.training.shared.headset_set import HeadsetPerson
from exprgen.tests.support.headset_people import jaw_mover, save_people

torch.set_num_threads(1)


def drawn_person(seed: int, split: str, count: int = 30) -> HeadsetPerson:
    """Somebody of whom no millimetres are known."""
    still = np.zeros((52, 3, 3), np.float32)
    return jaw_mover(seed, split, np.arange(count) < 4, np.zeros(count), still)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return save_people(tmp_path_factory.mktemp("captures"), drawn_person)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "headset.safetensors"
    save_network(path, HeadsetNetwork().eval(), WeightsInfo("headset"))
    return path


def trained(data, backbone, out, *more: str) -> int:
    words = ["--data", str(data), "--backbone", str(backbone), "--character", "mira"]
    words += ["--out", str(out), "--images", "24000", "--rate", "0.003", *more]
    return headset_character.main(words)


def test_a_character_is_played_by_its_own_f(data, backbone, tmp_path):
    out = tmp_path / "headset_mira.safetensors"
    assert trained(data, backbone, out) == 0
    network, info = load_network(out, "headset", character="mira")
    known, _ = load_network(backbone, "headset")
    profile = find_character("mira")
    assert info.controls == tuple(c.name for c in profile.expression_controls)
    assert torch.equal(network.mouth.fc.weight, known.mouth.fc.weight)
    found = info.training["metrics"]
    assert found["own F"] < 0.7 * found["at rest"]
    assert found["own F"] < found["everybody's F"]
    with pytest.raises(ModelError, match="mira"):
        opened(HeadsetReader, out, "headset")
    assert trained(data, out, tmp_path / "again.safetensors") != 0


def test_the_landmark_loss_is_the_mean_square_of_small_errors():
    profile = find_character("mira")
    response = load_response(profile)
    gram = headset_character.landmark_gram(response, profile)
    rest = np.zeros((1, len(profile.expression_controls)))
    jaw = next(i for i, c in enumerate(profile.expression_controls) if "jawOpen" in c.channels)
    open_jaw = rest.copy()
    open_jaw[0, jaw] = 1.0
    moved = headset_character.landmarks(response, profile, open_jaw)
    moved -= headset_character.landmarks(response, profile, rest)
    wanted = ((headset_character.EYE_DISTANCE * moved) ** 2).sum(-1).mean()
    assert open_jaw[0] @ gram @ open_jaw[0] == pytest.approx(wanted, rel=1e-4)
