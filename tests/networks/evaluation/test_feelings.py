"""What is felt over time, measured against the truth of a made clip."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.errors import InputError
from exprgen.networks.evaluation import feelings
from exprgen.networks.evaluation.report import write_html
from exprgen.networks.footage.acted import ActedTruth
from exprgen.networks.vocabulary import EXPRESSIONS, NEUTRAL
from exprgen.tests.support import synthetic

JOY = EXPRESSIONS.index("joy")


def clip(folder, name: str, joy_from: float, read_from: float):
    """A clip of six seconds in which joy begins, and its track in which it is read: both paths."""
    track = synthetic.face_track(frames=150)
    felt = np.zeros((150, len(EXPRESSIONS)), np.float32)
    felt[:, JOY] = 0.9 * (track.times >= joy_from)
    truth = ActedTruth(
        times=track.times, arkit=track.arkit, felt=felt, speaking=np.zeros(150, np.float32),
        phoneme=np.zeros(150, np.int16), blink=np.zeros(150, np.float32),
        head=np.zeros((150, 3), np.float32), gaze=np.zeros((150, 2), np.float32),
        meta={"split": "val"},
    )  # fmt: skip
    truth.save(folder / f"{name}.acted.npz")
    said = np.full((150, len(EXPRESSIONS)), 0.05, np.float32)
    said[np.arange(150), np.where(track.times >= read_from, JOY, NEUTRAL)] = 0.7
    affect = 0.7 * felt[:, JOY, None] * np.array([[0.81, 0.51]], np.float32)
    made = replace(track, expression=said, affect=affect.astype(np.float32))
    return str(made.save(folder / f"{name}.npz")), str(folder / f"{name}.acted.npz")


def test_clips_are_measured_together(tmp_path):
    pairs = [clip(tmp_path, "late", 2.0, 2.2), clip(tmp_path, "plain", 99.0, 99.0)]
    made = feelings.measure(*map(list, zip(*pairs, strict=True)))
    assert made["clips"] == 2
    assert made["frames"] == pytest.approx(1 - 5 / 300, abs=0.02)
    assert made["plain"] == 1.0
    assert made["false_changes"] == 0.0
    assert made["onset"] == pytest.approx(0.2, abs=0.08)
    assert made["onset_found"] == 1.0
    assert made["valence pcc"] == pytest.approx(1.0, abs=0.01)
    assert made["valence ccc"] < 1.0
    page = write_html({"feelings": made}, tmp_path / "x.html").read_text()
    for words in ("What is felt over time, 2 clips", "valence CCC", "arousal SAGR"):
        assert words in page
    assert f"<td>{made['onset']:.2f}</td>" in page, "seconds, no share"


def test_a_clip_without_truth_is_described(tmp_path):
    track, _ = clip(tmp_path, "joy", 2.0, 2.5)
    told = feelings.describe(track)
    assert told["seconds"] == pytest.approx(149 / 30, abs=0.01)
    assert set(told["shares"]) == {"joy", "neutral"}
    assert told["shares"]["joy"] == pytest.approx(0.5, abs=0.1)
    assert told["changes"] == pytest.approx(30 / 149, abs=0.01)
    assert told["valence"] > told["arousal"] > 0
    page = write_html({"felt": {"joy.mp4": told}}, tmp_path / "x.html").read_text()
    assert "What is felt in clips" in page
    assert "joy.mp4" in page


def test_a_track_of_another_clip_is_refused(tmp_path):
    clip(tmp_path, "a", 2.0, 2.0)
    synthetic.face_track(frames=20).save(tmp_path / "short.npz")
    with pytest.raises(InputError, match="tells of 150 frames, its clip has 20"):
        feelings.measure([str(tmp_path / "short.npz")], [str(tmp_path / "a.acted.npz")])
