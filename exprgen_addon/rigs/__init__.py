"""Rig families, found by scanning this package: a module with a class `Family` is a family.

Adding one is adding a file; no list names them (house rule 4).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from ...networks.characters.profile import Target
from .base import Found, MissingProperty, Property, RigFamily

__all__ = [
    "Found",
    "MissingProperty",
    "Property",
    "RigFamily",
    "families",
    "find_controls",
    "resolve",
]


@cache
def families() -> tuple[RigFamily, ...]:
    """One object a family, the most specific first (`RigFamily.priority`), then by name."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        family = getattr(importlib.import_module(f"{__name__}.{module.name}"), "Family", None)
        if family is not None:
            found.append(family())
    return tuple(sorted(found, key=lambda f: (-f.priority, f.name)))


def resolve(target: Target, find) -> Property:
    """The property behind a profile's target, by the first family that handles it.

    Args:
        target: where the profile says the property is.
        find: (id_type, id_name) -> the datablock of this copy of the character, or None.

    Raises:
        MissingProperty: the datablock or the property is not there, or can't be animated.
    """
    for family in families():
        if family.handles(target):
            return family.resolve(target, find)
    raise MissingProperty(f"no rig family handles {target.id_type} {target.data_path!r}")


def find_controls(objects: Sequence) -> list[Found]:
    """What all families find on a character's objects; a property goes to the first that names it.

    Names are unique: where two are alike, the later gets its object's name in front.
    """
    found: list[Found] = []
    taken: set[tuple] = set()
    names: set[str] = set()
    for family in families():
        for control in family.find_controls(objects):
            places = {(t.id_type, t.id_name, t.data_path, t.index) for t in control.targets}
            if places & taken:
                continue
            taken |= places
            if control.name in names:
                place = control.holder or control.targets[0].id_name
                control = replace(control, name=f"{place}/{control.name}")
            names.add(control.name)
            found.append(control)
    return found
