"""Takes of other programs in and out: a character's take as a file, a Live Link Face take in."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ....networks.errors import ExprGenError
from ...characters.in_scene import active_collection, collections_in
from ...engine.task_queue import Task
from ...exchange.formats import FORMATS
from .. import job_timer, references

TITLE = "Export Take"
ITEMS = tuple((ending, ending[1:].upper(), text) for ending, text in FORMATS.items())


class EXPRGEN_OT_export_take(bpy.types.Operator):
    """Write what a character does over the scene's frames to a file that other programs read. Runs
    beside Blender on a copy; the open file stays as it is"""

    bl_idname = "exprgen.export_take"
    bl_label = "Export Take"

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.csv;*.vrma;*.glb;*.fbx", options={"HIDDEN"})
    ending: EnumProperty(name="Format", items=ITEMS, default=".glb")
    character: StringProperty(
        name="Character", description="Its collection; empty: the one chosen in the panel's list"
    )
    perfect_sync: BoolProperty(
        name="Perfect Sync",
        description="The 52 ARKit coefficients as custom expressions, not VRM's presets",
    )

    @classmethod
    def poll(cls, context):
        if not collections_in(context.scene):
            cls.poll_message_set("Add an ExprGen character to the scene first")
            return False
        reason = job_timer.queue.refusal(TITLE)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context, event):
        if not self.filepath:
            name = self.character or active_collection(context.scene).name
            folder = Path(bpy.data.filepath).parent if bpy.data.filepath else Path.home()
            self.filepath = str(folder / f"{bpy.path.clean_name(name)}{self.ending}")
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def check(self, context):
        """The format says how the name ends."""
        named = str(Path(self.filepath).with_suffix(self.ending)) if self.filepath else ""
        changed, self.filepath = named != self.filepath, named
        return changed

    def draw(self, context):
        column = self.layout.column()
        column.prop(self, "ending")
        if self.ending == ".vrma":
            column.prop(self, "perfect_sync")
        name = self.character or active_collection(context.scene).name
        column.label(
            text=f"{name}, frames {context.scene.frame_start} to {context.scene.frame_end}"
        )

    def execute(self, context):
        out = Path(bpy.path.abspath(self.filepath))
        if out.suffix.lower() not in FORMATS:
            out = out.with_suffix(self.ending)
        character = self.character or active_collection(context.scene).name
        try:
            shot = job_timer.copied(TITLE, "export.blend")
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        words = ["export", shot, "--character", character, "--to", out]
        words += ["--perfect-sync"] if self.perfect_sync else []

        def finish(result: dict) -> str:
            return "" if result.get("stopped") else f"{result['frames']} frames in {out.name}"

        task = Task(TITLE, job_timer.command(*words), finish, copy=shot)
        return job_timer.start(task, self)


class EXPRGEN_OT_import_live_link(bpy.types.Operator):
    """Take a recording of Live Link Face (.csv) as the reference: analyse it, then apply"""

    bl_idname = "exprgen.import_live_link"
    bl_label = "Live Link Face as Reference"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.csv", options={"HIDDEN"})

    def invoke(self, context, event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        settings = context.scene.exprgen
        try:
            references.check_kind(self.filepath)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        settings.reference, settings.track = self.filepath, ""
        return {"FINISHED"}


classes = (EXPRGEN_OT_export_take, EXPRGEN_OT_import_live_link)
