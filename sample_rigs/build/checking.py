"""Whether the build still gives the characters that ship: `... build NAME --check`.

What counts is what a file holds in numbers: meshes, shape keys, weights, drivers, bones, poses,
materials, and the profile but for its landmarks, which are found afterwards. Pictures of key poses
are left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np

from ...networks.reading import read_object
from .head import QUANTUM

DIGITS = 9
"""Decimals of a profile's numbers: the last bits of a sum are the machine's own."""
NOISE = 2.02 * QUANTUM
"""Metres, or shares: the step to which shape keys are rounded. What Rigify makes differs from run
to run by a hundredth of a millimetre at most, and sums on the edge of two steps go either way."""
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")
"""In a text, with a decimal point: others are names' own."""
KINDS = {
    "FLOAT": ("value", 1, np.float32),
    "INT": ("value", 1, np.int32),
    "BOOLEAN": ("value", 1, bool),
    "FLOAT_VECTOR": ("vector", 3, np.float32),
    "FLOAT_COLOR": ("color", 4, np.float32),
    "BYTE_COLOR": ("color", 4, np.float32),
}
"""Types of mesh attributes: where the numbers stand, how many, of what type."""
AFTERWARDS = {"landmarks"}
"""Fields of a profile that the build does not make."""

Held = dict[str, object]
"""What a file holds, by words for it: arrays, texts, what JSON holds."""


def differences(ships: Path, built: Path) -> list[str]:
    """In words what differs between a character's two .blend files and the profiles beside them;
    empty if nothing does. The open file is given up.

    Raises:
        InputError: a profile is missing or damaged.
    """
    one, other = (_held(path) for path in (ships, built))
    told = [f"{name}: not built any more" for name in one if name not in other]
    told += [f"{name}: only built" for name in other if name not in one]
    for name in one.keys() & other.keys():
        if word := _difference(one[name], other[name]):
            told.append(f"{name}: {word}")
    return sorted(told)


def _difference(one, other) -> str:
    """ "" for equal ones."""
    if isinstance(one, str) and isinstance(other, str):
        return "" if _alike(one, other) else "is another"
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        return "" if one == other else "is another"
    if one.shape != other.shape:
        return f"{len(one)} became {len(other)}"
    if np.array_equal(one, other):
        return ""
    apart = np.abs(one.astype(float) - other).reshape(len(one), -1).max(1)
    if apart.max() < NOISE:
        return ""
    apart[apart < NOISE] = 0.0
    return f"{np.count_nonzero(apart)} of {len(one)} differ, by up to {apart.max():.3g}"


def _alike(one: str, other: str) -> bool:
    """Texts that say the same, but for noise in their numbers."""
    if NUMBER.split(one) != NUMBER.split(other):
        return False
    numbers = (np.array(NUMBER.findall(text), float) for text in (one, other))
    return bool(np.allclose(*numbers, rtol=NOISE, atol=NOISE))


def _held(path: Path) -> Held:
    """All that a character's .blend and its profile hold."""
    bpy.ops.wm.open_mainfile(filepath=str(path))
    held: Held = {}
    for obj in bpy.data.objects:
        held |= {f"{obj.name}: {what}": value for what, value in _object(obj)}
    for mesh in bpy.data.meshes:
        held |= {f"{mesh.name}: {what}": value for what, value in _mesh(mesh)}
    for material in bpy.data.materials:
        held[f"material {material.name}"] = _nodes(material.node_tree)
    for group in bpy.data.node_groups:
        held[f"nodes {group.name}"] = _nodes(group)
    for action in bpy.data.actions:
        held |= {f"pose {action.name}: {what}": value for what, value in _action(action)}
    profile = read_object(path.with_suffix(".json"))
    for name in profile.keys() - AFTERWARDS:
        held[f"profile: {name}"] = _rounded(profile[name])
    return held


def _mesh(mesh) -> Iterator[tuple[str, np.ndarray | str]]:
    yield "points", _column(mesh.vertices, "co", 3)
    yield "corners", _column(mesh.loops, "vertex_index", 1, np.int32)
    yield "faces", _column(mesh.polygons, "loop_total", 1, np.int32)
    yield "materials", str([m.name for m in mesh.materials])
    for layer in mesh.attributes:
        if layer.data_type in KINDS and not layer.name.startswith("."):
            place, width, kind = KINDS[layer.data_type]
            yield f"attribute {layer.name}", _column(layer.data, place, width, kind)
    if keys := mesh.shape_keys:
        for key in keys.key_blocks:
            yield f"shape key {key.name}", _column(key.data, "co", 3)
        yield from _drivers(keys)


def _object(obj) -> Iterator[tuple[str, np.ndarray | str]]:
    parent = (obj.parent.name, obj.parent_type, obj.parent_bone) if obj.parent else ()
    yield "parent", str(parent)
    yield "place", np.array(obj.matrix_world)
    yield "modifiers", str([(m.name, m.type) for m in obj.modifiers])
    yield from _drivers(obj)
    if obj.type == "MESH":
        yield "weights", _weights(obj)
    for bone in obj.pose.bones if obj.pose else ():
        yield f"bone {bone.name}", np.array(bone.bone.matrix_local)
        yield f"constraints of {bone.name}", str([(c.type, c.name) for c in bone.constraints])
    if obj.data is not None and obj.type == "ARMATURE":
        yield from _drivers(obj.data)


def _weights(obj) -> np.ndarray:
    """(V, G) of an object's vertex groups."""
    table = np.zeros((len(obj.data.vertices), len(obj.vertex_groups)), np.float32)
    for vertex in obj.data.vertices:
        for element in vertex.groups:
            table[vertex.index, element.group] = element.weight
    return table


def _drivers(block) -> Iterator[tuple[str, str]]:
    for curve in block.animation_data.drivers if block.animation_data else ():
        driver = curve.driver
        targets = [
            (v.name, v.type, t.data_path, t.transform_type)
            for v in driver.variables
            for t in v.targets
        ]
        bends = [tuple(m.coefficients) for m in curve.modifiers if m.type == "GENERATOR"]
        points = [tuple(k.co) for k in curve.keyframe_points]
        told = (driver.type, driver.expression, targets, bends, points)
        yield f"driver of {curve.data_path} {curve.array_index}", str(told)


CHOICES = ("operation", "data_type", "domain", "blend_type", "mode", "transform_space")
"""Settings of nodes that are none of their sockets."""


def _nodes(tree) -> list[str]:
    """A tree's nodes, each by its kind, its settings and all that leads into it; their names and
    their order are nothing."""
    if tree is None:
        return []
    into = {(link.to_node.name, link.to_socket.identifier): link for link in tree.links}
    known: dict[str, str] = {}

    def digest(node) -> str:
        if node.name not in known:
            choices = [str(getattr(node, name, "")) for name in CHOICES]
            told = (node.bl_idname, choices, [led(node, socket) for socket in node.inputs])
            known[node.name] = hashlib.sha256(str(told).encode()).hexdigest()
        return known[node.name]

    def led(node, socket) -> str:
        link = into.get((node.name, socket.identifier))
        if link is None:
            return _setting(socket)
        return f"{digest(link.from_node)} {link.from_socket.identifier}"

    return sorted(map(digest, tree.nodes))


def _setting(socket) -> str:
    value = getattr(socket, "default_value", None)
    if isinstance(value, bpy.types.ID):
        return value.name
    return str(list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value)


def _action(action) -> Iterator[tuple[str, np.ndarray]]:
    for layer in action.layers:
        for strip in layer.strips:
            for bag in strip.channelbags:
                for curve in bag.fcurves:
                    what = f"{curve.data_path} {curve.array_index}"
                    yield what, np.array([tuple(k.co) for k in curve.keyframe_points])


def _column(items, name: str, width: int, kind: type = np.float32) -> np.ndarray:
    """(N, width) of a collection's property."""
    flat = np.empty(len(items) * width, kind)
    items.foreach_get(name, flat)
    return flat.reshape(-1, width)


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return round(value, DIGITS) if isinstance(value, float) else value
