"""A replaced reference of the same name is noticed."""

import os

import cv2

from exprgen.networks.footage.stamp import contents_of, is_replaced, replaced_note, stamp
from exprgen.tests.support.clips import picture, write_clip


def test_a_replaced_clip_is_noticed_and_a_copied_one_is_not(tmp_path):
    clip = write_clip(tmp_path / "shot.mp4", [i / 25 for i in range(20)])
    meta = {"source": "shot.mp4", "stamp": stamp([clip])}
    assert meta["stamp"]["bytes"] == clip.stat().st_size
    assert meta["stamp"]["modified"] == clip.stat().st_mtime
    assert replaced_note(meta) == ""
    os.utime(clip, (1, 1))  # copied, or fetched again
    assert replaced_note(meta) == ""
    write_clip(clip, [i / 25 for i in range(20)], first=9)
    assert "shot.mp4 was replaced" in replaced_note(meta)
    clip.unlink()
    assert replaced_note(meta) == "", "what is gone tells nothing"


def test_a_renamed_clip_has_the_same_contents(tmp_path):
    clip = write_clip(tmp_path / "shot.mp4", [i / 25 for i in range(20)])
    before = stamp([clip])
    named = clip.rename(tmp_path / "take_3.mp4")
    after = stamp([named])
    assert after["digest"] != before["digest"]
    assert contents_of(after) == contents_of(before) != ""
    write_clip(named, [i / 25 for i in range(20)], first=9)
    assert contents_of(stamp([named])) != contents_of(before)
    for wrong in (None, 7, [], {}, {"contents": 7}):
        assert contents_of(wrong) == ""


def test_a_folder_stands_for_its_pictures(tmp_path):
    for n in range(3):
        (tmp_path / f"{n}.png").write_bytes(cv2.imencode(".png", picture(n))[1].tobytes())
    before = stamp([tmp_path])
    (tmp_path / "notes.txt").write_text("of no importance")
    assert not is_replaced(before)
    (tmp_path / "1.png").write_bytes(cv2.imencode(".png", picture(7))[1].tobytes())
    assert is_replaced(before)
    assert is_replaced(before, [tmp_path])


def test_whatever_is_in_a_track_a_stamp_is_read_with_care():
    for wrong in (None, 7, [], {}, {"digest": "x"}, {"digest": "x", "paths": [1]}, {"paths": "x"}):
        assert not is_replaced(wrong)
    assert stamp(["/nowhere/at/all.mp4"]) == {}
