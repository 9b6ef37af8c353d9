"""Key poses that nobody made: what a character's channels make of the vocabulary's poses, and the
controls whose names say that they are an expression by themselves.

They are proposed where a person is asked, and guide a character that has no key poses of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ..vocabulary import ARKIT_CHANNELS
from .control_meanings import read_names
from .key_poses import POSES, arkit_weights, label
from .profile import KeyPose, RigProfile, arkit_to_unit, from_unit

COVERAGE = 0.8
"""Share of a pose's channels that a rig must have controls for."""


def guiding_poses(profile: RigProfile) -> tuple[KeyPose, ...]:
    """A character's key poses; where it has none, those that its channels and names tell."""
    return profile.key_poses or told_poses(profile)


def told_poses(profile: RigProfile) -> tuple[KeyPose, ...]:
    """The poses of the vocabulary that the character's channels can make, and those that controls
    show by themselves."""
    controls = profile.expression_controls
    whole = _whole(profile)
    if not any(c.channels for c in controls):
        return whole
    made = []
    for name, pose in POSES.items():
        weights = arkit_weights(pose)
        if coverage(profile, weights) >= COVERAGE:
            units = arkit_to_unit(controls, np.array(weights))
            made.append(KeyPose(name, label(name), pose_values(profile, units)))
    return (*whole, *made)


def coverage(profile: RigProfile, weights: Sequence[float]) -> float:
    """Share (0 to 1) of an ARKit vector's weights that the profile's channels reach."""
    reached = {c for control in profile.expression_controls for c in control.channels}
    total = sum(weights)
    if total == 0.0:
        return 1.0
    return sum(w for c, w in zip(ARKIT_CHANNELS, weights, strict=True) if c in reached) / total


def _whole(profile: RigProfile) -> tuple[KeyPose, ...]:
    """The controls that show an expression by themselves (`Fcl_ALL_Joy`, 笑い), at their most,
    under the label that their names give."""
    meanings = read_names(profile.names)
    return tuple(
        KeyPose(f"{m.pose}_{_word(c.name)}", m.pose, {c.name: c.maximum})
        for c in profile.expression_controls
        if (m := meanings.get(c.name)) and m.pose and c.maximum > c.rest
    )


def _word(name: str) -> str:
    """A control's name as a part of a pose's: without what separates names in `accept`."""
    return re.sub(r"[\s,=]+", "_", name)


def pose_values(profile: RigProfile, units: np.ndarray) -> dict[str, float]:
    """Unit values (M,) of the expression controls as a key pose's: native, none at rest."""
    controls = profile.expression_controls
    native = from_unit(controls, units)
    pairs = zip(controls, native, strict=True)
    return {c.name: round(float(v), 6) for c, v in pairs if abs(v - c.rest) > 1e-9}
