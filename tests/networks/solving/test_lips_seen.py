"""Lips that the tracker draws shut are seen apart in their picture."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.solving.contact import (
    SLIT_HOLDS,
    SLIT_OPENS,
    SLIT_PARTED,
    SLIT_SECONDS,
    SLIT_TELLS,
    parted,
    still_shut,
)
from exprgen.networks.solving.kept_faces import KeptFaces
from exprgen.networks.solving.lips_seen import FACING, LOWER, UPPER, lips_seen, slit_seen
from exprgen.networks.track import BRIDGED
from exprgen.networks.tracking.lost_frames import classify_losses
from exprgen.networks.tracking.registration import EYE_DISTANCE, apply_affine, registering_affine
from exprgen.networks.tracking.track_recorder import encode_face
from exprgen.networks.vocabulary import LANDMARKS
from exprgen.tests.support import acted

FRAMES = 30
OPEN = slice(10, 16)
HALF, BULGE = 34.0, 11
"""Half the mouth's width and a lip's height, pixels of the registered face."""
TONES = {"fair": (170, 125, 135), "dark": (75, 55, 62), "lipstick": (150, 45, 95)}
"""Brightness of skin, upper and lower lip."""


@pytest.fixture(scope="module")
def closed():
    """(track of a mouth that the tracker draws shut throughout, middle of it in its registered
    faces)."""
    model = load_response(find_character("mira"))
    track = acted.worn(model, np.zeros((FRAMES, len(model.controls))))
    turn = registering_affine(track.landmarks[0, [*LANDMARKS.values()], :2].astype(float))
    middle = apply_affine(
        turn, track.landmarks[0, [LANDMARKS["lip_top_inner_2"]], :2].astype(float)
    )
    across = np.linspace(-HALF, HALF, len(UPPER))
    points = np.c_[middle[0, 0] + across, np.full(len(UPPER), middle[0, 1])]
    back = cv2.invertAffineTransform(turn)
    landmarks = track.landmarks.copy()
    for rows in (UPPER, LOWER):  # a gap of nothing
        landmarks[:, list(rows), :2] = apply_affine(back, points)
    # The registering points are among the lips' own: drawn where this face is registered.
    turn = registering_affine(landmarks[0, [*LANDMARKS.values()], :2].astype(float))
    there = apply_affine(turn, landmarks[0, [*UPPER], :2].astype(float))
    return replace(track, landmarks=landmarks), there.mean(0)


def mouth(middle, tones, height=0.0, wide=10.0, line=0.55, hand=False):
    """A face (256, 256): lips of some brightness, their closed line, and between them a hole so
    high and wide, pixels."""
    skin, upper, lower = tones
    fine = 4
    face = np.full((256 * fine, 256 * fine), skin, np.uint8)
    x, y = (round(fine * v) for v in middle)
    size = (round(fine * HALF), BULGE * fine)
    cv2.ellipse(face, (x, y), size, 0, 180, 360, upper, -1)
    cv2.ellipse(face, (x, y), size, 0, 0, 180, lower, -1)
    dark = round(line * min(upper, lower))
    cv2.line(face, (x - size[0], y), (x + size[0], y), dark, fine)
    if height:
        cv2.ellipse(face, (x, y), (round(wide * fine), round(height / 2 * fine)), 0, 0, 360, 8, -1)
    if hand:
        face[y - 60 * fine : y + 60 * fine, x - 12 * fine :] = skin
        cv2.line(face, (x - 12 * fine, y - 60 * fine), (x + 9 * fine, y + 60 * fine), 5, 5 * fine)
    face = cv2.resize(face, (256, 256), interpolation=cv2.INTER_AREA)
    return encode_face(cv2.GaussianBlur(face, (0, 0), 0.8))


def filmed(track, pictures):
    ends = np.cumsum([len(p) for p in pictures])
    return replace(track, face_offsets=ends, face_bytes=np.frombuffer(b"".join(pictures), np.uint8))


def speaking(closed, tones, **hole):
    """The mouth with a hole in the frames of OPEN."""
    track, middle = closed
    shut, ajar = mouth(middle, tones), mouth(middle, tones, **hole)
    here = np.zeros(FRAMES, bool)
    here[OPEN] = True
    return filmed(track, [ajar if h else shut for h in here]), here


def seen(track, gap=0.004, chance=0.98):
    return slit_seen(KeptFaces(track), np.full(FRAMES, gap), np.full(FRAMES, chance))


@pytest.mark.parametrize(("look", "height"), [("fair", 4.0), ("dark", 4.0), ("lipstick", 7.0)])
def test_a_round_hole_is_seen_whatever_the_tones(closed, look, height):
    track, here = speaking(closed, TONES[look], height=height)
    slit = seen(track)
    assert slit[here].min() > SLIT_OPENS
    assert slit[~here].max() < 0.3 * SLIT_OPENS
    told = lips_seen(KeptFaces(track), np.full(FRAMES, 0.004), np.full(FRAMES, 0.98))
    assert (told.shut == ~here).all()
    assert told.least[here] == pytest.approx(np.maximum(SLIT_TELLS * slit[here], SLIT_PARTED))
    assert told.most[here] == pytest.approx(told.least[here])


def test_a_slit_that_is_hardly_seen_hardly_opens_the_lips(closed, monkeypatch):
    """Where lips touch as tracked a gap beside it is its neighbours'."""
    track, gap, chance = closed[0], np.full(FRAMES, 0.004), np.full(FRAMES, 0.98)
    slit = np.zeros(FRAMES)
    slit[OPEN] = np.linspace(SLIT_HOLDS, SLIT_OPENS, len(slit[OPEN]))
    gap[:10], chance[:10] = 0.2, 0.0  # open as tracked
    monkeypatch.setattr("exprgen.networks.solving.lips_seen.slit_seen", lambda *_: slit)
    told = lips_seen(KeptFaces(track), gap, chance)
    assert not told.shut[OPEN][1:].any()
    opened = parted(np.full((FRAMES, 3), 0.03), told.shut, told.least, told.most)[:, 0]
    assert opened[OPEN][1] < 0.02
    assert opened[OPEN][-1] == pytest.approx(SLIT_PARTED)
    assert (np.diff(opened[OPEN][1:]) > 0).all()
    assert np.isinf(told.most[:10]).all()


def test_a_higher_hole_is_more_of_a_slit_and_parts_the_lips_further(closed):
    low, high = (
        seen(speaking(closed, TONES["fair"], height=h)[0])[OPEN].mean() for h in (3.0, 7.0)
    )
    assert high > 1.7 * low
    assert SLIT_TELLS * high == pytest.approx(7.0 / EYE_DISTANCE, rel=0.6)


@pytest.mark.parametrize("line", [0.2, 0.5])
def test_dark_lipstick_and_a_dark_closed_line_are_this_actors_own(closed, line):
    track, middle = closed
    rng = np.random.default_rng(0)
    pictures = [
        mouth(middle, TONES["lipstick"], line=line + rng.uniform(-0.05, 0.05))
        for _ in range(FRAMES)
    ]
    assert seen(filmed(track, pictures)).max() < SLIT_OPENS


def dimmed(picture, light, rng):
    """The picture in so much of its light, with a camera's noise."""
    face = light * cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    return encode_face(np.clip(face + rng.normal(0, 2, face.shape), 0, 255).astype(np.uint8))


@pytest.mark.parametrize("look", ["fair", "dark"])
@pytest.mark.parametrize("light", [0.1, 0.2, 0.4])
def test_a_closed_mouth_in_little_light_is_closed(closed, look, light):
    """Light that flickers makes the whole mouth darker for a moment, which is no hollow in it."""
    track, middle = closed
    rng = np.random.default_rng(0)
    shut = mouth(middle, TONES[look], line=0.45)
    pictures = [dimmed(shut, light * rng.uniform(0.7, 1.1), rng) for _ in range(FRAMES)]
    assert seen(filmed(track, pictures)).max() < SLIT_OPENS


def test_a_hole_in_little_light_is_as_large_as_in_daylight(closed):
    track, middle = closed
    rng = np.random.default_rng(0)
    shut, ajar = mouth(middle, TONES["fair"]), mouth(middle, TONES["fair"], height=4.0)
    daylight = seen(speaking(closed, TONES["fair"], height=4.0)[0])[OPEN].mean()
    pictures = [dimmed(ajar if 10 <= i < 16 else shut, 0.3, rng) for i in range(FRAMES)]
    assert seen(filmed(track, pictures))[OPEN].mean() == pytest.approx(daylight, rel=0.2)


def test_a_hand_before_the_mouth_is_no_hole(closed):
    track, middle = closed
    shut, hidden = mouth(middle, TONES["fair"]), mouth(middle, TONES["fair"], hand=True)
    pictures = [hidden if 10 <= i < 16 else shut for i in range(FRAMES)]
    assert seen(filmed(track, pictures)).max() < SLIT_OPENS


def test_a_mouth_that_is_turned_away_does_not_say_how_this_actors_closed_mouth_looks(closed):
    track, middle = closed
    away = np.arange(FRAMES) >= 16
    bare = mouth(middle, TONES["fair"], line=1.0)
    lined = mouth(middle, TONES["fair"], height=3.0, wide=30.0)  # a closed one in a deep shadow
    pose = track.head_pose.copy()
    pose[away, :3, :3] = cv2.Rodrigues(np.array([0.0, 2.0 * FACING, 0.0]))[0]
    slit = seen(replace(filmed(track, [bare if a else lined for a in away]), head_pose=pose))
    assert slit.max() < SLIT_OPENS


def test_nothing_is_told_without_pictures_or_of_separate_ones(closed):
    track, here = speaking(closed, TONES["fair"], height=5.0)
    bare = replace(
        track,
        face_offsets=np.zeros(FRAMES, track.face_offsets.dtype),
        face_bytes=np.zeros(0, np.uint8),
    )
    for other in (
        bare,
        replace(track, meta={**track.meta, "stills": True}),
        replace(track, meta={**track.meta, "coefficients": True}),
    ):
        assert not seen(other).any()
    assert lips_seen(KeptFaces(bare), np.full(FRAMES, 0.004), np.full(FRAMES, 0.98)).shut.all()
    assert lips_seen(KeptFaces(track), np.full(FRAMES, 0.004), None).shut.all()
    assert not seen(track, chance=0.5).any(), "no frame is closed for certain"
    assert not seen(track, gap=0.2).any(), "far apart: no need to look"
    assert here.any()


def test_a_lost_frame_or_picture_is_between_the_others(closed):
    track, here = speaking(closed, TONES["fair"], height=5.0)
    pictures = [track.face_jpeg(i) for i in range(FRAMES)]
    pictures[12] = pictures[12][:200]
    state = track.state.copy()
    state[13] = BRIDGED
    slit = seen(replace(filmed(track, pictures), state=state))
    assert slit[here].min() > SLIT_OPENS


@pytest.mark.parametrize("lost", ["face", "picture"])
def test_lips_of_a_mouth_that_is_not_seen_for_long_go_to_rest(closed, lost):
    track, here = speaking(closed, TONES["fair"], height=5.0)
    times = 0.1 * np.arange(FRAMES)
    found = np.arange(FRAMES) < OPEN.stop - 1
    if lost == "face":
        track = replace(track, state=classify_losses(times, found))
    else:
        track = filmed(track, [track.face_jpeg(i) if f else b"" for i, f in enumerate(found)])
    slit = seen(replace(track, times=times))
    assert slit[here & found].min() > SLIT_OPENS
    assert slit[OPEN.stop] > SLIT_OPENS, "held for a moment"
    assert not slit[-1]
    assert (np.diff(slit[OPEN.stop :]) <= 0).all()


def test_a_slit_opens_with_a_margin_and_not_for_a_moment():
    times = np.arange(20) * 0.04
    shut = np.ones(20, bool)
    shut[0] = False
    slit = np.zeros(20)
    slit[4:8] = (0.009, 0.02, 0.009, 0.006)  # opens, holds
    slit[12] = 0.03  # a single frame between closed ones
    told = still_shut(times, shut, slit)
    assert (~told[4:7]).all()
    assert told[[7, 12]].all()
    slit[12:14] = 0.03
    assert not still_shut(times, shut, slit)[12:14].any()
    assert SLIT_SECONDS < 2 * 0.04


def test_what_is_left_of_a_closure_for_a_moment_is_open_too_unless_it_is_closed():
    times = np.arange(12) * 0.04
    shut = np.ones(12, bool)
    shut[[0, 1, 2, 6, 7]] = False
    slit = np.zeros(12)
    slit[4:6] = 0.02
    for left, stays in ((0.006, False), (0.0, True)):
        slit[3] = left
        assert still_shut(times, shut, slit)[3] == stays
    lone = np.zeros(12, bool)
    lone[5] = True  # tracked so, for a "p": no slit made it short
    assert still_shut(times, lone, np.full(12, 0.006))[5]


def test_parted_lips_are_apart_as_far_as_they_are_seen():
    gaps = np.full((3, 3), 0.01)
    shut = np.array([True, False, False])
    least = np.array([SLIT_PARTED, SLIT_PARTED, 0.07])
    assert parted(gaps, shut, least).mean(1) == pytest.approx([0.0, SLIT_PARTED, 0.07])
