"""Materials that would hide a face: pictures that are missing, alpha 0. Named, and mended in a copy
of a file that was imported."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import bpy
import numpy as np

from ...networks.characters.control_names import words_of
from ...networks.names import shortened

UNSEEN = 0.02
"""Alpha below which a material can't be seen."""
MUCH = 0.25
"""Share of the face's polygons that can't be seen from which that is no intention."""
CLEAR = {"cornea", "tear", "tearline", "occlusion", "lens", "glass", "highlight", "reflection"}
"""Words of materials that may well be unseen."""
PLAIN = (0.6, 0.5, 0.45, 1.0)
"""What stands for a missing picture of colours, linear RGBA: it must not be taken for white."""


def look_over(objects: list, face: bpy.types.Object, *, mend: bool) -> tuple[str, ...]:
    """What of a character's materials is missing or can't be seen, in words.

    Args:
        face: its mesh. mend: take missing pictures out and let the face be seen; else it is said.
    """
    materials = list(dict.fromkeys(
        s.material for o in objects if o.type == "MESH" for s in o.material_slots if s.material
    ))  # fmt: skip
    how = "; mended in the copy" if mend else "; mend them in the file"
    lines = []
    missing = {m: found for m in materials if (found := list(_missing(m)))}
    if missing:
        names = {n.image.name for nodes in missing.values() for n in nodes}
        lines.append(f"pictures that are missing ({len(names)}): {shortened(sorted(names))}{how}")
    unseen = [m for m in materials if _is_unseen(m)]
    if sum(_share(face, m) for m in unseen) < MUCH:
        unseen = []
    if unseen:
        lines.append(f"materials with alpha 0: {shortened(m.name for m in unseen)}{how}")
    if mend:
        for material, nodes in missing.items():
            _without(material, nodes)
        for material in unseen:
            for socket in itertools.chain.from_iterable(map(_zeros, _principled(material))):
                socket.default_value = 1.0
    return tuple(lines)


def _nodes(material) -> list:
    return list(material.node_tree.nodes) if material.node_tree else []


def _principled(material) -> list:
    return [n for n in _nodes(material) if n.type == "BSDF_PRINCIPLED"]


def _missing(material) -> Iterator:
    """Nodes of pictures that are neither in the file nor where it says."""
    for node in _nodes(material):
        image = node.image if node.type == "TEX_IMAGE" else None
        if image is None or image.packed_file or image.source != "FILE":
            continue
        if not os.path.exists(bpy.path.abspath(image.filepath, library=image.library)):
            yield node


def _is_unseen(material) -> bool:
    shaders = _principled(material)
    meant = CLEAR & set(words_of(material.name))
    return bool(shaders) and not meant and all(map(_zeros, shaders))


def _zeros(shader) -> list:
    """Sockets that make a shader's alpha 0: its own, or a factor of it."""
    alpha = shader.inputs["Alpha"]
    sockets = [alpha]
    if alpha.is_linked:
        node = alpha.links[0].from_node
        times = node.type == "MATH" and node.operation == "MULTIPLY"
        sockets = list(node.inputs)[:2] if times else []
    return [s for s in sockets if not s.is_linked and s.default_value < UNSEEN]


def _share(face: bpy.types.Object, material) -> float:
    """Share of the face's polygons that have this material."""
    places = [i for i, s in enumerate(face.material_slots) if s.material == material]
    index = np.empty(len(face.data.polygons), np.int32)
    face.data.polygons.foreach_get("material_index", index)
    return float(np.isin(index, places).mean())


def _without(material, nodes: list) -> None:
    """Take pictures out: what they coloured is plain, what they let through is seen."""
    tree = material.node_tree
    for node in nodes:
        for output in node.outputs:
            for link in list(output.links):
                socket = link.to_socket
                tree.links.remove(link)
                if socket.type == "RGBA":
                    socket.default_value = PLAIN
                elif output.name == "Alpha":
                    socket.default_value = 1.0
        tree.nodes.remove(node)
