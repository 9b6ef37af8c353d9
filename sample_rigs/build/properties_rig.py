"""Custom properties on the face bone, and the drivers that carry them to the shape keys.

Expressions stay within Blender's simple ones, which need no permission to run scripts.
"""

from __future__ import annotations

import re

from ...networks.characters.profile import Control
from .board import drive
from .controls_properties import (
    FACE,
    ON_EYES,
    drives,
    property_controls,
    property_labels,
    property_path,
)


def add_properties(rig) -> None:
    """Give the face bone one float property an action unit, with limits and a tooltip."""
    face, labels = rig.pose.bones[FACE], property_labels()
    for control in property_controls(rig.name):
        face[control.name] = float(control.rest)
        face.id_properties_ui(control.name).update(
            min=control.minimum, max=control.maximum, soft_min=control.minimum,
            soft_max=control.maximum, default=float(control.rest), step=0.05, precision=3,
            description=labels[control.name],
        )  # fmt: skip
        face.property_overridable_library_set(f'["{control.name}"]', True)


def drive_properties(rig, head, eyes) -> None:
    """Shape keys from the properties; values beyond the limits act like the limits."""
    limits = {c.name: c for c in property_controls(rig.name)}
    for item in drives():
        for obj in eyes if item.key in ON_EYES else (head,):
            variables = {name: ("OBJECT", rig, property_path(name)) for name in item.names}
            expression = item.expression
            if len(item.names) > 1:  # a lone unit is limited by the shape key's own range
                expression = _within(expression, limits, item.names)
            drive(obj.data.shape_keys, f'key_blocks["{item.key}"].value', variables, expression)


def _within(expression: str, limits: dict[str, Control], names: tuple[str, ...]) -> str:
    """The expression with every variable clamped to its property's limits."""
    for name in names:
        low, high = limits[name].minimum, limits[name].maximum
        expression = re.sub(rf"\b{name}\b", f"min({high:g},max({low:g},{name}))", expression)
    return expression
