"""Which of several meshes has the face: told by the keys and bones that speak of one."""

from __future__ import annotations

import bpy

from ...networks.characters.control_meanings import read_names
from ...networks.characters.control_names import region_of, words_of

LEAD = 1.25
"""How many times as many signs of a face the first must have as the second."""
_HEAD = {"head", "face", "skin", "body"}


def face_signs(mesh_object: bpy.types.Object) -> float:
    """How much of a mesh speaks of a face: ARKit channels that its keys make, bones of the face
    that pull it; a name that says so decides between equals."""
    keys = mesh_object.data.shape_keys
    meanings = read_names(b.name for b in keys.key_blocks[1:]) if keys else {}
    channels = {c for m in meanings.values() for c in m.channels}
    poses = sum(bool(m.pose) for m in meanings.values())
    bones = sum(region_of(g.name) not in ("", "head") for g in mesh_object.vertex_groups)
    named = 0.25 * bool(_HEAD & set(words_of(mesh_object.name)))
    signs = len(channels) + poses + 0.5 * bones
    return signs + named if signs else 0.0


def choose_face(meshes: list[bpy.types.Object]) -> bpy.types.Object | None:
    """The mesh that has the face, or None where none says so or several do alike.

    Of meshes with the same keys (teeth, brows and lashes repeat the face's) the finest is
    taken.
    """
    signs = {o: face_signs(o) for o in meshes}
    ranked = sorted(meshes, key=signs.get, reverse=True)
    if not ranked or not signs[ranked[0]]:
        keyed = [o for o in meshes if o.data.shape_keys]
        return keyed[0] if len(keyed) == 1 else None
    alike = [o for o in ranked if signs[o] * LEAD > signs[ranked[0]]]
    if len(alike) == 1:
        return alike[0]
    size = {o: len(o.data.vertices) for o in alike}
    first, second = sorted(alike, key=size.get, reverse=True)[:2]
    return first if size[first] > LEAD * size[second] else None


def said(mesh: bpy.types.Object, meshes: list[bpy.types.Object]) -> str:
    """Which mesh was taken and which were not, in words."""
    others = ", ".join(o.name for o in meshes if o != mesh)
    return f"the face is on {mesh.name!r}; not taken: {others} (--object NAME takes another)"
