"""What every rig family promises. Read this before adding one."""

from __future__ import annotations

from dataclasses import dataclass

from ...networks.profile import Target


class MissingProperty(Exception):
    """A target's datablock or property is not in the scene, or can't be animated; says which."""


@dataclass(frozen=True)
class Property:
    """One animatable property of the open file.

    owner: the datablock (bpy.types.ID) that holds the animation; data_path and index: as in
    F-curves (-1: not an array); scale: the property is `scale` times the control's value.
    """

    owner: object
    data_path: str
    index: int
    scale: float = 1.0

    def read(self) -> float:
        """The property's present value, in its own unit."""
        value = self.owner.path_resolve(self.data_path)
        return float(value if self.index < 0 else value[self.index])

    def write(self, control_value: float) -> None:
        """Set the property from a control's value, without a key."""
        value = control_value * self.scale
        if self.index >= 0:
            self.owner.path_resolve(self.data_path)[self.index] = value
        elif self.data_path.endswith('"]'):  # a custom property: item access on its holder
            holder, name = self.data_path[:-2].rsplit('["', 1)
            (self.owner.path_resolve(holder) if holder else self.owner)[name] = value
        else:
            holder, _, name = self.data_path.rpartition(".")
            setattr(self.owner.path_resolve(holder) if holder else self.owner, name, value)


class RigFamily:
    """A way of building face rigs: shape keys, control bones, custom properties, ...

    A family lives in its own module of this package, as a class named `Family`. It is made once,
    without arguments, and holds no state. Its methods run on the main thread in object mode or in
    the background; they read the scene and never change it: no operator, no mode switch, no key.

    name: short and unique, as in a profile's `family`.
    priority: families are asked in falling order; a family that takes anything has the lowest.
    """

    name = ""
    priority = 0

    def handles(self, target: Target) -> bool:
        """Whether targets like this one are this family's. Looks at the target only."""
        raise NotImplementedError

    def owner(self, target: Target, find) -> object:
        """The datablock that is animated.

        Args:
            find: (id_type, id_name) -> datablock or None; see `rigs.resolve`.

        Raises:
            MissingProperty: it is not in the scene.
        """
        datablock = find(target.id_type, target.id_name)
        if datablock is None:
            raise MissingProperty(f"{target.id_type.lower()} {target.id_name!r} is missing")
        return datablock

    def check(self, target: Target, owner: object) -> None:
        """Raise MissingProperty if keys on this property would have no effect. May be extended."""

    def resolve(self, target: Target, find) -> Property:
        """The property, checked to exist and to hold a number.

        Raises:
            MissingProperty: see `rigs.resolve`.
        """
        owner = self.owner(target, find)
        self.check(target, owner)
        try:
            value = owner.path_resolve(target.data_path)
            number = value if target.index < 0 else value[target.index]
            float(number)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            index = "" if target.index < 0 else f"[{target.index}]"
            raise MissingProperty(
                f"{owner.name!r} has no number at {target.data_path}{index}"
            ) from error
        return Property(owner, target.data_path, target.index, target.scale)
