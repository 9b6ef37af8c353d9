"""Performances prepared: the tracker's view beside the truth; damaged ones are refused by name."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from exprgen.networks.errors import EXIT_INPUT, InputError, UsageError
from exprgen.networks.footage.acted import ActedTruth, acted_path
from exprgen.networks.training import performances
from exprgen.networks.training.shared.performance_set import (
    PerformancePart,
    affect_of,
    load_performances,
    said_of,
)
from exprgen.networks.training.shared.performers import fold_of
from exprgen.networks.vocabulary import ARKIT_CHANNELS, CIRCUMPLEX, EXPRESSIONS, NEUTRAL
from exprgen.sample_rigs.build.reference import FOLDER

JOY, ANGER = EXPRESSIONS.index("joy"), EXPRESSIONS.index("anger")
PLACES = np.array(CIRCUMPLEX)


def felt(**amounts: float) -> np.ndarray:
    row = np.zeros((1, len(EXPRESSIONS)))
    for name, amount in amounts.items():
        row[0, EXPRESSIONS.index(name)] = amount
    return row


def test_a_weak_feeling_is_said_to_be_neutral_and_a_strong_one_is_named():
    assert said_of(felt())[0, NEUTRAL] == 1
    assert said_of(felt(joy=0.05))[0, NEUTRAL] == 1
    half = said_of(felt(joy=0.265))[0]
    assert half[JOY] == pytest.approx(0.5, abs=0.01)
    assert half[NEUTRAL] == pytest.approx(0.5, abs=0.01)
    assert said_of(felt(joy=0.9))[0, JOY] == pytest.approx(1)
    both = said_of(felt(joy=0.8, anger=0.4))[0]
    assert both[JOY] == pytest.approx(2 * both[ANGER])
    assert both.sum() == pytest.approx(1)


def test_affect_grows_with_the_feeling_and_two_meet_between_theirs():
    assert affect_of(felt(joy=0.5))[0] == pytest.approx(0.5 * PLACES[JOY])
    both = affect_of(felt(joy=1.0, anger=1.0))[0]
    assert both == pytest.approx((PLACES[JOY] + PLACES[ANGER]) / 2)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Two pictures of the embedded reference, neutral and joyful, with a truth."""
    root = tmp_path_factory.mktemp("performances")
    folder = root / "val" / "stills_000"
    folder.mkdir(parents=True)
    clip = cv2.VideoCapture(str(FOLDER / "reference.mp4"))
    for number, frame in enumerate((2, 28)):
        clip.set(cv2.CAP_PROP_POS_FRAMES, frame)
        assert cv2.imwrite(str(folder / f"{number:03d}.jpg"), clip.read()[1])
    truth(2).save(acted_path(folder))
    return root


def truth(count: int) -> ActedTruth:
    shown = np.repeat(felt(), count, 0)
    shown[-1, JOY] = 0.8
    zeros = np.zeros((count, len(ARKIT_CHANNELS)), np.float32)
    return ActedTruth(
        times=np.arange(count, dtype=float),
        arkit=zeros,
        felt=shown,
        speaking=zeros[:, 0],
        phoneme=np.zeros(count, np.int16),
        blink=zeros[:, 0],
        head=zeros[:, :3],
        gaze=zeros[:, :2],
        meta={"person": "p", "mesh": "p", "split": "val", "kind": "stills", "phonemes": ["rest"]},
    )


def test_every_picture_goes_through_the_tracker_once(source, tmp_path):
    words = ["--source", str(source), "--out", str(tmp_path)]
    assert performances.main(words) == 0
    (part,) = load_performances(tmp_path, "val")
    assert part.found.all()
    assert part.faces.shape == (2, 128, 128)
    assert part.faces.std() > 20
    smile = ARKIT_CHANNELS.index("mouthSmileLeft")
    assert part.arkit[1, smile] > part.arkit[0, smile] + 0.3
    assert part.neutral.tolist() == [True, False]
    assert part.meta["neutral_seen"]
    assert part.relations.shape == (2, len(part.meta["relations"]))
    assert part.intensity == pytest.approx([0, 0.8])
    (file,) = tmp_path.glob("*.npz")
    before = file.stat().st_mtime_ns
    assert performances.main(words) == 0
    assert file.stat().st_mtime_ns == before, "what is there is not made again"
    with pytest.raises(InputError, match="holds no performances"):
        load_performances(tmp_path, "train")


def test_people_of_two_sources_are_told_apart_in_one_folder_and_left_out_together(source, tmp_path):
    for label in ("", "low_"):
        words = ["--source", str(source), "--out", str(tmp_path), "--label", label]
        assert performances.main(words) == 0
    parts = load_performances(tmp_path)
    assert [p.meta["person"] for p in parts] == ["low_p", "p"]
    assert len({p.meta["name"] for p in parts}) == len({p.meta["mesh"] for p in parts}) == 2
    assert fold_of("low_performer_003b", 2) == fold_of("performer_003b", 2)
    for label in ("10_", "../", "a/b", "²", "a\n", "x" * 50):
        with pytest.raises(UsageError, match="letters, _ and - alone"):
            performances.prepare(source, tmp_path / "none", label)
    assert not (tmp_path / "none").exists()


def test_what_does_not_fit_its_truth_is_refused_by_name(source, tmp_path, capsys):
    there = tmp_path / "source"
    shutil.copytree(source, there)
    truth(3).save(acted_path(there / "val" / "stills_000"))
    with pytest.raises(InputError, match="2 frames, its truth 3"):
        performances.prepare(there, tmp_path / "out")
    assert "stills_000" in capsys.readouterr().err
    acted_path(there / "val" / "stills_000").write_bytes(b"PK damaged")
    with pytest.raises(InputError, match=r"stills_000\.acted\.npz"):
        performances.prepare(there, tmp_path / "out")


def test_a_damaged_part_is_refused_by_name(source, tmp_path):
    part = performances.prepare_one(source / "val" / "stills_000")
    path = tmp_path / "val_stills_000.performance.npz"
    part.save(path)
    assert np.array_equal(PerformancePart.load(path).target, part.target)
    with pytest.raises(InputError, match="felt"):
        replace(part, felt=part.felt + 2).save(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match=r"val_stills_000\.performance\.npz"):
        load_performances(tmp_path)


def test_an_empty_source_is_refused_and_leaves_no_folder(tmp_path):
    words = ["--source", str(tmp_path), "--out", str(tmp_path / "a" / "b")]
    assert performances.main(words) == EXIT_INPUT
    assert not [*tmp_path.iterdir()]


def test_an_empty_source_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no performances"):
        performances.find_performances(tmp_path)
