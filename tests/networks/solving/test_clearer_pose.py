"""The smallest change that makes a pose clear, and what a track asks to be looked at."""

from __future__ import annotations

import numpy as np
import pytest

from exprgen.networks.characters.profile import Control, KeyPose, Target
from exprgen.networks.errors import UsageError
from exprgen.networks.solving import clearer_pose, worst_frames
from exprgen.networks.track import HELD
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.tests.support import synthetic

JOY, NEUTRAL = EXPRESSIONS.index("joy"), EXPRESSIONS.index("neutral")


def control(name: str, region: str) -> Control:
    return Control(name, (Target("OBJECT", "rig", f'["{name}"]'),), 0.0, -1.0, 1.0, region)


CONTROLS = (control("smile", "mouth"), control("squint", "eye"), control("brow", "brow"))
POSES = (
    KeyPose("grin", "joy", {"smile": 1.0, "squint": 0.5, "brow": 0.2}),
    KeyPose("rest", "neutral", {}),
)


class Reader:
    """Sees joy in the smile alone."""

    def __init__(self, slope: float = 8.0, at: float = 0.5):
        self.slope, self.at, self.reads = slope, at, 0

    def __call__(self, units: np.ndarray) -> np.ndarray:
        self.reads += 1
        chance = 1 / (1 + np.exp(-self.slope * (units[0] - self.at)))
        row = np.full(7, 0.01)
        row[JOY], row[NEUTRAL] = chance, 1 - chance
        return row


def test_only_what_the_reader_needs_is_changed():
    reader = Reader()
    made = clearer_pose.make_clearer(reader, np.zeros(3), CONTROLS, POSES, "joy")
    assert made.reached
    assert made.parts == ("mouth",), "eyes and brows are put back"
    assert made.units[1] == made.units[2] == 0.0
    assert made.after[JOY] >= clearer_pose.ENOUGH > made.before[JOY]
    assert made.units[0] < 1.0, "not all the way"
    assert made.reads == reader.reads <= 24
    assert "joy" in made.summary()
    assert "->" in made.summary()


def test_a_clear_pose_is_left_alone():
    reader = Reader()
    made = clearer_pose.make_clearer(reader, np.array([1.0, 0, 0]), CONTROLS, POSES, "joy")
    assert not made.changed
    assert reader.reads == 1
    assert "clear already" in made.summary()


def test_what_helps_is_kept_though_it_is_not_enough():
    made = clearer_pose.make_clearer(Reader(at=1.2), np.zeros(3), CONTROLS, POSES, "joy")
    assert not made.reached
    assert made.after[JOY] > made.before[JOY]
    nothing = clearer_pose.make_clearer(
        lambda units: np.eye(7)[NEUTRAL], np.zeros(3), CONTROLS, POSES, "joy"
    )
    assert not nothing.changed
    assert "no small change" in nothing.summary()


def test_a_limit_is_kept():
    made = clearer_pose.make_clearer(Reader(at=1.2), np.zeros(3), CONTROLS, POSES, "joy", limit=0.3)
    assert np.abs(made.units).max() <= 0.3 + 1e-9


def test_without_a_key_pose_there_is_no_direction():
    with pytest.raises(UsageError, match="no key pose of fear"):
        clearer_pose.make_clearer(Reader(), np.zeros(3), CONTROLS, POSES, "fear")


def test_a_track_tells_its_doubtful_stretches():
    track = synthetic.face_track(frames=60)
    track.state[10:14] = HELD
    track.confidence[30:33] = 0.2
    track.expression[40:50, JOY] = 0.5
    track.expression[40:50, NEUTRAL] = 0.45
    found = worst_frames.warnings(track)
    assert [w.kind for w in found] == [
        worst_frames.LOST,
        worst_frames.UNSURE,
        worst_frames.AMBIGUOUS,
    ]
    assert (found[0].start, found[0].end) == (track.times[10], track.times[13])
    assert found[2].text == "joy or neutral?"
    rows = worst_frames.worst_rows(track, apart=0.2)
    assert rows[0] in range(10, 14), "lost is worst"
    assert any(r in range(30, 33) for r in rows)
    assert any(r in range(40, 50) for r in rows)
    assert worst_frames.worst_rows(synthetic.face_track()) == []
