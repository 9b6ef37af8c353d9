"""Choose a reference and have it analysed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import bpy
from bpy.props import CollectionProperty, StringProperty

from ....networks.characters.profile import sample_characters
from ....networks.errors import ExprGenError, OutputError
from ....networks.files import partial_name
from ....networks.footage.stamp import is_replaced
from ....networks.models.playable import can_lead
from ....networks.track import FaceTrack
from ...characters.in_scene import characters_in
from ...engine.task_queue import Task
from ...keying.take_list import find_take, played_take
from .. import job_timer, reference_overlay, references
from . import show_reference

TITLE = "Analyse"


class EXPRGEN_OT_pick_reference(bpy.types.Operator):
    """Choose a clip, a picture, or a folder of pictures that shows a face"""

    bl_idname = "exprgen.pick_reference"
    bl_label = "Choose Reference"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    directory: StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"SKIP_SAVE"})
    filter_movie: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context, event):
        present = references.reference_path(context.scene.exprgen)
        if Path(present).exists():  # "" is here and now: Blender then begins where it likes
            self.filepath = present
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def draw(self, context):
        column = self.layout.column(align=True)
        for line in ("A clip or a picture: choose it.", "Many pictures: choose none of them,",
                     "only open their folder."):  # fmt: skip
            column.label(text=line)

    def execute(self, context):
        # Several pictures, or none: their folder is meant.
        several = len([f for f in self.files if f.name]) != 1 and bool(self.directory)
        path = self.directory if several else self.filepath
        settings = context.scene.exprgen
        try:
            references.check_kind(path)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        settings.reference = _relative(path)
        settings.track = ""
        # The footage of before; the new one comes in its place once it is looked at.
        reference_overlay.remove_overlay(context.scene)
        _take_known(context.scene)
        _show_its_take(context.scene)
        return {"FINISHED"}


class EXPRGEN_OT_analyse(bpy.types.Operator):
    """Look at the reference: find the face in every frame and read its expression. Runs beside
    Blender; Esc stops it and keeps what was seen. Applying later does not need the footage again"""

    bl_idname = "exprgen.analyse"
    bl_label = "Analyse"

    @classmethod
    def poll(cls, context):
        settings = context.scene.exprgen
        if not settings.reference:
            cls.poll_message_set("Choose a reference first")
            return False
        reason = job_timer.queue.refusal(TITLE)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context):
        scene = context.scene
        try:
            request = _request(scene)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        name, out = scene.name, references.new_track_path(scene.exprgen)

        def finish(result: dict) -> str:
            if not holds():
                references.discard(Path(result["track"]))
                task.holds = lambda: True  # to be told beside the other one
                return "not kept: the reference was changed meanwhile"
            said = f"{result['found']} of {result['frames']} frames show the face"
            if cuts := result.get("cuts"):
                said += f", in {len(cuts) + 1} shots"
            if result["partial"]:
                said += f"; {result['reason'] or 'stopped before its end'}"
            if result["partial"] and references.is_whole(out):
                said = _put_beside(Path(result["track"]), out, said, bool(result.get("stopped")))
            else:
                _adopt(Path(result["track"]), out)
            job_timer.undoable(bpy.ops.exprgen.take_analysis, scene=name, track=str(out), said=said)
            show_reference.follow_reference(bpy.data.scenes[name])
            return said

        def drop() -> None:
            references.discard(Path(request["out"]))

        def holds() -> bool:
            return _reference_of(name) == request["reference"][0]

        begin = job_timer.ask("analyse", request)
        task = Task(TITLE, begin, finish, keep_partial=True, drop=drop, holds=holds)
        return job_timer.start(task, self)


class EXPRGEN_OT_take_analysis(bpy.types.Operator):
    """Keep an analysis with the scene"""

    bl_idname = "exprgen.take_analysis"
    bl_label = "ExprGen: Analyse"
    bl_options = {"INTERNAL"}

    scene: StringProperty()
    track: StringProperty()
    said: StringProperty()

    def execute(self, context):
        scene = bpy.data.scenes.get(self.scene)
        if scene is None:
            self.report({"ERROR"}, f"the scene {self.scene!r} is gone")
            return {"CANCELLED"}
        scene.exprgen.track = _relative(self.track)
        references.forget()
        return {"FINISHED"}


class EXPRGEN_OT_go_to(bpy.types.Operator):
    """Go to this moment"""

    bl_idname = "exprgen.go_to"
    bl_label = "Go There"

    seconds: bpy.props.FloatProperty()
    row: bpy.props.IntProperty(default=-1)

    def execute(self, context):
        scene = context.scene
        frame = references.frame_of(scene, self.seconds, stills=self.row >= 0)
        scene.frame_set(round(frame))
        return {"FINISHED"}


def _request(scene: bpy.types.Scene) -> dict:
    settings = scene.exprgen
    path = references.check_reference(settings)
    # Under a name of its own until it has ended: the earlier analysis stays as long.
    out = references.new_track_path(settings)
    references.sweep(out.parent)
    out = out.with_stem(f"{out.stem}.new")
    use = settings.use_range
    return {
        "reference": [path],
        "out": str(out),
        "face": settings.face_choice,
        "start": settings.range_start if use else None,
        "end": settings.range_end if use else None,
        "profiles": _primary_with_network(scene),
        "thumbnail": str(references.thumbnail_path(out)),
    }


def _take_known(scene: bpy.types.Scene) -> None:
    """Of a reference that was analysed before, and is the same still, use that analysis."""
    settings = scene.exprgen
    try:
        known = references.new_track_path(settings)
        meta = FaceTrack.load(known).meta if known.is_file() else None
    except ExprGenError:
        return
    path = references.reference_path(settings)
    if meta and not meta.get("partial") and not is_replaced(meta.get("stamp"), [path]):
        settings.track = _relative(str(known))
        show_reference.follow_reference(scene)


def _reference_of(scene: str) -> str:
    """The reference that a scene shows now, "" where the scene is gone."""
    found = bpy.data.scenes.get(scene)
    return references.reference_path(found.exprgen) if found is not None else ""


def _put_beside(made: Path, out: Path, said: str, stopped: bool) -> str:
    """What becomes of a partial analysis where there is a whole one, in words: it never takes its
    name. One that was stopped goes; one that could not read on is kept for who wants to look."""
    if stopped:
        references.discard(made)
        return "stopped; the earlier, whole analysis stays"
    beside = partial_name(out)
    _adopt(made, beside)
    return f"{said}; the earlier, whole analysis stays, this one is {beside.name}"


def _adopt(made: Path, out: Path) -> None:
    """Give a finished analysis and its thumbnail their names.

    Raises:
        OutputError: the folder can't be written.
    """
    try:
        for old, new in ((references.thumbnail_path(made), references.thumbnail_path(out)),
                         (made, out)):  # fmt: skip
            if old.is_file():
                os.replace(old, new)
    except OSError as error:
        raise OutputError(
            f"can't be written ({error.strerror})", file=out, fix="make the folder writable"
        ) from error


def _primary_with_network(scene: bpy.types.Scene) -> list[str]:
    """The primary's profile, so that its network looks at the frames right away and every apply is
    quick; of a scene that has no characters yet, the sample characters' primary."""
    from ..applying import primary_of

    if present := characters_in(scene):
        primary = primary_of(scene, present)
        profile = primary.profile if primary is not None else None
    else:
        profile = next((p for p in sample_characters() if p.primary), None)
    if profile is None or not can_lead(profile):
        return []
    return [str(profile.path)]


def _relative(path: str) -> str:
    """A path as a saved file keeps it: relative to it, where there is one."""
    if not bpy.data.filepath:
        return path
    try:
        return bpy.path.relpath(path) if not path.startswith("//") else path
    except ValueError:  # another drive
        return str(Path(path))


def _show_its_take(scene: bpy.types.Scene) -> None:
    """A clip that has a take brings it along: what is played is what the next Apply keys."""
    settings = scene.exprgen
    take, played, known = settings.take, played_take(scene), settings.track
    if played and played != take and find_take(take) is not None:
        with contextlib.suppress(RuntimeError):  # what can't be changed goes on as it is
            bpy.ops.exprgen.show_take(take=take)
        settings.track = known or settings.track


classes = (
    EXPRGEN_OT_pick_reference,
    EXPRGEN_OT_analyse,
    EXPRGEN_OT_take_analysis,
    EXPRGEN_OT_go_to,
)
