"""Cross-validation: every picture tested once, by a network that has not seen it or its person."""

import json

import numpy as np
import pytest
import torch

from exprgen.networks.errors import EXIT_INPUT, EXIT_INTERRUPTED, EXIT_OK, UsageError
from exprgen.networks.models.perceptual import hcnn
from exprgen.networks.models.weights_io import WeightsInfo, save_network
from exprgen.networks.training import hcnn as hcnn_training
from exprgen.networks.training.hcnn import HcnnSettings
from exprgen.networks.training.hcnn import train as train_hcnn
from exprgen.networks.training.scnn import ScnnSettings
from exprgen.networks.training.scnn import train as train_scnn
from exprgen.networks.training.shared import folds
from exprgen.networks.training.shared.sets import REJECTED
from exprgen.tests.support.trainings import write_ced, write_profile


def test_folds_keep_people_together_and_classes_even():
    rng = np.random.default_rng(0)
    labels = rng.choice(7, 600, p=[0.05, 0.05, 0.1, 0.3, 0.3, 0.1, 0.1])
    people = np.where(rng.random(600) < 0.5, "", rng.integers(0, 40, 600).astype(str))
    given = folds.assign_folds(labels, people, 5, seed=2)
    assert set(given) == set(range(5))
    for person in set(people) - {""}:
        assert len(set(given[people == person])) == 1
    for label in range(7):
        counts = np.bincount(given[labels == label], minlength=5)
        assert counts.max() - counts.min() <= max(3, 0.25 * counts.mean())
    alone = np.bincount(folds.assign_folds(labels, np.full(600, ""), 7), minlength=7)
    assert alone.max() - alone.min() <= 1
    with pytest.raises(UsageError):
        folds.assign_folds(labels, people, 1)


def test_each_picture_is_tested_once_and_checkpoints_are_chosen_on_others():
    given = folds.assign_folds(np.arange(70) % 7, np.full(70, ""), 5)
    splits = [folds.split_of(given, k) for k in range(5)]
    assert (np.sum([s == folds.TEST for s in splits], axis=0) == 1).all()
    for split in splits:
        assert {*split} == {"train", "val", folds.TEST}


def test_hcnn_is_cross_validated_and_goes_on_fold_by_fold(tmp_path, capsys):
    out = tmp_path / "h.safetensors"
    settings = {
        "data": "drawn:70", "out": str(out), "sizes": "32:40:3e-3", "batch": 20, "folds": 2,
        "threads": 1,
    }  # fmt: skip
    outcome = train_hcnn(HcnnSettings(**settings))
    table = json.loads(out.with_suffix(".folds.json").read_text())
    assert sum(f["count"] for f in table["folds"]) == 70
    assert outcome.metrics["accuracy"] == pytest.approx(
        np.mean([f["accuracy"] for f in table["folds"]])
    )
    assert np.sum(table["confusion"]) == 70
    # Stopped after the first fold: the others are done again and come out alike.
    first = {**table, "folds": table["folds"][:1]}
    out.with_suffix(".folds.json").write_text(json.dumps(first))
    capsys.readouterr()
    train_hcnn(HcnnSettings(**settings, resume=True))
    assert "fold 1 of 2" not in capsys.readouterr().out
    assert json.loads(out.with_suffix(".folds.json").read_text()) == table
    with pytest.raises(UsageError, match="another seed"):
        train_hcnn(HcnnSettings(**settings, resume=True, seed=4))
    with pytest.raises(UsageError, match="seen every fold"):
        train_hcnn(HcnnSettings(**settings, init="some.safetensors"))


def test_finished_folds_of_an_earlier_training_are_not_gone_on_from(tmp_path, monkeypatch):
    out = tmp_path / "h.safetensors"
    table, seen = out.with_suffix(".folds.json"), []
    words = ["--sizes", "32:40:3e-3", "--batch", "20", "--folds", "2", "--threads", "1"]
    words += ["--out", str(out), "--data"]
    assert hcnn_training.main([*words, "drawn:70"]) == EXIT_OK
    finished = table.read_bytes()
    assert hcnn_training.main([*words, str(tmp_path / "nowhere")]) == EXIT_INPUT
    assert table.read_bytes() == finished, "a wrong word costs nothing"

    def stops(s):
        seen.append(table.exists())
        raise KeyboardInterrupt

    monkeypatch.setattr(hcnn_training, "open_faces", stops)
    assert hcnn_training.main([*words, "drawn:70"]) == EXIT_INTERRUPTED
    assert seen == [False], "nor one that is killed now"
    assert not table.exists()
    assert not [f for f in tmp_path.iterdir() if "before" in f.name]


@pytest.fixture(scope="module")
def dolls(tmp_path_factory):
    """Two characters and an HCNN to start from."""
    folder = tmp_path_factory.mktemp("dolls")
    for seed, name in enumerate(("doll", "puppet")):
        write_ced(folder / "ced", write_profile(folder, name), count=42, seed=seed)
    torch.manual_seed(0)
    info = WeightsInfo.of_classifier("hcnn")
    save_network(
        folder / "hcnn.safetensors", hcnn(), WeightsInfo(**{**vars(info), "input_size": 32})
    )
    return folder


@pytest.mark.parametrize(("way", "counts"), [("picture", [42, 42]), ("character", [42, 42])])
def test_scnn_is_cross_validated(dolls, tmp_path, way, counts):
    out = tmp_path / "s.safetensors"
    train_scnn(
        ScnnSettings(
            str(dolls / "ced"), str(dolls / "hcnn.safetensors"), str(out), epochs=1, batch=20,
            variants=2, folds=2, fold_by=way, threads=1,
        )
    )  # fmt: skip
    table = json.loads(out.with_suffix(".folds.json").read_text())
    assert [f["count"] for f in table["folds"]] == counts
    # What the kept layers give is shared by all folds.
    assert (tmp_path / "s" / "checkpoint.prepared" / "doll.npy").is_file()


def test_a_character_left_out_is_neither_learned_nor_checked(dolls):
    s = ScnnSettings(str(dolls / "ced"), "", "", folds=2, fold=1, fold_by="character")
    labels = np.arange(42) % 7
    split = np.full(42, "train", dtype="<U8")
    split[5] = REJECTED
    mine = folds._character_split(labels, split, 1, s)
    other = folds._character_split(labels, split, 0, s)
    assert {*mine} == {folds.TEST, REJECTED}
    assert {*other} == {"train", "val", REJECTED}


def test_plain_trainings_settings_stay_as_they_were():
    assert folds.without_folds({"seed": 1, "folds": 0, "fold": -1}) == {"seed": 1}
    assert "fold" in folds.without_folds({"seed": 1, "folds": 3, "fold": 0})
