"""FaceTracks recorded frame by frame, and the files that hold them."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from exprgen.networks import track
from exprgen.networks.errors import InputError, OutputError
from exprgen.networks.phrases import Phrase
from exprgen.networks.track import BRIDGED, HELD, RESTING, TRACKED, FaceTrack
from exprgen.networks.tracking import track_recorder
from exprgen.networks.tracking.face_detector import FaceObservation
from exprgen.networks.tracking.face_tracker import TrackedFace
from exprgen.networks.tracking.lost_frames import fill_lost
from exprgen.networks.tracking.track_recorder import TrackRecorder
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, EXPRESSIONS, NEUTRAL, POOLED
from exprgen.tests.support import synthetic

FPS = 25


def seen(index, *, level=0.5, lids=0.3, x=100.0, name=""):
    """A frame with a face whose every number is `level`, at `x`."""
    arkit = np.full(len(ARKIT_CHANNELS), level, np.float32)
    if lids > 0.2:
        arkit[[ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]] = 0.05
    observation = FaceObservation(
        landmarks=synthetic.resting_landmarks(1)[0] - 128.0 + np.float32(x),
        arkit=arkit,
        head_pose=np.eye(4, dtype=np.float32),
        size=(640, 360),
    )
    return TrackedFace(
        index=index,
        time=index / FPS,
        size=(640, 360),
        found=True,
        observation=observation,
        face=np.full((256, 256), index % 256, np.uint8),
        geometry=np.full(9, level, np.float32),
        gaze=np.full((2, 2), level, np.float32),
        lids=np.full(2, lids, np.float32),
        confidence=0.9,
        name=name,
    )


def unseen(index, name=""):
    return TrackedFace(index, index / FPS, (640, 360), name=name)


def record(path, frames, *, stills=False, partial=False, **extra):
    joy = np.eye(len(EXPRESSIONS))[EXPRESSIONS.index("joy")]
    with TrackRecorder(path, source="x.mp4", fps=FPS, stills=stills) as rec:
        for frame in frames:
            rec.add(frame, joy if frame.found else None, **extra)
        rec.finish(partial=partial)
    return FaceTrack.load(path)


def test_what_is_recorded_comes_back(tmp_path):
    made = record(tmp_path / "t.npz", [seen(i, level=i / 20) for i in range(20)], partial=True)
    assert len(made) == 20
    assert made.found.all()
    np.testing.assert_allclose(made.times, np.arange(20) / FPS)
    np.testing.assert_allclose(made.geometry[:, 3], np.arange(20) / 20, atol=1e-6)
    assert made.expression[:, EXPRESSIONS.index("joy")].min() == pytest.approx(1.0)
    assert made.meta == {
        "source": "x.mp4", "size": [640, 360], "fps": FPS, "partial": True,
        "face": "largest", "stills": False, "names": [],
    }  # fmt: skip
    for i in (0, 7, 19):
        face = track_recorder.decode_face(made.face_jpeg(i))
        assert abs(int(face.mean()) - i) <= 2


def test_spool_is_gone_and_nothing_is_half_written(tmp_path):
    record(tmp_path / "t.npz", [seen(0), seen(1)])
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "u.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["t.npz"]


def interrupted(path):
    with TrackRecorder(path, source="x") as rec:
        rec.add(seen(0))
        raise KeyboardInterrupt


def test_stop_keeps_what_is_finished(tmp_path):
    with TrackRecorder(tmp_path / "t.npz", source="x") as rec:
        for i in range(5):
            rec.add(seen(i))
        rec.finish(partial=True)
        rec.add(seen(5))
    made = FaceTrack.load(tmp_path / "t.npz")
    assert len(made) == 5
    assert made.meta["partial"] is True
    assert track.holds_part(tmp_path / "t.npz")
    record(tmp_path / "whole.npz", [seen(0)])
    assert not track.holds_part(tmp_path / "whole.npz")


def test_between_readings_lies_what_was_read_around_them(tmp_path):
    joy, anger = (np.eye(len(EXPRESSIONS))[EXPRESSIONS.index(n)] for n in ("joy", "anger"))
    with TrackRecorder(tmp_path / "t.npz", source="x") as rec:
        for i in range(9):
            said = {0: joy, 4: anger}.get(i)
            looked = said is not None
            upper, pooled = (joy + anger) / 2, np.full(POOLED, float(i))
            rec.add(
                seen(i), said, no_mouth=upper if looked else None, pooled=pooled if looked else None
            )
        rec.finish()
    made = FaceTrack.load(tmp_path / "t.npz")
    np.testing.assert_allclose(made.expression[2], (joy + anger) / 2, atol=1e-5)
    np.testing.assert_allclose(made.expression[7], anger, atol=1e-6)
    np.testing.assert_allclose(made.no_mouth, np.tile((joy + anger) / 2, (9, 1)), atol=1e-6)
    np.testing.assert_allclose(made.pooled[:, 7], [0, 1, 2, 3, 4, 4, 4, 4, 4], atol=1e-5)
    nobody = record(tmp_path / "u.npz", [seen(0), seen(1)])
    assert nobody.no_mouth is None
    assert nobody.pooled is None


def test_what_the_earlier_networks_gave_is_left_out(tmp_path):
    made = record(tmp_path / "t.npz", [seen(0), seen(1)])
    earlier = np.ones((2, track.EARLIER_POOLED), np.float32)
    dataclasses.replace(made, pooled=earlier).save(tmp_path / "old.npz")
    assert FaceTrack.load(tmp_path / "old.npz").pooled is None
    dataclasses.replace(made, pooled=earlier[:, 1:]).save(tmp_path / "wrong.npz")
    with pytest.raises(InputError, match="pooled"):
        FaceTrack.load(tmp_path / "wrong.npz")


def phrased(folder, **changed):
    """The file of a clip of two phrases, of which some arrays are others."""
    made = record(folder / "whole.npz", [seen(i) for i in range(50)])
    spans = np.array([[0.0, 1.2], [1.2, 2.0]])
    readings = np.full((2, len(EXPRESSIONS)), 0.05, np.float32)
    readings[[0, 1], [NEUTRAL, EXPRESSIONS.index("joy")]] = 0.7
    arrays = {"phrase_spans": spans, "phrase_readings": readings}
    arrays |= {name: change(arrays[name].copy()) for name, change in changed.items()}
    phrases = [
        Phrase(float(start), float(end), tuple(said.tolist()))
        for (start, end), said in zip(*arrays.values(), strict=True)
    ]
    return dataclasses.replace(made, phrases=tuple(phrases)).save(folder / "phrased.npz")


def test_phrases_are_kept_as_they_are(tmp_path):
    made = FaceTrack.load(phrased(tmp_path))
    assert [(p.start, p.end, p.expression) for p in made.phrases] == [
        (0.0, 1.2, "neutral"),
        (1.2, 2.0, "joy"),
    ]
    part = made.part(slice(20, 40)).save(tmp_path / "part.npz")
    assert [p.start for p in FaceTrack.load(part).phrases] == [0.8, 1.2], "a part is whole too"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"phrase_spans": lambda s: s + 1000.0}, "over the clip's frames"),
        ({"phrase_spans": lambda s: s - 1.0}, "over the clip's frames"),
        ({"phrase_spans": lambda s: s * 0.5}, "over the clip's frames"),
        ({"phrase_spans": lambda s: np.add(s, [[0, 0], [0, 0.2]])}, "over the clip's frames"),
        ({"phrase_spans": lambda s: s * [1.0, 900.0]}, "end to end"),
        ({"phrase_spans": lambda s: s[:, ::-1]}, "end to end"),
        ({"phrase_readings": lambda r: 1.4 * r}, "no chances"),
        ({"phrase_readings": lambda r: 0.0 * r}, "no chances"),
        ({"phrase_readings": lambda r: r - [0.3, -0.3, 0, 0, 0, 0, 0]}, "no chances"),
    ],
)
def test_phrases_that_are_none_of_the_clip_are_refused(tmp_path, changed, told):
    with pytest.raises(InputError, match=told):
        FaceTrack.load(phrased(tmp_path, **changed))


@pytest.mark.parametrize(
    "change", [lambda p: 0.0 * p, lambda p: 2.0 * p, lambda p: p[:, [1, 0, 2, 3]]]
)
def test_a_head_that_no_pose_turns_is_refused(tmp_path, change):
    made = record(tmp_path / "t.npz", [seen(i) for i in range(3)])
    poses = change(made.head_pose).astype(np.float32)
    file = dataclasses.replace(made, head_pose=poses).save(tmp_path / "posed.npz")
    with pytest.raises(InputError, match="'head_pose' holds what is no turn"):
        FaceTrack.load(file)


@pytest.mark.parametrize("change", [lambda p: 0.0 * p, lambda p: 0.0 * p + 90.0])
def test_a_face_of_no_size_is_refused_where_one_was_found(tmp_path, change):
    frames = [unseen(0), *(seen(i) for i in range(1, 3)), unseen(3)]
    made = record(tmp_path / "t.npz", frames, stills=True)
    assert not made.landmarks[[0, 3]].any(), "pictures without a face have no landmarks"
    assert len(FaceTrack.load(tmp_path / "t.npz")) == 4
    for rows in (slice(2, 3), slice(None)):
        marks = np.array(made.landmarks)
        marks[rows] = change(marks[rows])
        flat = dataclasses.replace(made, landmarks=marks)
        path = flat.save(tmp_path / "flat.npz")
        with pytest.raises(InputError, match="'landmarks' holds no face") as told:
            FaceTrack.load(path)
        assert (told.value.file, told.value.fix) == (str(path), "analyse the footage again")
        blind = {**made.meta, "coefficients": True}  # a take without pictures has none at all
        assert FaceTrack.load(dataclasses.replace(flat, meta=blind).save(path)).found.any()


def test_short_loss_is_bridged_long_loss_held_then_relaxed(tmp_path):
    frames = [unseen(i) for i in range(5)]
    frames += [seen(i, level=0.2, x=100) for i in range(5, 15)]
    frames += [unseen(i) for i in range(15, 20)]
    frames += [seen(i, level=0.8, x=200) for i in range(20, 30)]
    frames += [unseen(i) for i in range(30, 90)]
    frames += [seen(i, level=0.6, x=300) for i in range(90, 95)]
    made = record(tmp_path / "t.npz", frames)

    assert set(made.state[:5]) == {RESTING}
    assert set(made.state[15:20]) == {BRIDGED}
    assert made.state[30] == HELD
    assert made.state[60] == RESTING
    assert (made.state[90:] == TRACKED).all()
    assert (made.confidence[~made.found] == 0).all()
    assert all(made.face_jpeg(i) == b"" for i in range(15, 20))

    smile = made.arkit[:, ARKIT_INDEX["mouthSmileLeft"]]
    assert (np.diff(smile[14:21]) >= 0).all()
    np.testing.assert_allclose(smile[30:38], 0.8, atol=1e-5)
    np.testing.assert_allclose(smile[60:75], 0.0, atol=1e-5)
    assert np.abs(np.diff(smile)).max() < 0.2, "it jumps"
    assert np.abs(np.diff(made.landmarks[:, 0, 0])).max() < 40
    np.testing.assert_allclose(made.expression.sum(1), 1.0, atol=1e-5)
    assert made.expression[65, NEUTRAL] == pytest.approx(1.0)
    assert np.isfinite(made.head_pose).all()


def test_what_is_bridged_before_anything_is_seen_or_after_is_as_what_is_seen_next_to_it():
    """Cameras in a headset may not all see the first moments of a take, or its last."""
    state = np.array([BRIDGED] * 4 + [TRACKED] * 4 + [BRIDGED] * 3, np.uint8)
    values = np.where(state == TRACKED, 0.7, 0.1)
    filled = fill_lost(np.arange(len(state)) / 25.0, state, values)
    np.testing.assert_allclose(filled, 0.7)


def test_head_turns_the_short_way_through_a_loss(tmp_path):
    def turned(index, degrees):
        frame = seen(index)
        a = np.radians(degrees)
        frame.observation.head_pose[:3, :3] = [
            [np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)],
        ]  # fmt: skip
        return frame

    frames = [turned(0, -20), *(unseen(i) for i in range(1, 8)), turned(8, 20)]
    pose = record(tmp_path / "t.npz", frames).head_pose
    yaw = np.degrees(np.arctan2(pose[:, 0, 2], pose[:, 2, 2]))
    assert (np.diff(yaw) > 0).all()
    assert yaw[4] == pytest.approx(0, abs=1e-3)
    np.testing.assert_allclose(np.linalg.det(pose[:, :3, :3]), 1.0, atol=1e-5)


def test_lost_pictures_are_at_rest_and_keep_their_names(tmp_path):
    frames = [seen(0, name="a"), unseen(1, "b"), seen(2, name="c")]
    made = record(tmp_path / "t.npz", frames, stills=True)
    assert made.meta["names"] == ["a", "b", "c"]
    assert list(made.state) == [TRACKED, RESTING, TRACKED]
    assert (made.arkit[1] == 0).all()
    assert (made.arkit[0] > 0).any()


def test_rig_units_may_be_left_out_where_there_is_no_face(tmp_path):
    with TrackRecorder(tmp_path / "t.npz", source="x") as rec:
        rec.add(unseen(0))
        rec.add(seen(1), None, {"mira:abc": np.full(4, 0.5)})
        rec.add(unseen(2))
        rec.add(seen(3), None, {"mira:abc": np.full(4, 0.7)})
        rec.finish()
    units = FaceTrack.load(tmp_path / "t.npz").rig_units["mira:abc"]
    assert units.shape == (4, 4)
    assert units.dtype == np.float32
    np.testing.assert_allclose(units[[1, 3], 0], [0.5, 0.7])
    assert 0.5 < units[2, 0] < 0.7


def test_rig_units_between_two_looks_are_on_the_way(tmp_path):
    with TrackRecorder(tmp_path / "t.npz", source="x") as rec:
        for i in range(5):
            rec.add(seen(i), None, {"mira:abc": np.full(4, 0.1 * i)} if i in (1, 3) else None)
        rec.finish()
    units = FaceTrack.load(tmp_path / "t.npz").rig_units["mira:abc"]
    np.testing.assert_allclose(units[:, 0], [0.1, 0.1, 0.2, 0.3, 0.3], atol=1e-6)


def test_no_face_and_no_frame_are_told_apart(tmp_path):
    with TrackRecorder(tmp_path / "t.npz", source="park.mp4") as rec:
        with pytest.raises(InputError, match="no frame"):
            rec.finish()
        rec.add(unseen(0))
        with pytest.raises(InputError, match=r"park\.mp4: no face was found in its 1 frames"):
            rec.finish()
    with TrackRecorder(tmp_path / "t.npz", source="park.mp4", face="3") as rec:
        rec.add(unseen(0))
        with pytest.raises(InputError, match=r"no face number 3.*--face"):
            rec.finish()
    assert not (tmp_path / "t.npz").exists()


def test_output_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match=r"t\.npz"):
        TrackRecorder(tmp_path / "nowhere" / "t.npz", source="x")


def test_memory_does_not_grow_with_the_clip(tmp_path):
    code = (
        "import sys, resource, numpy as np\n"
        "from exprgen.tests.networks.test_track import seen, TrackRecorder\n"
        "rng = np.random.default_rng(0)\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "noise = rng.integers(0, 255, (256, 256), dtype=np.uint8)\n"
        "from dataclasses import replace\n"
        "def run(n):\n"
        "    with TrackRecorder(sys.argv[1], source='x') as r:\n"
        "        for i in range(n): r.add(replace(seen(i), face=noise))\n"
        "        r.finish()\n"
        "run(60); early = peak(); run(600); print(peak() - early)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "t.npz"], capture_output=True, check=True
    )
    assert int(done.stdout) < 6_000  # KiB; 600 frames' faces and landmarks are 30 MB


def test_blinks_are_measured_against_the_clips_own_eyes():
    arkit = np.zeros((60, len(ARKIT_CHANNELS)), np.float32)
    found = np.ones(60, bool)
    for usual in (0.18, 0.27, 0.38):  # narrow, usual and large eyes
        lids = np.full((60, 2), usual, np.float32)
        lids += np.random.default_rng(0).normal(0, 0.004, lids.shape).astype(np.float32)
        lids[30:33] = [[0.5 * usual] * 2, [0.03] * 2, [0.5 * usual] * 2]
        blink = track_recorder.blink_amounts(lids, arkit, found)
        assert blink[31].min() == 1.0
        assert blink[:29].max() < 0.06


def test_gaze_does_not_dive_behind_a_blink():
    times = np.arange(40) / FPS
    found = np.ones(40, bool)
    blink = np.zeros((40, 2))
    blink[18:22] = 1.0
    gaze = np.zeros((40, 2, 2))
    gaze[16:24, :, 1] = 0.4
    mended = track_recorder.bridge_closed_eyes(times, found, gaze, blink)
    assert np.abs(mended[18:22]).max() <= 0.41 * 1.0
    gaze[16:18], gaze[22:24] = 0, 0
    assert np.abs(track_recorder.bridge_closed_eyes(times, found, gaze, blink)).max() < 1e-9


def test_eyes_that_stay_shut_keep_their_downward_look():
    times = np.arange(100) / FPS
    blink = np.zeros((100, 2))
    blink[20:80] = 1.0
    gaze = np.zeros((100, 2, 2))
    gaze[20:80, :, 1] = 0.4
    mended = track_recorder.bridge_closed_eyes(times, np.ones(100, bool), gaze, blink)
    assert mended[50, 0, 1] == pytest.approx(0.4)


def test_saving_again_keeps_everything(tmp_path):
    made = record(tmp_path / "t.npz", [seen(i) for i in range(300)])
    assert made.landmarks.nbytes > track.LARGE
    made.save(tmp_path / "t.npz")
    again = FaceTrack.load(tmp_path / "t.npz")
    for name in ("times", "landmarks", "face_bytes", "face_offsets", "arkit"):
        np.testing.assert_array_equal(getattr(again, name), getattr(made, name))


def test_a_partial_track_never_replaces_a_whole_one(tmp_path):
    whole, part = synthetic.face_track(frames=30), synthetic.face_track(frames=10)
    part.meta["partial"] = True
    path = tmp_path / "t.npz"
    assert part.save(path) == path, "nothing is there"
    assert part.save(path) == path, "partial over partial"
    assert whole.save(path) == path
    beside = part.save(path)
    assert beside == tmp_path / "t.partial.npz"
    assert (len(FaceTrack.load(path)), len(FaceTrack.load(beside))) == (30, 10)
    path.write_bytes(b"no track")
    assert part.save(path) == path, "what is there is nothing whole"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.npz", "t.partial.npz"]


def test_the_one_kind_of_track_is_not_the_other(tmp_path):
    """And it is told where the one that is asked for comes from."""
    seen_by = record(tmp_path / "seen.npz", [seen(i) for i in range(3)]).save(tmp_path / "a.npz")
    played = track.RigTrack(
        "ann", np.arange(2) / 25, ("smile",), np.zeros((2, 1), np.float32),
        np.zeros(2, np.uint8), np.full((2, len(EXPRESSIONS)), 1 / len(EXPRESSIONS), np.float32),
    ).save(tmp_path / "b.npz")  # fmt: skip
    with pytest.raises(InputError, match=r"not 'exprgen.face_track'.*exprgen analyse"):
        FaceTrack.load(played)
    with pytest.raises(InputError, match=r"not 'exprgen.rig_track'.*retarget --tracks"):
        track.RigTrack.load(seen_by)


@pytest.mark.parametrize("damage", ["cut", "text", "field"])
def test_damaged_track_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "t.npz"
    made = record(path, [seen(i) for i in range(3)])
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "text":
        path.write_text("not a track")
    else:
        columns = {n: getattr(made, n) for n in track._FACE_COLUMNS if n != "gaze"}
        track.save_arrays(path, "exprgen.face_track", {}, columns | {"face_bytes": made.face_bytes})
    with pytest.raises(InputError, match=r"t\.npz") as caught:
        FaceTrack.load(path)
    assert damage != "field" or "'gaze'" in str(caught.value)


@pytest.mark.parametrize(("stills", "time", "taken"), [
    (False, 599.0, True), (False, 700.0, False), (True, 700.0, True), (True, 20000.0, False),
])  # fmt: skip
def test_what_could_not_be_loaded_is_refused_at_once(tmp_path, stills, time, taken):
    frames = [seen(0, name="a"), dataclasses.replace(seen(1, name="b"), time=time)]
    if taken:
        assert record(tmp_path / "t.npz", frames, stills=stills).times[1] == time
        return
    with TrackRecorder(tmp_path / "t.npz", source="x", stills=stills) as rec:
        rec.add(frames[0])
        with pytest.raises(InputError, match=r"too long for one track.*gap of"):
            rec.add(frames[1])


@pytest.mark.parametrize("damage", ["pipe", "deep", "cut", "bytes"])
def test_a_damaged_track_is_no_whole_one(tmp_path, damage):
    """Whatever lies there, a partial track can be written."""
    path = tmp_path / "t.npz"
    whole = record(path, [seen(0), seen(1)])
    data = bytearray(path.read_bytes())
    if damage == "pipe":
        path.unlink()
        os.mkfifo(path)
    elif damage == "deep":
        np.savez(path, header=np.array("[" * 100_000))
    elif damage == "cut":
        path.write_bytes(data[:300])
    else:
        at = data.index(b"header.npy") + 20
        data[at : at + 40] = bytes(40)
        path.write_bytes(data)
    partial = dataclasses.replace(whole, meta={**whole.meta, "partial": True})
    assert partial.save(path) == path
    assert len(FaceTrack.load(path)) == 2


def test_what_was_read_in_the_mouth_is_kept_and_lost_frames_have_it_between(tmp_path):
    frames = [seen(0), seen(1), unseen(2), seen(3)]
    path = tmp_path / "t.npz"
    with TrackRecorder(path, source="x.mp4", fps=FPS) as recorder:
        for frame, out in zip(frames, (0.0, 0.2, 0.0, 0.8), strict=True):
            recorder.add(frame, mouth=np.array([out, 0.1, 0.2, 0.3]) if frame.found else None)
        recorder.finish()
    made = FaceTrack.load(path)
    assert made.mouth.dtype == np.float32
    assert np.allclose(made.mouth[:2, 0], (0.0, 0.2))
    assert 0.2 < made.mouth[2, 0] < 0.8
    assert np.allclose(made.mouth[:, 1:], (0.1, 0.2, 0.3), atol=1e-6)
    again = FaceTrack.load(made.save(tmp_path / "again.npz"))
    assert np.array_equal(again.mouth, made.mouth)


def test_a_track_whose_mouth_nobody_has_read_opens_as_ever(tmp_path):
    made = record(tmp_path / "t.npz", [seen(i) for i in range(3)])
    assert made.mouth is None
    assert FaceTrack.load(made.save(tmp_path / "again.npz")).mouth is None
    columns = {n: getattr(made, n) for n in track._FACE_COLUMNS} | {"face_bytes": made.face_bytes}
    for wrong in (np.zeros((3, 2), np.float32), np.full((3, 4), 7, np.float32)):
        track.save_arrays(tmp_path / "w.npz", "exprgen.face_track", {}, columns | {"mouth": wrong})
        with pytest.raises(InputError, match="'mouth'"):
            FaceTrack.load(tmp_path / "w.npz")
