"""The file's takes, and the parts that the shown one is made of."""

from __future__ import annotations

from datetime import datetime

import bpy

from ...keying.nla_layers import layered
from ...keying.parts import PART_NAMES
from ...keying.take_list import TakeInfo, find_take, played_take, takes_in_file
from ..operators.takes import shown_parts
from .drawing import Part, button


class EXPRGEN_PT_takes(Part, bpy.types.Panel):
    """Performances that are kept: which one is shown, what it is of, what it is made of"""

    bl_label = "Takes"
    bl_order = 4

    @classmethod
    def poll(cls, context):
        return bool(takes_in_file())

    def draw(self, context):
        layout, settings = self.layout, context.scene.exprgen
        shown = played_take(context.scene) or settings.take
        for take in takes_in_file():
            _draw_take(layout, take, take.name == shown)
        row = layout.row(align=True)
        row.prop(settings, "new_take", text="Next Apply: New Take", toggle=True, icon="ADD")
        button(layout, "exprgen.punch_in", 1.2, icon="TRACKING_REFINE_FORWARDS")


class EXPRGEN_PT_take_parts(Part, bpy.types.Panel):
    """Which take each part of the shown one is from; combined takes follow theirs"""

    bl_label = "Parts"
    bl_parent_id = "EXPRGEN_PT_takes"

    @classmethod
    def poll(cls, context):
        return find_take(context.scene.exprgen.take) is not None

    def draw(self, context):
        scene = context.scene
        off = find_take(scene.exprgen.take).about.muted
        column = self.layout.column(align=True)
        for part, take in shown_parts(scene).items():
            row = column.row(align=True)
            muted = part in off
            row.label(text=PART_NAMES[part])
            menu = row.operator_menu_enum("exprgen.layer_take", "take", text=take, icon="ACTION")
            menu.part = part
            icon = "HIDE_ON" if muted else "HIDE_OFF"
            row.operator("exprgen.mute_part", text="", icon=icon, depress=muted).part = part
            alone = row.operator("exprgen.mute_part", text="", icon="SOLO_ON")
            alone.part, alone.solo = part, True
        apart = layered(scene.exprgen.take)
        self.layout.operator("exprgen.split_take", icon="NLA", depress=apart)


def _draw_take(layout, take: TakeInfo, shown: bool) -> None:
    box = layout.box().column(align=True)
    row = box.row(align=True)
    icon = "RADIOBUT_ON" if shown else "RADIOBUT_OFF"
    row.operator("exprgen.show_take", text=take.name, icon=icon, depress=shown).take = take.name
    row.operator("exprgen.rename_take", text="", icon="GREASEPENCIL").take = take.name
    row.operator("exprgen.delete_take", text="", icon="TRASH").take = take.name
    row = box.row()
    row.active = False
    row.label(text=told(take))


def told(take: TakeInfo) -> str:
    """What a take is of, in a line: clip, frames, date; of a combined one its takes."""
    if take.about.parts:
        clip = " + ".join(dict.fromkeys(take.about.parts.values()))
    else:
        clip = take.clip or "unknown clip"
    span = "" if take.first is None else f"{take.first:.0f}-{take.last:.0f}"
    return ", ".join(filter(None, (clip, span, _when(take.about.made))))


def _when(made: str) -> str:
    """A date in a few letters: the hour alone of today."""
    try:
        at = datetime.strptime(made, "%Y-%m-%d %H:%M")
    except ValueError:
        return ""
    today = at.date() == datetime.now().date()
    return at.strftime("%H:%M") if today else at.strftime("%d %b %H:%M")


classes = (EXPRGEN_PT_takes, EXPRGEN_PT_take_parts)
