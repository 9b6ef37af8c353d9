"""Anything else that can be animated: custom properties, node values, settings of modifiers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ...networks.characters.profile import Target
from .base import Found, RigFamily, drivers_of, escape, no_keys
from .control_bones import is_visible

_HUGE = 1e6
"""Limits beyond this are Blender's way of saying that there are none."""
_PRIVATE = ("_", "rigify_", "cycles", "exprgen_", "bl_", "ant_")


class Family(RigFamily):
    """Takes every target that no other family wants; finds custom properties."""

    name = "properties"
    priority = -10

    def handles(self, target: Target) -> bool:
        return True

    def find_controls(self, objects: Sequence) -> list[Found]:
        """Custom properties of the objects, their data and the bones that an animator sees."""
        found, seen = [], set()
        for part in objects:
            found += _of_holder(part, part, Target("OBJECT", part.name, ""), "")
            for bone in part.pose.bones if part.pose else ():
                if is_visible(bone):
                    path = f'pose.bones["{escape(bone.name)}"]'
                    found += _of_holder(bone, part, Target("OBJECT", part.name, path), bone.name)
            data = part.data
            if data is not None and data.id_type in ("ARMATURE", "MESH") and data not in seen:
                seen.add(data)
                found += _of_holder(data, data, Target(data.id_type, data.name, ""), "")
        return found


def _of_holder(holder, owner, place: Target, bone: str) -> Iterator[Found]:
    drivers = drivers_of(owner)
    # Add-ons' own settings are kept the same way until Blender 5.0.
    registered = {p.identifier for p in holder.bl_rna.properties if p.is_runtime}
    for key, value in holder.items():
        if key in registered or key.startswith(_PRIVATE) or not isinstance(value, int | float):
            continue
        path = f'{place.data_path}["{escape(key)}"]'
        if not isinstance(value, bool) and holder.id_properties_ui(key).as_dict().get("items"):
            continue  # a choice between names: nothing lies between two of them
        low, high = (0.0, 1.0) if isinstance(value, bool) else _limits(holder, key)
        blocked = no_keys(owner)
        if not blocked and (path, 0) in drivers:
            blocked = f"is driven by {drivers[path, 0]}"
        elif not blocked and low == high:
            blocked = "has limits that leave no room"
        yield Found(
            name=key,
            label=key,
            targets=(Target(place.id_type, place.id_name, path),),
            rest=float(value),
            minimum=low,
            maximum=high,
            family=Family.name,
            blocked=blocked,
            holder=f"{place.id_name}:{bone}",
        )


def _limits(holder, key: str) -> tuple[float, float]:
    """Limits that the property's own settings name: the hard ones, else the soft ones."""
    ui = holder.id_properties_ui(key).as_dict()
    low, high = (
        hard if math.isnan(hard) or abs(hard) < _HUGE else _soft(ui.get(soft, hard))
        for hard, soft in (
            (float(ui.get("min", -math.inf)), "soft_min"),
            (float(ui.get("max", math.inf)), "soft_max"),
        )
    )
    return low, high


def _soft(value: float) -> float:
    value = float(value)
    if math.isnan(value) or abs(value) < _HUGE:
        return value
    return math.copysign(math.inf, value)
