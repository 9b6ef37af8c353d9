"""Faces moved by bones: sliders, dials and eye bones on an armature's pose."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...networks.characters.profile import Target
from .base import Found, MissingProperty, RigFamily, drivers_of, escape, no_keys, unescape
from .transforms import channels, readers_of, rotation_property

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
        name = unescape(match["name"])
        bone = owner.pose.bones.get(name)
        if bone is None:
            raise MissingProperty(f"armature {owner.name!r} has no bone {name!r}")
        # Blender reads one of three rotation properties, by mode; keys on the others do nothing.
        wanted = match["rest"].lstrip(".")
        if wanted.startswith("rotation_") and wanted != "rotation_mode":
            mode = rotation_property(bone)
            if wanted != mode:
                raise MissingProperty(
                    f"bone {bone.name!r} rotates by {mode}, keys on {wanted} would do nothing"
                )

    def find_controls(self, objects: Sequence) -> list[Found]:
        """Transform channels of the bones that an animator sees."""
        readers = readers_of(objects)
        found = []
        for rig in objects:
            if rig.pose is not None:
                found += [replace(f, family=self.name) for f in _of_armature(rig, readers)]
        return found


def _of_armature(rig, readers: dict) -> Iterator[Found]:
    drivers = drivers_of(rig)
    blocked = no_keys(rig)
    for bone in rig.pose.bones:
        if not is_visible(bone):
            continue

        def space(location, to_space, bone=bone):
            from mathutils import Matrix

            moved = rig.convert_space(
                pose_bone=bone,
                matrix=Matrix.Translation(location),
                from_space="LOCAL",
                to_space=to_space,
            )
            return tuple(moved.translation)

        target = Target("OBJECT", rig.name, f'pose.bones["{escape(bone.name)}"].')
        read = readers.get((rig.name, bone.name), {})
        for found in channels(bone, target, bone.name, drivers, read, space):
            yield replace(found, blocked=blocked or found.blocked)


def is_visible(bone) -> bool:
    """Whether an animator sees a pose bone: hidden ones are the rig's machinery."""
    if bone.bone.hide or getattr(bone, "hide", False):  # of the pose bone from 5.0 on
        return False
    collections = list(bone.bone.collections)
    return not collections or any(c.is_visible_effectively for c in collections)
