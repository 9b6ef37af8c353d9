"""What can move a face at all, told from how a rig hangs together; it moves nothing.

From the bones that hold the face's vertices backwards: parents, constraints, drivers, modifiers. A
production's rig has thousands of bones, and trying each costs an evaluation of all of them. Where
it can't be told which bones are meant, all of an object are.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

import bpy
import numpy as np

from ..rigs import Found
from ..rigs.base import escape, unescape
from .scenes import objects_of

Node = tuple[str, ...]
"""("OBJECT", name), ("BONE", object, bone) or ("PROPERTY", kind of datablock, its name, path)."""

_BONE = re.compile(r'(?:pose\.)?bones\["((?:[^"\\]|\\.)*)"\]')
_ITEM = re.compile(r'^(?:(?:pose\.)?bones\["(?:[^"\\]|\\.)*"\])?\["(?:[^"\\]|\\.)*"\]$')
_KEY = re.compile(r"^key_blocks\[")


class Reach:
    """The nodes that may have a say in where some vertices lie.

    Args:
        objects: the character's. rows: mesh object's name -> which of its vertices are the face's,
            a mask (V,), or None for all.
    """

    def __init__(self, objects: Iterable, rows: dict[str, np.ndarray | None]):
        self._objects = {o.name: o for o in objects}
        self._edges: dict[Node, set[Node]] = defaultdict(set)
        for part in self._objects.values():
            self._object(part, rows)
            self._drivers(part)
        starts = [("OBJECT", name) for name in rows if name in self._objects]
        self.nodes = self._behind(starts)

    def __contains__(self, found: Found) -> bool:
        return any(self._of(t) <= self.nodes for t in found.targets)

    def _of(self, target) -> set[Node]:
        if target.id_type == "KEY":
            return set()
        return {_node(target.id_type, target.id_name, target.data_path)}

    def _behind(self, queue: list[Node]) -> set[Node]:
        seen = set(queue)
        while queue:
            new = self._edges[queue.pop()] - seen
            seen |= new
            queue += new
        return seen

    def _object(self, part, rows) -> None:
        edges = self._edges["OBJECT", part.name]
        if part.parent is not None:
            edges |= self._held(part.parent, part.parent_bone if part.parent_type == "BONE" else "")
        for constraint in part.constraints:
            edges |= self._targets(constraint)
        for modifier in part.modifiers:
            if modifier.type == "ARMATURE" and modifier.object is not None:
                edges |= self._holders(part, modifier, rows.get(part.name))
            else:
                for other in objects_of(modifier):
                    edges |= self._held(other, getattr(modifier, "subtarget", ""))
            if _asks_for_objects(modifier):
                edges |= {("OBJECT", name) for name in self._objects}
        if part.parent is not None and part.parent_type == "ARMATURE":
            edges |= self._bones_of(part.parent)
        for bone in part.pose.bones if part.pose else ():
            self._bone(part, bone)

    def _bone(self, rig, bone) -> None:
        own = ("BONE", rig.name, bone.name)
        edges = self._edges[own]
        edges.add(("OBJECT", rig.name))
        if bone.parent is not None:
            edges.add(("BONE", rig.name, bone.parent.name))
        for handle in (bone.bone.bbone_custom_handle_start, bone.bone.bbone_custom_handle_end):
            if handle is not None:
                edges.add(("BONE", rig.name, handle.name))
        for constraint in bone.constraints:
            targets = self._targets(constraint)
            edges |= targets
            if constraint.type in ("IK", "SPLINE_IK"):  # a chain hangs on what its end follows
                for link in _chain(bone, constraint.chain_count):
                    self._edges["BONE", rig.name, link.name] |= {*targets, own}

    def _drivers(self, part) -> None:
        keys = getattr(part.data, "shape_keys", None) if part.data else None
        trees = [m.node_group for m in part.modifiers if getattr(m, "node_group", None)]
        for datablock in (part, part.data, keys, *trees):
            for curve in getattr(getattr(datablock, "animation_data", None), "drivers", ()):
                owner = self._driven(part, datablock, curve.data_path)
                for variable in curve.driver.variables:
                    for target in variable.targets:
                        self._edges[owner] |= self._read(target)
        if keys is not None:
            for block in keys.key_blocks:
                path = f'key_blocks["{escape(block.name)}"].value'
                self._edges["OBJECT", part.name].add(("PROPERTY", "KEY", keys.name, path))

    def _driven(self, part, datablock, path: str) -> Node:
        if isinstance(datablock, bpy.types.Object | bpy.types.Armature | bpy.types.Mesh):
            name = part.name if datablock == part or _BONE.match(path) else datablock.name
            kind = "OBJECT" if datablock == part or _BONE.match(path) else datablock.id_type
            return _node(kind, name, path)
        if isinstance(datablock, bpy.types.Key) and _KEY.match(path):
            return ("PROPERTY", "KEY", datablock.name, path)
        return ("OBJECT", part.name)

    def _read(self, target) -> set[Node]:
        """What a driver's variable reads."""
        source = target.id
        if source is None:
            return set()
        if isinstance(source, bpy.types.Object):
            if target.bone_target:
                return self._held(source, target.bone_target)
            return {_node("OBJECT", source.name, target.data_path), ("OBJECT", source.name)}
        if isinstance(source, bpy.types.Key):
            return {("PROPERTY", "KEY", source.name, target.data_path)}
        return {_node(source.id_type, source.name, target.data_path)}

    def _targets(self, constraint) -> set[Node]:
        found: set[Node] = set()
        for end in (constraint, *getattr(constraint, "targets", ())):
            for name, sub in (("target", "subtarget"), ("pole_target", "pole_subtarget")):
                other = getattr(end, name, None)
                if isinstance(other, bpy.types.Object):
                    found |= self._held(other, getattr(end, sub, ""))
        return found

    def _held(self, other, bone: str) -> set[Node]:
        own: set[Node] = {("OBJECT", other.name)}
        if bone and other.pose and bone in other.pose.bones:
            own.add(("BONE", other.name, bone))
        return own

    def _holders(self, part, modifier, rows: np.ndarray | None) -> set[Node]:
        """The bones that hold some of a mesh's vertices through an armature modifier."""
        rig = modifier.object
        if rig.pose is None or modifier.use_bone_envelopes or not modifier.use_vertex_groups:
            return self._bones_of(rig)
        bones = {g.index: g.name for g in part.vertex_groups if g.name in rig.pose.bones}
        names = {bones[i] for i in _groups_used(part, rows) if i in bones}
        return {("OBJECT", rig.name), *(("BONE", rig.name, n) for n in names)}

    def _bones_of(self, rig) -> set[Node]:
        bones = rig.pose.bones if rig.pose else ()
        return {("OBJECT", rig.name), *(("BONE", rig.name, b.name) for b in bones)}


def _node(kind: str, name: str, path: str) -> Node:
    """The node of a datablock's property: custom ones are nodes of their own."""
    bone = _BONE.match(path)
    if _ITEM.match(path):
        return ("PROPERTY", kind, name, path)
    if bone and kind == "OBJECT":
        return ("BONE", name, unescape(bone[1]))
    return ("OBJECT", name) if kind == "OBJECT" else ("PROPERTY", kind, name, path)


def _asks_for_objects(modifier) -> bool:
    """A modifier of nodes that is given objects; which ones every version of Blender keeps
    elsewhere."""
    tree = getattr(modifier, "node_group", None)
    sockets = tree.interface.items_tree if tree is not None else ()
    kinds = ("NodeSocketObject", "NodeSocketCollection")
    return any(getattr(s, "socket_type", "") in kinds for s in sockets)


def _chain(bone, count: int) -> Iterator:
    """A bone and those above it that an inverse kinematics of `count` bones (0: all) bends."""
    left = count or -1
    while bone is not None and left:
        yield bone
        bone, left = bone.parent, left - 1


def _groups_used(part, rows: np.ndarray | None) -> set[int]:
    """Indices of the vertex groups that hold any of a mesh's vertices, or of those in `rows`."""
    vertices = getattr(part.data, "vertices", None)
    if vertices is None:  # a lattice, a curve: all of its groups
        return {g.index for g in part.vertex_groups}
    chosen = range(len(vertices)) if rows is None else np.flatnonzero(rows).tolist()
    return {g.group for i in chosen for g in vertices[i].groups if g.weight > 0.0}


def face_rows(probe, face) -> dict[str, np.ndarray | None]:
    """For `Reach`: the vertices of each mesh that are the face's."""
    rows: dict[str, np.ndarray | None] = {}
    for part, mesh in zip(probe.parts, probe.meshes, strict=True):
        mask = face.mask[part.start : part.end]
        if mask.any():
            rows[part.name] = mask if len(mask) == len(mesh.data.vertices) else None
    return rows
