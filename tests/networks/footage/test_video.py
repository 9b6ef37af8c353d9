"""Videos as they come: ranges, clocks, mirrors, thumbnails, sizes."""

import gc
import shutil
from fractions import Fraction

import av
import numpy as np
import pytest

from exprgen.networks.errors import InputError, UsageError
from exprgen.networks.footage import media, picture_size, video
from exprgen.tests.support.clips import number, picture, quarters, set_display_matrix, write_clip

FPS = 25
GROUP = 20  # frames
KINDS = {
    "clip.mp4": ("libx264", None, {"bf": "3", "g": str(GROUP)}),
    "clip.ts": ("libx264", "mpegts", {"bf": "3", "g": str(GROUP)}),
    "clip.mts": ("libx264", "mpegts", {"bf": "2", "g": str(GROUP)}),
    "clip.mpg": ("mpeg2video", "mpeg", {"bf": "2", "g": str(GROUP)}),
    "clip.avi": ("mpeg4", "avi", {"bf": "2", "g": str(GROUP)}),
    "open.mp4": ("libx265", None, {"x265-params": f"open-gop=1:keyint={GROUP}:log-level=none"}),
}


def times(count, start=0.0):
    return [start + i / FPS for i in range(count)]


def write(path, count=100, **options):
    codec, form, settings = KINDS.get(path.name, KINDS["clip.ts"])
    return write_clip(path, times(count), codec, form=form, options=settings, **options)


def read(path, **span):
    with media.open_reference(path, **span) as reader:
        return [(f.time, f.rgb) for f in reader], reader


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return {name: write(folder / name) for name in KINDS}


@pytest.mark.parametrize("span", [(0.5, 1.0), (1.52, 2.0), (0.78, 0.9), (3.0, None)])
@pytest.mark.parametrize("name", KINDS)
def test_a_range_gives_the_frames_that_the_whole_clip_gives(clips, name, span):
    whole, _ = read(clips[name])
    assert len(whole) == 100
    start, end = span
    wanted = [f for f in whole if start - 1e-6 <= f[0] < (end or 9) - 1e-6]
    found, reader = read(clips[name], start=start, end=end)
    np.testing.assert_allclose([t for t, _ in found], [t for t, _ in wanted])
    assert all((a == b).all() for (_, a), (_, b) in zip(found, wanted, strict=True))
    assert not reader.partial
    assert not reader.notes


@pytest.mark.parametrize("name", KINDS)
def test_a_range_between_two_frames_is_an_error(clips, name):
    with pytest.raises(UsageError, match="no frame in the range"):
        read(clips[name], start=1.001, end=1.03)


def test_a_range_that_a_damaged_clip_has_lost_is_a_fault_of_the_clip(clips, tmp_path):
    cut = tmp_path / "cut.avi"
    whole = clips["clip.avi"].read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    last = read(cut)[0][-1][0]
    with pytest.raises(InputError, match="before the range; its header promises"):
        read(cut, start=last + 0.2, end=last + 0.3)
    with pytest.raises(UsageError, match="no frame in the range"):
        read(cut, start=100.0, end=101.0)


def join(path, *parts):
    with open(path, "wb") as out:
        for part in parts:
            with open(part, "rb") as f:
                shutil.copyfileobj(f, out)
    return path


@pytest.mark.parametrize("shift", [0, 90 * 25, 3600 * 25])
def test_joined_takes_go_on_at_their_own_step(tmp_path, shift):
    first = write(tmp_path / "a.ts", 24)
    second = write(tmp_path / "b.ts", 24, shift=shift)
    joined = join(tmp_path / "joined.mts", first, second)
    found, reader = read(joined)
    np.testing.assert_allclose([t for t, _ in found], times(48), atol=1e-6)
    assert "starts again at 0.96 s" in reader.notes[0]
    assert not reader.partial
    part, _ = read(joined, start=1.2, end=1.6)
    assert [number(rgb) for _, rgb in part] == list(range(6, 16)), "of the second take"
    assert part[0][0] == pytest.approx(1.2)


def test_frames_without_timestamps_begin_at_zero(tmp_path):
    raw = write(tmp_path / "raw.h264", 20)
    raw = write_clip(raw, times(20), form="h264")
    found, _ = read(raw)
    np.testing.assert_allclose([t for t, _ in found], times(20), atol=1e-6)
    part, _ = read(raw, start=0.4, end=0.6)
    assert [number(rgb) for _, rgb in part] == [10, 11, 12, 13, 14]


def test_negative_timestamps_begin_at_zero(tmp_path):
    path = write(tmp_path / "late.ts", 30, shift=40)
    early = tmp_path / "early.mkv"
    with (
        av.open(str(path)) as source,
        av.open(str(early), "w", options={"avoid_negative_ts": "disabled"}) as out,
    ):
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                back = round(20 / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - back, packet.dts - back, stream
                out.mux(packet)
    for clip in (path, early):
        found, _ = read(clip)
        np.testing.assert_allclose([t for t, _ in found], times(30), atol=1.5e-3)


def test_a_track_of_thumbnails_is_not_taken_for_the_film(tmp_path):
    path = tmp_path / "thumb.mkv"
    with av.open(str(path), "w") as out:
        thumb, film = out.add_stream("mjpeg", rate=FPS), out.add_stream("libx264", rate=FPS)
        thumb.pix_fmt, film.pix_fmt = "yuvj420p", "yuv420p"
        for stream, size in ((thumb, (320, 240)), (film, (96, 64))):
            stream.width, stream.height = size
            stream.codec_context.time_base = Fraction(1, FPS)
        for stream, count in ((thumb, 1), (film, 20)):
            for i in range(count):
                shown = picture(i, stream.width, stream.height)
                frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
                frame.pts, frame.time_base = i, Fraction(1, FPS)
                out.mux(stream.encode(frame))
            out.mux(stream.encode())
    found, reader = read(path)
    assert len(found) == 20
    assert reader.size == (96, 64)


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), picture()),
        ((-1, 0, 0, 1), picture()[:, ::-1]),
        ((1, 0, 0, -1), picture()[::-1]),
        ((-1, 0, 0, -1), picture()[::-1, ::-1]),
        ((0, 1, -1, 0), np.rot90(picture(), -1)),
        ((0, -1, 1, 0), np.rot90(picture())),
        ((0, 1, 1, 0), picture().swapaxes(0, 1)),
        ((0, -1, -1, 0), picture()[::-1, ::-1].swapaxes(0, 1)),
    ],
)
def test_each_of_the_eight_display_matrices(tmp_path, matrix, shown):
    path = write(tmp_path / "clip.mp4", 3)
    set_display_matrix(path, matrix)
    found, reader = read(path)
    assert quarters(found[0][1]) == quarters(shown)
    assert reader.size == shown.shape[1::-1]


@pytest.mark.parametrize("name", KINDS)
def test_a_frame_that_was_read_is_gone_without_python_looking_for_rings(clips, name):
    gc.collect()
    gc.disable()
    try:
        with media.open_reference(clips[name]) as reader:
            for i, _ in enumerate(reader):
                if i % 25 == 24:  # to look at all objects takes longer than to read a frame
                    kept = sum(isinstance(o, av.VideoFrame) for o in gc.get_objects())
                    assert kept <= 8  # the decoder's own, and the first, whose side data was read
    finally:
        gc.enable()


def test_the_full_picture_can_be_had_of_a_reduced_one(tmp_path):
    path = write_clip(tmp_path / "4k.mp4", [0], size=(3840, 2160))
    (frame,) = media.open_reference(path)
    assert max(frame.rgb.shape) == video.MAX_VIDEO_SIDE
    whole = frame.unreduced()
    assert whole.rgb.shape == (2160, 3840, 3)
    assert quarters(whole.rgb) == quarters(frame.rgb)
    turned = frame.turned(1)
    assert turned.size == (2160, 3840)
    assert turned.unreduced().rgb.shape == (3840, 2160, 3)
    assert frame.turned(4) is frame


def test_a_video_that_declares_too_many_pixels_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "clip.mp4", 3)
    monkeypatch.setattr(picture_size, "MAX_PIXELS", 96 * 64 - 1)
    with pytest.raises(InputError, match="declares 96 x 64 pixels"):
        media.open_reference(path)
