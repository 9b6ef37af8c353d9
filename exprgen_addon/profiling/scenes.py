"""Files and objects: opening a scene, the mesh of a face, the objects that belong to it."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

from ...networks.errors import InputError, UsageError
from .face_mesh import choose_face
from .importing import KINDS, import_file, last_line
from .probe import driver_targets

LOOSE = 1.5
"""A mesh that hangs on nothing may be so many times as large as the head that it belongs to."""


def open_scene(path: str | Path) -> tuple[str, ...]:
    """Open a .blend, or import another program's file into an empty one; saves nothing.

    Returns:
        what was read of an imported file, in words.

    Raises:
        InputError: it does not exist or can't be read. UsageError: another kind of file.
    """
    path = Path(path)
    check_scene(path)
    if path.suffix.lower() == ".blend":
        _open_blend(path)
        return ()
    close_scene()
    return import_file(path)


def check_scene(path: Path) -> None:
    """Refuse what is no scene by its ending, or is not there.

    Raises:
        InputError: it does not exist. UsageError: another kind of file.
    """
    if not path.is_file():
        raise InputError("does not exist", file=path, fix="check the path")
    if path.suffix.lower() not in (".blend", *KINDS):
        raise UsageError(
            "is no scene that ExprGen can open",
            file=path,
            fix=f"give a .blend, {', '.join(KINDS)}",
        )


def _open_blend(path: Path) -> None:
    try:
        bpy.ops.wm.open_mainfile(filepath=str(path.resolve()), load_ui=False)
    except RuntimeError as error:
        raise InputError(
            f"can't be read as a .blend ({last_line(error)})", file=path, fix="save it again"
        ) from error
    _leave_editing()


def _leave_editing() -> None:
    """A mesh that was saved while it was edited has its changes apart, and takes no shape keys."""
    objects = bpy.context.view_layer.objects
    active = objects.active
    for obj in [o for o in objects if o.mode != "OBJECT"]:
        objects.active = obj
        with contextlib.suppress(RuntimeError):  # hidden: its mode can't be changed
            bpy.ops.object.mode_set(mode="OBJECT")
    objects.active = active


def close_scene() -> None:
    """Leave the open file unsaved: Blender appends nothing from the file that is open."""
    # With factory settings no extension is enabled, and Blender takes the packages of all of them
    # off the disk, under the feet of the window that started this process.
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)


def find_mesh(name: str | None, *, library: str | None = None, file=None) -> bpy.types.Object:
    """The mesh object of a name; without a name the only mesh that could be a face, or the one
    that its keys and bones tell (face_mesh.py).

    A library override wins over the linked object that it overrides.

    Args:
        library: of two objects of one name, "local" or the end of the library's path.

    Raises:
        UsageError: no such object, several of the name, or no name where there are several meshes.
        InputError: it is no mesh, has no faces, or a shape key of some mesh has no readable name.
    """
    _check_key_names(file)
    if name is None:
        name = _only_mesh(file)
    same = [o for o in bpy.data.objects if o.name == name]
    if not same:
        near = difflib.get_close_matches(name, [o.name for o in bpy.data.objects], 3, 0.4)
        known = ", ".join([o.name for o in bpy.data.objects if o.type == "MESH"][:6])
        raise UsageError(
            f"there is no object {name!r}",
            file=file,
            fix=f"did you mean {' or '.join(map(repr, near))}?" if near else f"use one of {known}",
        )
    found = _one_of(same, library, file)
    if found.type != "MESH":
        raise InputError(
            f"object {name!r} is no mesh but {found.type.lower()}",
            file=file,
            fix="name the mesh of the face",
        )
    if not found.data.polygons:
        raise InputError(
            f"mesh {name!r} has no faces", file=file, fix="name the mesh of the character's face"
        )
    return found


def _check_key_names(file) -> None:
    """Scripts that make keys may leave names that were cut in the middle of a letter: nothing can
    read them, and no key can be set on them."""
    for keys in bpy.data.shape_keys:
        for number, block in enumerate(keys.key_blocks):
            try:
                block.name  # noqa: B018
            except UnicodeDecodeError as error:
                raise InputError(
                    f"the name of shape key {number} of {keys.user.name!r} can't be read: it was "
                    "cut in the middle of a letter",
                    file=file,
                    fix="give it a shorter name, and save",
                ) from error


def _one_of(same: list, library: str | None, file) -> bpy.types.Object:
    if library is not None:
        chosen = [o for o in same if _whose(o) == library or _whose(o).endswith(library)]
        if not chosen:
            raise UsageError(
                f"no object {same[0].name!r} comes from {library!r}",
                file=file,
                fix=f"use one of {', '.join(_whose(o) for o in same)}",
            )
        return chosen[0]
    left = _not_overridden(same)
    if len(left) > 1:
        raise UsageError(
            f"there are {len(left)} objects {same[0].name!r}: "
            + ", ".join(_whose(o) for o in left),
            file=file,
            fix="say which with --library local or --library and the library's file name",
        )
    return left[0]


def _whose(found: bpy.types.Object) -> str:
    return "local" if found.library is None else Path(found.library.filepath).name


def possible_faces() -> list[bpy.types.Object]:
    """The meshes of the open file that have faces; a library override stands for what it
    overrides."""
    return _not_overridden([o for o in bpy.data.objects if o.type == "MESH" and o.data.polygons])


def _not_overridden(objects: list) -> list:
    overridden = {o.override_library.reference for o in objects if o.override_library}
    return [o for o in objects if o not in overridden]


def _only_mesh(file) -> str:
    meshes = possible_faces()
    if not meshes:
        raise UsageError(
            "the file holds no mesh with faces",
            file=file,
            fix="save the head into it, or append it",
        )
    chosen = meshes[0] if len(meshes) == 1 else choose_face(meshes)
    if chosen is None:
        names = ", ".join(o.name for o in meshes[:8])
        raise UsageError(
            f"the file has {len(meshes)} meshes, and it can't be told which has the face: {names}",
            file=file,
            fix="name the mesh of the face with --object NAME",
        )
    return chosen.name


def character_objects(mesh: bpy.types.Object) -> list[bpy.types.Object]:
    """Everything that may take part in a face's motion, the mesh first.

    What it hangs on, hangs on it, deforms it, constrains it or drives it, and so on from there;
    meshes that repeat its shape keys, and loose ones that touch it where it is loose too.
    """
    everyone = [o for o in bpy.data.objects if o.library is None or o.library == mesh.library]
    taken: dict[bpy.types.Object, None] = {mesh: None}
    queue = [mesh]
    while queue:
        part = queue.pop()
        for other in _related(part, everyone):
            if other not in taken and other in everyone:
                taken[other] = None
                queue.append(other)
    return list(taken)


def _related(part, everyone) -> Iterator:
    if part.parent is not None:
        yield part.parent
    yield from part.children
    for modifier in part.modifiers:
        yield from objects_of(modifier)
    bones = part.pose.bones if part.pose else ()
    for holder in (part, *bones):
        for constraint in holder.constraints:
            yield from objects_of(constraint)
    yield from _loose_parts(part, everyone)
    keys = getattr(part.data, "shape_keys", None) if part.data else None
    for target in driver_targets(part):
        if isinstance(target.id, bpy.types.Object):
            yield target.id
        elif isinstance(target.id, bpy.types.Key):
            yield from (o for o in everyone if o.data == target.id.user)
        elif isinstance(target.id, bpy.types.Armature | bpy.types.Mesh):
            yield from (o for o in everyone if o.data == target.id)
    if part.type == "ARMATURE":
        for other in everyone:
            if any(getattr(m, "object", None) == part for m in other.modifiers):
                yield other
    if keys is not None:
        names = {k.name for k in keys.key_blocks[1:]}
        for other in everyone:
            theirs = getattr(other.data, "shape_keys", None) if other.data else None
            if theirs is not None and theirs != keys:
                shared = names & {k.name for k in theirs.key_blocks[1:]}
                if shared and other.users_collection and _near(part, other):
                    yield other


def _loose_parts(part, everyone) -> Iterator:
    """Eyes, teeth and hair that hang on nothing, as some exporters leave them: meshes without a
    parent or bones that touch a head that has none either, and are not much larger."""
    if part.type != "MESH" or not _is_loose(part):
        return
    largest = LOOSE * max(part.dimensions)
    for other in everyone:
        loose = other.type == "MESH" and other.users_collection and _is_loose(other)
        if loose and other != part and max(other.dimensions) <= largest and _near(part, other):
            yield other


def _is_loose(part) -> bool:
    return part.parent is None and not any(m.type == "ARMATURE" for m in part.modifiers)


def objects_of(holder) -> Iterator:
    for name in ("object", "target", "mirror_object"):
        other = getattr(holder, name, None)
        if isinstance(other, bpy.types.Object):
            yield other
    for target in getattr(holder, "targets", ()):
        if isinstance(getattr(target, "target", None), bpy.types.Object):
            yield target.target


def _near(a, b) -> bool:
    """Whether two meshes' bounding boxes touch: another character's stand apart."""
    boxes = [np.array([o.matrix_world @ Vector(c) for c in o.bound_box]) for o in (a, b)]
    low, high = (np.stack([f(box, 0) for box in boxes]) for f in (np.min, np.max))
    gap = 0.05 * (high[0] - low[0]).max()
    return bool((low.max(0) <= high.min(0) + gap).all())


def home(objects: list) -> tuple[str, tuple[str, ...]]:
    """The collection that holds the character and little else, or the names of its objects."""
    wanted = set(objects)
    shapes = {b.custom_shape for o in objects if o.pose for b in o.pose.bones}
    homes = []
    for collection in bpy.data.collections:
        inside = set(collection.all_objects)
        strangers = [o for o in inside - wanted - shapes if o.type in ("MESH", "ARMATURE")]
        if collection.library is None and wanted <= inside and not strangers:
            homes.append((len(inside), collection.name))
    if homes:
        return min(homes)[1], ()
    return "", tuple(sorted(o.name for o in objects))
