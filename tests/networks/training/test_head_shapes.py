"""The shape network: learns what actions do to heads, and says the same without torch."""

import numpy as np
import pytest
import torch

from exprgen.networks.head_rig.stylised import draw_warp, head_of
from exprgen.networks.head_rig.template import template
from exprgen.networks.inference.head_shapes import HeadShapes as Plain
from exprgen.networks.inference.opening import opened
from exprgen.networks.models.weights_io import load_network
from exprgen.networks.training import head_shapes as training

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("weights") / "head_shapes.safetensors"
    patch = pytest.MonkeyPatch()
    patch.setattr(training, "UNSEEN", 1)
    settings = training.HeadShapesSettings(
        out=str(out), identities=2, styles=2, steps=200, shapes=3, moves=24, hidden=32
    )
    measures = training.train(settings)
    patch.undo()
    return out, measures


def test_it_learns_more_than_no_motion(trained):
    _, measures = trained
    for who in ("people", "caricatures"):
        assert measures[f"{who} network"] < 0.6 * measures[f"{who} still"]
        assert measures[f"{who} transfer"] < 0.7 * measures[f"{who} still"]
    assert trained[0].with_suffix(".md").is_file()


def test_without_torch_it_is_the_same(trained):
    network, _ = load_network(trained[0], "head_shapes")
    plain = opened(Plain, trained[0], "head_shapes")
    code, shape = torch.eye(51)[:7], torch.randn(7, 3)
    with torch.inference_mode():
        want = network(code, shape).numpy()
    np.testing.assert_allclose(plain(code.numpy(), shape.numpy()), want, rtol=2e-3, atol=2e-2)
    moving = template().rest[template().moving]
    found = plain.of_head(moving)
    assert found.shape == (51, len(moving), 3)
    jaw = found[template().model.expressions.index("jawOpen")]
    assert jaw[:, 1].min() < -15.0


def test_warps_are_the_same_on_both_sides():
    shape, rng = template(), np.random.default_rng(5)
    warp = draw_warp(rng, 1.0)
    points = warp(shape.rest)
    np.testing.assert_allclose(points[shape.flip] * (-1, 1, 1), points, atol=1e-9)
    rest, moves = head_of(shape, rng, np.zeros(shape.model.identities), 0.0)
    assert np.array_equal(rest, shape.person(np.zeros(shape.model.identities))[0])
    assert len(moves) == 51
