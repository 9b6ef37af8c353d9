"""Pictures as files: depth, size, numbers, what moves, what is no file."""

import os
import struct
import time
import zlib
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from exprgen.networks.errors import InputError, UsageError
from exprgen.networks.footage import media, picture_size, pictures
from exprgen.networks.footage.stills import places
from exprgen.tests.support.clips import number, picture


def save(path, rgb, *options):
    path.write_bytes(cv2.imencode(path.suffix, rgb[..., ::-1], list(options))[1].tobytes())
    return path


# --- sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ending", [".png", ".jpg", ".jp2", ".bmp", ".tif", ".webp", ".ppm", ".pgm"]
)
def test_the_size_is_read_before_the_picture(ending):
    rgb = picture(width=94)
    if ending == ".pgm":
        rgb = rgb[..., 0]
    data = cv2.imencode(ending, rgb)[1].tobytes()
    assert picture_size.declared_size(data) == (94, 64)
    assert picture_size.declared_size(data[:6]) is None


def test_size_of_a_webp_without_loss_and_of_a_gif():
    data = cv2.imencode(".webp", picture(), [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    assert picture_size.declared_size(data) == (96, 64)
    assert picture_size.declared_size(b"GIF89a" + struct.pack("<HH", 31, 7)) == (31, 7)
    assert picture_size.declared_size(b"P5 # (c)\n# and more\n30000\n20000 255\n") == (30000, 20000)


def bomb(path, side=20000):
    """A PNG of a single colour, side x side, in some kilobytes."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    packer = zlib.compressobj(1)
    line = bytes(1 + 3 * side)
    body = b"".join(packer.compress(line) for _ in range(50)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", body), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def test_a_picture_bomb_is_refused_by_its_header(tmp_path):
    began = time.process_time()  # others are at work on this machine
    with pytest.raises(InputError, match=r"20000 x 20000 pixels, more than 268 million"):
        media_list(bomb(tmp_path / "bomb.png"))
    assert time.process_time() - began < 1.0


def media_list(path, **span):
    with media.open_reference(path, **span) as reader:
        return list(reader)


def test_what_is_no_file_is_said_at_once(tmp_path):
    loop, pipe = tmp_path / "loop.png", tmp_path / "pipe.png"
    loop.symlink_to(loop)
    os.mkfifo(pipe)
    (tmp_path / "folder.png").mkdir()
    for path, told in {
        loop: "leads back to itself",
        pipe: "is a pipe or a device",
        "/dev/zero": "is a pipe or a device",
        tmp_path / "folder.png": "holds no images",
        tmp_path / "a\0b.png": "can't be read|does not exist",
        tmp_path / "x" / "y.png": "does not exist",
    }.items():
        with pytest.raises(InputError, match=told):
            media_list(path)
        with pytest.raises(InputError):
            pictures.read_image(path)


@pytest.mark.parametrize("given", ["files", "folder"])
def test_damaged_ones_of_several_are_left_out(tmp_path, given):
    (tmp_path / "a.png").write_bytes(b"no picture")
    (tmp_path / "b.png").write_bytes(b"")
    save(tmp_path / "c.png", picture(1))
    several = sorted(tmp_path.iterdir()) if given == "files" else tmp_path
    with media.open_reference(several) as reader:
        assert len(list(reader)) == 1
    assert reader.partial
    no_image = "skipped, is not an image that can be read. Fix: export it as .png or .jpg"
    assert reader.notes == [
        f"{tmp_path}/a.png: {no_image}",
        f"{tmp_path}/b.png: skipped, is empty. Fix: copy or export it again",
    ]
    (tmp_path / "c.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"a\.png: is not an image"):
        media_list(several)


# --- depth ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [np.float32, np.float64])
@pytest.mark.parametrize("packed", [1, 5])
def test_floats_from_0_to_1_are_as_bright_as_bytes(tmp_path, depth, packed):
    rgb = picture(12)
    option = (cv2.IMWRITE_TIFF_COMPRESSION, packed)
    path = save(tmp_path / "x.tif", (rgb / 255).astype(depth), *option)
    np.testing.assert_array_equal(pictures.read_image(path), rgb)
    grey = (rgb[..., 1:2] / 255).astype(depth)
    grey[0, 0] = np.nan
    read = pictures.read_image(save(tmp_path / "grey.tif", grey, *option))
    np.testing.assert_array_equal(read[1:], np.repeat(rgb[1:, :, 1:2], 3, axis=2))
    bright = save(tmp_path / "bright.tif", np.full((8, 8, 3), 7, depth), *option)
    assert (pictures.read_image(bright) == 255).all()


def test_floats_with_alpha(tmp_path):
    rgba = np.dstack([picture(12)[..., ::-1] / 255, np.ones((64, 96))]).astype(np.float32)
    rgba[:, :48, 3] = 0
    data = cv2.imencode(".tif", rgba, [cv2.IMWRITE_TIFF_COMPRESSION, 1])[1]
    (tmp_path / "x.tif").write_bytes(data.tobytes())
    read = pictures.read_image(tmp_path / "x.tif")
    assert (read[:, :48] == pictures.ALPHA_GREY).all()
    np.testing.assert_array_equal(read[:, 48:], picture(12)[:, 48:])


def test_a_picture_is_read_under_any_name(tmp_path):
    path = save(tmp_path / "第12話_Gesicht_é.png", picture(9))
    np.testing.assert_array_equal(pictures.read_image(path), picture(9))


# --- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([1, 2, 3, 4], [0, 1, 2, 3]),
        ([7, 8, 11, 12], [0, 1, 4, 5]),
        ([10, 12, 14, 18, 20], [0, 1, 2, 4, 5]),  # every second one
        ([1, 4, 77], [0, 1, 2]),
        ([1, 3, 4, 6, 7, 8], [0, 2, 3, 5, 6, 7]),
        ([2034, 2041, 2100, 2101], [0, 1, 2, 3]),  # a camera's numbers, no sequence
        ([5, 9], [0, 1]),
    ],
)
def test_places_of_numbered_files(tmp_path, numbers, expected):
    found, told = places([tmp_path / f"shot2_{n:04d}.png" for n in numbers])
    assert found == expected
    assert ("lacks number" in told) == (expected[-1] > len(expected) - 1)
    steps = np.diff(numbers)
    assert bool(told) == bool((steps != steps[0]).any()), "told wherever it could be either"
    assert "if they are" in told or not told, "and how to have it otherwise"


@pytest.mark.parametrize("name", ["IMG_{}.jpg", "dsc0{:03}.JPG", "P100{:04}.jpg", "PXL_{}.png"])
@pytest.mark.parametrize("numbers", [(1, 4, 77), (3, 4, 6, 7)])
def test_photographs_stand_side_by_side(tmp_path, name, numbers):
    found, told = places([tmp_path / name.format(n) for n in numbers])
    assert found == [*range(len(numbers))]
    assert "taken for photographs" in told


def test_digits_that_are_no_number_are_text_in_names(tmp_path):
    names = ("img2.png", "img10.png", "img\u00b2.png", "1\u00b22.png")
    for name in names:
        cv2.imencode(".png", np.zeros((40, 60, 3), np.uint8))[1].tofile(tmp_path / name)
    with media.open_reference(tmp_path) as reader:
        found = [frame.name for frame in reader]
    assert found.index("img2") < found.index("img10")
    assert sorted(found) == sorted(name.removesuffix(".png") for name in names)


def test_a_sequence_keeps_its_gaps(tmp_path):
    for n in (1, 2, 3, 6, 8, 9):
        save(tmp_path / f"f.{n:03d}.png", picture(n))
    with media.open_reference(tmp_path) as reader:
        frames = list(reader)
    assert [f.time for f in frames] == [0, 1, 2, 5, 7, 8]
    assert [number(f.rgb) for f in frames] == [1, 2, 3, 6, 8, 9]
    assert [f.index for f in frames] == list(range(6))
    assert "lacks number 4-5, 7; taken for a sequence" in reader.notes[0]


def test_a_damaged_picture_leaves_its_place_empty(tmp_path):
    for n in range(1, 5):
        save(tmp_path / f"f{n}.png", picture(n))
    (tmp_path / "f3.png").write_bytes(b"\x89PNG\r\n and no more")
    with media.open_reference(tmp_path) as reader:
        assert [f.time for f in reader] == [0, 1, 3]
    assert reader.partial


# --- what moves ----------------------------------------------------------------------------------


def animate(path, codec, pixels, count=8, form=None):
    """Frames 0.25 s apart."""
    base = Fraction(1, 4)
    with av.open(str(path), "w", format=form) as out:
        stream = out.add_stream(codec, rate=4)
        stream.width, stream.height, stream.pix_fmt = 96, 64, pixels
        stream.codec_context.time_base = base
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(picture(3 * i), format="rgb24")
            frame.pts, frame.time_base = i, base
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


MOVING = {
    "a.webp": ("libwebp_anim", "bgra", None),
    "b.webp": ("libwebp_anim", "yuv420p", None),
    "a.png": ("apng", "rgb24", "apng"),
    "a.gif": ("gif", "rgb8", None),
    "a.avif": ("libsvtav1", "yuv420p", "avif"),
}


@pytest.mark.parametrize("name", MOVING)
def test_an_animated_picture_is_a_clip_with_its_own_times(tmp_path, name):
    codec, pixels, form = MOVING[name]
    tolerance = 3 if name.endswith(".gif") else 1  # few greys in its palette
    if codec not in av.codecs_available:
        pytest.skip(f"no {codec} here")
    path = animate(tmp_path / name, codec, pixels, form=form)
    with media.open_reference(path) as reader:
        frames = list(reader)
        assert not reader.stills
    np.testing.assert_allclose([f.time for f in frames], np.arange(8) / 4, atol=1e-3)
    assert [number(f.rgb) for f in frames] == pytest.approx(
        [3 * i for i in range(8)], abs=tolerance
    )
    assert frames[0].rgb.shape == (64, 96, 3)
    assert not reader.partial
    part = media_list(path, start=0.5, end=1.25)
    assert [number(f.rgb) for f in part] == pytest.approx([6, 9, 12], abs=tolerance)
    with pytest.raises(UsageError, match="range"):
        media_list(path, start=9.0)


def test_webp_frames_that_change_a_part_of_the_canvas(tmp_path):
    def part(rgb, left, top, milliseconds, flags):
        data = cv2.imencode(".webp", rgb[..., [2, 1, 0, 3]], [cv2.IMWRITE_WEBP_QUALITY, 101])[1]
        sides = (left // 2, top // 2, rgb.shape[1] - 1, rgb.shape[0] - 1, milliseconds)
        head = b"".join(n.to_bytes(3, "little") for n in sides) + bytes([flags])
        return chunk(b"ANMF", head + data.tobytes()[12:])

    def chunk(kind, data):
        return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)

    red = np.full((8, 8, 4), (255, 0, 0, 255), np.uint8)
    hole = np.full((4, 4, 4), (0, 255, 0, 0), np.uint8)
    half = np.full((4, 4, 4), (0, 0, 255, 128), np.uint8)
    size = (7).to_bytes(3, "little") * 2
    body = b"WEBP" + chunk(b"VP8X", bytes([0x12, 0, 0, 0]) + size) + chunk(b"ANIM", bytes(6))
    body += part(red, 0, 0, 40, 2) + part(half, 4, 4, 0, 0) + part(hole, 0, 0, 80, 2)
    path = tmp_path / "x.webp"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    first, second, third = media_list(path)
    assert [f.time for f in (first, second, third)] == pytest.approx([0, 0.04, 0.14])
    assert (first.rgb == (255, 0, 0)).all()
    np.testing.assert_allclose(second.rgb[5, 5], (127, 0, 128), atol=1)
    assert (second.rgb[1, 1] == (255, 0, 0)).all()
    assert (third.rgb[1, 1] == pictures.ALPHA_GREY).all(), "put there unblended: transparent"
    np.testing.assert_allclose(third.rgb[5, 5], (127, 0, 128), atol=1)


def test_a_cut_webp_gives_what_is_left(tmp_path):
    path = animate(tmp_path / "a.webp", "libwebp_anim", "bgra")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    assert 0 < len(media_list(path)) < 8


def test_in_a_folder_what_moves_is_a_picture_with_a_note(tmp_path):
    animate(tmp_path / "a.png", "apng", "rgb24", form="apng")
    save(tmp_path / "b.png", picture(1))
    pages = cv2.imencodemulti(".tif", [picture(), picture(5), picture(9)])[1].tobytes()
    (tmp_path / "c.tif").write_bytes(pages)
    with media.open_reference(tmp_path) as reader:
        assert len(list(reader)) == 3
    assert "a.png: moves" in reader.notes[0]
    assert "c.tif: holds 3 pictures" in reader.notes[1]


def box(kind, *content):
    data = b"".join(content)
    return struct.pack(">I", len(data) + 8) + kind + data


def test_a_heic_of_tiles_is_refused_with_what_helps(tmp_path):
    def item(index, kind):
        return box(b"infe", bytes([2, 0, 0, 0]), struct.pack(">HH", index, 0), kind, b"\0")

    none = bytes(4)
    items = box(b"iinf", none, struct.pack(">H", 2), item(1, b"hvc1"), item(2, b"grid"))
    sizes = box(b"iprp", box(b"ipco", box(b"ispe", none, struct.pack(">II", 4032, 3024))))
    first = box(b"pitm", none, struct.pack(">H", 2))
    start = box(b"ftyp", b"heic", none, b"mif1heic")
    path = tmp_path / "phone.heic"
    path.write_bytes(start + box(b"meta", none, first, items, sizes))
    with pytest.raises(InputError, match="tiles") as caught:
        media_list(path)
    assert ".jpg" in caught.value.fix


def test_avif_is_a_picture(tmp_path):
    path = tmp_path / "x.avif"
    try:
        animate(path, "libsvtav1", "yuv420p", count=1, form="avif")
    except (av.FFmpegError, ValueError) as error:
        pytest.skip(f"nothing writes AVIF here: {error}")
    with media.open_reference(path) as reader:
        (frame,) = reader
    assert reader.stills
    assert frame.rgb.shape == (64, 96, 3)
