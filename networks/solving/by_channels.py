"""A character's controls from the tracker's coefficients, through the channels they stand for.

MediaPipe's 52 coefficients are those of ARKit, so a control that stands for ARKit channels has an
answer without any network of its character's. It is a prior: what a character really does is
decided by its geometry (perform.py).
"""

from __future__ import annotations

import numpy as np

from ..characters.profile import RigProfile, arkit_to_unit
from ..track import FaceTrack
from .people import people

CHANNELS, NETWORK = "channels", "network"
"""What a RigTrack's meta says of the way in which it was solved, under "solved_by"."""


def copied_units(face_track: FaceTrack, profile: RigProfile) -> np.ndarray:
    """(N, M) unit values of the expression controls: the coefficients as they are."""
    return arkit_to_unit(profile.expression_controls, face_track.arkit)


def channel_units(face_track: FaceTrack, profile: RigProfile) -> np.ndarray:
    """(N, M) unit values of the expression controls, the coefficients seen from a neutral face's;
    rows of frames without a face don't matter."""
    return arkit_to_unit(profile.expression_controls, calm_coefficients(face_track))


def calm_coefficients(face_track: FaceTrack) -> np.ndarray:
    """(N, 52) the tracker's coefficients seen from those of a neutral face."""
    calm = people().calm
    return np.clip((face_track.arkit - calm) / (1.0 - calm), 0.0, 1.0)
