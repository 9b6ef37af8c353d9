"""Points that are nowhere (no numbers, or endless): in shape keys, which are named and mended in
a copy of a file that was imported, and in a mesh itself, which is refused."""

from __future__ import annotations

import bpy
import numpy as np

from ...networks.errors import InputError
from ...networks.names import shortened
from ..rigs.shape_keys import is_somewhere, key_points


def mend_keys(objects: list) -> tuple[str, ...]:
    """Put points of shape keys that are nowhere to where they are at rest; which keys, in words."""
    parts = [o for o in objects if o.type == "MESH" and o.data.shape_keys]
    names = dict.fromkeys(n for part in parts for n in _mended(part.data.shape_keys))
    if not names:
        return ()
    return (f"shape keys with points that are nowhere ({len(names)}), put to rest in the copy: "
            f"{shortened(names)}",)  # fmt: skip


def _mended(keys: bpy.types.Key) -> list[str]:
    rest = key_points(keys.reference_key)
    return [block.name for block in keys.key_blocks if _mend(block, rest)]


def _mend(block, rest: np.ndarray) -> bool:
    points = key_points(block)
    bad = ~is_somewhere(points)
    points[bad] = rest[bad]
    if bad.any():
        block.data.foreach_set("co", points.ravel())
    return bool(bad.any()) and bool(is_somewhere(rest).all())  # else the mesh is refused


def check_rest(parts: list, rest: np.ndarray, mesh: bpy.types.Object, file) -> None:
    """Refuse meshes that can't be measured.

    Args:
        parts: the `Part`s of a probe. rest (V, 3): its points, world space.

    Raises:
        InputError: points are nowhere, the face's mesh can't be evaluated, or has no size.
    """
    for part in parts:
        bad = int((~is_somewhere(rest[part.start : part.end])).sum())
        if bad:
            raise InputError(
                f"{bad} of {part.end - part.start} points of mesh {part.name!r} are nowhere",
                file=file,
                fix="export it again, or delete those points; look for scales that are no numbers",
            )
    own = next((rest[p.start : p.end] for p in parts if p.name == mesh.name), None)
    if own is None:
        raise InputError(
            f"mesh {mesh.name!r} can't be evaluated", file=file, fix="mend its modifiers"
        )
    if not np.ptp(own, axis=0).any():
        raise InputError(
            f"mesh {mesh.name!r} has no size: all its points lie in one place",
            file=file,
            fix="look for scales of zero, of it and of what it hangs on",
        )
