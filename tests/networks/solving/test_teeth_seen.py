"""Teeth that are together are seen in the picture of the mouth."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving.actor import actor_relations
from exprgen.networks.solving.kept_faces import KeptFaces
from exprgen.networks.solving.perform import _lowers, solve_relations
from exprgen.networks.solving.relations import LIP_GAPS, relation_weights
from exprgen.networks.solving.teeth_seen import (
    CHEEKS,
    LIPS_INSIDE,
    lower_row,
    teeth_together,
)
from exprgen.networks.track import BRIDGED
from exprgen.networks.tracking.registration import apply_affine, registering_affine
from exprgen.networks.tracking.track_recorder import encode_face
from exprgen.networks.vocabulary import LANDMARKS
from exprgen.tests.support import acted

FRAMES, SKIN = 30, 120


def filmed(share_dark: float, skin: int = SKIN, teeth: int = 190, hollow: int = 15):
    """An actor with an open mouth, of whose height `share_dark` is dark and the rest teeth."""
    model = load_response(find_character("mira"))
    units = np.zeros((FRAMES, len(model.controls)))
    units[8:22, model.controls.index("jaw_open")] = 0.6
    track = acted.worn(model, units)
    landmarks = track.landmarks.copy()
    around = 2 * np.pi * np.arange(len(LIPS_INSIDE)) / len(LIPS_INSIDE)
    middle = landmarks[0, LANDMARKS["lip_top_inner_2"], :2]
    landmarks[:, list(LIPS_INSIDE), :2] = middle + np.c_[25 * np.cos(around), 12 * np.sin(around)]
    beside = np.array([[-40, -30], [40, -30], [-45, -20], [45, -20]])
    landmarks[:, list(CHEEKS), :2] = middle + beside
    turn = registering_affine(landmarks[0, list(LANDMARKS.values()), :2].astype(float))
    ring = apply_affine(turn, landmarks[0, list(LIPS_INSIDE), :2].astype(float))
    face = np.full((256, 256), skin, np.uint8)
    cv2.fillPoly(face, [np.round(ring).astype(np.int32)], teeth)
    low, high = ring[:, 1].min(), ring[:, 1].max()
    if share_dark:
        face[round(high - share_dark * (high - low)) : round(high) + 1] = hollow
    jpeg = encode_face(face)
    return replace(
        track,
        landmarks=landmarks,
        face_offsets=len(jpeg) * np.arange(1, FRAMES + 1),
        face_bytes=np.frombuffer(jpeg * FRAMES, np.uint8),
    )


def gap():
    return np.where((np.arange(FRAMES) >= 8) & (np.arange(FRAMES) < 22), 0.2, 0.0)


def together(track):
    return teeth_together(KeptFaces(track), gap())


@pytest.mark.parametrize("skin", [60, 120, 180])
def test_teeth_fill_the_mouth_or_they_do_not(skin):
    full, open_ = (together(filmed(dark, skin)) for dark in (0.0, 0.7))
    assert (full[8:22] > 0.9).all()
    assert (open_ < 0.1).all()
    assert (full[:8] == 0).all(), "lips that are shut tell nothing"


def test_a_tongue_that_fills_the_mouth_is_no_tooth():
    assert not together(filmed(0.0, teeth=80)).any()


def test_no_picture_tells_nothing():
    track = filmed(0.0)
    assert not together(replace(track, meta={**track.meta, "coefficients": True})).any()


def with_pictures(track, pictures):
    """The same track with other JPEGs, one a frame."""
    ends = np.cumsum([len(picture) for picture in pictures])
    return replace(track, face_offsets=ends, face_bytes=np.frombuffer(b"".join(pictures), np.uint8))


def test_a_lost_frame_or_picture_parts_no_teeth_for_a_moment():
    track = filmed(0.0)
    whole = track.face_jpeg(0)
    damaged = with_pictures(
        track, [{12: b"", 15: whole[:200]}.get(i, whole) for i in range(FRAMES)]
    )
    state = track.state.copy()
    state[14] = BRIDGED
    for broken in (damaged, replace(track, state=state)):
        assert (together(broken)[8:22] > 0.9).all()
    nothing = with_pictures(track, [whole[:200]] * FRAMES)
    assert not together(nothing).any()


def test_the_lower_row_is_bared_where_the_lip_is_drawn_down_off_teeth_that_are_together():
    together, drawn = np.array([1.0, 1.0, 0.0, 1.0]), np.array([0.06, 0.0, 0.06, -0.08])
    assert lower_row(together, drawn) == pytest.approx([1.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("name", ["mira", "tobi", "anselm", "rosa"])
def test_lips_are_drawn_down_off_a_lower_row_and_open_as_far(name):
    profile = find_character(name)
    model = load_response(profile)
    units = np.zeros((FRAMES, len(model.controls)))
    controls = [profile.control(n) for n in model.controls]
    for column, control in enumerate(controls):
        if any(n.startswith(("mouthSmile", "jawOpen")) for n in control.channels):
            units[FRAMES // 2 :, column] = 0.6
    track = acted.worn(model, units)
    settings = RetargetSettings(emphasis=0.0)
    actor = replace(actor_relations(track, settings), bared=np.zeros(FRAMES))
    none = np.zeros_like(units)
    lowers = [_lowers(control) > 0.9 for control in controls]
    shown, gaps = [], []
    for bared in (0.0, 1.0):
        own = replace(actor, bared=np.full(FRAMES, bared))
        solved = solve_relations(track.times, own, profile, model, none, none, settings)
        shown.append(solved[-5:][:, lowers].mean())
        gaps.append(model.through(relation_weights()).predict(solved)[-5:][:, LIP_GAPS].mean())
    assert shown[1] > max(0.3, shown[0] + 0.1)
    assert gaps[1] == pytest.approx(gaps[0], rel=0.25)
