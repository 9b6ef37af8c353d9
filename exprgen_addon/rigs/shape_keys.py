"""Faces of shape keys: ARKit sets and others, on one mesh or several."""

from __future__ import annotations

from ...networks.profile import Target
from .base import MissingProperty, RigFamily


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
