"""The clarity table: sums, verdicts, what it says of characters that SCNN has not seen."""

import csv
import json

import cv2
import numpy as np
import pytest

from exprgen.exprgen_addon.studio import key_pose_clarity
from exprgen.exprgen_addon.studio.key_pose_clarity import AMBIGUOUS, CLEAR, MISTAKEN, Reading
from exprgen.networks.characters.profile import load_profile
from exprgen.networks.errors import InputError
from exprgen.networks.perception.character_pictures import Cell, draw_sheet, trained_characters
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.tests.support import synthetic


def chances(**given) -> np.ndarray:
    """Probabilities with these values, the rest shared by the others."""
    row = np.full(7, (1 - sum(given.values())) / (7 - len(given)))
    for name, value in given.items():
        row[EXPRESSIONS.index(name)] = value
    return row


@pytest.mark.parametrize(
    ("row", "verdict", "taken_for"),
    [
        (chances(joy=0.9), CLEAR, "joy"),
        (chances(joy=0.55, surprise=0.2), AMBIGUOUS, "surprise"),  # below the bar
        (chances(joy=0.56, anger=0.4), AMBIGUOUS, "anger"),
        (chances(joy=0.3, sadness=0.5), MISTAKEN, "sadness"),
        (chances(joy=0.4, neutral=0.4), MISTAKEN, "joy"),  # a tie is no lead
    ],
)
def test_verdicts(row, verdict, taken_for):
    reading = Reading("grin", "joy", row)
    assert (reading.verdict, reading.taken_for) == (verdict, taken_for)


def test_probabilities_and_means_sum_to_one():
    report = made_report([chances(joy=0.9), chances(neutral=0.7)])
    for pose in report.to_json()["poses"]:
        assert sum(pose["probabilities"].values()) == pytest.approx(1.0, abs=1e-3)
    for row in report.means().values():
        assert row.sum() == pytest.approx(1.0)
    assert set(report.means()) == {"joy", "neutral"}
    assert sum(report.count(v) for v in (CLEAR, AMBIGUOUS, MISTAKEN)) == 2


def test_every_unclear_pose_is_a_warning():
    report = made_report([chances(joy=0.3, fear=0.5), chances(neutral=0.5)])
    assert len(report.warnings) == 2
    assert "grin reads as fear" in report.warnings[0]
    assert report.to_json()["warnings"] == 2
    assert "1 ambiguous, 1 mistaken of 2; 2 warnings" in report.to_text()


def test_an_unknown_character_is_said_to_be_one():
    report = made_report([chances(joy=0.9), chances(neutral=0.9)], characters=["mira"])
    assert not report.known
    assert "has not seen 'ann' (it knows mira)" in report.warnings[0]


def test_the_csv_has_one_row_a_pose():
    report = made_report([chances(joy=0.9), chances(neutral=0.7)])
    rows = list(csv.DictReader(report.to_csv().splitlines()))
    assert [r["pose"] for r in rows] == ["grin", "rest"]
    assert sum(float(rows[0][e]) for e in EXPRESSIONS) == pytest.approx(1.0, abs=1e-3)


def test_trained_characters_from_new_and_old_records():
    assert trained_characters({"characters": ["tobi", "mira"]}) == ["mira", "tobi"]
    old = {"metrics": {"accuracy": 0.9, "accuracy tobi": 1.0, "accuracy mira": 0.9}}
    assert trained_characters(old) == ["mira", "tobi"]
    assert trained_characters({}) == []


def test_a_character_is_rendered_read_and_written_down(tmp_path):
    """With a made-up reader in the worker's place: pictures go to it, files come out."""
    ann = synthetic.with_landmarks(synthetic.build(tmp_path / "characters", "ann"))
    ann.save(ann.path)
    asked = []

    def run(command, arguments):
        asked.append((command, arguments))
        if command == "sheet":
            cells = [Cell.from_json(c) for c in arguments["cells"]]
            return {"sheet": str(draw_sheet(cells, arguments["out"], columns=2, side=40))}
        rows = [chances(joy=0.9).tolist(), chances(neutral=0.5).tolist()]
        return {"probabilities": rows, "characters": ["ann"], "weights": "abc"}

    report = key_pose_clarity.check_clarity(ann, tmp_path, run, processes=0)
    pictures = asked[0][1]["pictures"]
    assert [c for c, _ in asked] == ["read_character", "sheet"]
    assert np.shape(pictures[0]["landmarks"]) == (49, 2)
    assert report.known
    saved = json.loads((tmp_path / "ann_clarity.json").read_text())
    assert (saved["clear"], saved["ambiguous"], saved["mistaken"]) == (1, 1, 0)
    assert (tmp_path / "ann_clarity.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "ann_clarity.csv").is_file()
    assert not list(tmp_path.glob("*.part"))


def test_what_viewers_name_is_kept_in_the_profile(tmp_path):
    from exprgen.networks.evaluation import steps

    ann = synthetic.build(tmp_path / "characters", "ann")
    ann.save(ann.path)
    (tmp_path / "ann").mkdir()
    for i in range(len(ann.key_poses)):
        picture = np.full((8, 8, 3), 40 * i, np.uint8)
        cv2.imwrite(str(tmp_path / "ann" / f"{i:03d}.png"), picture)

    def run(command, arguments):
        step = getattr(steps, arguments.pop("step"))
        return step(lambda message: None, **arguments)

    (sheet,) = key_pose_clarity.write_blind_sheets(ann, tmp_path, run)
    assert sheet.endswith("ann_blind_1.png")
    numbers = dict(line.split(",") for line in (tmp_path / "ann_blind_key.csv").read_text().split())
    by_pose = {ann.key_poses[int(file[-7:-4])].name: n for n, file in numbers.items()}
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text(f"number,label\n{by_pose['grin']},joy\n{by_pose['rest']},neutral\n")
    two.write_text(f"{by_pose['grin']},anger\n")
    key_pose_clarity.keep_ratings(ann, tmp_path, [one, two], run)
    kept = {p.name: p.clarity for p in load_profile(ann.path).key_poses}
    assert (kept["grin"], kept["rest"]) == (0.5, 1.0)
    before = ann.path.read_text()
    two.write_text("99,joy\n")
    with pytest.raises(InputError, match="no picture"):
        key_pose_clarity.keep_ratings(ann, tmp_path, [two], run)
    assert ann.path.read_text() == before


def test_a_character_without_key_poses_is_refused(tmp_path):
    from dataclasses import replace

    bare = replace(synthetic.profile("ann"), key_poses=())
    with pytest.raises(InputError, match="no key poses"):
        key_pose_clarity.check_clarity(bare, tmp_path, lambda command, arguments: {})


def test_a_sheet_has_room_for_all_cells(tmp_path):
    import cv2

    picture = tmp_path / "face.png"
    cv2.imwrite(str(picture), np.full((32, 32, 3), 90, np.uint8))
    marked = Cell(str(picture), ("one", "two"), (200, 0, 0), np.array([[16.0, 16.0]]))
    cells = [marked, Cell(str(picture)), Cell(str(picture))]
    out = draw_sheet(cells, tmp_path / "sheet.png", columns=2, side=64)
    sheet = cv2.imread(str(out))
    assert sheet.shape == (2 * (64 + 8 + 30), 2 * 72, 3)
    assert sheet[2, 2].tolist() == [0, 0, 200]  # the frame, BGR
    assert sheet[36, 36, 1] > 150  # the landmark
    few = cv2.imread(str(draw_sheet(cells, out, columns=10, side=64)))
    assert few.shape[1] == 3 * 72, "no blank columns"
    told = cv2.imread(str(draw_sheet(cells, out, columns=10, side=64, title="far too long " * 9)))
    assert told.shape[1] > 3 * 72, "room for the title"
    assert told[-1, -1].min() >= 250
    with pytest.raises(InputError, match="does not exist"):
        draw_sheet([Cell(str(tmp_path / "lost.png"))], tmp_path / "sheet.png")


def made_report(rows, characters=("ann",)):
    result = {"probabilities": rows, "characters": list(characters)}
    return key_pose_clarity.make_report(synthetic.profile("ann"), result, "folder")
