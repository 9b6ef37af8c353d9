"""Faces moved by bones: sliders, dials and eye bones on an armature's pose."""

from __future__ import annotations

import re

from ...networks.profile import Target
from .base import MissingProperty, RigFamily

_BONE = re.compile(r'pose\.bones\["(?P<name>(?:[^"\\]|\\.)*)"\](?P<rest>.*)$')


class Family(RigFamily):
    """Targets on an object whose path starts at `pose.bones["..."]`."""

    name = "control_bones"
    priority = 10

    def handles(self, target: Target) -> bool:
        return target.id_type == "OBJECT" and _BONE.match(target.data_path) is not None

    def check(self, target: Target, owner: object) -> None:
        if owner.pose is None:
            raise MissingProperty(f"object {owner.name!r} is no armature")
        match = _BONE.match(target.data_path)
        bone = owner.pose.bones.get(match["name"].replace('\\"', '"'))
        if bone is None:
            raise MissingProperty(f"armature {owner.name!r} has no bone {match['name']!r}")
        # Blender reads one of three rotation properties, by mode; keys on the others do nothing.
        used = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}
        wanted = match["rest"].lstrip(".")
        if wanted.startswith("rotation_") and wanted != "rotation_mode":
            mode = used.get(bone.rotation_mode, "rotation_euler")
            if wanted != mode:
                raise MissingProperty(
                    f"bone {bone.name!r} rotates by {mode}, keys on {wanted} would do nothing"
                )
