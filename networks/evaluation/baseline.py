"""The peer to be compared with: the tracker's blendshapes copied onto a character's controls.

That is what most free tools do: MediaPipe's 52 coefficients go to the ARKit shape keys of the same
name, frame by frame. Characters with other controls get the copy through each control's ARKit
`channels`, the mapping that their makers intended. Head and gaze are those of the transfer it is
compared with, so that the two differ in the face alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..characters.profile import RigProfile, from_unit
from ..errors import UsageError
from ..solving.by_channels import copied_units
from ..track import FaceTrack, RigTrack


def copies_blendshapes(profile: RigProfile) -> bool:
    """The character has controls that stand for ARKit channels."""
    return any(c.channels for c in profile.expression_controls)


def copy_blendshapes(face_track: FaceTrack, profile: RigProfile, transfer: RigTrack) -> RigTrack:
    """`transfer` with its expression controls set by the tracker's coefficients.

    Args:
        transfer: a RigTrack of the same frames and character, with all its controls.

    Raises:
        UsageError: no control of the character stands for an ARKit channel, or other frames.
    """
    if not copies_blendshapes(profile):
        raise UsageError(
            f"{profile.name!r} has no control that stands for an ARKit channel",
            fix="give its controls `channels` in the profile, or leave the comparison out",
        )
    if len(transfer) != len(face_track):
        raise UsageError("the two tracks have other frames", fix="solve the whole face track")
    controls = profile.expression_controls
    native = from_unit(controls, copied_units(face_track, profile))
    values = np.array(transfer.values, np.float32)
    for column, control in enumerate(controls):
        values[:, transfer.controls.index(control.name)] = native[:, column]
    return replace(transfer, values=values, meta={**transfer.meta, "method": "blendshapes"})
