"""The mouth reader: what is cut out, what it learns, and what an analysis makes of it."""

import numpy as np
import pytest
import torch

from exprgen.networks.errors import InputError
from exprgen.networks.inference.mouth_reader import MouthReader
from exprgen.networks.inference.opening import opened
from exprgen.networks.models.mouth_reader import mouth_opinion, mouth_reader
from exprgen.networks.models.weights_io import load_network
from exprgen.networks.perception.mouth import MouthLooker
from exprgen.networks.track import save_arrays
from exprgen.networks.tracking.mouth_crop import CROP_SIZE, mouth_box, mouth_crop
from exprgen.networks.training import mouth
from exprgen.networks.training.shared.mouth_set import MouthSet, shares_of
from exprgen.networks.vocabulary import MOUTH
from exprgen.tests.support.drawn_mouth import draw_mouth, mouth_set

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def drawn():
    return mouth_set()


@pytest.fixture(scope="module")
def trained(drawn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mouth")
    data = drawn.save(folder / "mouths.npz")
    out = folder / "mouth_reader.safetensors"
    words = ["--data", str(data), "--out", str(out), "--images", "5000"]
    assert mouth.main(words) == 0
    return out


def test_a_trained_reader_tells_what_fills_drawn_mouths(trained, drawn):
    network, info = load_network(trained, "mouth_reader")
    assert info.labels == MOUTH
    assert trained.with_suffix(".md").exists()
    assert trained.stat().st_size < 30_000
    rows = np.flatnonzero(drawn.split == "val")
    boxes = mouth_box(drawn.landmarks[rows])
    crops = [mouth_crop(drawn.faces[i], box) for i, box in zip(rows, boxes, strict=True)]
    found = mouth.measured(mouth_opinion(network, np.stack(crops)), drawn.truth[rows])
    assert found["tongue right"] > 0.95
    assert min(found[f"{name} r"] for name in MOUTH) > 0.8
    looked = MouthLooker(opened(MouthReader, trained, "mouth_reader"))(
        drawn.faces[rows[:3]], drawn.landmarks[rows[:3]]
    )
    assert looked.shape == (3, 4)
    assert 0 <= looked.min() <= looked.max() <= 1


def test_the_crop_holds_the_lips_wherever_they_are(drawn):
    rng = np.random.default_rng(5)
    face, points, _ = draw_mouth(rng, opening=30, teeth=0.5)
    moved = np.roll(face, (9, -14), (0, 1))
    first = mouth_crop(face, mouth_box(points))
    second = mouth_crop(moved, mouth_box(points + np.array([-14, 9])))
    assert first.shape == CROP_SIZE[::-1]
    assert np.abs(first.astype(int) - second).mean() < 1
    assert mouth_box(drawn.landmarks).shape == (len(drawn), 3)


@pytest.mark.parametrize(
    ("shown", "biggest"),
    [
        ({"opening": 30.0}, 2),
        ({"opening": 24.0, "teeth": 1.0}, 0),
        ({"opening": 8, "tongue": 1}, 1),
    ],
)
def test_shares_are_of_what_is_seen(shown, biggest):
    face, points, parts = draw_mouth(np.random.default_rng(1), **shown)
    shares = shares_of(face, parts, points)
    assert shares.argmax() == biggest
    assert 0.15 < shares[biggest] <= 1.0
    closed = draw_mouth(np.random.default_rng(1), opening=0.0)
    assert not shares_of(closed[0], closed[2], closed[1]).any()
    unlit = shares_of(np.where(parts > 0, 10, face).astype(np.uint8), parts, points)
    assert unlit[:2].sum() < 0.01 < unlit[2], "what no light reaches is dark"


def test_a_set_without_people_to_check_on_is_refused(drawn, tmp_path):
    everyone = {n: getattr(drawn, n) for n in ("faces", "parts", "landmarks", "truth", "person")}
    data = MouthSet(**everyone, split=np.full(len(drawn), "train")).save(tmp_path / "m.npz")
    with pytest.raises(InputError, match="one of the splits"):
        mouth.MouthTask(mouth_reader(), MouthSet.load(data))
    save_arrays(data, "exprgen.mouths", {}, everyone)
    with pytest.raises(InputError, match="split"):
        MouthSet.load(data)
