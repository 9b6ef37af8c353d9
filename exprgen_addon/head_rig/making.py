"""The whole way: a scene with a bare head -> a .blend in which it can act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...networks.errors import InputError
from ...networks.head_rig.head_shapes import HeadShapes, shapes_for
from ...networks.head_rig.methods import METHODS, check_method
from ..keying.takes import save_file
from ..profiling.scenes import character_objects, open_scene
from ..studio.landmark_finding import Locate
from . import build, marking, reading


@dataclass(frozen=True)
class Made:
    """What was made. mesh: the head's name; keys: how many it has; told: what a person should know;
    shapes: see `HeadShapes`."""

    mesh: str
    keys: int
    told: tuple[str, ...]
    shapes: HeadShapes


def rig_head(
    mesh: bpy.types.Object,
    locate: Locate,
    points: dict | None = None,
    method: str = METHODS[0],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Made:
    """Rig a head of the open file: everything is found first, then written. progress: told how many
    of the steps are done by which the face model is laid on the head and its actions carried over.

    Raises:
        InputError: no face is found on it, or the template can't be laid on it; nothing is changed
            but that a mesh may be its object's own then.
    """
    objects = reading.members(mesh)
    told = reading.make_ready(objects)
    bpy.context.view_layer.update()
    meshes = [reading.read_mesh(obj) for obj in objects]
    landmarks, placed = marking.find_landmarks(mesh, character_objects(mesh), locate, points)
    found = shapes_for(meshes, landmarks, method, progress)
    keys = build.add_shapes(objects, found, method)
    build.add_pivot(objects, found)
    seen = [w for w in placed.warnings if "lower lip" not in w and "framed" not in w]
    return Made(mesh.name, keys, (*told, *found.told, *seen), found)


def rig_file(
    path: str | Path,
    out: str | Path,
    locate: Locate,
    *,
    mesh_name: str | None = None,
    points: dict | None = None,
    method: str = METHODS[0],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Made:
    """Open a scene file, rig the head in it and save it as `out`; the file itself stays as it is.
    progress: see `rig_head`.

    Raises:
        InputError, UsageError: see `open_scene`, `reading.bare_head`, `rig_head`.
        OutputError: it can't be written. ModelError: the method lacks its weights.
    """
    check_method(method)
    told = open_scene(path)
    mesh = reading.bare_head(mesh_name, file=path)
    try:
        made = rig_head(mesh, locate, points, method, progress)
    except InputError as error:
        raise InputError(error.problem, file=error.file or path, fix=error.fix) from error
    save_file(out)
    return Made(made.mesh, made.keys, (*told, *made.told), made.shapes)
