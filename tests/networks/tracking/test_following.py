"""One face through a clip: crossings, small faces, faces that do not stand upright."""

import cv2
import numpy as np
import pytest

from exprgen.networks.footage.frames import Frame
from exprgen.networks.tracking.face_finder import FaceFinder
from exprgen.networks.tracking.face_tracker import FaceTracker
from exprgen.tests.support.drawn_face import draw, scene

FPS = 25
OTHER = (150, 105, 80)


pytestmark = pytest.mark.usefixtures("landmarks_known")


def frames(pictures):
    return [Frame(i, i / FPS, picture, picture.shape[1::-1]) for i, picture in enumerate(pictures)]


def follow(pictures, face="largest"):
    with FaceTracker(face) as tracker:
        return [tracker.track(frame) for frame in frames(pictures)], tracker


def x_of(tracked):
    return float(tracked.observation.landmarks[:, 0].mean())


def cut_out(size, skin):
    """A drawn face by itself, (h, w, 3), and where it is, (h, w) bool; its nose's root in the
    middle."""
    empty = scene(round(200 * size), round(280 * size))
    shown = draw(empty, empty.shape[1] / 2, empty.shape[0] / 2, size, skin=skin)
    return shown, (shown != empty).any(2)


def paste(picture, cut, x, y):
    shown, there = cut
    height, width = there.shape
    top, left = y - height // 2, x - width // 2
    part = picture[top : top + height, left : left + width]
    part[there] = shown[there]


def crossing(front, count=44):
    """The left one goes right and the right one left; (pictures, x of the left and right one)."""
    left, right = 150 + 8 * np.arange(count), 490 - 8 * np.arange(count)
    cuts = cut_out(0.85, (224, 180, 152)), cut_out(0.75, OTHER)
    pictures = []
    for a, b in zip(left, right, strict=True):
        people = [(cuts[0], a, 140), (cuts[1], b, 150)]
        shown = scene(640, 300)
        for cut, x, y in people if front else people[::-1]:
            paste(shown, cut, x, y)
        pictures.append(shown)
    return pictures, left, right


@pytest.mark.parametrize("front", [0, 1], ids=["behind", "in front"])
def test_the_chosen_one_of_two_who_cross_is_kept(front):
    pictures, left, right = crossing(front)
    found, _ = follow(pictures, "right")
    for tracked, own, other in zip(found, right, left, strict=True):
        if tracked.found and abs(own - other) > 30:
            assert abs(x_of(tracked) - own) < abs(x_of(tracked) - other), f"at {tracked.index}"
    assert all(t.found for t in found[:12])
    assert all(t.found for t in found[-8:]), "found again after the crossing"
    if not front:
        hidden = [t for t, a, b in zip(found, left, right, strict=True) if abs(a - b) < 40]
        assert not any(t.found for t in hidden), "behind the other one nobody sees it"


@pytest.mark.parametrize(("width", "size"), [(1920, 50), (1920, 80), (1280, 60)])
def test_a_small_face_is_found_and_followed(width, size):
    height, face = width * 9 // 16, size / 140
    xs = [0.6 * width + 6 * i for i in range(14)]
    pictures = []
    for x in xs:
        shown = scene(width, height)
        left, top = int(x) - 100, int(0.4 * height) - 100
        part = draw(shown[top : top + 200, left : left + 200], 100 + x % 1, 100, face)
        shown[top : top + 200, left : left + 200] = part
        pictures.append(shown)
    found, _ = follow(pictures)
    assert sum(t.found for t in found) >= 13
    for tracked, x in zip(found, xs, strict=True):
        if tracked.found:
            assert abs(x_of(tracked) - x) < 0.15 * size


def test_a_small_face_in_a_reduced_frame_is_read_from_the_full_one():
    full = cv2.resize(scene(), (3840, 2160))
    full[900:1140, 2400:2720] = draw(scene(), 160, 110, 0.6)  # 84 pixels wide
    small = cv2.resize(full, (1920, 1080), interpolation=cv2.INTER_AREA)
    with FaceTracker() as tracker:
        found = [
            tracker.track(Frame(i, i / FPS, small, (3840, 2160), full=lambda: full))
            for i in range(3)
        ]
    assert all(t.found for t in found)
    assert abs(x_of(found[-1]) - 2560) < 12
    assert found[-1].observation.size == (3840, 2160)


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("stills", [False, True])
def test_a_face_that_does_not_stand_upright_is_read_as_one_that_does(turns, stills):
    upright = [draw(scene(480, 360), 220 + i, 150, mouth=i / 8) for i in range(6)]
    turned = [np.ascontiguousarray(np.rot90(p, -turns)) for p in upright]
    with FaceTracker(stills=stills) as tracker:
        expected = [tracker.track(f) for f in frames(upright)]
        assert tracker.notes == []
    with FaceTracker(stills=stills) as tracker:
        found = [tracker.track(f) for f in frames(turned)]
        assert "turned" in tracker.notes[0]
    for a, b in zip(expected, found, strict=True):
        assert b.found
        assert b.turns == turns
        assert b.size == (480, 360)
        np.testing.assert_allclose(b.observation.landmarks49, a.observation.landmarks49, atol=3)
        np.testing.assert_allclose(b.geometry, a.geometry, atol=0.02)


@pytest.mark.parametrize("degrees", [-40, 0, 40])
def test_a_tilted_head_is_not_turned(degrees):
    middle = (240, 180)
    tilt = cv2.getRotationMatrix2D(middle, degrees, 1.0)
    shown = cv2.warpAffine(
        draw(scene(480, 360), 240, 165), tilt, (480, 360), borderMode=cv2.BORDER_REPLICATE
    )
    found, tracker = follow([shown] * 3)
    assert all(t.found for t in found)
    assert tracker.turns == 0


def test_the_finder_sees_nobody_in_patterns():
    rng = np.random.default_rng(0)
    clouds = cv2.resize(rng.integers(40, 220, (9, 16, 3), np.uint8), (1920, 1080))
    with FaceFinder() as finder:
        assert finder.scan(clouds) == []
        assert finder.scan(scene(1920, 1080)) == []
        (spot,) = finder.scan(draw(scene(640, 480), 320, 200, 0.5))
    assert 0.6 < spot.score <= 1
    np.testing.assert_allclose((spot.box[:2] + spot.box[2:]) / 2, (320, 206), atol=14)
