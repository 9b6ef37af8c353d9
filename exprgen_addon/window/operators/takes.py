"""Takes: shown, renamed, deleted; their parts combined, muted, and keyed anew in a range."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from ....networks.errors import ExprGenError, UsageError
from ...characters.in_scene import characters_in, collections_in
from ...keying.nla_layers import is_split, split
from ...keying.parts import PART_NAMES, PARTS, mute_part
from ...keying.punch import Punch
from ...keying.take_list import (
    TakeInfo,
    combine_takes,
    delete_take,
    find_take,
    free_take,
    heard_of,
    need_take,
    note_about,
    rename_take,
    show_take,
    takes_in_file,
)
from ...keying.takes import fit_range
from .. import reference_overlay, review
from . import show_reference
from .apply import EXPRGEN_OT_apply, solve_and_punch

PART_ITEMS = [(part, name, f"{name} alone") for part, name in PART_NAMES.items()]
_items: list[tuple[str, str, str]] = []


def _takes(self, context) -> list[tuple[str, str, str]]:
    """The takes of their own, for a menu; kept, since Blender does not keep their words."""
    _items[:] = [(t.name, t.name, t.clip) for t in takes_in_file() if not t.about.parts]
    return _items


class _Step:
    """What changes takes: one step of undo, or a sentence and nothing."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if not takes_in_file():
            cls.poll_message_set("Apply first: there is no take yet")
            return False
        return True

    def execute(self, context):
        scene = context.scene
        try:
            self.change(scene)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        scene.frame_set(scene.frame_current, subframe=scene.frame_subframe)
        review.follow(scene)
        return {"FINISHED"}


class EXPRGEN_OT_show_take(_Step, bpy.types.Operator):
    """Let the characters play this take and hear its sound; its clip is the reference again"""

    bl_idname = "exprgen.show_take"
    bl_label = "Show Take"

    take: StringProperty(name="Take")

    def change(self, scene):
        show(scene, self.take)


class EXPRGEN_OT_rename_take(_Step, bpy.types.Operator):
    """Call this take otherwise"""

    bl_idname = "exprgen.rename_take"
    bl_label = "Rename Take"

    take: StringProperty(name="Take", options={"HIDDEN"})
    name: StringProperty(name="Name")

    def invoke(self, context, event):
        self.name = self.take
        return context.window_manager.invoke_props_dialog(self)

    def change(self, scene):
        rename_take(self.take, self.name)
        for other in bpy.data.scenes:
            if other.exprgen.take == self.take:
                other.exprgen.take = self.name.strip()


class EXPRGEN_OT_delete_take(_Step, bpy.types.Operator):
    """Remove this take with its keys, those set by hand too, and its sound. Another one is shown;
    after the last one the characters are at rest"""

    bl_idname = "exprgen.delete_take"
    bl_label = "Delete Take"

    take: StringProperty(name="Take")

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(
            self, event, title=f'Delete the Take "{self.take}"', confirm_text="Delete"
        )

    def change(self, scene):
        delete_take(self.take)
        if scene.exprgen.take == self.take:
            left = takes_in_file()
            if left:
                show(scene, left[-1].name)
            else:
                scene.exprgen.take = "Take"


class EXPRGEN_OT_layer_take(_Step, bpy.types.Operator):
    """Have this part from another take. The takes themselves stay as they are: a combined one is
    made of them, and follows when they are applied anew"""

    bl_idname = "exprgen.layer_take"
    bl_label = "Part from Take"

    part: EnumProperty(name="Part", items=PART_ITEMS)
    take: EnumProperty(name="Take", items=_takes)

    def change(self, scene):
        shown = need_take(scene.exprgen.take)
        parts = shown.about.parts or dict.fromkeys(PARTS, shown.name)
        if parts[self.part] == self.take:
            return
        name = shown.name if shown.about.parts else free_take("Combined")
        combine_takes(characters_in(scene), name, {**parts, self.part: self.take}, again="")
        show(scene, name)


class EXPRGEN_OT_mute_part(_Step, bpy.types.Operator):
    """Switch a part of the take off, or on again; with Ctrl: this part alone, or all again"""

    bl_idname = "exprgen.mute_part"
    bl_label = "Mute Part"

    part: EnumProperty(name="Part", items=PART_ITEMS)
    solo: BoolProperty(name="Solo", description="Switch the others off", options={"SKIP_SAVE"})

    def invoke(self, context, event):
        self.solo = self.solo or event.ctrl
        return self.execute(context)

    def change(self, scene):
        take, everyone = need_take(scene.exprgen.take), characters_in(scene)
        muted = set(take.about.muted)
        if self.solo:
            others = set(PARTS) - {self.part}
            muted = set() if muted == others else others
        else:
            muted ^= {self.part}
        for part in PARTS:
            mute_part(everyone, take.action, part, part in muted)
        note_about(take.action, replace(take.about, muted=tuple(sorted(muted))))


class EXPRGEN_OT_split_take(_Step, bpy.types.Operator):
    """Put each part of the take into an NLA track of its own, to be moved, blended or made solo
    there; again: put them together. Keys that you change in the strips are kept"""

    bl_idname = "exprgen.split_take"
    bl_label = "Parts to NLA Tracks"

    def change(self, scene):
        take, everyone = need_take(scene.exprgen.take), characters_in(scene)
        if is_split(everyone):
            show(scene, take.name)
        else:
            show(scene, take.name)
            split(everyone, take.name, take.action)


class EXPRGEN_OT_punch_in(bpy.types.Operator):
    """Key a stretch of the take anew, with the settings of now, blended into what is around it; all
    else stays as it is. Of a combined take each part is keyed in the take that it is from. The
    stretch is the timeline's preview range, or half a second around the current frame"""

    bl_idname = "exprgen.punch_in"
    bl_label = "Punch In"

    first: IntProperty(name="First", default=1, description="First scene frame")
    last: IntProperty(name="Last", default=24, description="Last scene frame")
    blend: IntProperty(
        name="Blend",
        default=4,
        min=0,
        soft_max=24,
        description="Frames at both ends over which it fades into what was there",
    )
    parts: EnumProperty(
        name="Parts", items=PART_ITEMS, options={"ENUM_FLAG"}, default=set(PARTS),
        description="What is keyed anew",
    )  # fmt: skip

    @classmethod
    def poll(cls, context):
        take = find_take(context.scene.exprgen.take)
        if take is None:
            cls.poll_message_set("Apply first: there is no take to punch into")
            return False
        if take.is_live and not take.about.parts:
            cls.poll_message_set("This take was recorded live: no clip to key it anew from")
            return False
        return EXPRGEN_OT_apply.poll.__func__(cls, context)

    def invoke(self, context, event):
        scene = context.scene
        half = round(0.25 * scene.render.fps / scene.render.fps_base)
        self.first, self.last = scene.frame_current - half, scene.frame_current + half
        if scene.use_preview_range:
            self.first, self.last = scene.frame_preview_start, scene.frame_preview_end
        return context.window_manager.invoke_props_dialog(self)

    def draw(self, context):
        column = self.layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        row = column.column(align=True)
        row.prop(self, "first")
        row.prop(self, "last")
        column.prop(self, "blend")
        column.prop(self, "parts")

    def execute(self, context):
        try:
            if self.last < self.first:
                raise UsageError("the range ends before it begins", fix="mend First and Last")
            if not self.parts:
                raise UsageError("no part is chosen", fix="choose what is keyed anew")
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        parts = tuple(p for p in PARTS if p in self.parts)
        punch = Punch(self.first, self.last, self.blend, self.blend, parts)
        return solve_and_punch(self, context.scene, punch)


def show(scene: bpy.types.Scene, name: str) -> None:
    """Show a take, and make its clip and analysis the scene's again.

    Raises:
        UsageError: there is no such take. InputError: a datablock can't be changed.
    """
    settings = scene.exprgen
    take = show_take(scene, characters_in(scene), name)
    lead = find_take(heard_of(take)) or take
    about = lead.about
    if about.reference and about.track:
        if settings.reference != about.reference:
            settings.reference = about.reference
            reference_overlay.remove_overlay(scene)  # it showed the other clip
        settings.track, settings.start_frame = about.track, about.start_frame
        show_reference.follow_reference(scene)
    fitted = any(_is_fitted(scene, t) for t in takes_in_file())
    if settings.fit_range and fitted and take.first is not None:
        fit_range(scene, take)
    settings.take, settings.new_take = name, False


def _is_fitted(scene: bpy.types.Scene, take: TakeInfo) -> bool:
    """The scene's frame range is the take's, and no one's own."""
    if take.first is None or take.last is None:
        return False
    return (scene.frame_start, scene.frame_end) == (floor(take.first), ceil(take.last))


def shown_parts(scene: bpy.types.Scene) -> dict[str, str]:
    """Part -> the take that the shown one has it from; {} where none is there."""
    take = find_take(scene.exprgen.take)
    if take is None or not collections_in(scene):
        return {}
    return {part: take.about.parts.get(part, take.name) for part in PARTS}


classes = (
    EXPRGEN_OT_show_take,
    EXPRGEN_OT_rename_take,
    EXPRGEN_OT_delete_take,
    EXPRGEN_OT_layer_take,
    EXPRGEN_OT_mute_part,
    EXPRGEN_OT_split_take,
    EXPRGEN_OT_punch_in,
)
