"""The pictures on the pages: each is made by the script, of what the characters have."""

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
pytest.importorskip("bpy")

from exprgen.networks.characters.profile import find_character, sample_characters
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.sample_rigs.build import docs_pictures as pictures


def test_what_is_made_stands_on_a_page():
    pages = [pictures.DOCS.parent / "README.md", *pictures.DOCS.rglob("*.md")]
    text = "".join(page.read_text("utf-8") for page in pages)
    for name in pictures.PICTURES:
        assert f"{name}.jpg)" in text
        assert (pictures.DOCS / f"{name}.jpg").stat().st_size <= pictures.MOST_BYTES


def test_the_gallery_shows_everybody_by_a_pose_of_each_expression():
    assert {p.name for p in sample_characters()} == set(pictures.CAST)
    assert set(pictures.SHOWN) == set(EXPRESSIONS)
    for name in pictures.CAST:
        poses = {pose.name: pose.expression for pose in find_character(name).key_poses}
        for expression in pictures.SHOWN:
            assert poses[pictures.shown_pose(expression, name)] == expression


def test_every_pose_has_a_place_in_a_row():
    grey = np.full((150, 150, 3), 99, np.uint8)
    row = pictures.pose_row("fear", {"fear_a": grey, "joy_a": grey, "fear_b_c": grey})
    side = pictures.POSE_SIDE
    starts = np.flatnonzero(np.diff((row[side // 3] == 99).all(-1).astype(int)) == 1)
    assert len(starts) == 2
    assert np.diff(starts) == side + 2
    assert (row[side:, starts[0] :] < 99).any(), "its name"


def test_moments_are_spread_and_nobody_blinks_in_them():
    times = np.arange(90) / 10
    blink = np.zeros((90, 2))
    blink[5:8, 1] = blink[10:20] = 1  # the first's middle, all of the second part
    track = type("Track", (), {"__len__": lambda _: 90, "times": times, "blink": blink})()
    found = pictures.open_eyed(track)
    assert found[:3] == pytest.approx([0.8, 1.5, 2.5])
    assert len(found) == pictures.MOMENTS
    assert (np.diff(found) > 0).all()


def test_a_picture_fits_its_size_and_stays_itself():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (600, 700, 3)).astype(np.uint8)
    smooth = np.full((600, 700, 3), (200, 90, 30), np.uint8)
    for picture, most in ((noise, 90), (smooth, 3)):
        data = pictures.jpeg(picture)
        back = cv2.imdecode(np.frombuffer(data, np.uint8), 1)[..., ::-1]
        assert len(data) <= pictures.MOST_BYTES
        assert back.shape == picture.shape
        assert np.abs(back.astype(int) - picture).mean() < most


def test_key_poses_are_rendered_as_they_are(tmp_path):
    profile = find_character("blip")
    shown = [pictures.shown_pose(e, "blip") for e in ("neutral", "sadness")]
    poses = [next(p for p in profile.key_poses if p.name == name) for name in shown]
    values = np.stack([pictures.pose_values(profile, pose) for pose in poses])
    calm, sad = pictures.Desk(tmp_path).stills(profile, values, "poses", shown)
    assert calm.shape == sad.shape == (pictures.SIDE, pictures.SIDE, 3)
    assert np.abs(calm.astype(int) - sad).mean() > 3


def test_what_is_missing_or_unknown_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pictures, "REFERENCE", tmp_path / "none.mp4")
    assert pictures.main(["emphasis_strip", "--out", str(tmp_path)]) == 3
    assert "none.mp4" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        pictures.main(["nobody"])
    assert "emphasis_strip" in capsys.readouterr().err
