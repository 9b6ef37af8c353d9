"""What every rig family promises. Read this before adding one."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...networks.characters.profile import Target

_ITEM = re.compile(r'^(?P<holder>.*)\["(?P<name>(?:[^"\\]|\\.)*)"\]$')

LINKED = "is linked: make a library override first"
CLOSED = "is an override that can't be changed: make it editable (Library Override > Make)"
"""Why no keys can be put on a datablock."""


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
        self.set(control_value * self.scale)

    def set(self, value: float) -> None:
        """Set the property to `value`, in its own unit; whole numbers and switches stay such."""
        if self.index >= 0:
            self.owner.path_resolve(self.data_path)[self.index] = value
            return
        item = _ITEM.match(self.data_path)
        if item:  # a custom property: item access on its holder
            holder = self.owner.path_resolve(item["holder"]) if item["holder"] else self.owner
            name = unescape(item["name"])
            kind = type(holder[name])
            holder[name] = kind(round(value)) if kind in (int, bool) else value
        else:
            path, _, name = self.data_path.rpartition(".")
            setattr(self.owner.path_resolve(path) if path else self.owner, name, value)


@dataclass(frozen=True)
class Found:
    """Something of a scene that may be a control of a face; whether it is, moving it tells.

    name: what to call the control; label: the name that people gave (bone, key or property).
    targets: what it sets; the same value times each target's scale. rest: the present value;
    minimum, maximum: limits in the same unit, infinite where the rig sets none.
    family: name of the family that found it. kind: "value", "location", "rotation" or "scale".
    blocked: why it can't be keyed with any effect ("is driven by ...", "is locked"), or "".
    holder: what the channels of one bone or object have in common. full: the value at which it
    shows all that its name says, where not its limits tell but what it is.
    """

    name: str
    label: str
    targets: tuple[Target, ...]
    rest: float
    minimum: float
    maximum: float
    family: str
    kind: str = "value"
    blocked: str = ""
    holder: str = ""
    full: float | None = None

    @property
    def limited(self) -> bool:
        """Whether the rig limits it on both sides."""
        return math.isfinite(self.minimum) and math.isfinite(self.maximum)


def unescape(name: str) -> str:
    """A name as it stands between the quotes of a data path -> the name."""
    return re.sub(r"\\(.)", r"\1", name)


def escape(name: str) -> str:
    """A name as it may stand between the quotes of a data path."""
    return re.sub(r'(["\\])', r"\\\1", name)


def drivers_of(datablock) -> dict[tuple[str, int], str]:
    """(data path, index, 0 where there is none) -> what drives it, in words."""
    animation = getattr(datablock, "animation_data", None)
    return {
        (d.data_path, d.array_index): _source(d.driver) for d in getattr(animation, "drivers", ())
    }


def _source(driver) -> str:
    names = []
    for variable in driver.variables:
        for target in variable.targets:
            if target.id is None:
                names.append("something that is gone")
                continue
            part = target.bone_target or target.data_path
            names.append(f"{target.id.name}{' ' if part else ''}{part}")
    return ", ".join(dict.fromkeys(names)) or "an expression"


def no_keys(datablock) -> str:
    """Why keys can't be put on a datablock, or "": it is the file's own or an editable override."""
    if datablock.library is not None:
        return LINKED
    if is_closed_override(datablock):
        return CLOSED
    return ""


def is_closed_override(datablock) -> bool:
    """A library override that Blender made along with another one, and lets nobody change."""
    override = datablock.override_library
    return override is not None and override.is_system_override


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

    def find_controls(self, objects: Sequence) -> list[Found]:
        """What could be controls of this family on the objects of one character.

        Everything that a person could key and that is no part of the machinery (hidden bones);
        what would have no effect is listed too, with the reason in `Found.blocked`. Whether it
        moves the face is found out later by moving it.

        Args:
            objects: bpy.types.Object, everything that may take part: meshes, armatures, empties.
        """
        return []

    def check(self, target: Target, owner: object) -> None:
        """Raise MissingProperty if keys on this property would have no effect. May be extended."""

    def resolve(self, target: Target, find) -> Property:
        """The property, checked to exist and to hold a number.

        Raises:
            MissingProperty: see `rigs.resolve`.
        """
        owner = self.owner(target, find)
        self.check(target, owner)
        if owner.library is not None:
            raise MissingProperty(
                f"{owner.name!r} is linked from {owner.library.filepath!r} and can't be keyed: "
                "make a library override of it"
            )
        driven = drivers_of(owner).get((target.data_path, max(target.index, 0)))
        if driven is not None:
            raise MissingProperty(
                f"{owner.name!r} {target.data_path} is driven by {driven}: keys would do nothing"
            )
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
