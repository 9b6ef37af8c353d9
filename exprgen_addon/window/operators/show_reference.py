"""Show the reference in the viewport, beside, over or behind the character."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty

from ....networks import files
from ....networks.errors import ExprGenError, InputError
from ...characters.in_scene import active_collection, character_of
from ...engine.task_queue import STOPPED, Task
from ...keying.keyframes import scene_fps
from .. import job_timer, reference_overlay, references
from . import view_faces

TITLE = "Preparing the Footage"


class EXPRGEN_OT_show_reference(bpy.types.Operator):
    """Show the reference in the 3D view, in step with the timeline"""

    bl_idname = "exprgen.show_reference"
    bl_label = "Show Reference"
    bl_options = {"REGISTER", "UNDO"}

    way: EnumProperty(
        name="Where",
        items=[
            ("off", "Hidden", "Don't show it"),
            ("beside", "Beside", "Beside the character's face, where it hides no character"),
            ("over", "Over", "Over the character's own head, by the landmarks of both"),
            ("behind", "Behind", "Behind the character, larger and paler"),
        ],
    )

    @classmethod
    def poll(cls, context):
        settings = context.scene.exprgen
        reason = job_timer.queue.refusal(TITLE)
        if not settings.track:
            reason = "Analyse a reference first"
        elif active_collection(context.scene) is None:
            reason = "Add a character first"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context):
        scene, settings = context.scene, context.scene.exprgen
        settings.overlay = self.way
        try:
            if self.way == "off":
                reference_overlay.hide_overlay(scene)
                return {"FINISHED"}
            if reference_overlay.overlay_of(scene) is not None and _in_step(scene):
                _place(scene)
                view_faces.reframe(scene)
                return {"FINISHED"}
            task = _task(scene)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return job_timer.start(task, self)


def follow_reference(scene: bpy.types.Scene) -> None:
    """The scene shows footage and has another clip, rate or start now: show that one, as soon as a
    job may run. Called from a job's end, or where something was set."""
    settings = scene.exprgen
    if settings.overlay == "off" or not settings.track or active_collection(scene) is None:
        return
    if reference_overlay.overlay_of(scene) is not None and _in_step(scene):
        return
    with contextlib.suppress(ExprGenError):
        if not job_timer.queue.refusal(TITLE):
            job_timer.add(_task(scene))


def _task(scene: bpy.types.Scene) -> Task:
    """The job that makes the pictures and puts them into the scene."""
    request = _request(scene)
    name, folder = scene.name, Path(request["out"])

    def finish(result: dict) -> str:
        job_timer.undoable(
            bpy.ops.exprgen.take_reference,
            scene=name,
            folder=request["out"],
            pattern=result["pattern"],
            count=result["count"],
            first=result["first"],
            width=result["size"][0],
            height=result["size"][1],
        )
        view_faces.reframe(bpy.data.scenes[name])
        return f"{result['count']} pictures"

    remove = _dropper(folder)

    def drop() -> None:
        remove()
        if task.state == STOPPED:
            _say_hidden(name)

    task = Task(TITLE, job_timer.ask("frames", request), finish, drop=drop)
    return task


class EXPRGEN_OT_take_reference(bpy.types.Operator):
    """Put the reference's pictures into the scene"""

    bl_idname = "exprgen.take_reference"
    bl_label = "ExprGen: Show Reference"
    bl_options = {"INTERNAL"}

    scene: StringProperty()
    folder: StringProperty()
    pattern: StringProperty()
    count: bpy.props.IntProperty()
    first: bpy.props.IntProperty()
    width: bpy.props.IntProperty()
    height: bpy.props.IntProperty()

    def execute(self, context):
        scene = bpy.data.scenes.get(self.scene)
        try:
            empty = reference_overlay.make_overlay(
                scene,
                Path(self.folder),
                self.pattern,
                self.count,
                self.first,
                (self.width, self.height),
            )
            empty["exprgen_step"] = _step(scene)
            _place(scene)
        except (ExprGenError, RuntimeError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


def _request(scene: bpy.types.Scene) -> dict:
    settings = scene.exprgen
    track = references.track_path(settings)
    if track is None or not track.is_file():
        raise InputError("the reference is not analysed", file=track, fix="press Analyse first")
    return {
        "reference": [references.check_reference(settings)],
        "track": str(track),
        "out": str(reference_overlay.frames_folder(track)),
        "fps": scene_fps(scene),
        "start_frame": settings.start_frame,
    }


def _say_hidden(scene: str) -> None:
    """Of a scene that shows no footage, since somebody stopped it."""
    found = bpy.data.scenes.get(scene)
    if found is not None and reference_overlay.overlay_of(found) is None:
        found.exprgen.overlay = "off"


def _dropper(folder: Path) -> Callable[[], None]:
    """What removes pictures that were half written; of a folder that was there, only the parts."""
    there, outer_there = folder.exists(), folder.parent.exists()

    def drop() -> None:
        if not there:
            shutil.rmtree(folder, ignore_errors=True)
        files.sweep(folder)
        if not outer_there:
            with contextlib.suppress(OSError):  # it is not empty
                folder.parent.rmdir()

    return drop


def _step(scene: bpy.types.Scene) -> str:
    """What the pictures' order depends on."""
    settings = scene.exprgen
    return f"{settings.track} {scene_fps(scene):.4f} {settings.start_frame:.3f}"


def _in_step(scene: bpy.types.Scene) -> bool:
    return reference_overlay.overlay_of(scene).get("exprgen_step") == _step(scene)


def _place(scene: bpy.types.Scene) -> None:
    settings = scene.exprgen
    opacity = settings.over_opacity if settings.overlay == "over" else settings.overlay_opacity
    character = character_of(active_collection(scene))
    reference_overlay.place_overlay(scene, character, settings.overlay, opacity)


classes = (EXPRGEN_OT_show_reference, EXPRGEN_OT_take_reference)
