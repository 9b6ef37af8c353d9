"""Cuts: found where one person follows another at once, and nowhere else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from exprgen.networks.solving.head_and_gaze import rotation_of
from exprgen.networks.track import FaceTrack
from exprgen.networks.tracking.cuts import AROUND, find_cuts, look_of
from exprgen.networks.tracking.track_recorder import TrackRecorder
from exprgen.tests.networks.test_track import seen

FPS = 25
FRAMES = 40
CUT = 17


def person(seed):
    """A made-up face (256, 256) uint8, other patches for everyone."""
    spots = np.random.default_rng(seed).uniform(40, 210, (9, 9)).astype(np.float32)
    return cv2.resize(spots, (256, 256), interpolation=cv2.INTER_CUBIC).clip(0, 255)


def faces(person_of, shift=None):
    """Faces (N, 256, 256) of persons (N,), each shifted by (x, y) pixels, with a camera's noise."""
    rng = np.random.default_rng(9)
    people = {p: person(p) for p in set(person_of)}
    shift = np.zeros((len(person_of), 2)) if shift is None else shift
    out = []
    for who, (x, y) in zip(person_of, shift, strict=True):
        turn = np.array([[1, 0, x], [0, 1, y]], float)
        face = cv2.warpAffine(people[who], turn, (256, 256), borderMode=cv2.BORDER_REPLICATE)
        out.append((face + rng.normal(0, 3, face.shape)).clip(0, 255).astype(np.uint8))
    return np.array(out)


def poses(places):
    """Heads (N, 4, 4) at x, centimetres (N,)."""
    out = np.tile(np.eye(4), (len(places), 1, 1))
    out[:, 0, 3] = places
    return out


def cuts_of(pictures, places, found=None, times=None):
    count = len(pictures)
    times = np.arange(count) / FPS if times is None else times
    found = np.ones(count, bool) if found is None else found
    looks = np.array([look_of(p) for p in pictures])
    return find_cuts(times, found, looks, poses(places))


def places(*steps):
    """Where a head is that jumps by centimetres at frames, and sways."""
    at = 0.3 * np.sin(np.arange(FRAMES) / 5)
    for frame, by in steps:
        at[frame:] += by
    return at


def test_a_cut_between_two_people_is_found_at_its_frame():
    two = [0] * CUT + [1] * (FRAMES - CUT)
    assert cuts_of(faces(two), places((CUT, 6.0))) == [CUT / FPS]


@pytest.mark.parametrize(("by", "found"), [(0.9, True), (0.05, False)])
def test_people_who_are_framed_alike_are_told_apart_by_a_sudden_small_step(by, found):
    """A picture that changes at once before a head that keeps still is a hand or a lamp."""
    two, still = [0] * CUT + [1] * (FRAMES - CUT), 0.1 * places()
    still[CUT:] += by
    assert cuts_of(faces(two), still) == ([CUT / FPS] if found else [])


def test_a_head_that_is_under_way_and_a_picture_that_changes_are_no_cut():
    two, at = [0] * CUT + [1] * (FRAMES - CUT), np.arange(FRAMES) * 0.9
    assert cuts_of(faces(two), at) == []


def test_a_turn_of_the_head_is_a_step_too():
    two = [0] * CUT + [1] * (FRAMES - CUT)
    looks = np.array([look_of(p) for p in faces(two)])
    pose = poses(np.zeros(FRAMES))
    pose[CUT:, :3, :3] = rotation_of(0.0, 0.1, 0.0)
    times = np.arange(FRAMES) / FPS
    assert find_cuts(times, np.ones(FRAMES, bool), looks, pose) == [CUT / FPS]


def test_each_cut_of_several_is_found():
    many = [0] * 10 + [1] * 8 + [0] * 12 + [2] * 10
    at = places((10, 6.0), (18, -6.0), (30, 4.0))
    assert cuts_of(faces(many), at) == [10 / FPS, 18 / FPS, 30 / FPS]


def test_a_shot_may_be_a_few_frames_long():
    many = [0] * 15 + [1] * AROUND + [2] * (FRAMES - 15 - AROUND)
    at = places((15, 6.0), (15 + AROUND, -5.0))
    assert cuts_of(faces(many), at) == [15 / FPS, (15 + AROUND) / FPS]


def test_a_quick_turn_of_the_head_is_no_cut():
    shift, at = np.zeros((FRAMES, 2)), places()
    for i, far in enumerate((6.0, 18.0, 32.0, 44.0, 50.0)):
        shift[CUT + i :, 0], at[CUT + i :] = far, 3.0 * i
    assert cuts_of(faces([0] * FRAMES, shift), at) == []


def test_a_head_that_jumps_and_stays_the_same_person_is_no_cut():
    assert cuts_of(faces([0] * FRAMES), places((CUT, 8.0))) == []


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_blink_or_a_flash_is_no_cut(frames):
    pictures = faces([0] * FRAMES)
    pictures[CUT : CUT + frames, 70:110] = 90
    assert cuts_of(pictures, places()) == []
    flash = faces([0] * FRAMES)
    flash[CUT : CUT + frames] = np.clip(flash[CUT : CUT + frames].astype(int) + 120, 0, 255)
    assert cuts_of(flash, places()) == []
    assert cuts_of(flash, places((CUT, 5.0), (CUT + frames, -5.0))) == []


def test_a_hand_that_stays_before_a_still_head_is_no_cut():
    pictures = faces([0] * FRAMES)
    pictures[CUT:, 120:] = 150
    assert cuts_of(pictures, places()) == []


def test_where_the_face_is_not_seen_no_cut_is_found():
    two = [0] * CUT + [1] * (FRAMES - CUT)
    for lost in (CUT - 1, CUT, CUT + 1):
        found = np.arange(FRAMES) != lost
        assert cuts_of(faces(two), places((CUT, 6.0)), found=found) == []


def test_where_frames_are_missing_a_head_may_have_moved():
    two = [0] * CUT + [1] * (FRAMES - CUT)
    times = np.arange(FRAMES) / FPS
    times[CUT:] += 3 / FPS
    assert cuts_of(faces(two), places((CUT, 6.0)), times=times) == []


def test_a_change_of_the_light_is_no_cut():
    pictures = faces([0] * FRAMES)
    pictures[CUT:] = (pictures[CUT:] * 0.5).astype(np.uint8)
    assert cuts_of(pictures, places((CUT, 3.0))) == []


@pytest.mark.parametrize("frames", [0, 1, 2 * AROUND - 1])
def test_what_is_too_short_has_no_cut(frames):
    assert cuts_of(faces([0, 1, 0, 1, 0][:frames]), np.arange(frames) * 9.0) == []


# --- recorded ------------------------------------------------------------------------------------


def recorded(path, people, at, *, lids=None, joy=(), **more):
    """A track of people, (N,), whose heads are at centimetres (N,)."""
    with TrackRecorder(path, source="x.mp4", fps=FPS, **more) as rec:
        for i, (face, place) in enumerate(zip(faces(people), at, strict=True)):
            pose = poses([place])[0].astype(np.float32)
            frame = seen(i, lids=0.3 if lids is None else lids[i], name=f"p{i}")
            frame = replace(
                frame, face=face, observation=replace(frame.observation, head_pose=pose)
            )
            chances = np.eye(7)[3 if i in joy else 0]
            rec.add(frame, chances if i % 4 == 0 else None)
        rec.finish()
    return FaceTrack.load(path)


def test_a_recorded_clip_keeps_its_cuts_and_nothing_is_filled_across_them(tmp_path):
    two = [0] * CUT + [1] * (FRAMES - CUT)
    track = recorded(tmp_path / "t.npz", two, places((CUT, 6.0)), joy=range(CUT, FRAMES))
    assert track.cuts == (CUT / FPS,)
    assert track.shots == [slice(0, CUT), slice(CUT, FRAMES)]
    # The last look before the cut is at frame 16, the first after it at 20: what lies between is
    # each shot's own, and on no way from one to the other.
    assert len(np.unique(track.expression[:CUT], axis=0)) == 1
    assert len(np.unique(track.expression[CUT:], axis=0)) == 1
    assert np.abs(track.expression[0] - track.expression[-1]).max() > 0.5


def test_open_eyes_are_each_persons_own(tmp_path):
    """Who has narrow eyes does not blink for being cut to from one who has wide ones."""
    two, lids = [0] * CUT + [1] * (FRAMES - CUT), np.full(FRAMES, 0.38)
    lids[CUT:] = 0.22
    track = recorded(tmp_path / "t.npz", two, places((CUT, 6.0)), lids=lids)
    assert track.cuts
    assert track.blink.max() < 0.05
    one = recorded(tmp_path / "u.npz", [0] * FRAMES, places(), lids=lids)
    assert not one.cuts
    assert one.blink[CUT:].min() > 0.2


def test_pictures_have_no_cuts(tmp_path):
    two = [0] * CUT + [1] * (FRAMES - CUT)
    track = recorded(tmp_path / "t.npz", two, places((CUT, 6.0)), stills=True)
    assert track.cuts == ()
    assert track.shots == [slice(0, FRAMES)]
