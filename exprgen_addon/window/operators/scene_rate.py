"""The scene's rate is not the clip's: take the clip's, in one click."""

from __future__ import annotations

import bpy

from ....networks.footage.clock import own_rate
from ...keying.keyframes import nearest_common_fps, scene_fps, set_scene_fps
from .. import references
from . import show_reference

SAME = 0.005
"""Frames a second by which two rates may differ and are the same."""


class EXPRGEN_OT_take_rate(bpy.types.Operator):
    """Give the scene the clip's own rate, so that every picture has a frame. Keys that are there
    keep their frames: press Apply again"""

    bl_idname = "exprgen.take_rate"
    bl_label = "Use the Clip's Rate"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        found = references.seen(context.scene.exprgen)
        return found is not None and offered(context.scene, found) is not None

    def execute(self, context):
        scene = context.scene
        set_scene_fps(scene, offered(scene, references.seen(scene.exprgen)))
        show_reference.follow_reference(scene)
        return {"FINISHED"}


def offered(scene: bpy.types.Scene, found: references.Seen) -> float | None:
    """The clip's rate, if the scene has another one; None for separate pictures."""
    if found.stills or len(found.track) < 2:
        return None
    rate = nearest_common_fps(own_rate(found.track.times))
    return rate if abs(rate - scene_fps(scene)) > SAME else None


classes = (EXPRGEN_OT_take_rate,)
