"""A head without a rig made a character: shapes, controls and landmarks, then into the scene."""

from __future__ import annotations

import itertools
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ....networks.characters.profile import load_profile
from ....networks.errors import ExprGenError, UsageError
from ....networks.head_rig.methods import METHODS, check_method
from ...engine.course import Course
from ...engine.task_queue import Task
from .. import job_timer, new_character_steps

TITLE = "Make Face Rig"
_TOLD = {
    "transfer": ("Transfer", "What each action does to a person is done to this head"),
    "network": ("Network", "What a network learned of many heads, from this one at rest"),
}
METHOD_ITEMS = [(name, *_TOLD[name]) for name in METHODS]


class EXPRGEN_OT_make_face_rig(bpy.types.Operator):
    """Give the selected head the 52 ARKit shapes. It runs beside Blender for a minute or two and
    makes a character in a file of its own; this one stays as it is. Esc stops it"""

    bl_idname = "exprgen.make_face_rig"
    bl_label = "Make Face Rig"

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.blend", options={"HIDDEN"})
    check_existing: BoolProperty(default=True, options={"HIDDEN"})
    method: EnumProperty(
        name="Method",
        items=METHOD_ITEMS,
        description="How the shapes are found",
    )

    @classmethod
    def poll(cls, context):
        reason = job_timer.queue.refusal(TITLE)
        if context.mode != "OBJECT":
            reason = "Leave edit or sculpt mode first"
        elif context.object is None or context.object.type != "MESH":
            reason = "Select the mesh of a head"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context, event):
        self.filepath = str(_beside(context))
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        try:
            out = Path(bpy.path.abspath(self.filepath or str(_beside(context))))
            task = _task(context, out.with_suffix(".blend"), self.method)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return job_timer.start(task, self)


class EXPRGEN_OT_bring_rigged_head(bpy.types.Operator):
    """Bring a head that was rigged into a scene, in place of the one that it was made of"""

    bl_idname = "exprgen.bring_rigged_head"
    bl_label = "ExprGen: Make Face Rig"
    bl_options = {"INTERNAL"}

    scene: StringProperty()
    profile: StringProperty(subtype="FILE_PATH")
    sculpt: StringProperty()

    def execute(self, context):
        from ...head_rig.reading import members

        sculpt = bpy.data.objects.get(self.sculpt)
        parts = members(sculpt) if sculpt is not None else []
        try:
            brought = bpy.ops.exprgen.bring_avatar(scene=self.scene, profile=self.profile)
        except RuntimeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        for part in parts:  # two in one place would flicker
            part.hide_render = True
            if part.name in context.view_layer.objects:
                part.hide_set(True)
        return brought


def _beside(context) -> Path:
    """Where the character goes if nobody says it: beside the file, named as the mesh is, where no
    other character is."""
    folder = Path(bpy.data.filepath).parent if bpy.data.filepath else Path.home()
    stem = f"{bpy.path.clean_name(context.object.name).lower()}_rig"
    names = itertools.chain([stem], (f"{stem}_{number}" for number in itertools.count(2)))
    files = (folder / f"{name}.blend" for name in names)
    return next(f for f in files if not f.exists() and not f.with_suffix(".json").exists())


def _task(context, out: Path, method: str) -> Task:
    """Rig the head of a copy of the open file, then bring the character in.

    Raises:
        UsageError: the open file would be written over, or such a job is under way. InputError: it
        is no bare head. ModelError: the method lacks its weights.
    """
    if bpy.data.filepath and out.resolve() == Path(bpy.data.filepath).resolve():
        raise UsageError("the open file would be written over", fix="choose another name")
    from ...head_rig.reading import bare_head

    check_method(method)
    head = bare_head(context.object.name)
    source = job_timer.copied(TITLE, f"{out.stem}_as_it_is.blend")
    profile, scene, name = out.with_suffix(".json"), context.scene.name, head.name
    begin = job_timer.command(
        "rig", source, "--object", head.name, "--out", out, "--method", method,
        "--sheet", new_character_steps.sheet_at(profile, "landmarks"),
    )  # fmt: skip

    def finish(result: dict) -> str | None:
        if result.get("stopped") or "controls" not in result:
            return None
        job_timer.undoable(
            bpy.ops.exprgen.bring_rigged_head, scene=scene, profile=str(profile), sculpt=name
        )
        with job_timer.in_view():
            bpy.ops.exprgen.view_faces(which="chosen")
        made = load_profile(profile)
        said = f"{made.title}: {result['keys']} shapes, {len(made.controls)} controls"
        return f"{said}; the head that it was made of is hidden"

    course = Course((("landmarks", 1.0), ("laying", 0.4), ("trying", 0.5), ("poses", 1.5)))
    return Task(TITLE, begin, finish, copy=source, course=course)


classes = (EXPRGEN_OT_make_face_rig, EXPRGEN_OT_bring_rigged_head)
