"""Key a solved track on a character of the scene."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty

from ....networks.errors import ExprGenError
from ...characters.in_scene import CHARACTER_TAG
from ...keying.key_options import INTERPOLATION_ITEMS, KeyOptions
from ...keying.takes import apply_file


class EXPRGEN_OT_apply_track(bpy.types.Operator):
    """Key a solved ExprGen track on a character"""

    bl_idname = "exprgen.apply_track"
    bl_label = "Apply ExprGen Track"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="Track", subtype="FILE_PATH", description="Rig track (.npz)")
    filter_glob: StringProperty(default="*.npz", options={"HIDDEN"})
    character: StringProperty(
        name="Character", description="Its collection; empty: the first that fits the track"
    )
    take: StringProperty(
        name="Take", default="Take", description="Tracks of a take share an action"
    )
    start_frame: FloatProperty(
        name="Start Frame", default=1.0, description="Where the reference's time zero lies"
    )
    interpolation: EnumProperty(
        name="Interpolation",
        items=INTERPOLATION_ITEMS,
    )
    reduce: FloatProperty(
        name="Reduce",
        min=0.0,
        max=0.5,
        precision=3,
        description="Leave out keys while the curve stays this near, in parts of a control's range",
    )
    subframes: BoolProperty(
        name="Subframes", description="Keep the reference's own times, between whole frames"
    )
    replace_hand_made: BoolProperty(
        name="Replace All Keys", description="In the track's range, keys set by hand go too"
    )

    only_its_range: BoolProperty(
        name="Only Its Range",
        description="Keys generated from the same reference stay outside the track's range",
    )

    @classmethod
    def poll(cls, context):
        if any(CHARACTER_TAG in c for c in context.scene.collection.children_recursive):
            return True
        cls.poll_message_set("Add an ExprGen character to the scene first")
        return False

    def invoke(self, context, event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        try:
            report = apply_file(
                bpy.path.abspath(self.filepath),
                context.scene,
                character=self.character,
                take=self.take,
                options=self._options(),
            )
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        said = f"{report.keys} keys on {report.curves} curves"
        self.report({"WARNING" if report.notes else "INFO"}, "; ".join((said, *report.notes)))
        return {"FINISHED"}

    def _options(self) -> KeyOptions:
        return KeyOptions(
            start_frame=self.start_frame,
            subframes=self.subframes,
            interpolation=self.interpolation,
            reduce=self.reduce,
            keep_hand_made=not self.replace_hand_made,
            whole=not self.only_its_range,
        )


classes = (EXPRGEN_OT_apply_track,)
