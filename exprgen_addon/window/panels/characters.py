"""Who is driven: the list, adding, the primary, what each follows."""

from __future__ import annotations

import bpy

from ...characters import casting
from ...characters.in_scene import active_collection, collections_in
from ..operators import add_avatar
from .drawing import Part, alert, draw_job, draw_outcome, draw_wrapped


class EXPRGEN_PT_characters(Part, bpy.types.Panel):
    """Who is driven"""

    bl_label = "Characters"
    bl_order = 3

    def draw(self, context):
        layout, scene = self.layout, context.scene
        present = collections_in(scene)
        if present:
            rows = max(2, min(5, len(present)))
            layout.template_list(
                "EXPRGEN_UL_characters", "", bpy.data, "collections",
                scene.exprgen, "active_character", rows=rows,
            )  # fmt: skip
        row = layout.row(align=True)
        row.menu("EXPRGEN_MT_add_character", icon="ADD")
        row.operator("exprgen.view_faces", text="", icon="ZOOM_SELECTED").which = "all"
        draw_job(layout, add_avatar.TITLE)
        draw_outcome(layout, add_avatar.TITLE)
        found = active_collection(scene)
        if found is None:
            return
        _draw_view(layout, found, len(present))
        box = layout.column()
        box.use_property_split, box.use_property_decorate = True, False
        box.prop(found.exprgen, "gain", slider=True)
        _draw_network(layout, found, scene)
        row = layout.row(align=True)
        row.operator("exprgen.make_primary", icon="SOLO_ON")
        row.operator("exprgen.remove_character", text="", icon="TRASH").collection = found.name


def _draw_view(layout, chosen, count: int) -> None:
    """One face as large as can be, then the next, then all."""
    row = layout.row(align=True)
    row.operator("exprgen.view_faces", text="View Face", icon="USER").which = "chosen"
    if count > 1:
        row.operator("exprgen.view_faces", text="", icon="TRIA_LEFT").which = "previous"
        row.operator("exprgen.view_faces", text="", icon="TRIA_RIGHT").which = "next"
        row.operator("exprgen.view_faces", text="All").which = "all"


class EXPRGEN_UL_characters(bpy.types.UIList):
    """The characters among the file's collections"""

    def draw_item(self, context, layout, data, item, icon, active_data, active_propname, index=0):
        row = layout.row(align=True)
        star = "SOLO_ON" if item == casting.primary_collection(context.scene) else "BLANK1"
        row.label(text="", icon=star)
        row.prop(item, "name", text="", emboss=False)
        there = casting.network_there(item, context.scene)
        row.label(text="", icon="CHECKMARK" if there else "ERROR")
        row.prop(item.exprgen, "enabled", text="")

    def filter_items(self, context, data, propname):
        present = set(collections_in(context.scene))
        shown = self.bitflag_filter_item
        return [shown if c in present else 0 for c in getattr(data, propname)], []


class EXPRGEN_MT_add_character(bpy.types.Menu):
    """Characters that can be driven"""

    bl_label = "Add Character"

    def draw(self, context):
        for profile in casting.samples():
            text = f"{profile.title}{' (primary)' if profile.primary else ''}"
            self.layout.operator("exprgen.add_character", text=text).name = profile.name
        self.layout.separator()
        self.layout.operator("exprgen.add_avatar", text="Avatar File...", icon="IMPORT")
        self.layout.operator("exprgen.add_profile", text="By Profile...")


def _draw_network(layout, collection, scene) -> None:
    profile, lead = casting.profile_of(collection), casting.primary_collection(scene)
    if profile is None:
        alert(layout, "Its profile is gone")
        return
    if casting.network_there(collection, scene):
        word = "solved from the face" if lead == collection else f"follows {lead.name}"
        gain = casting.refinement(collection, scene)
        word = "solved by its channels" if gain else word
        layout.label(text=f"{len(profile.controls)} controls, {word}", icon="CHECKMARK")
        if gain:
            draw_wrapped(layout, f"{gain[0].upper()}{gain[1:]}", "INFO", 28)
    else:
        alert(layout, casting.refusal_of(collection, scene))


classes = (EXPRGEN_UL_characters, EXPRGEN_MT_add_character, EXPRGEN_PT_characters)
