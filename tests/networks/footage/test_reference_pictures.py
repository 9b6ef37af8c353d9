"""Pictures for the window's overlay: what they show of the frame, all of one size."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
pytest.importorskip("av")

from exprgen.networks.errors import InputError
from exprgen.networks.footage.reference_pictures import (
    FramesRequest,
    around_face,
    decoded,
    thumbnail,
    write_frames,
)
from exprgen.networks.vocabulary import LANDMARKS
from exprgen.tests.support import synthetic


def placed(track, boxes, **meta):
    """A track whose face lies in these boxes (x, y, side), pixels."""
    landmarks = track.landmarks.copy()
    spots = np.random.default_rng(0).random((len(LANDMARKS), 2))
    spots[:2] = (0, 0), (1, 1)
    for row, (x, y, side) in enumerate(boxes):
        landmarks[row, list(LANDMARKS.values()), :2] = spots * side + (x, y)
    return replace(track, landmarks=landmarks, meta=track.meta | meta)


def test_of_a_clip_one_part_holds_the_face_wherever_it_goes():
    boxes = [(100 + 4 * i, 200, 80) for i in range(30)]
    track = placed(synthetic.face_track(frames=30), boxes, size=[1920, 1080], turns=0)
    part = around_face(track, 3)
    np.testing.assert_array_equal(part, around_face(track, 20))
    x, y, width, height = part
    assert 0 <= x <= 100
    assert x + width >= 100 + 4 * 29 + 80
    assert y <= 200
    assert y + height >= 280
    assert width * height < 0.1 * 1920 * 1080, "large enough to judge"
    nowhere = replace(track, landmarks=np.zeros_like(track.landmarks))
    assert around_face(nowhere).tolist() == [0, 0, 1920, 1080]
    upright = replace(nowhere, meta=nowhere.meta | {"turns": 1})
    assert around_face(upright).tolist() == [0, 0, 1080, 1920]


def test_photographs_of_any_size_become_pictures_of_one(tmp_path):
    """Each shows its own face, as large as the others' are."""
    folder = tmp_path / "photos"
    folder.mkdir()
    sizes, boxes = [(640, 480), (300, 400)], [(300, 200, 60), (20, 250, 120)]
    for i, ((width, height), (x, y, side)) in enumerate(zip(sizes, boxes, strict=True)):
        picture = np.zeros((height, width, 3), np.uint8)
        picture[y : y + side, x : x + side] = 255
        cv2.imwrite(str(folder / f"{i:03}.png"), picture)
    track = placed(synthetic.face_track(frames=2, stills=True), boxes, size=[640, 480], turns=0)
    track.save(tmp_path / "track.npz")
    request = FramesRequest([str(folder)], str(tmp_path / "track.npz"), str(tmp_path / "out"), 24.0)
    made = write_frames(request, lambda message: None, threading.Event())
    assert (made["count"], made["size"], made["partial"]) == (2, [480, 480], False)
    shown = [cv2.imread(str(tmp_path / "out" / (made["pattern"] % i)), 0) for i in (1, 2)]
    assert all(s.shape == (480, 480) for s in shown)
    shares = [float((s > 128).mean()) for s in shown]
    assert shares[0] == pytest.approx(shares[1], rel=0.05), "the faces are as large"
    assert 0.1 < shares[0] < 0.4
    thumbnail([str(folder)], str(tmp_path / "track.npz"), tmp_path / "thumb.png")
    assert cv2.imread(str(tmp_path / "thumb.png")).shape[:2] == (256, 256)


def clip(path, size, frames=3):
    film = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25.0, size)
    for _ in range(frames):
        film.write(np.full((size[1], size[0], 3), 90, np.uint8))
    film.release()
    return [str(path)]


def test_a_smaller_copy_of_a_clip_stands_for_it(tmp_path):
    """And what is no copy is refused, and not cut where no face is."""
    track = synthetic.face_track(frames=3)
    track = replace(track, meta=track.meta | {"size": [1280, 720], "turns": 0})
    for size in ((1280, 720), (320, 180)):
        small = clip(tmp_path / f"{size[0]}.mp4", size)
        for _, frame in decoded(small, track):
            np.testing.assert_allclose(frame.scale, 1280 / size[0])
    with pytest.raises(InputError, match=r"other\.mp4: has pictures of 320 x 320"):
        next(decoded(clip(tmp_path / "other.mp4", (320, 320)), track))
    upright = replace(track, meta=track.meta | {"turns": 1})
    _, frame = next(decoded(clip(tmp_path / "turned.mp4", (640, 360)), upright))
    assert frame.rgb.shape[:2] == (640, 360)
    np.testing.assert_allclose(frame.scale, 2.0)
