"""Files of other programs, imported into an empty scene: .glb, .gltf, .vrm, .fbx."""

from __future__ import annotations

from pathlib import Path

import bpy

from ...networks.errors import InputError
from ...networks.files import scratch_folder
from ...networks.reading import plain_file
from .gltf_copy import importable, meshopt_refusal

GLTF, FBX = (".glb", ".gltf", ".vrm"), (".fbx",)
KINDS = (*GLTF, *FBX)
_BINARY_FBX = b"Kaydara FBX Binary"
AGAIN = "fetch or export it again; another program that opens it may export it whole"
_PLACE = "Location: "
"""How Blender's last line begins where an importer of its own broke: a place in Blender."""


def import_file(path: Path) -> tuple[str, ...]:
    """Import a file into the open, empty scene; returns what was read of it, in words.

    Raises:
        InputError: it can't be imported.
    """
    plain_file(path)
    told = _import_fbx(path) if path.suffix.lower() in FBX else _import_gltf(path)
    _draw_bones_behind_the_face()
    return told


def _draw_bones_behind_the_face() -> None:
    """Importers draw bones thick and before everything, so that no face is seen behind them."""
    for rig in (o for o in bpy.data.objects if o.type == "ARMATURE"):
        rig.show_in_front = False
        rig.data.display_type = "STICK"


def last_line(error: Exception) -> str:
    """What Blender says last of a failure."""
    lines = [line for line in str(error).strip().splitlines() if not line.startswith(_PLACE)]
    return lines[-1].removeprefix("Error: ") if lines else type(error).__name__


def _call(operator, path: Path, **options) -> None:
    """Run an importer; what this Blender's has no option for is left out."""
    known = operator.get_rna_type().properties.keys()
    options = {name: value for name, value in options.items() if name in known}
    operator(filepath=str(path.resolve()), **options)


def _refusal(path: Path, error: Exception) -> InputError:
    return InputError(f"can't be imported ({last_line(error)})", file=path, fix=AGAIN)


def _import_gltf(path: Path) -> tuple[str, ...]:
    with scratch_folder() as folder:
        copy = importable(path, folder)
        try:
            # The shape that bones are drawn with would be a mesh more.
            _call(bpy.ops.import_scene.gltf, copy.file, disable_bone_shape=True)
        except (RuntimeError, AttributeError, KeyError) as error:
            refusal = meshopt_refusal(path) if copy.packed else _refusal(path, error)
            raise refusal from error
    made = [name for name, values in copy.mixes.items() if _add_mix(name, values)]
    mixed = [f"expressions made of several keys: {', '.join(made[:8])}"] if made else []
    return (*copy.notes, *mixed)


def _add_mix(name: str, values: dict[str, float]) -> bool:
    """A key more on each mesh that shows an expression by several keys together."""
    added = False
    for mesh in [m for m in bpy.data.meshes if m.shape_keys and m.users]:
        blocks = mesh.shape_keys.key_blocks
        chosen = {n: v for n, v in values.items() if n in blocks}
        if not chosen or name in blocks:
            continue
        owner = next(o for o in bpy.data.objects if o.data == mesh)
        before = {block.name: block.value for block in blocks}
        for block in blocks:
            block.value = chosen.get(block.name, 0.0)
        owner.shape_key_add(name=name, from_mix=True).value = 0.0
        for key, value in before.items():
            blocks[key].value = value
        added = True
    return added


def _import_fbx(path: Path) -> tuple[str, ...]:
    with open(path, "rb") as stream:
        binary = stream.read(len(_BINARY_FBX)) == _BINARY_FBX
    if binary:
        try:
            _call(bpy.ops.import_scene.fbx, path)
            return ()
        except (RuntimeError, AttributeError, KeyError):  # of an old version, or unusual
            bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    try:
        _call(bpy.ops.wm.fbx_import, path)
    except KeyError as error:  # a Blender before 4.5 has no such operator
        raise InputError(
            "is a text FBX, which this Blender doesn't read",
            file=path,
            fix="use Blender 4.5 or later, or export it as binary FBX",
        ) from error
    except (RuntimeError, AttributeError) as error:
        raise _refusal(path, error) from error
    if not bpy.data.objects:
        raise InputError("holds no objects", file=path, fix=AGAIN)
    return () if binary else ("read as a text FBX",)
