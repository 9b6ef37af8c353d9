"""Go to what is wrong, the worst first."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty

from .. import job_timer, references, review


class EXPRGEN_OT_worst_frame(bpy.types.Operator):
    """Go to what is worst: where a character's lips, lids or brows do not do what the actor's do,
    where it reads as something else, and where the footage itself is in doubt. Look again after
    you have changed keys"""

    bl_idname = "exprgen.worst_frame"
    bl_label = "Worst Frame"

    back: BoolProperty(name="Back", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        found = references.seen(context.scene.exprgen)
        if found is None:
            cls.poll_message_set("Analyse a reference first")
        return found is not None

    def execute(self, context):
        scene = context.scene
        review.review_of(scene)
        frames = [frame for frame, _ in review.places(scene)]
        job_timer.redraw(viewport=True)
        if not frames:
            self.report({"INFO"}, "Nothing is wrong, and nothing in doubt")
            return {"FINISHED"}
        at = frames.index(scene.frame_current) if scene.frame_current in frames else None
        step = -1 if self.back else 1
        index = (at + step) % len(frames) if at is not None else (-1 if self.back else 0)
        scene.frame_set(frames[index])
        self.report({"INFO"}, review.told_at(scene, frames[index]))
        return {"FINISHED"}


classes = (EXPRGEN_OT_worst_frame,)
