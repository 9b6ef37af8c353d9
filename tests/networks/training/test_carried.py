"""Photographs carried to held-in expressions: moved by action units, and learned from as such."""

import cv2
import numpy as np
import pytest

from exprgen.networks.errors import EXIT_INPUT, EXIT_OK, EXIT_OUTPUT, EXIT_USAGE, UsageError
from exprgen.networks.tracking.registration import average_face
from exprgen.networks.training import carried, hed
from exprgen.networks.training.hcnn import named
from exprgen.networks.training.shared import carrying, mixing, teaching
from exprgen.networks.training.shared.datasets import load_faces, synthetic_faces
from exprgen.networks.training.shared.sets import TRAIN, VALIDATION
from exprgen.networks.vocabulary import EXPRESSIONS, NEUTRAL
from exprgen.tests.support.drawn_face import draw, scene

POINTS = average_face()


def grain():
    """A face's worth of grey values, smooth enough to be moved."""
    noise = np.random.default_rng(2).normal(128, 60, (256, 256)).astype(np.float32)
    return np.clip(cv2.GaussianBlur(noise, (0, 0), 4) * 3 - 256, 0, 255)


def moved(carry, seed=0, strength=1.0):
    face = carrying.Carried(grain(), POINTS, strength, np.random.default_rng(seed))
    carry(face)
    return face


def height(face, rows):
    """How far points have come down, pixels."""
    return (face.points[rows, 1] - POINTS[rows, 1]).mean()


BROWS = np.concatenate([*carrying.BROWS.values()])
INNER = [carrying.BROWS[side][-1] for side, _ in carrying.SIDES]
CORNERS = [*carrying.CORNERS.values()]


def opening(points, upper, lower):
    return (points[lower, 1] - points[upper, 1]).mean()


@pytest.mark.parametrize("seed", range(4))
def test_each_expression_moves_what_its_action_units_move(seed):
    angry, afraid, sad, disgusted = (
        moved(carry, seed)
        for carry in (carrying.anger, carrying.fear, carrying.sadness, carrying.disgust)
    )
    lips = carrying.TOP_LIP, carrying.BOTTOM_LIP
    assert height(angry, BROWS) > 1
    assert opening(angry.points, *lips) < opening(POINTS, *lips)
    assert height(afraid, INNER) < -1
    eyes = [np.concatenate([*lids.values()]) for lids in (carrying.UPPER, carrying.LOWER)]
    assert opening(afraid.points, *eyes) > opening(POINTS, *eyes)
    assert height(sad, INNER) < -1
    lifted = (sad.points[carrying.TOP_LIP[2], 1] - POINTS[carrying.TOP_LIP[2], 1]).item()
    assert height(sad, CORNERS) - lifted > 1
    assert height(disgusted, carrying.NOSTRIL_LINE) < -1
    assert height(disgusted, carrying.TOP_LIP) < -1


def test_a_face_is_carried_alike_on_both_sides():
    face = carrying.Carried(grain(), POINTS, 1.0, np.random.default_rng(0))
    face.lower_brows()
    face.draw_corners(0.1, 0.05)
    face.raise_nose()
    step = face.points - POINTS
    for pairs in (carrying.BROWS, {s: [c] for s, c in carrying.CORNERS.items()}):
        right, left = (step[pairs[side]] for side, _ in carrying.SIDES)
        np.testing.assert_allclose(right[:, 1], left[:, 1], atol=1.5)
        np.testing.assert_allclose(right[:, 0], -left[:, 0], atol=1.5)


def test_pixels_go_with_the_landmarks_and_the_edge_stays():
    face = np.zeros((256, 256), np.float32)
    x, y = POINTS[carrying.TIP]
    cv2.circle(face, (round(x), round(y)), 5, 255.0, -1)
    after = POINTS + np.array([0.0, 6.0])
    out = carrying.carried(face, POINTS, after)
    rows, columns = np.nonzero(out > 128)
    assert rows.mean() == pytest.approx(y + 6, abs=1)
    assert columns.mean() == pytest.approx(x, abs=1)
    picture = grain()
    still = carrying.carried(picture, POINTS, POINTS)
    np.testing.assert_allclose(still, picture, atol=1.0)
    bent = carrying.carried(picture, POINTS, after)
    np.testing.assert_allclose(bent[0], picture[0], atol=12.0)
    assert np.abs(bent - picture).mean() > np.abs(bent[0] - picture[0]).mean()


def test_without_strength_a_face_stays_as_it_is():
    for kind in carried.KINDS.values():
        if kind.smiling or kind.label == "neutral":
            continue  # a smile is forced flat; a calm face may be built otherwise
        face = moved(kind.carry, strength=0.0)
        np.testing.assert_allclose(face.points, POINTS, atol=1e-6)
        np.testing.assert_allclose(face.face, grain(), atol=1.0)


def test_weak_ones_are_partly_named_as_what_was_photographed():
    anger, bared, calm = (carried.KINDS[name] for name in ("anger", "bared_fear", "calm"))
    weak, clear = carried.votes(anger, 0.45), carried.votes(anger, 1.0)
    assert weak[NEUTRAL] > clear[NEUTRAL] == 0
    assert weak[EXPRESSIONS.index("anger")] > 0.3
    assert carried.votes(bared, 0.5)[EXPRESSIONS.index("joy")] > 0
    assert carried.votes(calm, 0.45)[NEUTRAL] == 1
    for kind in carried.KINDS.values():
        assert carried.votes(kind, 0.6).sum() == pytest.approx(1)


@pytest.fixture
def prepared(tmp_path, landmarks_known):
    """A prepared set of calm faces and smiles with teeth, of both splits."""
    source = tmp_path / "source"
    source.mkdir()
    rows = ["file,label,split"]
    for k, (mouth, label) in enumerate(((0.0, "neutral"), (0.6, "joy")) * 4):
        face = draw(scene(240, 240), 118 + k, 105, 1.1, mouth=mouth)
        cv2.imwrite(str(source / f"{k}.png"), face[..., ::-1])
        rows.append(f"{k}.png,{label},{TRAIN if k < 4 else VALIDATION}")
    (source / "labels.csv").write_text("\n".join(rows))
    hed.build(source, tmp_path / "hed", processes=1)
    return tmp_path / "hed"


def test_a_set_is_made_of_faces_of_the_same_split(prepared, tmp_path, capsys):
    out = tmp_path / "carried"
    words = ["--data", str(prepared), "--out", str(out), "--count", "12", "--processes", "1"]
    assert carried.main(words) == EXIT_OK
    made, told = load_faces(out), hed.load_hed(out)
    assert len(made) == 12
    np.testing.assert_allclose(told.targets.sum(1), 1, atol=1e-5)
    came = {split: set(load_faces(prepared).rows(split)) for split in (TRAIN, VALIDATION)}
    table = np.load(out / "table.npz")
    for row, split in zip(table["subject"].astype(int), table["split"], strict=True):
        assert row in came[split]
    (tmp_path / "file").touch()
    assert carried.main([*words, "--out", str(tmp_path / "file")]) == EXIT_OUTPUT
    words[words.index("12")] = "14"
    assert carried.main(words) == EXIT_USAGE, "there is another set"
    assert "was made with --count 12 --seed 0" in capsys.readouterr().err
    words[words.index("14")] = "12"
    # Run again, nothing is made anew; the same seed makes the same pictures.
    first = sorted((out / carried.PICTURES).glob("*.png"))
    assert carried.main(words) == EXIT_OK
    again = tmp_path / "again"
    words[3] = str(again)
    assert carried.main(words) == EXIT_OK
    for picture in first:
        assert picture.read_bytes() == (again / carried.PICTURES / picture.name).read_bytes()


def test_a_set_without_smiles_is_refused(prepared, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(carried, "BARED", 9.0)
    assert carried.main(["--data", str(prepared), "--out", str(tmp_path / "x")]) == EXIT_INPUT
    assert "too few calm faces" in capsys.readouterr().err


def test_batches_hold_a_share_of_them_and_their_labels_are_told_alone(tmp_path, monkeypatch):
    data = synthetic_faces(70)
    monkeypatch.setattr(mixing, "load_faces", lambda _: synthetic_faces(40, 3))
    parts = mixing.pools(data, 0.5, "people", 0.1, "carried", 0.2)
    assert [part.of for part in parts] == [mixing.HUMANS, mixing.PEOPLE, mixing.CARRIED]
    assert [part.share for part in parts] == pytest.approx([0.7, 0.1, 0.2])
    assert np.ptp(parts[2].chances) == 0
    assert mixing.held_out(parts)[0] is parts[1].data
    without = mixing.pools(data, 0.5, carried="carried", carried_share=0.2)
    assert [part.of for part in without] == [mixing.HUMANS, mixing.CARRIED]
    assert mixing.held_out(without) is None
    assert "carried" in named(without)
    with pytest.raises(UsageError):
        mixing.pools(data, 0.5, "people", 0.5, "carried", 0.6)
    monkeypatch.setattr(teaching, "kept_opinions", lambda faces, rows, *_: np.zeros((len(rows), 7)))
    human, own = teaching.taught(without, "teacher", 0.5, tmp_path)
    np.testing.assert_allclose(human, data.targets[without[0].rows] / 2)
    np.testing.assert_array_equal(own, without[1].data.targets[without[1].rows])
