"""Faces of shape keys: ARKit sets and others, on one mesh or several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...networks.characters.profile import Target
from .base import Found, MissingProperty, RigFamily, drivers_of, escape, no_keys

SCULPTED = 1.0
"""Value at which a key has the shape that it was sculpted with, wherever its slider ends."""
FARTHEST = 1e9
"""Blender units within which all points lie: the infinite is kept as the largest number."""


class Family(RigFamily):
    """Targets of id_type "KEY"; `id_name` is the object's, since key datablocks' names change."""

    name = "shape_keys"
    priority = 10

    def handles(self, target: Target) -> bool:
        return target.id_type == "KEY"

    def owner(self, target: Target, find) -> object:
        mesh_object = find("OBJECT", target.id_name)
        if mesh_object is None:
            raise MissingProperty(f"object {target.id_name!r} is missing")
        keys = getattr(mesh_object.data, "shape_keys", None)
        if keys is None:
            raise MissingProperty(f"object {target.id_name!r} has no shape keys")
        return keys

    def find_controls(self, objects: Sequence) -> list[Found]:
        """One control for each key name: web avatars repeat a key on head, eyes and teeth."""
        by_name: dict[str, list[Found]] = {}
        seen = set()
        for part in objects:
            keys = getattr(part.data, "shape_keys", None) if part.data else None
            if keys is None or keys.as_pointer() in seen:  # two objects may share one mesh
                continue
            seen.add(keys.as_pointer())
            for found in _of_object(part, keys, self.name):
                by_name.setdefault(found.label, []).append(found)
        return [_together(parts) for parts in by_name.values()]


def key_points(block) -> np.ndarray:
    """(V, 3) float32: where a shape key has a mesh's points, in the mesh's space."""
    flat = np.empty(len(block.data) * 3, np.float32)
    block.data.foreach_get("co", flat)
    return flat.reshape(-1, 3)


def is_somewhere(points: np.ndarray) -> np.ndarray:
    """(V,) which of the points (V, 3) are numbers and within all reach."""
    return (np.abs(points) < FARTHEST).all(-1)


def _of_object(part, keys, family: str):
    drivers = drivers_of(keys)
    unkeyable = no_keys(keys) or _all_off(part, keys)
    for block in keys.key_blocks:
        if block == keys.reference_key:
            continue
        path = f'key_blocks["{escape(block.name)}"].value'
        driven = f"is driven by {drivers[path, 0]}" if (path, 0) in drivers else ""
        yield Found(
            name=block.name,
            label=block.name,
            targets=(Target("KEY", part.name, path),),
            rest=block.value,
            minimum=block.slider_min,
            maximum=block.slider_max,
            family=family,
            blocked=unkeyable or driven or _off(block),
            full=SCULPTED,
        )


def _all_off(part, keys) -> str:
    """Why the values of all keys of a mesh do nothing, or ""."""
    if not keys.use_relative:
        return "belongs to absolute shape keys, which run by evaluation time"
    if part.show_only_shape_key:
        return f"is not shown: {part.name} has Solo Active Shape Key on"
    return ""


def _off(block) -> str:
    """Why the value of a key does nothing, or "". A lock on it keeps its points from being
    sculpted, not its value from being set."""
    if block.mute:
        return "is muted"
    if not is_somewhere(key_points(block)).all():
        return "holds points that are nowhere"
    return ""


def _together(parts: list[Found]) -> Found:
    """One control of the keys of one name; those that are driven follow by themselves."""
    free = [p for p in parts if not p.blocked] or parts[:1]
    first = free[0]
    return Found(
        name=first.name,
        label=first.label,
        targets=tuple(t for p in free for t in p.targets),
        rest=first.rest,
        minimum=max(p.minimum for p in free),
        maximum=min(p.maximum for p in free),
        family=first.family,
        blocked=first.blocked,
        full=first.full,
    )
