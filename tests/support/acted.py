"""An actor whose every motion is known: a character's points worn by a FaceTrack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from exprgen.networks.characters.response import POINTS, PROBES, ResponseModel
from exprgen.networks.solving.head_and_gaze import rotation_of
from exprgen.networks.solving.people import people
from exprgen.networks.track import FaceTrack
from exprgen.networks.vocabulary import LANDMARKS, MEDIAPIPE_LANDMARKS, NEUTRAL
from exprgen.tests.support import synthetic

MESH = [*LANDMARKS.values(), *(mesh for _, mesh in PROBES.values())]
# Made-up places of the other points that no expression moves: temples, forehead, sides.
SIDES = {6: (0, 0, 0.5), 195: (0, -0.3, 0.6), 197: (0, -0.2, 0.6), 127: (-1.1, 0, -0.6),
         356: (1.1, 0, -0.6), 10: (0, 1.3, 0.2), 109: (-0.4, 1.3, 0.1), 338: (0.4, 1.3, 0.1),
         234: (-1.1, -0.4, -0.7), 454: (1.1, -0.4, -0.7)}  # fmt: skip
PIXELS = 60.0  # an eye distance


def worn(model: ResponseModel, units: np.ndarray, head: np.ndarray | None = None) -> FaceTrack:
    """A clip of an actor who does what `model` does at unit values (N, C).

    Args:
        head: (N, 3) pitch, yaw, roll in radians.
    """
    points = model.through(np.eye(3 * len(POINTS))).predict(units).reshape(len(units), -1, 3)
    mesh = np.zeros((len(units), MEDIAPIPE_LANDMARKS, 3))
    mesh[:, list(SIDES)] = list(SIDES.values())
    mesh[:, MESH] = points
    head = np.zeros((len(units), 3)) if head is None else head
    turns = np.array([rotation_of(*row) for row in head])
    mesh = np.einsum("nij,nkj->nki", turns, mesh) * (PIXELS, -PIXELS, -PIXELS) + (320, 240, 0)
    pose = np.tile(np.eye(4), (len(units), 1, 1))
    pose[:, :3, :3] = turns
    track = synthetic.face_track(frames=len(units), fps=25.0)
    calm = np.abs(units).max(1) < 0.05
    expression = np.full((len(units), 7), 0.02, np.float32)
    expression[:, NEUTRAL] = np.where(calm, 0.88, 0.4)
    expression /= expression.sum(1, keepdims=True)
    return replace(
        track,
        landmarks=mesh.astype(np.float32),
        head_pose=pose.astype(np.float32),
        state=np.zeros(len(units), np.uint8),
        blink=np.zeros((len(units), 2), np.float32),
        arkit=np.clip(people().calm + np.where(calm, 0, 0.4)[:, None], 0, 1).astype(np.float32),
        expression=expression,
    )


def with_meeting_lips(model: ResponseModel) -> ResponseModel:
    """A response whose inner lips meet at rest, as a tracker's landmarks of closed lips do."""
    rest = model.rest.copy()
    for top, bottom in (("1", "3"), ("2", "2"), ("3", "1")):
        upper, lower = f"lip_top_inner_{top}", f"lip_bottom_inner_{bottom}"
        rest[model.points.index(lower), 1] = rest[model.points.index(upper), 1]
    return replace(model, rest=rest)
