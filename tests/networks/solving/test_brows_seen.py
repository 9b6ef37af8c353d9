"""Quick brows are told from their pictures, whatever the tracker's mesh does meanwhile."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from exprgen.networks.solving import kept_faces, patches_seen
from exprgen.networks.solving.brows_seen import (
    BELIEVED,
    BROWS,
    HEIGHTS,
    SIDES,
    brow_heights,
    with_brows_seen,
)
from exprgen.networks.solving.head_and_gaze import rotation_of
from exprgen.networks.solving.kept_faces import KeptFaces
from exprgen.networks.solving.patches_seen import FACING, Seen, facing, peaks
from exprgen.networks.solving.relations import INDEX, actor_points, measure
from exprgen.networks.solving.smoothing import slow
from exprgen.networks.tracking.registration import EYE_DISTANCE, apply_affine, registering_affine
from exprgen.networks.vocabulary import LANDMARKS
from exprgen.tests.support.seen_face import FRAMES, MOVED, TIMES, face, filmed, still_face


@pytest.fixture(scope="module")
def still():
    return still_face()


def told(track):
    """(N, 6) what the pictures add to the heights of the brows."""
    values = measure(actor_points(track))
    return (with_brows_seen(Seen.of(KeptFaces(track)), values) - values)[:, HEIGHTS]


@pytest.mark.parametrize(
    "seen", [{}, {"light": 0.55}, {"blur": 2.0}], ids=["plain", "dark", "blurred"]
)
def test_a_flick_of_a_pixel_or_four_is_told_where_it_is(still, seen):
    track, points = still
    up = np.stack([MOVED, 0.25 * MOVED], axis=1)
    more = told(filmed(track, [face(points, u, **seen) for u in up])) * EYE_DISTANCE
    quick = up - slow(TIMES, up)  # what is slow stays as tracked, which is nothing here
    expected = BELIEVED * np.repeat(quick, 3, axis=1)
    assert more == pytest.approx(expected, abs=0.45)
    for k in range(6):
        assert np.corrcoef(more[:, k], expected[:, k])[0, 1] > 0.95


def test_what_is_slow_stays_as_tracked(still):
    track, points = still
    drift = np.linspace(0.0, 6.0, FRAMES)
    more = told(filmed(track, [face(points, (d, d)) for d in drift])) * EYE_DISTANCE
    assert np.abs(more[15:-15]).max() < 0.3


def test_light_that_changes_moves_no_brow(still):
    track, points = still
    light = 1.0 - 0.4 * np.exp(-(((TIMES - 1.2) / 0.15) ** 2))
    more = told(filmed(track, [face(points, light=k) for k in light]))
    assert np.abs(more).max() * EYE_DISTANCE < 0.3


def test_a_mesh_that_gives_way_as_a_whole_moves_no_brow(still):
    """In a blink the tracker's eye corners drop, and the whole face lies higher in its picture."""
    track, points = still
    more = told(filmed(track, [face(points, (0.0, 0.0), nose=n) for n in MOVED]))
    assert np.abs(more).max() * EYE_DISTANCE < 0.4


def test_a_brow_that_the_tracker_moves_and_the_picture_does_not_stays(still):
    track = still[0]
    landmarks = track.landmarks.copy()
    named = [*LANDMARKS.values()]
    back = np.linalg.inv(registering_affine(landmarks[0, named, :2].astype(float))[:, :2])
    rows = [p for side in SIDES for part in BROWS[side] for p in part]
    landmarks[:, rows, :2] += (back @ np.array([0.0, -1.0]) * MOVED[:, None])[:, None]
    moved = filmed(replace(track, landmarks=landmarks), [])
    plain = measure(actor_points(moved))[:, HEIGHTS]
    pictures = []
    for i in range(FRAMES):  # as this face is registered in each of its frames
        turn = registering_affine(landmarks[i, named, :2].astype(float))
        there = apply_affine(turn, landmarks[i, :, :2].astype(float))
        home = apply_affine(turn, track.landmarks[i, :, :2].astype(float))
        places = there.copy()
        places[rows] = home[rows]
        pictures.append(face(places))
    track = filmed(moved, pictures)
    seen = plain + told(track)
    tracked, shown = (np.ptp(v - slow(TIMES, v), axis=0) for v in (plain, seen))
    assert tracked.min() * EYE_DISTANCE > 2.0
    assert shown.max() < 0.4 * tracked.min()


def test_a_hand_before_a_brow_tells_nothing_of_it(still):
    track, points = still
    pictures = [face(points, hand=30 <= i < 34) for i in range(FRAMES)]
    heights = brow_heights(Seen.of(KeptFaces(filmed(track, pictures))))
    assert np.isnan(heights[31:33]).all(), "the nose is hidden too"
    assert np.isfinite(heights[:28]).all()
    assert np.abs(told(filmed(track, pictures))).max() * EYE_DISTANCE < 0.5


def test_a_face_that_is_turned_aside_is_as_tracked(still):
    track, points = still
    pose = track.head_pose.copy()
    pose[:, :3, :3] = cv2.Rodrigues(np.array([0.0, 1.2 * FACING[1], 0.0]))[0]
    turned = replace(filmed(track, [face(points, (m, m)) for m in MOVED]), head_pose=pose)
    assert not facing(turned).any()
    assert not told(turned).any()


@pytest.mark.parametrize(
    ("turn", "most"), [((0.0, 1.2, 0.3), 2.5), ((-1.2, 0.0, 0.0), 6.0)], ids=["profile", "nod"]
)
def test_a_face_that_turns_away_for_a_moment_tells_nothing_then_and_little_about_it(
    still, turn, most
):
    """Its pictures tell five times as much that is wrong: 10 and 22 pixels."""
    track, points = still
    away = (TIMES >= 1.0) & (TIMES < 1.8)
    pose = track.head_pose.copy()
    pose[away, :3, :3] = rotation_of(*turn)
    more = told(filmed(replace(track, head_pose=pose), [face(points)] * FRAMES)) * EYE_DISTANCE
    assert not more[(TIMES > 1.2) & (TIMES < 1.6)].any()
    assert np.abs(more).max() < most


def test_frames_whose_landmarks_are_no_face_tell_nothing(still):
    track, points = still
    seen = filmed(track, [face(points, (m, m)) for m in MOVED])
    landmarks = seen.landmarks.copy()
    landmarks[45:47] = 3.0
    with np.errstate(all="raise"):
        heights = brow_heights(Seen.of(KeptFaces(replace(seen, landmarks=landmarks))))
    assert np.isnan(heights[45:47]).all()
    assert np.isfinite(heights[:44]).all()


def test_nothing_is_told_without_pictures_or_of_separate_ones(still):
    track, points = still
    seen = filmed(track, [face(points, (m, m)) for m in MOVED])
    bare = filmed(track, [b""] * FRAMES)
    for other in (
        bare,
        replace(seen, meta={**track.meta, "stills": True}),
        replace(seen, meta={**track.meta, "coefficients": True}),
    ):
        assert not told(other).any()
    assert told(seen).any()
    assert Seen.of(KeptFaces(filmed(track, [face(points)] * 3 + [b""] * (FRAMES - 3)))) is None


def test_damaged_pictures_are_between_the_others(still):
    track, points = still
    pictures = [face(points, (m, m)) for m in MOVED]
    whole = told(filmed(track, pictures))
    pictures[28] = pictures[28][:150]
    pictures[33] = b""
    assert told(filmed(track, pictures)) == pytest.approx(whole, abs=1.0 / EYE_DISTANCE)


def test_a_long_clip_is_told_the_same_from_faces_that_are_decoded_again(still, monkeypatch):
    track, points = still
    seen = filmed(track, [face(points, (m, m)) for m in MOVED])
    whole = told(seen)
    monkeypatch.setattr(kept_faces, "AT_ONCE", 10)
    assert (told(seen) == whole).all()
    monkeypatch.setattr(patches_seen, "AT_ONCE", 10)  # the usual mesh is then that of some frames
    assert told(seen) == pytest.approx(whole, abs=0.1 / EYE_DISTANCE)


def test_the_mean_height_follows_its_parts(still):
    track, points = still
    seen = filmed(track, [face(points, (m, 0.0)) for m in MOVED])
    values = measure(actor_points(seen))
    more = with_brows_seen(Seen.of(KeptFaces(seen)), values) - values
    left = more[:, INDEX["brow_height_left"]]
    parts = more[:, [INDEX[f"brow_{p}_left"] for p in ("inner", "middle", "outer")]]
    assert left == pytest.approx(parts @ (0.3, 0.4, 0.3), abs=1e-9)
    others = np.delete(more, [*HEIGHTS, *(INDEX[f"brow_height_{s}"] for s in SIDES)], axis=1)
    assert not others.any()


def test_peaks_lie_between_pixels():
    y, x = np.mgrid[0:9, 0:7]
    maps = np.stack([1.0 - 0.02 * ((y - 4.3) ** 2 + (x - 2.8) ** 2), 0.01 * (y + x)])
    place, height = peaks(maps)
    assert place[0] == pytest.approx([2.8, 4.3], abs=1e-6)
    assert place[1] == pytest.approx([6.0, 8.0])  # at the edge: nothing to refine
    assert height[0] == pytest.approx(maps[0].max())
