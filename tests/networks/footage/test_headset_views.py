"""Clips of cameras in a headset -> triples at common times, and a FaceTrack of them."""

import threading
from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from exprgen.networks import pipeline
from exprgen.networks.errors import InputError, ModelError, UsageError
from exprgen.networks.footage.headset_views import HeadsetClips
from exprgen.networks.models.headset import headset
from exprgen.networks.models.weights_io import WeightsInfo, save_network
from exprgen.networks.models.weights_places import WEIGHTS, WEIGHTS_VARIABLE
from exprgen.networks.perception import headset as perceived
from exprgen.networks.track import BRIDGED, FaceTrack
from exprgen.networks.vocabulary import ARKIT_INDEX, HEADSET_SIZE


def view(time: float, which: int, side: int = 64, tint: int = 0) -> np.ndarray:
    """A grey picture whose brightness tells its time, its upper left corner which view it is."""
    grey = np.full((side, side, 3), round(40 + 60 * time), np.uint8)
    grey[: side // 4, : side // 4] = 60 * which
    grey[..., 0] += np.uint8(tint)
    return grey


def written(path, times, frames):
    """A clip of these frames, nearly without loss; timestamps to a millisecond."""
    step = Fraction(1, 1000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"qp": "1"})
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], len(frames[0]), "yuv420p"
        stream.codec_context.time_base = step
        for time, rgb in zip(times, frames, strict=True):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = round(time / step), step
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def clip(path, times, which: int, **options):
    return written(path, times, [view(t, which, **options) for t in times])


def three(folder, rates=(30, 30, 30), seconds=(1.0, 1.0, 1.0), **options):
    """Three clips of one take."""
    folder.mkdir(exist_ok=True)
    return [
        clip(folder / f"{n}.mp4", [i / r for i in range(round(r * s))], k, **options)
        for k, (n, r, s) in enumerate(zip(("left", "right", "mouth"), rates, seconds, strict=True))
    ]


def told(triple) -> np.ndarray:
    """Seconds that the views' brightness tells."""
    return (triple.views[:, 24:, 24:].mean((1, 2)) - 40) / 60


def test_the_nearest_frames_of_unequal_clips_stand_together(tmp_path):
    with HeadsetClips(three(tmp_path / "c", rates=(30, 24, 12))) as clips:
        found = list(clips)
    assert clips.fps == pytest.approx(30, abs=0.1)
    assert [t.time for t in found] == pytest.approx([i / 30 for i in range(30)], abs=1e-3)
    assert all(t.views.shape == (3, HEADSET_SIZE, HEADSET_SIZE) for t in found)
    for triple in found[:25]:
        assert np.abs(told(triple) - triple.time)[0] < 0.02
        assert np.abs(told(triple) - triple.time).max() < 0.07
        assert triple.views[2, 4, 4] > triple.views[1, 4, 4] > triple.views[0, 4, 4]


def test_dropped_frames_are_told_and_bridged(tmp_path):
    paths = three(tmp_path / "c")
    kept = [i / 30 for i in range(30) if not 8 <= i < 20]
    clip(paths[1], kept, 1)
    with HeadsetClips(paths) as clips:
        whole = np.array([t.whole for t in clips])
    assert whole[:8].all()
    assert not whole[12:16].any()
    assert whole[22:].all()


def test_views_side_by_side_are_taken_apart(tmp_path):
    times = [i / 10 for i in range(6)]
    frames = [np.concatenate([view(t, k) for k in range(3)], axis=1) for t in times]
    path = written(tmp_path / "t.mp4", times, frames)
    with HeadsetClips([path]) as clips:
        found = list(clips)
    assert len(found) == 6
    assert found[0].views[2, 4, 4] > found[0].views[1, 4, 4] > found[0].views[0, 4, 4]


def test_what_is_no_headset_is_refused_by_name(tmp_path):
    paths = three(tmp_path / "c", seconds=(2.0, 2.0, 1.2))
    with pytest.raises(InputError, match=r"1\.20 s, another of the views 2\.00 s") as error:
        HeadsetClips(paths)
    assert error.value.file.endswith("mouth.mp4")
    with pytest.raises(UsageError, match="3 views, not 2"):
        HeadsetClips(paths[:2])
    with pytest.raises(UsageError, match="twice"):
        HeadsetClips([paths[0], paths[0], paths[2]])
    with pytest.raises(InputError, match=r"no such file|not exist|missing|not there"):
        HeadsetClips([paths[0], paths[1], tmp_path / "none.mp4"])
    for options, words in (({"tint": 90}, "in colour"), ({"side": 16}, "16 x 16")):
        odd = clip(tmp_path / "odd.mp4", [0.0, 0.1, 0.2], 0, **options)
        even = [clip(tmp_path / f"{k}.mp4", [0.0, 0.1, 0.2], k) for k in (1, 2)]
        with HeadsetClips([odd, *even]) as clips, pytest.raises(InputError, match=words):
            list(clips)
    with HeadsetClips([paths[0]]) as clips, pytest.raises(InputError, match="no single one"):
        list(clips)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A folder with the shipped networks and an untrained one for headsets."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for path in WEIGHTS.glob("*"):
        if path.stem != "headset":
            (folder / path.name).symlink_to(path)
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(folder))
    torch.manual_seed(0)
    save_network(folder / "headset.safetensors", headset(), WeightsInfo("headset"))
    return folder


def test_a_capture_becomes_a_track_of_coefficients(tmp_path, weights):
    paths = three(tmp_path / "c")
    clip(paths[1], [i / 30 for i in range(30) if not 8 <= i < 20], 1)
    words = {"reference": [str(p) for p in paths], "out": str(tmp_path / "t.npz")}
    request = pipeline.AnalyseRequest.from_json({**words, "headset": True, "calibrate": 0.2})
    done = pipeline.analyse(request, lambda message: None, threading.Event())
    track = FaceTrack.load(done.track)
    assert done.frames == len(track) == 30
    assert track.meta["coefficients"] is True
    assert (track.state == BRIDGED).any()
    assert done.found == int(track.found.sum()) < 30
    assert 0 <= track.arkit.min() <= track.arkit.max() <= 1
    assert np.ptp(track.arkit, axis=0).max() > 0


def test_a_covered_camera_and_a_neutral_without_end_are_refused(tmp_path, weights):
    paths = three(tmp_path / "c")
    words = {"reference": [str(p) for p in paths], "out": str(tmp_path / "t.npz"), "headset": True}

    def analyse(**more):
        request = pipeline.AnalyseRequest.from_json({**words, **more})
        return pipeline.analyse(request, lambda message: None, threading.Event())

    with pytest.raises(InputError, match=r"left\.mp4: lasts 1\.00 s.*--calibrate"):
        analyse(calibrate=9)
    times = [i / 30 for i in range(30)]
    written(paths[2], times, [np.full_like(view(t, 2), 9) for t in times])
    with pytest.raises(InputError, match=rf"{paths[2].name}.*shows nothing in 30 moments"):
        analyse()
    assert not (tmp_path / "t.npz").exists()


def test_without_the_network_it_says_how_to_train_one(weights):
    (weights / "headset.safetensors").unlink()
    with pytest.raises(ModelError) as error:
        perceived.load_headset_reader()
    assert "exprgen train headset" in error.value.fix


def test_what_is_missing_lies_between_its_neighbours_and_eyes_look_where_channels_say():
    times, there = np.arange(5.0), np.array([True, False, False, True, True])
    answer = np.zeros((5, 52), np.float32)
    answer[3:, 0] = 0.9
    assert perceived.bridged(times, answer, there)[:, 0] == pytest.approx([0, 0.3, 0.6, 0.9, 0.9])
    looking = np.zeros((1, 52))
    looking[0, ARKIT_INDEX["eyeLookOutLeft"]] = looking[0, ARKIT_INDEX["eyeLookInRight"]] = 1.0
    angles = perceived.eye_angles(looking)[0]
    assert angles[3] == angles[6] == pytest.approx(0.6)
