"""What a file takes along when it is saved: its analyses, its takes' too, and the pictures shown.

A file that was never saved keeps them in the cache; saved, it has them beside it, and saved
elsewhere it takes them there. All happens before Blender writes, so that what is on disk names them
where they lie. A save that only made a copy, or failed, leaves the open file as it was. The cache's
own are left for steps of undo, until somebody clears it. A file of before corrections knew their
reference gets that when it is opened.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bpy

from ...networks.errors import OutputError
from ...networks.files import partial_name, written_whole
from ..characters.in_scene import collections_in
from ..keying.corrections import adopt
from ..keying.take_list import TakeInfo, note_about, takes_in_file
from . import reference_overlay, references

_restore: list[Callable[[], None]] = []


def before_save(path: str) -> None:
    """Put beside the file that is to be written what its scenes use, and name it there.

    Args:
        path: of the file; "" for Blender's startup file, which takes nothing.
    """
    _restore.clear()
    if not path:
        return
    for scene in bpy.data.scenes:
        try:
            _carry(scene, Path(path).absolute().parent)
        except (OSError, OutputError) as error:  # saving goes on: what the cache keeps is not lost
            print(f"ExprGen: the analysis of {scene.name!r} stays where it is: {error}")
    for take in takes_in_file():
        try:
            _carry_take(take, Path(path).absolute().parent)
        except (OSError, OutputError) as error:
            print(f"ExprGen: the analysis of take {take.name!r} stays where it is: {error}")


def after_save(path: str) -> None:
    """Of a copy that was saved: the open file goes on with its own."""
    here = bpy.data.filepath
    if path and (not here or Path(here).absolute() != Path(path).absolute()):
        put_back()
    _restore.clear()


def after_load() -> None:
    """Tie the corrections of files before 0.2 to the reference that their scene shows, and show the
    footage of the frame that each scene is at."""
    for scene in bpy.data.scenes:
        reference_overlay.catch_up(scene)
        if source := references.identity(scene.exprgen):
            for collection in collections_in(scene):
                if collection.is_editable:
                    adopt(collection, source)


def put_back() -> None:
    """Take back what `before_save` changed in the open file."""
    while _restore:
        _restore.pop()()


def _carry(scene: bpy.types.Scene, folder: Path) -> None:
    settings = scene.exprgen
    was, given = settings.track, settings.reference
    track = references.track_path(settings)
    elsewhere = bool(bpy.data.filepath) and Path(bpy.data.filepath).absolute().parent != folder
    moves = track is not None and track.is_file() and (
        references.in_cache(track) or (elsewhere and was.startswith("//"))
    )  # fmt: skip
    reference = _relative(bpy.path.abspath(given), folder) if given.startswith("//") else given
    if not moves and not (elsewhere and reference != given):
        return
    empty = reference_overlay.overlay_of(scene)
    image = empty.data if empty is not None else None
    shown, step = image.filepath if image else "", empty.get("exprgen_step") if empty else None

    def restore() -> None:
        _tell(settings, given, was)
        if image and image.filepath != shown:
            image.filepath, empty["exprgen_step"] = shown, step

    target = _copied(track, folder) if moves else None
    _restore.append(restore)
    track_there = f"//{references.TRACKS}/{target.name}" if moves else was
    _tell(settings, reference if elsewhere else given, track_there)
    if moves and image is not None:
        _carry_pictures(empty, track, target)
        if step and image.filepath != shown:
            empty["exprgen_step"] = step.replace(was, settings.track, 1)


def _tell(settings, reference: str, track: str) -> None:
    """Name the reference and its analysis otherwise; they are the same ones, so the take that is
    shown stays, which another reference would change."""
    take = settings.take
    if settings.reference != reference:
        settings.reference = reference
    settings.track, settings.take = track, take


def _carry_take(take: TakeInfo, folder: Path) -> None:
    """The analysis of a take that is not shown, so that it can be shown again."""
    about = take.about
    track = Path(bpy.path.abspath(about.track)) if about.track else None
    elsewhere = bool(bpy.data.filepath) and Path(bpy.data.filepath).absolute().parent != folder
    if track is None or not track.is_file():
        return
    if not references.in_cache(track) and not (elsewhere and about.track.startswith("//")):
        return
    name = f"//{references.TRACKS}/{_copied(track, folder).name}"
    given = about.reference
    reference = _relative(bpy.path.abspath(given), folder) if given.startswith("//") else given
    _restore.append(lambda: note_about(take.action, about))
    note_about(take.action, replace(about, track=name, reference=reference))


def _copied(track: Path, folder: Path) -> Path:
    """Where an analysis lies beside a file in a folder, copied there with its thumbnail."""
    target = _place(track, folder / references.TRACKS)
    if target != track:
        target.parent.mkdir(exist_ok=True)
        for old in (references.thumbnail_path(track), track):
            if old.is_file():
                with written_whole(target.with_suffix(old.suffix)) as part:
                    shutil.copyfile(old, part)
    return target


def _carry_pictures(empty: bpy.types.Object, track: Path, target: Path) -> None:
    """The pictures of the reference in the viewport, if they lie beside the analysis."""
    old, new = reference_overlay.frames_folder(track), reference_overlay.frames_folder(target)
    first = Path(bpy.path.abspath(empty.data.filepath))
    if first.parent != old or not first.is_file() or old == new:
        return
    new.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".frames-", dir=new.parent))
    try:
        shutil.copytree(old, part / "frames")
        shutil.rmtree(new, ignore_errors=True)
        os.replace(part / "frames", new)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    empty.data.filepath = str(new / first.name)


def _place(track: Path, folder: Path) -> Path:
    """Where an analysis goes; beside a whole one of its name if it is partial itself."""
    target = folder / track.name
    partial = target != track and references.is_whole(target) and not references.is_whole(track)
    return partial_name(target) if partial else target


def _relative(path: str, folder: Path) -> str:
    try:
        return bpy.path.relpath(path, start=str(folder))
    except ValueError:  # another drive
        return path
