"""Teeth that are together are seen in the picture of the mouth."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.solving.kept_faces import KeptFaces
from exprgen.networks.solving.teeth_seen import (
    CHEEKS,
    LIPS_INSIDE,
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
