"""Faces moved by objects: empties and curves that serve as sliders, eyeballs that turn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ...networks.characters.profile import Target
from .base import Found, MissingProperty, RigFamily, drivers_of, no_keys
from .transforms import channels, readers_of, rotation_property

_TRANSFORM = re.compile(
    r"^(location|rotation_euler|rotation_quaternion|rotation_axis_angle|scale)$"
)


class Family(RigFamily):
    """Targets that are an object's own location, rotation or scale."""

    name = "control_objects"
    priority = 5

    def handles(self, target: Target) -> bool:
        return target.id_type == "OBJECT" and _TRANSFORM.match(target.data_path) is not None

    def check(self, target: Target, owner: object) -> None:
        if target.data_path.startswith("rotation_"):
            mode = rotation_property(owner)
            if target.data_path != mode:
                raise MissingProperty(
                    f"object {owner.name!r} rotates by {mode}, "
                    f"keys on {target.data_path} would do nothing"
                )

    def find_controls(self, objects: Sequence) -> list[Found]:
        """Channels of every object; armatures are left to their bones."""
        readers = readers_of(objects)
        found = []
        for part in objects:
            if part.type == "ARMATURE":
                continue

            def space(location, to_space, part=part):
                from mathutils import Matrix

                moved = part.convert_space(
                    matrix=Matrix.Translation(location), from_space="LOCAL", to_space=to_space
                )
                return tuple(moved.translation)

            blocked = no_keys(part)
            rows = channels(
                part,
                Target("OBJECT", part.name, ""),
                part.name,
                drivers_of(part),
                readers.get((part.name, ""), {}),
                space,
            )
            found += [replace(f, family=self.name, blocked=blocked or f.blocked) for f in rows]
        return found
