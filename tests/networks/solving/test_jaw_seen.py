"""A jaw's quick motion is told from its pictures, beside what landmarks tell."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exprgen.networks.solving.head_and_gaze import rotation_of
from exprgen.networks.solving.jaw_seen import (
    BESIDE,
    CHANNELS,
    HEIGHT,
    MARGIN,
    MOST,
    NEAR,
    WIDTH,
    jaw_apart_seen,
    jaw_network,
    load_jaw_network,
    lower_faces,
    what_is_beside,
)
from exprgen.networks.solving.kept_faces import KeptFaces
from exprgen.networks.solving.mouth_motion import MouthSeen, quick, with_mouth_motion
from exprgen.networks.solving.patches_seen import Seen
from exprgen.networks.solving.relations import JAW, NAMES
from exprgen.networks.tracking.registration import EYE_DISTANCE
from exprgen.networks.training.jaw_seen import JawReader, JawSeenSettings, changed, clip_of, fit
from exprgen.tests.support.seen_face import FRAMES, TIMES, face, filmed, still_face

HANGS = 5.0 * np.sin(2.0 * np.pi * 2.5 * TIMES)
"""Pixels of the registered face by which a jaw goes down."""


@pytest.fixture(scope="module")
def still():
    return still_face()


@pytest.fixture(scope="module")
def mouth():
    """Lips that touch, of which nothing is seen to move."""
    nothing = np.zeros((FRAMES, len(NAMES)))
    return MouthSeen(nothing, np.zeros((FRAMES, 52)), np.ones(FRAMES), np.zeros(FRAMES))


def seen_of(still, hangs=HANGS, **looks):
    track, points = still
    kept = KeptFaces(filmed(track, [face(points, chin=h, **looks) for h in hangs]))
    return Seen.of(kept)


@pytest.fixture(scope="module")
def learned(still, mouth):
    """A network that learned of two faces."""
    clips = []
    for hangs, light in ((HANGS, 1.0), (-0.5 * HANGS + np.roll(HANGS, 3), 0.7)):
        seen = seen_of(still, hangs, light=light)
        true = np.stack([0.0 * hangs, quick(TIMES, hangs) / EYE_DISTANCE, 0.0 * hangs], axis=1)
        clips.append(clip_of(seen, mouth, lower_faces(seen, mouth), true))
    settings = JawSeenSettings(tracks="", truth="", rounds=40)
    return fit(clips, settings).told_by(), clips


def test_a_jaw_that_landmarks_do_not_see_is_told_of_a_face_in_another_light(
    still, mouth, learned, monkeypatch
):
    monkeypatch.setattr("exprgen.networks.solving.jaw_seen.jaw_network", lambda: learned[0])
    hangs = np.roll(HANGS, 5) * np.linspace(0.4, 1.0, FRAMES)
    told = jaw_apart_seen(seen_of(still, hangs, light=0.85, blur=1.2), mouth)
    true = quick(TIMES, hangs) / EYE_DISTANCE
    assert np.corrcoef(told, true)[0, 1] > 0.9
    assert np.abs(told).max() <= MOST


def test_what_ships_of_a_network_is_what_was_trained(learned, tmp_path):
    reader = JawReader().eval()
    for norm in reader.look[1::3]:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
    clip = learned[1][0]
    high, aside = MARGIN
    pictures = clip.pictures[:, :, high:-high, aside:-aside]
    with torch.no_grad():
        expected = reader(pictures, clip)[1].numpy()
    path = tmp_path / "jaw_seen.npz"
    reader.told_by().save(path, {})
    for network, near in ((reader.told_by(), 1e-5), (load_jaw_network(path), 1e-2)):
        own = network.looked(pictures.numpy())
        told = network.told(TIMES, own, clip.beside.numpy()) * 30.0
        assert told == pytest.approx(expected, abs=near)


def test_a_face_that_does_not_move_tells_nothing_whatever_its_light(still, mouth):
    dimmed = [1.0 - 0.3 * np.exp(-(((t - 1.2) / 0.1) ** 2)) for t in TIMES]
    track, points = still
    for lights in (np.ones(FRAMES), dimmed):
        pictures = [face(points, chin=0.0, light=light) for light in lights]
        told = jaw_apart_seen(Seen.of(KeptFaces(filmed(track, pictures))), mouth)
        assert np.abs(told).max() < 0.01


def test_a_face_that_turns_away_and_one_without_pictures_tell_nothing(still, mouth):
    track, points = still
    away = (TIMES >= 1.0) & (TIMES < 1.8)
    pose = track.head_pose.copy()
    pose[away, :3, :3] = rotation_of(0.0, 1.2, 0.3)
    pictures = [face(points, chin=h) for h in HANGS]
    turned = filmed(replace(track, head_pose=pose), pictures)
    told = jaw_apart_seen(Seen.of(KeptFaces(turned)), mouth)
    assert not told[(TIMES > 1.2) & (TIMES < 1.6)].any()
    assert told.any()
    assert not jaw_apart_seen(None, mouth).any()


def test_a_hidden_nose_and_a_damaged_picture_are_between_the_others(still, mouth):
    track, points = still
    pictures = [face(points, chin=h) for h in HANGS]
    whole = jaw_apart_seen(Seen.of(KeptFaces(filmed(track, pictures))), mouth)
    pictures[30] = pictures[30][:150]
    rough = jaw_apart_seen(Seen.of(KeptFaces(filmed(track, pictures))), mouth)
    assert np.abs(rough - whole)[:25].max() < 0.01
    assert np.isfinite(rough).all()


def test_a_lower_face_lies_still_while_the_tracked_mesh_gives_way(still, mouth):
    track, points = still
    lower = [0.0, 1.0, 2.0, 3.0] * (FRAMES // 4)
    seen = Seen.of(KeptFaces(filmed(track, [face(points, nose=n, chin=0.0) for n in lower])))
    cuts = lower_faces(seen, mouth).cuts[:, 10:60].astype(float)
    moved = np.abs(cuts - np.median(cuts, axis=0)).mean()
    seen = seen_of(still, np.array(lower))
    assert moved < 0.5 * np.abs(np.diff(lower_faces(seen, mouth).cuts.astype(float), axis=0)).mean()


def test_the_jaw_alone_goes_where_pictures_tell(mouth):
    more = 0.02 * np.sin(2.0 * np.pi * 3.0 * TIMES)
    moved = with_mouth_motion(TIMES, mouth, more) - with_mouth_motion(TIMES, mouth)
    assert moved[:, JAW] == pytest.approx(-more, abs=1e-9)
    assert not np.delete(moved, JAW, axis=1).any()


def test_numbers_ship_for_every_feature(still, mouth):
    shipped = jaw_network()
    high, aside = MARGIN
    some = np.zeros((1, len(CHANNELS), HEIGHT - 2 * high, WIDTH - 2 * aside), np.float32)
    width = shipped.looked(some).shape[1]
    assert shipped.hidden[0].shape[1] == len(NEAR) * width + len(BESIDE)
    beside = what_is_beside(seen_of(still), mouth)
    assert beside.shape == (FRAMES, len(BESIDE))


def test_changed_pictures_are_as_large_as_the_network_sees_them():
    pictures = torch.zeros(3, len(CHANNELS), HEIGHT, WIDTH)
    sizes = {changed(pictures, np.random.default_rng(k)).shape[2:] for k in range(20)}
    assert sizes == {(HEIGHT - 2 * MARGIN[0], WIDTH - 2 * MARGIN[1])}
