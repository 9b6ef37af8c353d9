"""Images, folders and videos -> timed upright frames."""

import itertools
import struct
import subprocess
import sys
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from exprgen.networks.errors import InputError, UsageError
from exprgen.networks.footage import media, pictures, video

WIDTH, HEIGHT = 96, 64
CODECS = {
    "clip.mp4": ("libx264", "yuv420p"),
    "clip.mov": ("libx265", "yuv420p"),
    "clip.webm": ("libvpx-vp9", "yuv420p"),
    "clip.avi": ("mjpeg", "yuvj420p"),
}


def picture(index=0, width=WIDTH, height=HEIGHT):
    """Top left red, top right green, bottom left blue, bottom right as bright as its index."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2] = (230, 20, 20)
    rgb[: height // 2, width // 2 :] = (20, 230, 20)
    rgb[height // 2 :, : width // 2] = (20, 20, 230)
    rgb[height // 2 :, width // 2 :] = 10 * index % 250
    return rgb


def write_video(path, times, codec="libx264", pixels="yuv420p", size=(WIDTH, HEIGHT), **options):
    """A clip with a frame at each of `times` (seconds)."""
    base = Fraction(1, 1000) if path.suffix != ".avi" else Fraction(1, 25)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.time_base = base
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(index, *size), format="rgb24")
            frame.pts, frame.time_base = round(time / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def quarters(rgb):
    """Which of red, green, blue each quarter shows, clockwise from the top left; the rest '.'."""
    h, w = rgb.shape[:2]
    centres = [
        (h // 4, w // 4),
        (h // 4, 3 * w // 4),
        (3 * h // 4, 3 * w // 4),
        (3 * h // 4, w // 4),
    ]
    colours = [rgb[y, x].astype(int) for y, x in centres]
    return "".join("rgb"[c.argmax()] if np.ptp(c) > 100 else "." for c in colours)


@pytest.mark.parametrize("name", CODECS)
def test_every_container_gives_its_frames_at_their_times(tmp_path, name):
    codec, pixels = CODECS[name]
    times = [i / 25 for i in range(10)]
    path = write_video(tmp_path / name, times, codec, pixels)
    with media.open_reference(path) as reader:
        frames = list(reader)
    assert [f.index for f in frames] == list(range(10))
    np.testing.assert_allclose([f.time for f in frames], times, atol=1.5e-3)
    assert all(f.rgb.shape == (HEIGHT, WIDTH, 3) and f.rgb.dtype == np.uint8 for f in frames)
    assert quarters(frames[0].rgb) == "rg.b"
    assert not reader.stills
    assert not reader.partial
    assert reader.size == (WIDTH, HEIGHT)


def test_variable_frame_rate_keeps_the_clips_own_times(tmp_path):
    times = [0.0, 0.02, 0.1, 0.5, 0.52, 1.3]
    path = write_video(tmp_path / "vfr.mp4", times)
    np.testing.assert_allclose([f.time for f in media.open_reference(path)], times, atol=1.5e-3)


@pytest.mark.parametrize(("degrees", "shown"), [(90, "brg."), (180, ".brg"), (270, "g.br")])
def test_rotated_phone_clips_come_upright(tmp_path, degrees, shown):
    path = write_video(tmp_path / "phone.mp4", [0, 0.04])
    turn_clockwise(path, degrees)
    frame = next(iter(media.open_reference(path)))
    assert frame.size == ((HEIGHT, WIDTH) if degrees % 180 else (WIDTH, HEIGHT))
    assert frame.rgb.shape[1::-1] == frame.size
    expected = np.rot90(picture(), -degrees // 90)
    assert quarters(frame.rgb) == quarters(expected) == shown


def turn_clockwise(path, degrees):
    """Write a display matrix into an mp4's track header, as phones do."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    matrix = at + (40 if data[at] == 0 else 52)
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    one = 1 << 16
    values = (cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 1 << 30)
    data[matrix : matrix + 36] = struct.pack(">9i", *values)
    path.write_bytes(data)


def test_a_range_is_read_by_time(tmp_path):
    path = write_video(tmp_path / "clip.mp4", [i / 25 for i in range(50)])
    frames = list(media.open_reference(path, start=0.8, end=1.2))
    np.testing.assert_allclose([f.time for f in frames], np.arange(20, 30) / 25, atol=1e-6)
    assert [f.index for f in frames] == list(range(10))
    assert frames[0].rgb[-1, -1, 0] == pytest.approx(200, abs=8)


def test_large_video_is_reduced_but_speaks_in_its_own_pixels(tmp_path):
    path = write_video(tmp_path / "4k.mp4", [0], size=(3840, 2160))
    frame = next(iter(media.open_reference(path)))
    assert frame.size == (3840, 2160)
    assert max(frame.rgb.shape) == video.MAX_VIDEO_SIDE
    np.testing.assert_allclose(frame.scale, 2.0)


def test_truncated_video_gives_what_is_left_and_says_so(tmp_path):
    path = write_video(
        tmp_path / "cut.mp4", [i / 25 for i in range(100)], size=(320, 240), movflags="faststart"
    )
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    reader = media.open_reference(path)
    frames = list(reader)
    assert 10 < len(frames) < 100
    assert reader.partial
    assert "cut.mp4" in reader.notes[-1]


def test_video_cut_before_its_index_is_refused(tmp_path):
    path = write_video(tmp_path / "cut.mp4", [i / 25 for i in range(50)])
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(InputError, match=r"cut\.mp4: .*not a video"):
        media.open_reference(path)


def test_bad_files_are_refused_by_name(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("This is not a film. " * 50)
    (tmp_path / "text.png").write_text("This is not a picture.")
    np.savez(tmp_path / "seen.npz", times=np.zeros(3))
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "notes.txt").write_text("no pictures here")
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    for name, problem in {
        "missing.mp4": "does not exist",
        "empty.mp4": "is empty",
        "text.mp4": "not a video",
        "text.png": "not an image",
        "seen.npz": "is a track, no footage",
        "nothing": "holds no images",
        "sound.mp4": "no video stream",
    }.items():
        with pytest.raises(InputError, match=problem) as caught:
            list(media.open_reference(tmp_path / name))
        assert name in str(caught.value)
        assert caught.value.fix


def test_empty_ranges(tmp_path):
    path = write_video(tmp_path / "clip.mp4", [i / 25 for i in range(10)])
    with pytest.raises(UsageError, match="empty"):
        media.open_reference(path, start=1.0, end=1.0)
    with pytest.raises(UsageError, match="no frame in the range") as caught:
        list(media.open_reference(path, start=5.0, end=6.0))
    assert "s). Fix: " in str(caught.value)
    assert not caught.value.problem.endswith(".")


@pytest.mark.parametrize(
    "part", [(None, 0.3), (0.0, 0.2), (0.1, 0.3), (0.31, None), (0.2, 9.0), (None, None)]
)
def test_a_range_counts_the_frames_that_it_reads(tmp_path, part):
    path = write_video(tmp_path / "clip.mp4", [i / 25 for i in range(10)])
    with media.open_reference(path, start=part[0], end=part[1]) as reader:
        assert reader.count == len(list(reader))


@pytest.mark.parametrize("part", [{"start": 2.0}, {"end": 6.0}, {"start": 0.0, "end": 1.0}])
def test_a_range_of_pictures_is_refused(tmp_path, part):
    images = [tmp_path / f"{i}.png" for i in range(3)]
    for path in images:
        cv2.imwrite(str(path), picture()[..., ::-1])
    for reference in (images[0], images, tmp_path):
        assert media.open_reference(reference).stills
        with pytest.raises(UsageError, match=r"a range is of a clip's.*leave the range out"):
            media.open_reference(reference, **part)


def test_folder_in_natural_order_with_notes(tmp_path):
    for name in ("img10.png", "img2.png", "img1.jpg", "img1.png"):
        cv2.imwrite(str(tmp_path / name), picture()[..., ::-1])
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n and no more")
    reader = media.open_reference(tmp_path)
    frames = list(reader)
    assert [f.name for f in frames] == ["img1_jpg", "img1_png", "img2", "img10"]
    assert [f.time for f in frames] == [0.0, 1.0, 2.0, 3.0]
    assert reader.stills
    assert reader.partial
    assert any("readme.txt" in note for note in reader.notes)
    assert any("broken.png" in note for note in reader.notes)


def test_several_images_but_no_videos_together(tmp_path):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        cv2.imwrite(str(path), picture()[..., ::-1])
    assert [f.name for f in media.open_reference(paths)] == ["a", "b"]
    clip = write_video(tmp_path / "c.mp4", [0])
    with pytest.raises(UsageError, match=r"c\.mp4"):
        media.open_reference([*paths, clip])


def encode(tmp_path, array, name="x.png"):
    path = tmp_path / name
    assert cv2.imwrite(str(path), array)
    return path


def test_grey_alpha_and_sixteen_bits(tmp_path):
    rgb = picture(20)
    grey = pictures.read_image(encode(tmp_path, cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)))
    assert grey.shape == rgb.shape
    assert (np.ptp(grey, axis=2) == 0).all()

    deep = pictures.read_image(encode(tmp_path, rgb[..., ::-1].astype(np.uint16) * 257))
    np.testing.assert_array_equal(deep, rgb)

    for depth in (np.uint8, np.uint16):
        full = np.iinfo(depth).max
        bgra = np.dstack([rgb[..., ::-1].astype(depth) * (full // 255), np.full((64, 96), full)])
        bgra[:, :48, 3] = 0
        over = pictures.read_image(encode(tmp_path, bgra.astype(depth)))
        assert (over[:, :48] == pictures.ALPHA_GREY).all()
        np.testing.assert_array_equal(over[:, 48:], rgb[:, 48:])


@pytest.mark.parametrize("side", [48, 2400])
def test_stills_of_any_size(tmp_path, side):
    path = encode(tmp_path, picture(0, side, side)[..., ::-1])
    frame = next(iter(media.open_reference(path)))
    assert frame.size == (side, side)
    assert frame.rgb.shape == (side, side, 3)


def test_exif_orientation_of_stills(tmp_path):
    _, data = cv2.imencode(".jpg", picture()[..., ::-1])
    exif = (
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # 6: turn right
    )
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    path = tmp_path / "phone.jpg"
    path.write_bytes(data.tobytes()[:2] + segment + data.tobytes()[2:])
    assert quarters(pictures.read_image(path)) == quarters(np.rot90(picture(), -1))


def test_memory_does_not_grow_with_the_clip(tmp_path):
    path = write_video(tmp_path / "long.mp4", [i / 25 for i in range(150)], size=(480, 272))
    code = (
        "import resource, sys; from exprgen.networks.footage import media\n"
        "for f in media.open_reference(sys.argv[1]):\n"
        "    if f.index == 60: early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - early)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True)
    assert int(done.stdout) < 20_000  # KiB; the frames alone would be 35 MB


def test_prefetch_keeps_order_and_hands_errors_over():
    assert list(media.prefetch(range(50), depth=3)) == list(range(50))

    def breaks():
        yield 1
        raise InputError("broke")

    taken = media.prefetch(breaks())
    assert next(taken) == 1
    with pytest.raises(InputError, match="broke"):
        next(taken)


def test_prefetch_can_be_left_early():
    endless = media.prefetch(itertools.count())
    assert next(endless) == 0
    endless.close()
