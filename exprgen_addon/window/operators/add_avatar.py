"""An avatar's file made ready and brought into the scene: controls, landmarks, character."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import StringProperty

from ....networks.characters.profile import load_profile
from ....networks.errors import ExprGenError, UsageError
from ...characters.in_scene import append_characters, place_beside
from ...engine.chain import Chain, Link
from ...engine.course import Course
from ...engine.task_queue import Task
from .. import job_timer, new_character_steps

TITLE = "Add Avatar"
KINDS = (".glb", ".gltf", ".vrm", ".fbx", ".blend")


class EXPRGEN_OT_add_avatar(bpy.types.Operator):
    """Add a character from a downloaded file. Its controls and landmarks are found beside Blender
    in a minute or two, and kept beside the file; Esc stops it"""

    bl_idname = "exprgen.add_avatar"
    bl_label = "Add Avatar"

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default=";".join(f"*{kind}" for kind in KINDS), options={"HIDDEN"})

    @classmethod
    def poll(cls, context):
        reason = job_timer.queue.refusal(TITLE)
        if context.mode != "OBJECT":
            reason = "Leave pose or edit mode first"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context, event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        try:
            task = _task(context.scene, Path(bpy.path.abspath(self.filepath)))
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return job_timer.start(task, self)


class EXPRGEN_OT_bring_avatar(bpy.types.Operator):
    """Bring an avatar that is ready into a scene"""

    bl_idname = "exprgen.bring_avatar"
    bl_label = "ExprGen: Add Avatar"
    bl_options = {"INTERNAL"}

    scene: StringProperty()
    profile: StringProperty(subtype="FILE_PATH")

    def execute(self, context):
        scene = bpy.data.scenes.get(self.scene)
        if scene is None:
            self.report({"ERROR"}, f"the scene {self.scene!r} is gone")
            return {"CANCELLED"}
        try:
            (brought,) = append_characters([load_profile(self.profile)], scene)
            place_beside(brought)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        scene.exprgen.active_character = list(bpy.data.collections).index(brought.collection)
        scene.exprgen.new_profile = self.profile  # the checklist goes on from here
        return {"FINISHED"}


def _task(scene: bpy.types.Scene, file: Path) -> Task:
    """Find controls and landmarks of an avatar's file, then bring it in.

    Raises:
        UsageError: it is no avatar's file.
    """
    if file.suffix.lower() not in KINDS or not file.is_file():
        raise UsageError(f"{file.name or 'nothing'} is no avatar", fix=f"choose {', '.join(KINDS)}")
    out, name = file.with_suffix(".json"), scene.name
    sheet = new_character_steps.sheet_at(out, "landmarks")
    links = [
        Link("", job_timer.command("profile", file, "--out", out)),
        Link("", job_timer.command("landmarks", out, "--sheet", sheet)),
    ]

    def finish(result: dict) -> str | None:
        if result.get("stopped") or "found" not in result:
            return None
        job_timer.undoable(bpy.ops.exprgen.bring_avatar, scene=name, profile=str(out))
        with job_timer.in_view():
            bpy.ops.exprgen.view_faces(which="chosen")
        made = load_profile(out)
        return f"{made.title}: {len(made.controls)} controls, seen in {_views(result)}"

    course = Course((("trying", 1.0), ("landmarks", 1.0), ("poses", 2.0)))
    return Task(TITLE, lambda: Chain(links), finish, course=course)


def _views(result: dict) -> str:
    return f"{result['found']} of {result['looked']} views"


classes = (EXPRGEN_OT_add_avatar, EXPRGEN_OT_bring_avatar)
