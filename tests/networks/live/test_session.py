"""Sources that keep the newest frame, and a session from a clip or a phone to its messages."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest

from exprgen.networks.characters.profile import SAMPLE_RIGS, find_character
from exprgen.networks.errors import InputError, UsageError
from exprgen.networks.footage.frames import Frame
from exprgen.networks.live import session
from exprgen.networks.live.seen import Said
from exprgen.networks.live.session import LEAD, LiveRequest, _by_camera, _Networks, run_live
from exprgen.networks.live.sources import CameraSource, ClipSource, Newest, Shot
from exprgen.networks.messages import is_answer
from exprgen.networks.models.weights_places import find_weights
from exprgen.networks.progress import Stop
from exprgen.networks.track import FaceTrack
from exprgen.networks.tracking import landmark_model
from exprgen.networks.vocabulary import POOLED
from exprgen.tests.support.clips import write_clip
from exprgen.tests.support.phone import phone

REFERENCE = SAMPLE_RIGS / "reference" / "reference.mp4"
TOBI = str(find_character("tobi").path)


def test_the_newest_thing_wins():
    place = Newest()
    for thing in (1, 2, 3):
        place.put(thing)
    assert place.take(0.0) == 3
    assert place.missed == 2
    assert place.take(0.0) is None
    place.end(InputError("gone"))
    with pytest.raises(InputError):
        place.take(0.0)


def test_a_clip_plays_at_its_own_rate_and_again(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", [i / 25 for i in range(10)])
    began, times, late = time.monotonic(), [], []
    with ClipSource(str(clip), loop=True) as source:
        while not times or times[-1] < 1.0:
            shot = source.newest.take(10.0)
            times.append(shot.frame.time)
            late.append(shot.captured - began - shot.frame.time)
    assert np.all(np.diff(times) > 0), "time goes on where the clip begins anew"
    # A machine that falls behind plays on from where it is: later then, but never ahead of time.
    assert np.diff(late).min() > -0.02
    assert np.median(np.abs(np.diff(late))) < 0.02, "each is taken at its own moment"
    assert 24 <= shot.frame.index + 1 <= 28, "a second of pictures"
    assert len(times) + source.missed > shot.frame.index, "none is lost without being counted"


def test_who_is_slow_misses_frames_and_sees_the_newest(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", [i / 25 for i in range(25)])
    with ClipSource(str(clip)) as source:
        source.newest.take(2.0)
        time.sleep(0.4)
        shot = source.newest.take(0.0)
        assert time.monotonic() - shot.captured < 0.3
        assert shot.frame.index > 3
        assert source.missed >= 3


def test_a_clip_that_is_none_is_refused_at_once(tmp_path):
    with pytest.raises(InputError):
        ClipSource(str(tmp_path / "none.mp4"))


def test_a_camera_that_is_not_there_is_a_clear_line():
    with (
        CameraSource(97) as source,
        pytest.raises(InputError, match="camera 97 is not there"),
    ):
        source.newest.take(15.0)


@pytest.mark.skipif(not Path("/dev/video0").exists(), reason="this machine has no camera")
def test_a_camera_that_is_there_gives_frames():
    with CameraSource(0) as source:
        shot = source.newest.take(15.0)
    assert shot.frame.rgb.shape[2] == 3


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "one source"),
        ({"camera": 0, "port": 1}, "one source"),
        ({"camera": 0, "profiles": []}, "characters"),
        ({"port": 11111, "out": "a.npz"}, "no pictures"),
        ({"camera": 0, "calibrate": 1e9}, "calibration"),
        ({"camera": 0, "colour": 1}, "unknown field"),
    ],
)
def test_what_makes_no_sense_is_refused(fields, words):
    with pytest.raises(UsageError, match=words):
        LiveRequest.from_json({"profiles": [TOBI], **fields})


@pytest.fixture
def port():
    with phone() as port:
        yield port


def played(port: int, enough: int, **more) -> tuple[list[dict], dict]:
    stop, messages = Stop(), []

    def emit(message: dict) -> None:
        assert is_answer(message)
        messages.append(message)
        live = [m for m in messages if m["type"] == "live"]
        if len(live) == 20:
            stop.tell({"calibrate": True, "taken": "x"})
        if len(live) >= enough:
            stop.set()

    fields = {"profiles": [TOBI], "port": port, "calibrate": 0.3, "seconds": 20.0, **more}
    return messages, run_live(LiveRequest.from_json(fields), emit, stop)


def test_a_phone_drives_a_character(port):
    messages, result = played(port, 70)
    (cast,) = [m for m in messages if m["type"] == "cast"]
    (tobi,) = cast["characters"]
    frames = [m for m in messages if m["type"] == "live"]
    assert tobi["character"] == "tobi"
    assert {len(m["values"][0]) for m in frames} == {len(tobi["controls"])}
    assert np.all(np.diff([m["time"] for m in frames]) > 0)
    states = [m["state"] for m in frames]
    assert states[0] == "calibrating"
    assert "live" in states[:20]
    assert "calibrating" in states[20:40], "it was told to learn the neutral anew"
    jaw = tobi["controls"].index("jawOpen")
    assert np.ptp([m["values"][0][jaw] for m in frames]) > 0.1
    assert result["refused"] > 5
    assert frames[-1]["captured"] <= time.monotonic()


def test_who_does_not_take_its_frames_gets_no_more(port):
    messages, result = played(port, LEAD + 10, acknowledged=True, seconds=3.0)
    sent = sum(m["type"] == "live" for m in messages)
    assert sent <= LEAD
    assert sent + result["missed"] >= result["frames"] or sent == result["frames"]


def _can_look() -> bool:
    return REFERENCE.is_file() and find_weights("hcnn").is_file() and _model_is_there()


def _model_is_there() -> bool:
    return (landmark_model.cache_dir() / "face_landmarker.task").is_file()


@pytest.mark.skipif(not _can_look(), reason="no landmark model or no weights")
def test_a_clip_as_a_camera_drives_a_character_and_is_kept(tmp_path):
    messages = []
    request = LiveRequest.from_json(
        {
            "profiles": [TOBI],
            "clip": str(REFERENCE),
            "calibrate": 0.4,
            "seconds": 3.5,
            "out": str(tmp_path / "seen.npz"),
        }
    )
    result = run_live(request, messages.append, Stop())
    frames = [m for m in messages if m["type"] == "live"]
    assert len(frames) == result["frames"] > 5
    assert all(is_answer(m) for m in messages)
    live = [m for m in frames if m["state"] == "live"]
    assert live
    assert np.ptp([m["values"][0] for m in live], axis=0).max() > 0.05
    track = FaceTrack.load(result["track"])
    assert track.found.mean() > 0.9
    assert len(track) >= len(frames)


def test_a_face_that_no_network_has_looked_at_tells_no_expression():
    """Which would be taken for neutral, in the calibration and in what is kept."""
    found = [False, True, True, True]
    said = Said(np.full(7, 1 / 7), no_mouth=np.full(7, 1 / 7), pooled=np.zeros(POOLED))
    heard = [None, None, None, said]
    networks = _Networks.__new__(_Networks)
    networks._error, networks._keys, networks.looked = None, {}, 1
    networks._faces = MagicMock()
    shots = [Shot(Frame(i, i / 25, np.zeros((2, 2, 3), np.uint8), (2, 2)), 0.0) for i in range(4)]
    source = SimpleNamespace(missed=0, newest=SimpleNamespace(take=lambda wait: shots.pop(0)))
    heard_by, recorder = MagicMock(), MagicMock()

    def going():
        for networks.latest in heard:
            yield

    def track(frame):
        return MagicMock(found=found[frame.index])

    heard_by.going = going
    _by_camera(heard_by, source, SimpleNamespace(track=track), networks, recorder)
    assert [len(call.args) > 1 for call in recorder.add.call_args_list] == [False] * 3 + [True]
    seen = [call.args[0] for call in heard_by.frame.call_args_list]
    assert [frame.found for frame in seen] == [False, True]
    assert seen[1].said is said


def test_what_is_expressed_is_read_as_often_as_of_a_clip_units_at_every_look(monkeypatch):
    looks = []

    class Runner:
        def __call__(self, *given, mirrored):
            looks.append("all")
            count = float(len(looks))
            return {"expression": np.full((1, 7), count), "rig": {"a": np.full((1, 2), count)}}

        def units(self, *given):
            looks.append("units")
            return {"a": np.full((1, 2), float(len(looks)))}

    networks = _Networks.__new__(_Networks)
    networks.runner, networks._mouth, networks.latest, networks.looked = Runner(), None, None, 0
    networks._times = session.LookTimes(session.READ_EVERY)
    for look in range(4):
        now = 50.0 + look * session.LOOK_EVERY
        monkeypatch.setattr(session.time, "monotonic", lambda now=now: now)
        networks._look(MagicMock())
        assert networks.latest.units["a"].tolist() == [look + 1.0] * 2
    assert looks == ["all", "units", "all", "units"]
    assert networks.latest.expression[0] == 3.0
