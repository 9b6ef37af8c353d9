"""Make it clearer: nudge the pose towards an expression, as little as needed."""

from __future__ import annotations

import json

import bpy
import numpy as np
from bpy.props import BoolProperty, StringProperty

from ....networks.characters.profile import clamp, from_unit, to_unit
from ....networks.errors import ExprGenError
from ....networks.records import json_text
from ....networks.solving import clearer_pose
from ...characters.in_scene import active_collection, character_of
from ...engine.task_queue import Task, Thinking
from ...keying.corrections import add_correction, posed_offsets
from ...keying.fcurves import is_keyed
from .. import job_timer, live_clarity, references

TITLE = "Make It Clearer"


class EXPRGEN_OT_make_clearer(bpy.types.Operator):
    """Change the present pose as little as needed, until it reads as the chosen expression. The
    search runs beside Blender; its result is one step of undo"""

    bl_idname = "exprgen.make_clearer"
    bl_label = "Make It Clearer"

    @classmethod
    def poll(cls, context):
        reason = job_timer.queue.refusal(TITLE)
        if active_collection(context.scene) is None:
            reason = "Add a character first"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context):
        scene = context.scene
        try:
            character = character_of(active_collection(scene))
            profile = character.profile
            expression = scene.exprgen.clearer_expression
            values = live_clarity.pose_of(character)
            mirror = live_clarity.mirror_for(profile)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        found: list[clearer_pose.Nudge] = []

        def think(emit, stopped) -> dict:
            try:
                found.append(_search(profile, values, expression, mirror, emit, stopped))
            finally:
                mirror.close()
            return {}

        name, collection = scene.name, character.collection.name

        def finish(result: dict) -> str:
            made = found[0]
            if made.changed:
                controls = profile.expression_controls
                pose = from_unit(controls, made.units)
                units = dict(zip((c.name for c in controls), pose.tolist(), strict=True))
                job_timer.undoable(
                    bpy.ops.exprgen.take_pose,
                    scene=name,
                    collection=collection,
                    values=json_text(units),
                )
            return made.summary()

        return job_timer.start(Task(TITLE, lambda: Thinking(think), finish), self)


class EXPRGEN_OT_take_pose(bpy.types.Operator):
    """Pose a character, and key it as a correction where it has generated keys"""

    bl_idname = "exprgen.take_pose"
    bl_label = "ExprGen: Make It Clearer"
    bl_options = {"INTERNAL"}

    scene: StringProperty()
    collection: StringProperty()
    values: StringProperty()
    correction: BoolProperty(default=True)

    def execute(self, context):
        scene, found = bpy.data.scenes.get(self.scene), bpy.data.collections.get(self.collection)
        if scene is None or found is None:
            self.report({"ERROR"}, "the character is gone")
            return {"CANCELLED"}
        try:
            character = character_of(found)
            for name, value in json.loads(self.values).items():
                for prop in character.bindings[name]:
                    prop.write(value)
                    prop.owner.update_tag()
            if self.correction and is_keyed(character):
                frame = scene.frame_current_final
                offsets = posed_offsets(character, frame)
                if offsets:
                    seconds = references.seconds_at(scene, frame)
                    add_correction(character, scene, frame, seconds, 0.25, offsets)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        context.view_layer.update()
        return {"FINISHED"}


def _search(profile, values, expression: str, mirror, emit, stopped) -> clearer_pose.Nudge:
    """Runs in a thread; touches no Blender data."""
    controls = profile.expression_controls
    columns = [profile.names.index(c.name) for c in controls]
    budget, looked = 24, [0]
    emit({"type": "stage", "stage": "looking"})

    def read(units: np.ndarray) -> np.ndarray:
        pose = values.copy()
        pose[columns] = from_unit(controls, units)
        row = mirror.read(clamp(profile.controls, pose), stopped)
        if row is None:
            raise ExprGenError("stopped")
        looked[0] += 1
        emit({"type": "progress", "stage": "looking", "done": looked[0], "total": budget})
        return row

    units = to_unit(controls, values[columns])
    return clearer_pose.make_clearer(
        read, units, controls, profile.key_poses, expression, budget=budget
    )


classes = (EXPRGEN_OT_make_clearer, EXPRGEN_OT_take_pose)
