"""The experiments with cameras in a headset: what is trained, and what the tables say."""

import numpy as np
import pytest
import torch

from exprgen.networks.evaluation import headset
from exprgen.networks.training.headset import answers, captures, millimetres
from exprgen.networks.training.shared.headset_set import CHANGES, HeadsetPerson
from exprgen.networks.vocabulary import ARKIT_INDEX, HEADSET_SIZE

torch.set_num_threads(1)
FRAMES = 14
"""Of a capture, the first two neutral."""


def drawn_person(seed: int, split: str) -> HeadsetPerson:
    """Somebody filmed under every change, whose jaw makes the mouth's picture brighter."""
    rng = np.random.default_rng([seed, split == "val"])
    count, side = FRAMES * len(CHANGES), HEADSET_SIZE
    truth = np.zeros((count, 52), np.float32)
    neutral = np.arange(count) % FRAMES < 2
    truth[~neutral, ARKIT_INDEX["jawOpen"]] = rng.random((~neutral).sum())
    pictures = rng.integers(0, 30, (count, 3, side, side)).astype(np.uint8)
    for i, amount in enumerate(truth[:, ARKIT_INDEX["jawOpen"]]):
        pictures[i, 2, : 4 + round(40 * amount)] += 150
    moves = np.zeros((52, 6, 3), np.float32)
    moves[ARKIT_INDEX["jawOpen"], :, 1] = -6.0
    cameras = np.zeros((len(CHANGES), 3, 16), np.float32)
    cameras[..., (0, 4, 8)], cameras[..., 12] = 1.0, 30.0
    return HeadsetPerson(
        pictures,
        np.full(pictures.shape, 100, np.uint8),
        truth,
        neutral.astype(np.uint8),
        np.repeat(np.arange(len(CHANGES)), FRAMES).astype(np.uint8),
        cameras,
        moves,
        np.zeros(4, np.float32),
        np.array([3, 3, 3, 5, 5, 5], np.uint8),
        split,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captures")
    for split, count in (("train", 2), ("val", 2)):
        for i in range(count):
            drawn_person(i, split).save(folder / f"person_{split}_{i:03d}.npz")
    return folder


def told(capsys, data, weights, *more: str) -> list[str]:
    sizes = ["--images", "128", "--alone", "128", "--adapted", "128", "--people", "1", "2"]
    words = ["--data", str(data), "--weights", str(weights), *sizes, "--changed", "1"]
    words += ["--characters", "mira", *more]
    assert headset.main(words) == 0
    return capsys.readouterr().out.splitlines()


def test_every_table_has_its_rows_and_is_trained_once(capsys, data, tmp_path):
    lines = told(capsys, data, tmp_path)
    for number in headset.TABLES:
        assert f"Table {number}" in lines
    trained = sum(line.startswith("-- ") for line in lines)
    made = {path.stem for path in tmp_path.glob("*.safetensors")}
    assert made == {"many_1", "many_2", "many_2_plain", "alone_0", "alone_0_3d", "stranger_1",
                    "adapted_1", "headset_mira"}  # fmt: skip
    assert trained == len(made)
    again = told(capsys, data, tmp_path)
    assert not any(line.startswith("-- ") for line in again)
    rows = [line for line in again if line.startswith("| ")]
    assert rows == [line for line in lines if line.startswith("| ")]


def test_an_own_f_keeps_the_backbone(capsys, data, tmp_path):
    told(capsys, data, tmp_path, "--table", "3")
    many, own = (
        headset.load_network(tmp_path / f"{name}.safetensors", "headset")[0].state_dict()
        for name in ("many_2", "adapted_1")
    )
    kept = [name for name in many if not name.startswith("adaptation")]
    assert kept
    assert all(torch.equal(many[name], own[name]) for name in kept)
    assert not torch.equal(many["adaptation.out.weight"], own["adaptation.out.weight"])


def test_a_face_that_does_not_move_is_off_by_what_moves(data):
    person = HeadsetPerson.load(data / "person_train_000.npz")
    (own, rows), *others = captures([person], "light")
    assert own is person
    assert not others
    assert (person.change[rows] == CHANGES.index("light")).all()
    off = 6.0 * person.truth[rows, ARKIT_INDEX["jawOpen"]].mean()
    assert millimetres(answers(None, [(person, rows)]))[0] == pytest.approx(off, rel=1e-4)


def test_without_captures_it_says_what_to_do(capsys, tmp_path):
    code = headset.main(["--data", str(tmp_path), "--weights", str(tmp_path)])
    assert code != 0
    assert "build headset" in capsys.readouterr().err
