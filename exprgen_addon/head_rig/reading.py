"""The meshes of a head as the open file has them, checked, as `networks/head_rig` reads them."""

from __future__ import annotations

import bmesh
import bpy
import numpy as np

from ...networks.characters.control_names import words_of
from ...networks.errors import InputError, UsageError
from ...networks.head_rig.acting import CORRECTIVE_NAMES
from ...networks.head_rig.mesh_graph import WELD
from ...networks.head_rig.pieces import Mesh
from ...networks.head_rig.rigid_parts import PART_WORDS
from ...networks.names import shortened
from ...networks.vocabulary import ARKIT_CHANNELS
from ..profiling.scenes import character_objects, find_mesh, possible_faces

_FACE = {"head", "face", "skin", "body"}
SMALLEST = 1e-7
"""Units of the world: what is smaller can't be drawn, since Blender's numbers end there."""
UNDER_KEYS = ("MIRROR",)
"""Modifiers that a head with keys can't have before them: left and right would be one."""


def bare_head(name: str | None, file=None) -> bpy.types.Object:
    """The mesh that is to be rigged: the one of this name; without one the only mesh, or the only
    one whose name speaks of a head.

    Raises:
        UsageError: no such object, or several that could be meant.
        InputError: it is no mesh, is linked, is called a part of another that is called a head, or
            has shape keys of these names already.
    """
    if name is None:
        told = _told_heads()
        name = told[0].name if len(told) == 1 else None
    mesh = find_mesh(name, file=file)
    if mesh.library is not None or mesh.data.library is not None:
        raise InputError(
            f"mesh {mesh.name!r} is linked from another file",
            file=file,
            fix="open that file, or make it local: Object > Relations > Make Local",
        )
    _refuse_part(mesh, file)
    _refuse_hidden(mesh, file)
    _refuse_keys(mesh, file)
    check_places(mesh, file)
    _refuse_tiny(mesh, file)
    return mesh


def _told_heads() -> list[bpy.types.Object]:
    """The meshes of the open file whose names speak of a head."""
    return [o for o in possible_faces() if _FACE & set(words_of(o.name))]


def _refuse_part(mesh: bpy.types.Object, file) -> None:
    """A face would be looked for on a tongue for minutes. Where no other mesh is called a head,
    names may mean anything."""
    heads = _told_heads()
    if heads and mesh not in heads and PART_WORDS & set(words_of(mesh.name)):
        raise InputError(
            f"mesh {mesh.name!r} is called a part of a head",
            file=file,
            fix=f"choose the head itself, such as {heads[0].name!r}, or rename this one",
        )


def _refuse_hidden(mesh: bpy.types.Object, file) -> None:
    """Its face is looked for in pictures."""
    if mesh.hide_render or mesh.hide_viewport or mesh.name not in bpy.context.view_layer.objects:
        raise InputError(
            f"mesh {mesh.name!r} is hidden, or its collection is switched off",
            file=file,
            fix="show it in viewports and renders, in the outliner, and save the file",
        )


def check_places(obj: bpy.types.Object, file=None) -> None:
    """Whether its points are numbers and, in the world, no plane or point, however small.

    Raises:
        InputError: they are not.
    """
    matrix = np.array(obj.matrix_world)[:3, :3]
    usable = np.isfinite(rest_points(obj)).all() and np.isfinite(matrix).all()
    if not usable or np.linalg.matrix_rank(matrix) < 3 or not _extents(obj).max() > 0.0:
        raise InputError(
            f"mesh {obj.name!r} has places that are not numbers, or a scale of zero",
            file=file,
            fix="mend it in Blender: Mesh > Clean Up, Object > Apply > Scale",
        )


def _extents(obj: bpy.types.Object) -> np.ndarray:
    """(3,) how far a mesh reaches along its own axes, in units of the world."""
    matrix = np.array(obj.matrix_world)[:3, :3]
    return np.linalg.norm(matrix, axis=0) * np.ptp(rest_points(obj), axis=0)


def _refuse_tiny(mesh: bpy.types.Object, file) -> None:
    """Its face is looked for in pictures, and Blender's numbers end somewhere."""
    size = _extents(mesh).max()
    if size < SMALLEST:
        raise InputError(
            f"mesh {mesh.name!r} is {size:.1g} units large, too small to be seen",
            file=file,
            fix="scale the head up, to some tenths of a unit, and apply that",
        )


def _refuse_keys(mesh: bpy.types.Object, file) -> None:
    keys = mesh.data.shape_keys
    if keys is None:
        return
    taken = [k.name for k in keys.key_blocks if k.name in (*ARKIT_CHANNELS, *CORRECTIVE_NAMES)]
    if taken:
        raise InputError(
            f"mesh {mesh.name!r} is no bare head: it has the shape keys {shortened(taken, 4)}",
            file=file,
            fix="profile it as it is (exprgen profile), or delete these keys first",
        )
    if any(m.type in UNDER_KEYS for m in mesh.modifiers):
        raise InputError(
            f"mesh {mesh.name!r} has shape keys under a Mirror modifier",
            file=file,
            fix="apply the modifier, so that left and right can move apart",
        )
    if not keys.use_relative:
        raise InputError(
            f"mesh {mesh.name!r} has absolute shape keys",
            file=file,
            fix="make them relative, or delete them",
        )


def members(head: bpy.types.Object) -> list[bpy.types.Object]:
    """The head and the meshes that belong to it, each with a mesh of its own."""
    found = [o for o in character_objects(head) if o.type == "MESH" and o.data.polygons]
    return [head, *(o for o in found if o != head and o.library is None)]


def make_ready(objects: list[bpy.types.Object]) -> list[str]:
    """Give each object a mesh of its own, with both halves; returns what was done, in words."""
    told = []
    for obj in objects:
        if obj.data.users > 1 or obj.data.library is not None:
            obj.data = obj.data.copy()  # keys on a linked mesh would not be saved
        if any(m.type in UNDER_KEYS for m in obj.modifiers):
            told.append(_without_mirror(obj))
        other = [k.name for k in obj.data.shape_keys.key_blocks[1:]] if obj.data.shape_keys else []
        if other:
            told.append(f"{obj.name!r} keeps its shape keys {shortened(other, 3)}")
    return told


def _without_mirror(obj: bpy.types.Object) -> str:
    """Apply an object's mirror, where it has no keys that stand against it; what was done."""
    if obj.data.shape_keys is not None:
        return f"the Mirror modifier of {obj.name!r} stays on its keys: both its halves move alike"
    _apply_mirror(obj)
    return f"the Mirror modifier of {obj.name!r} is applied"


def _apply_mirror(obj: bpy.types.Object) -> None:
    """Both halves become mesh; the other modifiers stay where they are."""
    shown = {m.name: m.show_viewport for m in obj.modifiers}
    for modifier in obj.modifiers:
        modifier.show_viewport = modifier.type in UNDER_KEYS and shown[modifier.name]
    graph = bpy.context.evaluated_depsgraph_get()
    graph.update()
    made = bpy.data.meshes.new_from_object(obj.evaluated_get(graph), depsgraph=graph)
    made.name = obj.data.name
    obj.data = made
    for modifier in list(obj.modifiers):
        if modifier.type in UNDER_KEYS:
            obj.modifiers.remove(modifier)
        else:
            modifier.show_viewport = shown[modifier.name]


def read_mesh(obj: bpy.types.Object) -> Mesh:
    """An object's mesh at rest in the world.

    Raises:
        InputError: a place is not a number, or its object is flat.
    """
    check_places(obj)
    points = rest_points(obj)
    matrix = np.array(obj.matrix_world)
    triangles, material = _triangles(obj.data, points)
    slots = [s.material.name if s.material else "" for s in obj.material_slots]
    axes = matrix[:3, :3].T / np.linalg.norm(matrix[:3, :3].T, axis=1, keepdims=True)
    return Mesh(
        name=obj.name,
        points=points @ matrix[:3, :3].T + matrix[:3, 3],
        triangles=triangles[:, ::-1] if np.linalg.det(matrix[:3, :3]) < 0 else triangles,
        words=frozenset(words_of(obj.name)),
        material=material,
        materials=tuple(frozenset(words_of(slot)) for slot in slots),
        origin=matrix[:3, 3],
        axes=axes,
    )


def rest_points(obj: bpy.types.Object) -> np.ndarray:
    """(V, 3) an object's points in its own space: those of its basis, whatever its keys show."""
    keys = obj.data.shape_keys
    data = keys.reference_key.data if keys else obj.data.vertices
    flat = np.empty(3 * len(data), np.float32)
    data.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(float)


def _triangles(mesh: bpy.types.Mesh, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (T, 3) of which all of a piece look the same way, and their materials (T,)."""
    made = bmesh.new()
    try:
        made.from_mesh(mesh)
        for vertex, place in zip(made.verts, points, strict=True):
            vertex.co = place
        made.normal_update()
        loops = made.calc_loop_triangles()
        triangles = np.array([[loop.vert.index for loop in three] for three in loops], np.int64)
        material = np.array([three[0].face.material_index for three in loops], np.int64)
        face = np.array([three[0].face.index for three in loops], np.int64)
        turned = _turned(made, points)
    finally:
        made.free()
    triangles = triangles.reshape(-1, 3)
    return np.where(turned[face][:, None], triangles[:, ::-1], triangles), material


def _turned(made: bmesh.types.BMesh, points: np.ndarray) -> np.ndarray:
    """(F,) whether each face looks another way than the piece that it is of, whose faces hang
    together where their points lie on each other; `made` is of no use afterwards."""
    before = np.array([face.normal for face in made.faces])
    number = made.faces.layers.int.new("exprgen number")
    for face in made.faces:
        face[number] = face.index
    extent = float(np.ptp(points, axis=0).max()) if len(points) else 0.0
    bmesh.ops.remove_doubles(made, verts=made.verts, dist=WELD * extent)
    bmesh.ops.recalc_face_normals(made, faces=made.faces)
    turned = np.zeros(len(before), bool)
    for face in made.faces:
        turned[face[number]] = np.dot(before[face[number]], face.normal) < 0.0
    return turned


def check_object_mode() -> None:
    """Raises UsageError where meshes can't be changed."""
    if bpy.context.mode != "OBJECT":
        raise UsageError("a mesh is being edited", fix="leave edit or sculpt mode first")
