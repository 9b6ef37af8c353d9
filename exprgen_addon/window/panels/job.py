"""What failed that was begun elsewhere."""

from __future__ import annotations

import bpy

from ...engine import task_queue
from .. import job_timer, operators
from .drawing import Part, draw_failed


class EXPRGEN_PT_job(Part, bpy.types.Panel):
    """What failed that was begun elsewhere. All else is shown where it was begun, and what runs in
    the status bar too"""

    bl_label = "Job"
    bl_order = 0
    bl_options = {"HIDE_HEADER"}

    @classmethod
    def poll(cls, context):
        return bool(_begun_elsewhere())

    def draw(self, context):
        for task in _begun_elsewhere():
            draw_failed(self.layout.column(), task)


def _begun_elsewhere() -> list[task_queue.Task]:
    """What failed and has no button in these panels. An operator's TITLE is that of a job whose
    outcome is drawn below its button."""
    shown = {m.TITLE for m in operators.modules() if hasattr(m, "TITLE")}
    return [t for t in job_timer.queue.failures if t.title not in shown]


classes = (EXPRGEN_PT_job,)
