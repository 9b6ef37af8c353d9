"""The .blend that an imported file gets beside its profile: made, known again, never written over.

It remembers what it was made of, so the same command again takes it as it is, with all that was
mended in it by hand since.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import bpy

from ...networks.errors import InputError, OutputError
from ...networks.files import set_aside, unwritable
from ...networks.reading import read_bytes
from ..characters.in_scene import tag_of
from ..keying.takes import save_file
from .gltf_copy import LARGEST
from .scenes import open_scene

SOURCE = "exprgen_imported_from"
"""Property of the scene: name and SHA-256 of the file that it was imported from."""


def opened(path: Path, blend: Path) -> tuple[str, ...]:
    """Open the copy of an imported file, or import the file; returns what was read, in words.

    A copy of what the file was before is set aside when the file has changed.

    Raises:
        OutputError: a .blend that ExprGen did not make of this file has the copy's place.
        InputError: see `open_scene`.
    """
    if not blend.exists():
        return open_scene(path)
    made_of = _made_of(blend)
    if not made_of.startswith(f"{path.name} "):
        raise OutputError(
            f"is there already, and {path} would be saved as it",
            file=blend,
            fix="profile that file, move it away, or give --out ANOTHER.json",
        )
    if made_of == _mark(path):
        return (f"{blend} was made of {path} before: taken as it is now",)
    told = open_scene(path)
    try:
        kept = set_aside(blend)
    except OSError as error:
        raise unwritable(blend, error) from error
    return (*told, f"{path} has changed; what was made of it before is {kept}")


def save(path: Path, blend: Path) -> None:
    """Save the open file as the copy of an imported one, unless it is the copy.

    Raises:
        OutputError: it can't be written.
    """
    if not blend.exists():
        bpy.context.scene[SOURCE] = _mark(path)
        save_file(blend)


def _made_of(blend: Path) -> str:
    """The mark of the copy, which is open then; "" where it is none."""
    try:
        open_scene(blend)
    except InputError:
        return ""
    return tag_of(bpy.context.scene, SOURCE)


def _mark(path: Path) -> str:
    return f"{path.name} {hashlib.sha256(read_bytes(path, LARGEST)).hexdigest()}"
