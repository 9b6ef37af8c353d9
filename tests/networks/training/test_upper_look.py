"""The upper look: blind to the mouth, cheap beside HCNN, and it learns what it can see."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exprgen.networks.errors import ModelError
from exprgen.networks.inference.opening import fitted
from exprgen.networks.inference.table1 import FaceReaders, table1
from exprgen.networks.inference.upper_look import UpperLook, shared_digest
from exprgen.networks.models.layouts import SHARED_LAYERS
from exprgen.networks.models.perceptual import hcnn, prepare_faces
from exprgen.networks.models.upper_look import begun_from
from exprgen.networks.models.weights_file import read_weights
from exprgen.networks.models.weights_io import WeightsInfo, load_network, save_network, weights_of
from exprgen.networks.training import upper_look as training
from exprgen.networks.training.shared.datasets import synthetic_faces
from exprgen.networks.vocabulary import EXPRESSIONS

RNG = np.random.default_rng(5)
SIZE = 64
INFO = WeightsInfo("upper_look", labels=EXPRESSIONS, input_size=SIZE)


@torch.inference_mode()
def test_no_pixel_of_a_mouth_reaches_it():
    parent = hcnn().eval()
    network = begun_from(parent).eval()

    def look(x, folded=False):
        return network(parent.maps(x, 0, SHARED_LAYERS, folded), folded)

    x = prepare_faces(RNG.integers(0, 255, (2, 256, 256), np.uint8), SIZE)
    found = look(x)
    torch.testing.assert_close(look(x, folded=True), found, rtol=1e-4, atol=1e-4)
    other = x.clone()
    other[:, :, 38:] = RNG.normal()
    torch.testing.assert_close(look(other), found)
    assert float((parent(other) - parent(x)).abs().max()) > 1e-3
    other[:, :, 36] += 3  # beside the nostrils
    assert float((look(other) - found).abs().max()) > 1e-5


@torch.inference_mode()
def test_beside_hcnn_it_shares_its_layers():
    parent = hcnn().eval()
    weights = weights_of(parent, WeightsInfo.of_classifier("hcnn"))
    info = replace(INFO, config={"under": shared_digest(weights)})
    human, upper = table1(weights), UpperLook(weights_of(begun_from(parent), info)).on(weights)
    assert human.shared_with(upper) >= SHARED_LAYERS
    x = RNG.standard_normal((1, 1, SIZE, SIZE)).astype(np.float32)
    alone = FaceReaders({"u": upper}, {}, SIZE)(x, {})["u"]
    beside = FaceReaders({"": human, "u": upper}, {}, SIZE)(x, {})
    np.testing.assert_allclose(beside["u"], alone, atol=1e-5)
    maps = parent.maps(torch.from_numpy(x), 0, SHARED_LAYERS)
    np.testing.assert_allclose(alone[0], begun_from(parent).eval()(maps).numpy(), atol=1e-4)
    assert np.abs(beside["u"] - beside[""]).max() > 1e-4


def test_weights_that_look_at_nothing_are_refused():
    weights = weights_of(begun_from(hcnn()), replace(INFO, config={"rows": 0}))
    with pytest.raises(ModelError, match="does not fit its network"):
        fitted(UpperLook, weights)


def test_training_teaches_what_can_be_seen(tmp_path, monkeypatch):
    data = synthetic_faces(280, seed=2)
    monkeypatch.setattr(training, "load_faces", lambda folder: data)
    start = tmp_path / "hcnn.safetensors"
    save_network(start, hcnn(), replace(WeightsInfo.of_classifier("hcnn"), input_size=SIZE))
    out = tmp_path / "upper_look.safetensors"
    settings = training.UpperLookSettings(
        "any", str(start), str(out), images=2500, variants=2, batch=32, rate=3e-3, teacher_share=0.1
    )
    found = training.train(settings).metrics
    assert found["accuracy"] > 0.3  # a seventh by chance: brows and lids tell some
    network, info = load_network(out, "upper_look")
    assert info.config["rows"] == 8
    assert info.config["under"] == shared_digest(read_weights(start))
    assert len(info.training["prior"]) == 7
    assert len(network.layers) == 7
    assert "--init hcnn.safetensors" in out.with_suffix(".md").read_text()
