"""Apply: the analysed performance becomes keys on the scene's characters."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import bpy
from bpy.props import StringProperty

from ....networks.errors import ExprGenError
from ....networks.reading import parse_json
from ....networks.records import as_record, json_text
from ...characters import casting
from ...characters.in_scene import collections_in, select_rig
from ...engine.task_queue import Task
from ...keying.punch import Punch
from .. import job_timer, references, review
from ..applying import cast_of, describe, solve_request, write_take

TITLE = "Apply"
GONE = "The analysis is gone or damaged: analyse again"


def solve_and_write(
    operator: bpy.types.Operator, scene: bpy.types.Scene, punch: Punch | None = None
) -> set[str]:
    """Let an operator have the performance solved and keyed; what its `execute` returns.

    Args:
        punch: what of the take is keyed; None: as the panel says.
    """
    folder = job_timer.scratch() / "solved"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.npz"):
        old.unlink()
    try:
        request = solve_request(scene, cast_of(scene), folder)
    except ExprGenError as error:
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}
    name, words = scene.name, "" if punch is None else json_text(asdict(punch))

    def finish(result: dict) -> str:
        job_timer.undoable(bpy.ops.exprgen.write_take, scene=name, folder=str(folder), punch=words)
        return EXPRGEN_OT_write_take.said

    return job_timer.start(Task(TITLE, job_timer.ask("solve", request), finish), operator)


def punch_from(words: str) -> Punch | None:
    """What `solve_and_write` was told, from its text."""
    return as_record(Punch, parse_json(words)) if words else None


class EXPRGEN_OT_apply(bpy.types.Operator):
    """Key the analysed performance on every character that is switched on. Keys generated before
    are replaced within the range; keys set by hand stay"""

    bl_idname = "exprgen.apply"
    bl_label = "Apply"

    @classmethod
    def poll(cls, context):
        settings = context.scene.exprgen
        reason = job_timer.queue.refusal(TITLE)
        if not collections_in(context.scene):
            reason = "Add a character first"
        elif not settings.track:
            reason = "Analyse a reference first"
        elif references.seen(settings) is None:
            reason = GONE
        elif why := casting.refusal(context.scene):
            reason = why
        elif not settings.outputs:
            reason = "Choose what to key: expression, head or eyes"
        elif context.mode not in ("OBJECT", "POSE"):
            reason = "Leave edit mode first"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context):
        return solve_and_write(self, context.scene)


class EXPRGEN_OT_write_take(bpy.types.Operator):
    """Write solved tracks as keys"""

    bl_idname = "exprgen.write_take"
    bl_label = "ExprGen: Apply"
    bl_options = {"INTERNAL"}

    scene: StringProperty()
    folder: StringProperty(subtype="DIR_PATH")
    punch: StringProperty(description="What of the take, as JSON; empty: as the panel says")
    said = ""

    def execute(self, context):
        scene = bpy.data.scenes.get(self.scene)
        if scene is None:
            self.report({"ERROR"}, f"the scene {self.scene!r} is gone")
            return {"CANCELLED"}
        try:
            report = write_take(scene, Path(self.folder), punch_from(self.punch))
            EXPRGEN_OT_write_take.said = describe(report)
            _show_keyed(scene)
            review.follow(scene)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class EXPRGEN_OT_range_from_scene(bpy.types.Operator):
    """Take the scene's frame range, or its preview range, as the part to apply"""

    bl_idname = "exprgen.range_from_scene"
    bl_label = "From Timeline"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        scene, settings = context.scene, context.scene.exprgen
        if scene.use_preview_range:
            first, last = scene.frame_preview_start, scene.frame_preview_end
        else:
            first, last = scene.frame_start, scene.frame_end
        settings.apply_first, settings.apply_last = first, last
        return {"FINISHED"}


class EXPRGEN_OT_neutral_here(bpy.types.Operator):
    """The actor's face is neutral at the current frame"""

    bl_idname = "exprgen.neutral_here"
    bl_label = "Neutral Here"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        found = references.seen(context.scene.exprgen)
        if found is None:
            cls.poll_message_set("Analyse a reference first")
        return found is not None

    def execute(self, context):
        scene = context.scene
        seconds = references.seconds_at(scene, scene.frame_current_final)
        scene.exprgen.calibration, scene.exprgen.neutral_time = "frame", max(0.0, seconds)
        return {"FINISHED"}


def _show_keyed(scene: bpy.types.Scene) -> None:
    """Select the primary's rig, so that the timeline shows its keys; who has something of a
    character selected keeps it."""
    context = bpy.context
    everything = [o for c in collections_in(scene) for o in c.all_objects]
    if scene != context.scene or any(o.select_get() for o in everything):
        return
    cast = cast_of(scene)
    lead = next((c for c in cast.driven if c.profile.name == cast.primary.name), cast.driven[0])
    select_rig(lead)


classes = (
    EXPRGEN_OT_apply,
    EXPRGEN_OT_write_take,
    EXPRGEN_OT_range_from_scene,
    EXPRGEN_OT_neutral_here,
)
