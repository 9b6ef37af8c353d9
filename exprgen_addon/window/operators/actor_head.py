"""The actor's own head into the scene, matched to the footage behind its camera."""

from __future__ import annotations

import math

import bpy
from bpy.props import BoolProperty, FloatProperty, StringProperty

from ....networks.errors import ExprGenError, InputError
from ....networks.face_model.projection import FIELD
from ...actor_head.build import TAG
from ...actor_head.scene import append_heads
from ...engine.task_queue import Task
from ...keying.keyframes import scene_fps
from .. import job_timer, references

TITLE = "Actor's Head"


class EXPRGEN_OT_actor_head(bpy.types.Operator):
    """Add the actor's own head: a mesh with the actor's face and ARKit shape keys, keyed over the
    clip before a camera that shows the footage. Runs beside Blender"""

    bl_idname = "exprgen.actor_head"
    bl_label = "Actor's Head"
    bl_options = {"REGISTER", "UNDO"}

    texture: BoolProperty(
        name="Actor's Skin", description="Project a picture of the actor onto the head"
    )
    angle: FloatProperty(
        name="Angle of View",
        description="Vertical angle of view of the camera that filmed",
        subtype="ANGLE", min=0.1, max=2.0, default=FIELD,
    )  # fmt: skip

    @classmethod
    def poll(cls, context):
        reason = job_timer.queue.refusal(TITLE)
        if not context.scene.exprgen.track:
            reason = "Analyse a reference first"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context, event):
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context):
        try:
            return job_timer.start(self._task(context.scene), self)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}

    def _task(self, scene: bpy.types.Scene) -> Task:
        track = references.track_path(scene.exprgen)
        if track is None or not track.is_file():
            raise InputError("the reference is not analysed", file=track, fix="press Analyse first")
        made, name = job_timer.scratch() / "head.blend", scene.name
        words = ["reconstruct", references.check_reference(scene.exprgen), "--track", track]
        words += ["--out", made, "--footage", track.with_suffix("") / "head"]
        words += ["--fps", scene_fps(scene), "--start-frame", scene.exprgen.start_frame]
        words += ["--angle", math.degrees(self.angle)]
        words += ["--texture"] if self.texture else []

        def finish(result: dict) -> str:
            if result.get("stopped"):
                return ""
            job_timer.undoable(bpy.ops.exprgen.take_actor_head, scene=name, filepath=str(made))
            made.unlink(missing_ok=True)
            return f"landmarks lie {result['residual']:.1f} mm from the head's; {_where(name)}"

        return Task(
            TITLE,
            job_timer.command(*words),
            finish,
            until_stopped=True,
            drop=lambda: made.unlink(missing_ok=True),
        )


def _where(scene: str) -> str:
    """From where the newest head is to be looked at."""
    head = [c for c in bpy.data.scenes[scene].collection.children if TAG in c][-1]
    camera = next(o for o in head.all_objects if o.type == "CAMERA")
    if bpy.data.scenes[scene].camera == camera:
        return "View > Cameras > Active Camera shows it over the footage"
    return f"it lies over the footage for the camera {camera.name!r}"


class EXPRGEN_OT_take_actor_head(bpy.types.Operator):
    """Put a head that was made into the scene"""

    bl_idname = "exprgen.take_actor_head"
    bl_label = "ExprGen: Actor's Head"
    bl_options = {"INTERNAL"}

    scene: StringProperty()
    filepath: StringProperty()

    def execute(self, context):
        try:
            scene = bpy.data.scenes[self.scene]
            heads = append_heads(scene, self.filepath)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if scene.camera is None:  # so that the numpad's 0 shows head and footage at once
            cameras = (o for head in heads for o in head.all_objects if o.type == "CAMERA")
            scene.camera = next(cameras, None)
        # It came as it looked in the frame that its own file was saved at.
        scene.frame_set(scene.frame_current, subframe=scene.frame_subframe)
        return {"FINISHED"}


classes = (EXPRGEN_OT_actor_head, EXPRGEN_OT_take_actor_head)
