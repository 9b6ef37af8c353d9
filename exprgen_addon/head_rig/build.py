"""Shapes become shape keys, and what follows from several of them drivers. Needs bpy."""

from __future__ import annotations

import bpy
import numpy as np

from ...networks.head_rig.acting import Corrective
from ...networks.head_rig.head_shapes import HeadShapes
from ...networks.head_rig.rigid_parts import EYE
from .reading import rest_points

TAG = "exprgen_head_rig"
"""Marks the head that was rigged; its value says by which method."""


def add_shapes(objects: list[bpy.types.Object], found: HeadShapes, method: str) -> int:
    """Give each object its keys, the head first, and what drives the correctives; how many keys
    the head has then."""
    for obj, shapes in zip(objects, found.shapes, strict=True):
        if shapes:
            _add_keys(obj, shapes)
    keys = objects[0].data.shape_keys
    for obj, shapes in zip(objects, found.shapes, strict=True):
        for corrective in found.correctives:
            if corrective.name in shapes:
                _drive(obj.data.shape_keys.key_blocks[corrective.name], keys, corrective)
    for obj, kinds in zip(objects[1:], found.kinds[1:], strict=True):
        if EYE in kinds:  # keys turn it; its object would swing it about an origin that is anywhere
            obj.lock_location = obj.lock_rotation = obj.lock_scale = (True, True, True)
    objects[0][TAG] = method
    return len(keys.key_blocks) - 1


def _add_keys(obj: bpy.types.Object, shapes: dict[str, np.ndarray]) -> None:
    if obj.data.shape_keys is None:
        obj.shape_key_add(name="Basis", from_mix=False)
    rest = rest_points(obj)
    back = np.linalg.inv(np.array(obj.matrix_world)[:3, :3])
    blocks = obj.data.shape_keys.key_blocks
    for name, moves in shapes.items():
        if name in blocks:
            continue  # a part's own key of this name is meant to be there
        key = obj.shape_key_add(name=name, from_mix=False)
        places = np.ascontiguousarray(rest + moves @ back.T, np.float32)
        key.data.foreach_set("co", places.ravel())
        key.value = 0.0  # from 5.0 on a new key is at 1
    obj.data.update()


def _drive(block, keys, corrective: Corrective) -> None:
    """Let a key stand at an expression of others; so plain that no script permission is asked."""
    driver = block.driver_add("value").driver
    driver.type = "SCRIPTED"
    for letter, source in zip("abcde", corrective.sources, strict=False):
        variable = driver.variables.new()
        variable.name = letter
        variable.targets[0].id_type = "KEY"
        variable.targets[0].id = keys
        variable.targets[0].data_path = f'key_blocks["{source}"].value'
    driver.expression = corrective.expression


def add_pivot(objects: list[bpy.types.Object], found: HeadShapes) -> bpy.types.Object | None:
    """An empty on the neck by which a head turns that hangs on nothing; None where it hangs on
    something, which then turns it."""
    head = objects[0]
    if head.parent is not None or any(m.type == "ARMATURE" for m in head.modifiers):
        return None
    pivot = bpy.data.objects.new(f"{head.name} Turn", None)
    pivot.empty_display_type, pivot.location = "ARROWS", found.pivot.tolist()
    pivot.empty_display_size = 120.0 / found.scale
    pivot.lock_location = pivot.lock_scale = (True, True, True)
    for collection in head.users_collection:
        collection.objects.link(pivot)
    bpy.context.view_layer.update()
    for obj in objects:
        if obj.parent is None:
            obj.parent = pivot
            obj.matrix_parent_inverse = pivot.matrix_world.inverted()
    return pivot
