"""A face whose brows and chin move in its kept pictures while its tracker sees nothing move."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.solving.brows_seen import BROWS, SIDES
from exprgen.networks.solving.patches_seen import NOSE
from exprgen.networks.track import FaceTrack
from exprgen.networks.tracking.registration import apply_affine, registering_affine
from exprgen.networks.tracking.track_recorder import encode_face
from exprgen.networks.vocabulary import LANDMARKS
from exprgen.tests.support import acted

FRAMES = 60
TIMES = np.arange(FRAMES) / 25.0
FINE = 4
MOVED = 4.0 * np.exp(-(((TIMES - 1.2) / 0.2) ** 2))
"""Pixels of the registered face by which brows flick up."""


def still_face() -> tuple[FaceTrack, np.ndarray]:
    """(a track of a face whose tracker sees nothing move, the places of its mesh points in its
    registered faces)."""
    model = load_response(find_character("mira"))
    track = acted.worn(model, np.zeros((FRAMES, len(model.controls))))
    landmarks = track.landmarks.copy()
    named = [*LANDMARKS.values()]
    turn = registering_affine(landmarks[0, named, :2].astype(float))
    back = cv2.invertAffineTransform(turn)
    # Mesh points that the 49 landmarks have nothing of lie where a face has them.
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for (upper, lower), x in zip(BROWS[side], (22.0, 45.0, 70.0), strict=True):
            landmarks[:, upper, :2] = apply_affine(back, np.array([128.0 + sign * x, 50.0]))
            landmarks[:, lower, :2] = apply_affine(back, np.array([128.0 + sign * x, 58.0]))
    for points, y in zip(NOSE, (98.0, 88.0, 130.0), strict=True):
        landmarks[:, list(points), :2] = apply_affine(back, np.array([128.0, y]))
    track = replace(track, landmarks=landmarks, times=TIMES)
    turn = registering_affine(landmarks[0, named, :2].astype(float))
    return track, apply_affine(turn, landmarks[0, :, :2].astype(float))


def face(points, up=(0.0, 0.0), nose=0.0, light=1.0, blur=0.8, hand=False, chin=None):
    """A face (256, 256) with brows `up` (left, right) pixels, its nose `nose` pixels too high;
    `chin`: how far its jaw's edge is lowered, pixels, if one is drawn."""
    tall = np.full((256 * FINE, 256 * FINE), 165, np.uint8)
    rng = np.random.default_rng(7)
    for (x, y), size in zip(rng.uniform(0, 256, (500, 2)), rng.uniform(2, 5, 500), strict=True):
        tone = int(165 + rng.uniform(-9, 9))
        place = (round(x * FINE), round((y - nose) * FINE))
        cv2.circle(tall, place, round(size * FINE), tone, -1)
    for side, height in zip(SIDES, up, strict=True):
        ends = [points[list(part)].mean(0) - (0.0, height + nose) for part in BROWS[side]]
        line = np.round(np.array(ends) * FINE).astype(np.int32)
        cv2.polylines(tall, [line], False, 60, 7 * FINE, cv2.LINE_AA)
    for x in (-9.0, 9.0):  # the nose's edges and nostrils, and eyes beside it
        top, low = ((128 + x, 80 - nose), (128 + x, 140 - nose))
        cv2.line(tall, *(tuple(round(v * FINE) for v in p) for p in (top, low)), 130, 2 * FINE)
        spot = (round((128 + x) * FINE), round((138 - nose) * FINE))
        cv2.circle(tall, spot, 3 * FINE, 50, -1)
        lid = (round((128 + x) * FINE), round((87 - nose) * FINE))
        cv2.ellipse(tall, lid, (6 * FINE, 3 * FINE), 0, 0, 360, 90, -1)
    if chin is not None:
        edge = (round(128 * FINE), round((205 + chin - nose) * FINE))
        cv2.ellipse(tall, edge, (45 * FINE, 25 * FINE), 0, 0, 180, 70, 5 * FINE)
    if hand:
        tall[: 110 * FINE, 125 * FINE :] = 200
    picture = cv2.resize(tall, (256, 256), interpolation=cv2.INTER_AREA)
    picture = cv2.GaussianBlur(picture, (0, 0), blur)
    return encode_face(np.clip(picture * light, 0, 255).astype(np.uint8))


def filmed(track, pictures):
    ends = np.cumsum([len(p) for p in pictures])
    return replace(track, face_offsets=ends, face_bytes=np.frombuffer(b"".join(pictures), np.uint8))
