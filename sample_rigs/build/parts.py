"""Pieces of the head at their final resolution: skin, teeth, tongue and lashes with all actions.

Everything is subdivided once here (shapes too, subdivision being linear), so that wrinkles have
points to live on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import bmesh
import bpy
import numpy as np

from . import source
from .config import CharacterConfig
from .stylise import StyledHead, smooth

SKIN, TEETH, TONGUE, LASH, BROW = range(5)


@dataclass
class Part:
    """A piece of the head mesh at its final resolution. Arrays are per vertex of the piece."""

    vertices: np.ndarray
    faces: np.ndarray
    shapes: dict[str, np.ndarray]
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    kind: int = SKIN


def make_mesh(name: str, vertices: np.ndarray, faces) -> bpy.types.Mesh:
    """Mesh with smooth shading; quads that repeat their last corner become triangles."""
    mesh = bpy.data.meshes.new(name)
    lists = [list(dict.fromkeys(int(i) for i in face)) for face in faces]
    mesh.from_pydata([tuple(v) for v in vertices.tolist()], [], lists)
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
    return mesh


def subdivide(vertices, faces, columns: dict[str, np.ndarray]):
    """One Catmull-Clark step of a mesh and of any (V, 3) fields on it (the step is linear)."""
    mesh = make_mesh("subdivide", vertices, faces)
    obj = bpy.data.objects.new("subdivide", mesh)
    bpy.context.scene.collection.objects.link(obj)
    modifier = obj.modifiers.new("s", "SUBSURF")
    modifier.levels = modifier.render_levels = 1
    modifier.use_limit_surface = False

    def refine(values: np.ndarray):
        mesh.vertices.foreach_set("co", np.ascontiguousarray(values, np.float32).ravel())
        mesh.update()
        evaluated = obj.evaluated_get(bpy.context.evaluated_depsgraph_get())
        return evaluated.to_mesh(), evaluated

    fine, evaluated = refine(vertices)
    new_faces = np.array([tuple(p.vertices) for p in fine.polygons], np.int32)
    coords = _coordinates(fine)
    evaluated.to_mesh_clear()
    out = {}
    for name, values in columns.items():
        fine, evaluated = refine(values)
        out[name] = _coordinates(fine)
        evaluated.to_mesh_clear()
    bpy.data.objects.remove(obj)
    bpy.data.meshes.remove(mesh)
    return coords, new_faces, out


def _coordinates(mesh) -> np.ndarray:
    flat = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(float)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(N, 3) area-weighted unit normals."""
    a, b, c, d = (vertices[faces[:, i]] for i in range(4))
    face = np.cross(c - a, d - b)
    out = np.zeros_like(vertices)
    for i in range(4):
        np.add.at(out, faces[:, i], face)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def cut_faces(faces: np.ndarray, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Faces whose corners are all kept, reindexed, and the kept vertices' old indices."""
    faces = faces[keep[faces].all(axis=1)]
    used = np.unique(faces)
    return np.searchsorted(used, faces), used


GRID = 2.0**-13
"""Steps in which an origin is moved, metres: points that lie on a grid stay on it."""


def move_origin(obj, place, near) -> np.ndarray:
    """Move an object's origin from `place` to where it is `near`, its points the other way, so that
    they stay where they are; returns the new place. Blender draws a dashed line from the origin of
    what is worn to the bone that wears it, across the face if it stands on the floor."""
    place = np.asarray(place, float)
    step = np.round((np.asarray(near, float) - place) / GRID) * GRID
    flat = np.empty(len(obj.data.vertices) * 3, np.float32)
    obj.data.vertices.foreach_get("co", flat)
    moved = flat.reshape(-1, 3).astype(float) - step
    obj.data.vertices.foreach_set("co", moved.astype(np.float32).ravel())
    return place + step


def trim(guide: np.ndarray, vertices: np.ndarray, faces: np.ndarray, planes):
    """Cut a mesh clean along planes given in the space of `guide` (V, 3), a twin of `vertices`.

    planes: (point, normal) pairs; what lies on the normal's side is removed.
    Returns: the cut mesh's vertices (N, 3) and its polygons as lists.
    """
    mesh = bmesh.new()
    layers = [mesh.verts.layers.float.new(axis) for axis in "xyz"]
    made = [mesh.verts.new(p) for p in guide]
    for vert, place in zip(made, vertices, strict=True):
        for layer, value in zip(layers, place, strict=True):
            vert[layer] = value
    for face in faces:
        mesh.faces.new([made[i] for i in dict.fromkeys(face.tolist())])
    for point, normal in planes:
        everything = [*mesh.verts, *mesh.edges, *mesh.faces]
        bmesh.ops.bisect_plane(
            mesh, geom=everything, plane_co=point, plane_no=normal, clear_outer=True
        )
    mesh.verts.index_update()
    out = np.array([[vert[layer] for layer in layers] for vert in mesh.verts])
    polygons = [[vert.index for vert in face.verts] for face in mesh.faces]
    mesh.free()
    return out, polygons


def _part(head: StyledHead, faces, keep: np.ndarray, kind: int, fine: bool = True) -> Part:
    """Piece of the base mesh, subdivided if `fine`, with its actions and helper fields."""
    faces, used = cut_faces(faces, keep)
    columns = {k: d[used] for k, d in head.actions.items()}
    columns["flare"] = head.flare[used]
    columns["@anatomy"] = head.anatomy[used]
    columns["@lips"] = np.repeat(head.lips[used][:, None], 3, axis=1)
    columns["@hollow"] = np.repeat(head.cavity[used][:, None], 3, axis=1)
    vertices, out = head.rest[used], columns
    if fine:
        vertices, faces, out = subdivide(vertices, faces, columns)
    extra = {k[1:]: out.pop(k) for k in list(out) if k.startswith("@")}
    return Part(vertices, faces, out, extra, kind)


def build_parts(head: StyledHead, config: CharacterConfig) -> list[Part]:
    """Skin, tongue and lashes with all shapes; teeth and brows have modules of their own."""
    data = source.load_source()
    flat, everything = head.anatomy, np.ones(len(head.anatomy), bool)
    low = head.before.chin[2] - 0.125
    skin_keep = (flat[:, 2] > low) & (np.abs(flat[:, 0]) < 0.17)
    parts = [_part(head, data.parts["body"], skin_keep, SKIN)]
    _order(parts[0])
    smooth_sockets(parts[0], head)
    # Mostly in the dark, and every point costs as many bytes as there are shape keys.
    parts.append(_part(head, data.parts["helper-tongue"], everything, TONGUE, fine=False))
    for side in "lr":
        for which in config.lashes:
            name = f"helper-{side}-eyelashes-{which}"
            parts.append(_part(head, data.parts[name], everything, LASH))
    return parts


def _order(part: Part) -> None:
    """Renumber the points so that those moved by the same shapes are neighbours.

    What a shape leaves alone is then a few long runs in the file, which its compression folds away.
    """
    moved = np.array([np.abs(d).max(axis=1) > 3e-4 for d in part.shapes.values()])
    moved = moved[np.argsort(moved.sum(axis=1))]  # the last row sorts first
    new = np.lexsort(moved)
    place = np.empty_like(new)
    place[new] = np.arange(len(new))
    part.vertices = part.vertices[new]
    part.shapes = {k: d[new] for k, d in part.shapes.items()}
    part.extra = {k: d[new] for k, d in part.extra.items()}
    faces = place[part.faces]
    part.faces = faces[np.argsort(faces.min(axis=1), kind="stable")]


def smooth_sockets(part: Part, head: StyledHead, times: int = 40) -> None:
    """Even out the fold that the enlarged eyes press into the skin below and beside them."""
    v, eye = part.vertices, head.after.eye
    weight = np.zeros(len(v))
    for side in (1.0, -1.0):
        away = (v - eye * (side, 1, 1)) / head.after.eye_radius
        gap = np.linalg.norm(away, axis=1)
        ring = smooth(1.12, 1.36, gap) * smooth(3.0, 2.2, gap)
        below = smooth(0.25, -0.35, away[:, 2] - 0.35 * np.clip(side * away[:, 0] - 1.0, 0, 2))
        weight = np.maximum(weight, ring * below)
    weight *= smooth(eye[1] + 0.045, eye[1] + 0.025, v[:, 1])
    part.vertices = relax(part.faces, v, weight, times)


def relax(faces: np.ndarray, values: np.ndarray, weight: np.ndarray, times: int) -> np.ndarray:
    """Laplacian smoothing of a (V, 3) field on a mesh, `weight` (V,) in [0, 1] a vertex."""
    pairs = np.concatenate([faces[:, (i, (i + 1) % 4)] for i in range(4)])
    count = np.maximum(np.bincount(pairs.ravel(), minlength=len(values))[:, None], 1)
    values = values.copy()
    for _ in range(times):
        total = np.zeros_like(values)
        for axis in range(3):
            total[:, axis] = np.bincount(
                pairs[:, 0], values[pairs[:, 1], axis], len(values)
            ) + np.bincount(pairs[:, 1], values[pairs[:, 0], axis], len(values))
        values += 0.6 * weight[:, None] * (total / count - values)
    return values


def without_tails(field: np.ndarray, least: float) -> np.ndarray:
    """The (V, 3) field less `least` metres everywhere, so that its faint surroundings end."""
    size = np.linalg.norm(field, axis=1, keepdims=True)
    return field * np.maximum(size - least, 0.0) / np.maximum(size, 1e-9)
