"""The experiments with cameras in a headset: what is trained, and what the tables say."""

import numpy as np
import pytest
import torch

from exprgen.networks.evaluation import headset
from exprgen.networks.training.headset import answers, captures, millimetres
from exprgen.networks.training.shared.headset_set import CHANGES, HeadsetPerson
from exprgen.networks.vocabulary import ARKIT_INDEX
from exprgen.tests.support.headset_people import jaw_mover, save_people

torch.set_num_threads(1)
FRAMES = 14
"""Of a capture, the first two neutral."""


def drawn_person(seed: int, split: str) -> HeadsetPerson:
    """Somebody filmed under every change."""
    moves = np.zeros((52, 6, 3), np.float32)
    moves[ARKIT_INDEX["jawOpen"], :, 1] = -6.0
    neutral = np.arange(FRAMES * len(CHANGES)) % FRAMES < 2
    return jaw_mover(seed, split, neutral, np.repeat(np.arange(len(CHANGES)), FRAMES), moves)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return save_people(tmp_path_factory.mktemp("captures"), drawn_person)


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
