"""How blinks reach a character: its lid controls, also where it has one eye."""

from __future__ import annotations

import numpy as np

from ..characters.profile import RigProfile
from ..vocabulary import mirror_name


def for_one_eye(directed: dict[str, np.ndarray], profile: RigProfile) -> dict[str, np.ndarray]:
    """A character with one eye turns and closes it by the mean of the actor's two."""
    roles = {c.role for c in profile.controls}
    mean = dict(directed)
    for left in ("blink_left", "gaze_left_yaw", "gaze_left_pitch"):
        right = mirror_name(left)
        if (left in roles) != (right in roles):
            mean[left] = mean[right] = 0.5 * (directed[left] + directed[right])
    return mean


def blend_blink(units: np.ndarray, blink: np.ndarray) -> np.ndarray:
    """A lid control's unit values (N,), with what the tracker saw of the lid (0 open .. 1 closed).

    The tracker measures the lids, so a closing lid is at least where it says; the network may close
    it further, but is only half believed (a drowsy look of a wide-awake actor is worse than the
    reverse). Opening beyond rest is the network's, as far as the eye is open.
    """
    closing, opening = np.maximum(units, 0.0), np.minimum(units, 0.0)
    closed = np.maximum(blink, 0.5 * (blink + closing))
    return closed + (1.0 - blink) * opening
