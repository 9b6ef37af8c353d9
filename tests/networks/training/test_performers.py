"""Performances as a set of faces: some frames of a clip, whose face each is, and who learns."""

import numpy as np
import pytest

from exprgen.networks.errors import InputError
from exprgen.networks.training.shared import performers
from exprgen.networks.training.shared.datasets import synthetic_faces
from exprgen.networks.training.shared.mixing import load_people
from exprgen.networks.training.shared.performance_set import FACE_SIZE, SUFFIX, PerformancePart
from exprgen.networks.vocabulary import EXPRESSIONS

RATE = 15


def part(folder, name, kind, split, person, count):
    """A performance of `count` frames that are told apart by their brightness."""
    joy = np.eye(7)[np.full(count, EXPRESSIONS.index("joy"))]
    found = np.arange(count) != 3
    made = PerformancePart(
        faces=np.tile(np.arange(count, dtype=np.uint8)[:, None, None], (1, FACE_SIZE, FACE_SIZE)),
        found=found,
        times=np.arange(count) / (RATE if kind == "clip" else 1),
        arkit=np.zeros((count, 52)),
        geometry=np.zeros((count, 9)),
        relations=np.zeros((count, 2)),
        eyes_shut=np.zeros((count, 2)),
        head=np.zeros((count, 3)),
        posed=np.zeros((count, 52)),
        felt=joy * 0.5,
        target=joy,
        intensity=np.full(count, 0.5),
        affect=np.zeros((count, 2)),
        speaking=np.zeros(count),
        phoneme=np.zeros(count),
        neutral=np.zeros(count, bool),
        meta={"name": name, "kind": kind, "split": split, "person": person},
    )
    made.save(folder / f"{name}{SUFFIX}")


def test_frames_of_clips_and_stills_are_one_set(tmp_path):
    part(tmp_path, "a", "clip", "train", "ann", 10)
    part(tmp_path, "b", "stills", "val", "ben", 5)
    data, people = load_people(str(tmp_path)), performers.subjects_of(tmp_path)
    assert data.faces[:, 0, 0].tolist() == [0, 3, 6, 9, 0, 1, 2, 3, 4]
    assert people.tolist() == ["ann"] * 4 + ["ben"] * 5
    assert data.split.tolist() == ["train", "none", "train", "train", *["val"] * 3, "none", "val"]
    assert data.labels.tolist() == [EXPRESSIONS.index("joy")] * 9
    assert data.posed.shape == (9, 52)


def test_other_folders_hold_none(tmp_path):
    assert not performers.holds_performances(tmp_path)
    with pytest.raises(InputError, match="HED"):
        load_people(str(tmp_path))


def test_of_a_large_set_few_are_taken_of_every_class_alike():
    data = synthetic_faces(210, seed=2, size=8)
    data.targets[:] = np.eye(7)[np.where(np.arange(210) < 150, 3, np.arange(210) % 7)]
    data.split[:] = np.where(np.arange(210) % 3 == 0, "val", "train")
    few = data.fewer({"train": 35, "val": 500}, seed=1)
    counts = np.bincount(few.labels[few.rows("train")], minlength=7)
    assert counts.tolist() == [5] * 7
    assert set(few.rows("val")) == set(data.rows("val"))
    assert set(few.rows("train")) < set(data.rows("train"))
    assert len(data.fewer({"train": 9}, seed=1).rows("val")) == 0
