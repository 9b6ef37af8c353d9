"""The actor's head as a mesh with shape keys, and its eyes. Needs bpy.

The face's frame (see `networks/face_model/model.py`) becomes Blender's: metres, z up, the face
looks along -y.
"""

from __future__ import annotations

import bpy
import numpy as np

from ...networks.face_model.face_fit import FaceFit
from ...networks.face_model.model import FaceModel

TO_BLENDER = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Turns the face's axes, and the camera's, into Blender's."""
METRES = 1e-3
FAINT = 2e-5
"""Metres: a shape key that moves nothing farther is left out."""
RINGS, AROUND = 24, 32
IRIS, PUPIL = 27.0, 11.0
"""Half angles of iris and pupil seen from the eyeball's middle, degrees."""
SKIN_COLOUR = (0.62, 0.42, 0.34, 1.0)
_COLOURS = {
    "skin": (SKIN_COLOUR, 0.5),
    "teeth": ((0.85, 0.8, 0.72, 1.0), 0.25),
    "sclera": ((0.85, 0.83, 0.81, 1.0), 0.15),
    "iris": ((0.16, 0.10, 0.06, 1.0), 0.2),
    "pupil": ((0.01, 0.01, 0.01, 1.0), 0.1),
}


def in_blender(points: np.ndarray) -> np.ndarray:
    """Points (..., 3) of the face, millimetres -> Blender's axes, metres."""
    return METRES * points @ TO_BLENDER.T


def make_head(name: str, model: FaceModel, fit: FaceFit) -> bpy.types.Object:
    """The head of a fit, at rest, in no collection; a shape key an action."""
    rest, moves = fit.rest(model), model.person(fit.identity)[1]
    faces = np.concatenate([model.faces[: model.skin], model.faces[model.skin + model.eyes :]])
    obj = bpy.data.objects.new(name, _mesh(name, in_blender(rest), faces))
    for kind in ("skin", "teeth"):
        obj.data.materials.append(material(f"{name} {kind}", kind))
    kinds = (np.arange(len(faces)) >= model.skin).astype(np.int32)
    obj.data.polygons.foreach_set("material_index", kinds)
    _drop_loose(obj, faces, len(rest))
    kept = np.unique(faces)
    obj.shape_key_add(name="Basis", from_mix=False)
    for action, move in zip(model.expressions, in_blender(moves[:, kept]), strict=True):
        if np.abs(move).max() > FAINT:
            key = obj.shape_key_add(name=action, from_mix=False)
            places = in_blender(rest[kept]) + move
            key.data.foreach_set("co", np.ascontiguousarray(places, np.float32).ravel())
    obj.data.shape_keys.name = name
    smooth = obj.modifiers.new("Subdivision", "SUBSURF")
    smooth.levels = smooth.render_levels = 1
    return obj


def _drop_loose(obj: bpy.types.Object, faces: np.ndarray, count: int) -> None:
    """Take out the points of no face: those of the eyes, which are objects of their own."""
    import bmesh

    loose = np.setdiff1d(np.arange(count), faces)
    mesh = bmesh.new()
    mesh.from_mesh(obj.data)
    mesh.verts.ensure_lookup_table()
    bmesh.ops.delete(mesh, geom=[mesh.verts[i] for i in loose], context="VERTS")
    mesh.to_mesh(obj.data)
    mesh.free()


def make_eye(name: str, points: np.ndarray) -> bpy.types.Object:
    """An eyeball where points (V, 3) of the face have one, looking ahead; in no collection."""
    centre, radius = points.mean(0), float(np.linalg.norm(points - points.mean(0), axis=1).mean())
    angle = np.linspace(0.0, np.pi, RINGS + 1)[1:-1]
    turn = np.linspace(0.0, 2.0 * np.pi, AROUND, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], -1)
    places = [[0.0, -1.0, 0.0]]
    for a in angle:
        places += [[np.sin(a) * x, -np.cos(a), np.sin(a) * z] for x, z in ring]
    places.append([0.0, 1.0, 0.0])
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata((METRES * radius * np.array(places)).tolist(), [], _ball_faces(len(angle)))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
    for kind in ("sclera", "iris", "pupil"):
        mesh.materials.append(material(f"{name} {kind}", kind))
    away = np.array([p.center for p in mesh.polygons])
    off = np.degrees(np.arctan2(np.hypot(away[:, 0], away[:, 2]), -away[:, 1]))
    mesh.polygons.foreach_set(
        "material_index", np.select([off < PUPIL, off < IRIS], [2, 1], 0).astype(np.int32)
    )
    eye = bpy.data.objects.new(name, mesh)
    eye.location = in_blender(centre)
    return eye


def _ball_faces(rings: int) -> list[list[int]]:
    """Faces of a ball of rings of AROUND points between two poles."""
    step = [(i, (i + 1) % AROUND) for i in range(AROUND)]
    faces = [[0, 1 + b, 1 + a] for a, b in step]
    for r in range(rings - 1):
        low, high = 1 + r * AROUND, 1 + (r + 1) * AROUND
        faces += [[low + a, low + b, high + b, high + a] for a, b in step]
    last = 1 + rings * AROUND
    return faces + [[last - AROUND + a, last - AROUND + b, last] for a, b in step]


def _mesh(name: str, points: np.ndarray, faces: np.ndarray) -> bpy.types.Mesh:
    mesh = bpy.data.meshes.new(name)
    lists = [list(dict.fromkeys(face)) for face in faces.tolist()]
    mesh.from_pydata(points.tolist(), [], lists)
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
    return mesh


def material(name: str, kind: str) -> bpy.types.Material:
    """A plain material of one of the head's kinds of surface."""
    colour, rough = _COLOURS[kind]
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    made.diffuse_color = colour
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = colour
    shader.inputs["Roughness"].default_value = rough
    return made
