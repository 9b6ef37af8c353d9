"""A performance of ARKit coefficients alone (no picture, no landmarks), from and to such takes.

What a coefficient does to a face's relations is told by the sample character whose shape keys are
those of ARKit: its geometry, moved by the coefficients, stands for the actor's. From there on it is
a performance like any other.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ..characters.profile import (
    RigProfile,
    arkit_to_unit,
    channel_matrix,
    sample_characters,
    to_unit,
)
from ..characters.response import LinearResponse, load_response
from ..footage.live_link import CoefficientTake
from ..track import TRACKED, FaceTrack, RigTrack
from ..vocabulary import ARKIT_INDEX, EXPRESSIONS, GEOMETRIC_FEATURES
from ..vocabulary import MEDIAPIPE_LANDMARKS as POINTS
from .head_and_gaze import head_angles, rotation_of
from .relations import relation_weights

HEAD = ("head_yaw", "head_pitch", "head_roll")
EYES = tuple(f"gaze_{s}_{a}" for s in ("left", "right") for a in ("yaw", "pitch"))
EYE_COLUMNS = [3, 4, 6, 7]
"""Of a take's angles: yaw and pitch of the left and the right eye."""
SENT = (-0.5, 1.5)
"""Coefficients are a little above 1 at times; beyond these they are taken for errors."""
AWAY = -40.0
"""Centimetres before a camera at which the head is put."""


def face_track_of(take: CoefficientTake, expression: np.ndarray, meta: dict) -> FaceTrack:
    """A take as a FaceTrack without pictures; expression (N, 7): what is perceived in it."""
    count = len(take.times)
    pose = np.tile(np.eye(4, dtype=np.float32), (count, 1, 1))
    pose[:, :3, :3] = [rotation_of(pitch, yaw, roll) for yaw, pitch, roll in take.angles[:, :3]]
    pose[:, 2, 3] = AWAY
    arkit = np.clip(take.coefficients, *SENT).astype(np.float32)
    lids = [ARKIT_INDEX[f"eyeBlink{s}"] for s in ("Left", "Right")]
    return FaceTrack(
        times=take.times,
        state=np.full(count, TRACKED, np.uint8),
        landmarks=np.zeros((count, POINTS, 3), np.float32),
        head_pose=pose,
        gaze=take.angles[:, EYE_COLUMNS].reshape(count, 2, 2).astype(np.float32),
        blink=np.clip(arkit[:, lids], 0.0, 1.0),
        confidence=np.ones(count, np.float32),
        arkit=arkit,
        geometry=np.zeros((count, len(GEOMETRIC_FEATURES)), np.float32),
        expression=np.asarray(expression, np.float32).reshape(count, len(EXPRESSIONS)),
        face_offsets=np.zeros(count, np.int64),
        face_bytes=np.zeros(0, np.uint8),
        meta={**meta, "coefficients": True},
    )


def seen_take(track: FaceTrack) -> CoefficientTake:
    """What was seen of an actor, as a take: coefficients, head and eyes."""
    angles = np.zeros((len(track), 9))
    angles[:, :3] = head_angles(track.head_pose)[:, [1, 0, 2]]
    angles[:, EYE_COLUMNS] = track.gaze.reshape(len(track), 4)
    times = np.asarray(track.times, float)
    return CoefficientTake(times - times[0], np.asarray(track.arkit, float), angles)


def coefficient_relations(arkit: np.ndarray) -> np.ndarray:
    """(N, K) the relations (relations.NAMES) of the ARKit face at coefficients (N, 52)."""
    profile, response = _arkit_face()
    moving = [c for c in profile.controls if c.output != "head"]
    return response.predict(arkit_to_unit(tuple(moving), arkit))


@cache
def _arkit_face() -> tuple[RigProfile, LinearResponse]:
    """The sample character that makes most channels each by a control of its own, and what its
    controls do to relations."""

    def own(profile: RigProfile) -> int:
        return sum(list(c.channels.values()) == [1.0] for c in profile.expression_controls)

    profile = max(sample_characters(), key=own)
    return profile, load_response(profile).through(relation_weights())


def take_of(track: RigTrack, profile: RigProfile) -> CoefficientTake:
    """A character's track as coefficients: what its controls stand for by their channels.

    Where several controls make one channel, or one makes several, the coefficients are those in
    0..1 whose copy comes nearest to the track.
    """
    controls = [c for c in profile.expression_controls if c.name in track.controls and c.channels]
    columns = [track.controls.index(c.name) for c in controls]
    units = to_unit(tuple(controls), track.values[:, columns])
    coefficients = nearest(channel_matrix(tuple(controls)), units)
    turning = {c.role: c.name for c in profile.controls if c.role and c.name in track.controls}
    angles = np.zeros((len(track), 9))
    for role, column in (*zip(HEAD, (0, 1, 2), strict=True), *zip(EYES, EYE_COLUMNS, strict=True)):
        if role in turning:
            angles[:, column] = track.values[:, track.controls.index(turning[role])]
    return CoefficientTake(track.times - track.times[0], coefficients, angles, rate=60.0)


def channels_in(units: np.ndarray, profile: RigProfile) -> np.ndarray:
    """(N, 52) 0..1 how much of what each channel alone does is in poses, unit values (N, M) of a
    character's expression controls; 0 of channels that it has not."""
    matrix = channel_matrix(profile.expression_controls)
    size = (matrix**2).sum(1)
    return np.clip(np.asarray(units, float) @ matrix.T / np.maximum(size, 1e-9), 0.0, 1.0)


ROUNDS = 200


def nearest(matrix: np.ndarray, units: np.ndarray) -> np.ndarray:
    """(N, K) amounts in 0..1 with amounts @ matrix (K, M) nearest to units (N, M)."""
    gram, pull = matrix @ matrix.T, units @ matrix.T
    size = np.diag(gram).copy()
    out = np.zeros((len(units), len(matrix)))
    left = pull.copy()
    for _ in range(ROUNDS):
        step = 0.0
        for c in np.flatnonzero(size > 1e-9):
            new = np.clip(out[:, c] + left[:, c] / size[c], 0.0, 1.0)
            change = new - out[:, c]
            left -= change[:, None] * gram[c]
            out[:, c] = new
            step = max(step, float(np.abs(change).max(initial=0.0)))
        if step < 1e-9:
            break
    return out
