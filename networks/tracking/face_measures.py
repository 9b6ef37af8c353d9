"""What is measured on one seen face: where the eyes look, how far the lids are open, how well the
camera sees it."""

from __future__ import annotations

import math

import numpy as np

from ..vocabulary import ARKIT_INDEX
from .face_detector import FaceObservation

_LIDS = {  # upper, lower, outer and inner corner
    "left": ((385, 386, 387), (380, 374, 373), 263, 362),
    "right": ((160, 159, 158), (144, 145, 153), 33, 133),
}
GAZE_YAW = 0.6  # radians at a look-in or look-out coefficient of 1
GAZE_PITCH = 0.5  # radians at a look-up or look-down coefficient of 1


def gaze_angles(arkit: np.ndarray) -> np.ndarray:
    """(..., 52) coefficients -> (..., 2, 2) yaw and pitch of the left and the right eye, radians.

    Relative to the head; signs as in ROLES. The look coefficients are proportional to the iris's
    offset between the eye's corners (correlation 0.98 over a clip), but agree better between both
    eyes and keep their zero when the head turns; so they are used and scaled to angles by that
    proportion, for an eyeball of 12 mm in an eye of 30 mm.
    """

    def of(name: str) -> np.ndarray:
        return arkit[..., ARKIT_INDEX[name]]

    left_yaw = of("eyeLookOutLeft") - of("eyeLookInLeft")
    right_yaw = of("eyeLookInRight") - of("eyeLookOutRight")
    left_pitch = of("eyeLookDownLeft") - of("eyeLookUpLeft")
    right_pitch = of("eyeLookDownRight") - of("eyeLookUpRight")
    left = np.stack([GAZE_YAW * left_yaw, GAZE_PITCH * left_pitch], axis=-1)
    right = np.stack([GAZE_YAW * right_yaw, GAZE_PITCH * right_pitch], axis=-1)
    return np.stack([left, right], axis=-2).astype(np.float32)


def lid_openings(observation: FaceObservation) -> np.ndarray:
    """(2,) float32, left and right: distance of the lids over that of the eye's corners, 0 closed
    and about 0.3 wide awake; measured in the head's own frame, so that looking up or down with the
    whole head does not count."""
    points = in_head(observation)
    openings = []
    for upper, lower, outer, inner in _LIDS.values():
        height = points[list(upper), 1].mean() - points[list(lower), 1].mean()
        openings.append(height / np.hypot(*(points[outer] - points[inner])[:2]))
    return np.array(openings, np.float32)


def confidence(observation: FaceObservation) -> float:
    """0..1: how well the camera sees this face.

    The product of: its width in pixels (1 from 64 on), its turn away from the camera (1 up to 30
    degrees, 0 from 90), and the share of its landmarks that lie inside the picture. The landmarker
    itself tells no score; something held before the face does not show here.
    """
    width, height = observation.size
    points = observation.landmarks[:, :2]
    inside = ((points >= 0) & (points < [width, height])).all(1).mean()
    pose = observation.head_pose
    facing = pose[2, 2] / max(float(np.linalg.norm(pose[:3, 2])), 1e-6)
    turn = math.degrees(math.acos(max(-1.0, min(1.0, facing))))
    seen = min(1.0, max(0.0, (90.0 - turn) / 60.0))
    return float(min(1.0, observation.width / 64.0) * seen * inside)


def in_head(observation: FaceObservation) -> np.ndarray:
    """The landmarks (478, 3) turned into the head's axes: x to the subject's left, y up."""
    rotation = observation.head_pose[:3, :3]
    return (observation.landmarks * np.array([1, -1, -1], np.float32)) @ rotation


def roll(observation: FaceObservation) -> float:
    """Degrees clockwise by which the face is turned in the picture's plane, by its eyes' corners;
    -180..180, 0 upright."""
    points = observation.landmarks
    (_, _, left_outer, left_inner), (_, _, right_outer, right_inner) = _LIDS.values()
    line = (points[left_outer] + points[left_inner] - points[right_outer] - points[right_inner])[:2]
    return math.degrees(math.atan2(float(line[1]), float(line[0])))
