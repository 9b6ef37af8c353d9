"""The panel in the 3D view's sidebar: parts in the order of the work, each foldable.

Panels only look: they read settings, files that are kept open, and the queue of jobs.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import bpy
from bl_ui.utils import PresetPanel

from ...networks.errors import ExprGenError
from ...networks.vocabulary import EXPRESSIONS, REGIONS
from ..characters import casting
from ..characters.in_scene import active_collection, collections_in
from ..engine import python_check, task_queue
from ..keying.corrections import is_changed
from . import job_timer, live_clarity, new_character_steps, references
from .operators import analyse, apply, make_clearer, new_character, show_reference
from .operators.correct import posed_collection
from .operators.new_character import primary_for
from .operators.presets import FOLDER

WARNINGS = 6
"""Warnings that are listed; more are counted."""

KEYED = (
    ("expression", "Face", "SHAPEKEY_DATA"),
    ("head", "Head", "USER"),
    ("eyes", "Eyes", "HIDE_OFF"),
)
"""What can be keyed: output, as a narrow sidebar names it, icon."""


class _Part:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "ExprGen"


class EXPRGEN_PT_job(_Part, bpy.types.Panel):
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
            _draw_failed(self.layout.column(), task)


class EXPRGEN_PT_reference(_Part, bpy.types.Panel):
    """Footage or photographs of a face"""

    bl_label = "Reference"
    bl_order = 1

    def draw(self, context):
        layout, settings = self.layout, context.scene.exprgen
        row = layout.row(align=True)
        row.prop(settings, "reference", text="", placeholder="Clip, picture or folder")
        row.operator("exprgen.pick_reference", text="", icon="FILEBROWSER")
        found = references.seen(settings)
        track = references.track_path(settings)
        if found is not None:
            _draw_thumbnail(layout, found, track)
        elif track is not None:
            _alert(layout, apply.GONE)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(settings, "face")
        if settings.face == "number":
            column.prop(settings, "face_number")
        row = column.row(heading="Range")
        row.prop(settings, "use_range")
        if settings.use_range:
            sub = column.column(align=True)
            sub.prop(settings, "range_start")
            sub.prop(settings, "range_end")
        failed = any(t.title == analyse.TITLE for t in job_timer.queue.failures)
        if python_check.trouble is not None and not failed:
            _draw_engine(layout, python_check.trouble)
        again = "Analyse Again" if found is not None else "Analyse"
        if not _draw_job(layout, analyse.TITLE, 1.3):
            _button(layout, "exprgen.analyse", 1.3, text=again, icon="VIEWZOOM")
        last = job_timer.queue.last
        if last is None or last.state != task_queue.DONE or last.warnings:  # else told above
            _draw_outcome(layout, analyse.TITLE)
        if found is not None:
            row = layout.row(align=True)
            row.label(text="", icon="IMAGE_REFERENCE")
            for way, text in (("off", "Hidden"), ("beside", "Beside"), ("behind", "Behind")):
                pressed = settings.overlay == way
                row.operator("exprgen.show_reference", text=text, depress=pressed).way = way
            _draw_job(layout, show_reference.TITLE)
            _draw_outcome(layout, show_reference.TITLE)
            if settings.overlay != "off":
                layout.prop(settings, "overlay_opacity", slider=True)


class EXPRGEN_PT_perception(_Part, bpy.types.Panel):
    """What the face expresses"""

    bl_label = "Perception"
    bl_order = 2

    @classmethod
    def poll(cls, context):
        return references.seen(context.scene.exprgen) is not None

    def draw(self, context):
        layout, scene = self.layout, context.scene
        found = references.seen(scene.exprgen)
        row = references.row_at(scene, found, scene.frame_current_final)
        if row is None:
            layout.label(text="The reference does not reach this frame", icon="INFO")
        else:
            draw_bars(layout, found.track.expression[row])
            if not found.track.found[row]:
                _alert(layout, "The face is lost at this frame")
        layout.prop(scene.exprgen, "show_curve", icon="FCURVE")
        _draw_warnings(layout, found)


class EXPRGEN_PT_characters(_Part, bpy.types.Panel):
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
        row.operator("exprgen.view_faces", text="", icon="ZOOM_SELECTED")
        found = active_collection(scene)
        if found is None:
            return
        box = layout.column()
        box.use_property_split, box.use_property_decorate = True, False
        box.prop(found.exprgen, "gain", slider=True)
        _draw_network(layout, found, scene)
        row = layout.row(align=True)
        row.operator("exprgen.make_primary", icon="SOLO_ON")
        row.operator("exprgen.remove_character", text="", icon="TRASH").collection = found.name


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
        self.layout.operator("exprgen.add_profile", text="By Profile...")


class EXPRGEN_PT_apply(_Part, bpy.types.Panel):
    """The performance becomes keys"""

    bl_label = "Apply"
    bl_order = 4

    def draw_header_preset(self, context):
        EXPRGEN_PT_presets.draw_panel_header(self.layout)

    def draw(self, context):
        layout, settings = self.layout, context.scene.exprgen
        row = layout.row(align=True)
        for name, text, icon in KEYED:
            row.prop(settings, f"key_{name}", text=text, toggle=True, icon=icon)
        column = layout.column(align=True)
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(settings, "smoothing_eyes", text="Smooth Eyes")
        column.prop(settings, "smoothing_mouth", text="Mouth")
        column.prop(settings, "smoothing_head", text="Head")
        column.separator()
        column.prop(settings, "emphasis")
        if not _draw_job(layout, apply.TITLE, 1.4):
            _button(layout, "exprgen.apply", 1.4, icon="ACTION")
        _draw_outcome(layout, apply.TITLE)


class EXPRGEN_PT_apply_keys(_Part, bpy.types.Panel):
    """Where the keys go and how many there are"""

    bl_label = "Keys"
    bl_parent_id = "EXPRGEN_PT_apply"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        settings = context.scene.exprgen
        column = _column(self.layout)
        column.prop(settings, "take")
        column.prop(settings, "new_take")
        column.prop(settings, "start_frame")
        row = column.row(heading="Range")
        row.prop(settings, "use_apply_range")
        if settings.use_apply_range:
            sub = column.column(align=True)
            sub.prop(settings, "apply_first")
            sub.prop(settings, "apply_last")
            sub.operator("exprgen.range_from_scene", icon="TIME")
        else:
            column.prop(settings, "fit_range")
        sub = column.column(align=True)
        sub.prop(settings, "blend_in")
        sub.prop(settings, "blend_out")
        column.prop(settings, "interpolation")
        column.prop(settings, "reduce")
        column.prop(settings, "subframes")
        column.prop(settings, "replace_hand_made")


class EXPRGEN_PT_apply_actor(_Part, bpy.types.Panel):
    """The actor's neutral face and how strongly each part moves"""

    bl_label = "Calibration and Gain"
    bl_parent_id = "EXPRGEN_PT_apply"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        settings = context.scene.exprgen
        column = _column(self.layout)
        column.prop(settings, "calibration")
        if settings.calibration == "frame":
            column.prop(settings, "neutral_time")
        column.operator("exprgen.neutral_here", icon="EYEDROPPER")
        sub = column.column(align=True)
        for region in REGIONS:
            sub.prop(settings, f"gain_{region}", slider=True)


class EXPRGEN_PT_correct(_Part, bpy.types.Panel):
    """What the solver got wrong"""

    bl_label = "Correct"
    bl_order = 5

    @classmethod
    def poll(cls, context):
        return bool(collections_in(context.scene))

    def draw(self, context):
        layout = self.layout
        row = layout.row(align=True)
        row.operator("exprgen.worst_frame", text="", icon="TRIA_LEFT").back = True
        row.operator("exprgen.worst_frame", text="Next Worst Frame", icon="ERROR")
        seen = references.seen(context.scene.exprgen)
        doubt = (
            references.doubt_at(context.scene, seen, context.scene.frame_current) if seen else ""
        )
        _wrapped(layout, doubt, "QUESTION")
        found = posed_collection(context)
        text = f"Key Correction of {found.name}"
        _button(layout, "exprgen.key_correction", 1.2, text=text, icon="KEY_HLT")
        entries = found.exprgen.corrections
        if len(entries):
            column = layout.column(align=True)
            row = column.row(align=True)
            for word in ("", "Strength", "Reach (s)"):
                row.label(text=word)
            row.label(text="", icon="BLANK1")
        for i, entry in enumerate(entries):
            row = column.row(align=True)
            frame = references.frame_of(context.scene, entry.time)
            row.operator("exprgen.go_to", text=f"Frame {frame:.0f}").seconds = entry.time
            row.prop(entry, "strength", text="")
            row.prop(entry, "radius", text="")
            row.operator("exprgen.remove_correction", text="", icon="X").index = i
        if any(is_changed(entry) for entry in entries):
            layout.label(text="Changes count at the next Apply", icon="INFO")
        layout.operator("exprgen.clear_keys", icon="KEYFRAME")


class EXPRGEN_PT_clarity(_Part, bpy.types.Panel):
    """How the character's present pose reads"""

    bl_label = "Clarity"
    bl_order = 6

    @classmethod
    def poll(cls, context):
        return bool(collections_in(context.scene))

    def draw(self, context):
        layout, settings = self.layout, context.scene.exprgen
        switch = context.window_manager.exprgen
        layout.prop(switch, "live", toggle=True, icon="RESTRICT_VIEW_OFF")
        view = live_clarity.view
        if view.error is not None:
            _draw_error(layout, view.error)
        if switch.live:
            if view.probabilities is None:
                layout.label(text="Starting: a few seconds", icon="SORTTIME")
            else:
                draw_bars(layout, view.probabilities)
                rate = f"{view.rate:.1f} a second" if view.rate else "at rest"
                layout.label(text=f"{view.character}: {rate}")
                if not view.known:
                    layout.label(text="SCNN has not seen this character", icon="INFO")
        if not _draw_job(layout, make_clearer.TITLE):
            row = layout.row(align=True)
            row.prop(settings, "clearer_expression", text="")
            row.operator("exprgen.make_clearer", icon="MODIFIER")
        _draw_outcome(layout, make_clearer.TITLE)


class EXPRGEN_PT_new_character(_Part, bpy.types.Panel):
    """A rig of your own, step by step"""

    bl_label = "New Character"
    bl_order = 7
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, settings = self.layout, context.scene.exprgen
        layout.prop(settings, "new_profile", text="", placeholder="Profile, made in step 1")
        layout.prop(settings, "new_role", text="")
        path = bpy.path.abspath(settings.new_profile) if settings.new_profile else None
        steps = new_character_steps.steps_of(path, primary_for(settings.new_role))
        following = new_character_steps.next_step(steps)
        for number, step in enumerate(steps, 1):
            _draw_step(layout, number, step, step is following, settings)
        layout.operator("exprgen.add_new", icon="ADD")


class EXPRGEN_PT_presets(PresetPanel, bpy.types.Panel):
    """Presets of these settings"""

    bl_label = "ExprGen Presets"
    preset_subdir = FOLDER
    preset_operator = "script.execute_preset"
    preset_add_operator = "exprgen.preset_add"


# --- what panels share ---------------------------------------------------------------------------


def draw_bars(layout, probabilities) -> None:
    """Seven bars, the likeliest one named."""
    column = layout.column(align=True)
    best = int(max(range(len(EXPRESSIONS)), key=lambda i: probabilities[i]))
    for i, name in enumerate(EXPRESSIONS):
        share = float(probabilities[i])
        row = column.row(align=True)
        row.active = i == best
        row.progress(factor=min(max(share, 0.0), 1.0), text=f"{name}  {share:.0%}")


def _draw_job(layout, title: str, scale: float = 1.0) -> bool:
    """The progress of the job that a button begins, in the button's place, so that nothing moves;
    False where it neither runs nor waits, and the button is to be drawn."""
    queue = job_timer.queue
    if queue.running is not None and queue.running.title == title:
        _draw_progress(layout, queue.running, scale)
        return True
    if not any(t.title == title for t in queue.waiting):
        return False
    row = layout.row(align=True)
    row.scale_y = scale
    row.label(text="Waits for its turn", icon="SORTTIME")
    row.operator("exprgen.cancel_job", text="", icon="X").waiting = True
    return True


def _draw_outcome(layout, title: str) -> None:
    """Below a button: what came of its job, until somebody has read it."""
    queue = job_timer.queue
    for task in (t for t in queue.failures if t.title == title):
        _draw_failed(layout, task)
    last = queue.last
    if last is None or last.title != title or last in queue.failures or not last.holds():
        return
    if not last.said and not last.warnings:
        return
    row = layout.row()
    column = row.column(align=True)
    _wrapped(column, last.said, "CHECKMARK" if last.state == task_queue.DONE else "CANCEL", 28)
    for line in last.warnings[:3]:
        _wrapped(column, line, "INFO", 28)
    row.operator("exprgen.dismiss", text="", icon="X", emboss=False)


def _begun_elsewhere() -> list[task_queue.Task]:
    """What failed and has no button in these panels."""
    shown = {m.TITLE for m in (analyse, apply, make_clearer, new_character, show_reference)}
    return [t for t in job_timer.queue.failures if t.title not in shown]


def _button(layout, operator: str, scale: float, **arguments):
    row = layout.row()
    row.scale_y = scale
    return row.operator(operator, **arguments)


def _draw_progress(layout, task: task_queue.Task, scale: float = 1.0) -> None:
    row = layout.row(align=True)
    row.scale_y = scale
    row.progress(factor=task.share, text=progress_text(task))
    row.operator("exprgen.show_log", text="", icon="TEXT")
    row.operator("exprgen.cancel_job", text="", icon="X")


def progress_text(task: task_queue.Task) -> str:
    """How far a task is, for a bar."""
    if task.state == task_queue.STOPPING:
        return "stopping"
    if not task.done:
        return f"{task.stage} (Esc stops)" if task.stage else ""
    text = f"{task.done}" + (f" of {task.total}" if task.total else "")
    return text if task.eta is None else f"{text}, {clock(task.eta)} left"


def draw_status(self, context) -> None:
    """The status bar's end: what runs, wherever the sidebar is scrolled to, and what failed."""
    queue, layout = job_timer.queue, self.layout
    if queue.running is not None:
        row = layout.row(align=True)
        then = f", then {queue.waiting[0].title}" if queue.waiting else ""
        row.label(text=f"ExprGen: {_titled(queue.running)}{then}", icon="SORTTIME")
        sub = row.row(align=True)
        sub.ui_units_x = 9
        sub.progress(factor=queue.running.share, text=progress_text(queue.running))
        row.operator("exprgen.cancel_job", text="", icon="X", emboss=False)
    elif queue.failures:
        layout.label(text=f"ExprGen: {queue.failures[-1].title} failed", icon="ERROR")
    elif queue.last is not None and queue.last.said and queue.last.holds():
        icon = "CHECKMARK" if queue.last.state == task_queue.DONE else "CANCEL"
        layout.label(text=f"{queue.last.title}: {queue.last.said}"[:90], icon=icon)


def _titled(task: task_queue.Task) -> str:
    """Title and stage, but not "Analyse: analyse"."""
    same = not task.stage or task.stage.casefold() == task.title.casefold()
    return task.title if same else f"{task.title}: {task.stage}"


def _draw_failed(layout, task: task_queue.Task) -> None:
    box = layout.box().column()
    box.label(text=f"{task.title} failed", icon="ERROR")
    _draw_error(box, task.error)
    for line in task.warnings[:3]:
        _wrapped(box, line, "INFO")
    row = box.row(align=True)
    row.operator("exprgen.show_log", text="Log", icon="TEXT")
    row.operator("exprgen.dismiss", icon="X")


def _draw_engine(layout, error: ExprGenError) -> None:
    """Before a job fails of it: the engine can't run yet."""
    box = layout.box().column()
    box.label(text="Set the engine's Python", icon="ERROR")
    _draw_error(box, error)
    _wrapped(box, f"tried: {error.file}", "BLANK1")
    box.operator("exprgen.check_engine", text="Check Again", icon="FILE_REFRESH")


def _draw_error(layout, error: ExprGenError) -> None:
    column = layout.column(align=True)
    column.alert = True
    line = python_check.pip_line(error)
    named = error.file and not line
    _wrapped(column, f"{Path(error.file).name}: {error.problem}" if named else error.problem)
    column = layout.column(align=True)
    if line:
        _wrapped(column, python_check.without_line(error), "FORWARD")
        column.operator("exprgen.copy_line", icon="COPYDOWN").line = line
    elif error.fix:
        _wrapped(column, error.fix, "FORWARD")
    words = f"{error.problem} {error.fix}".lower()
    if "preferences" in words:
        from .preferences import ADDON

        column.operator("preferences.addon_show", text="Preferences").module = ADDON
    if "doctor --fetch" in words:
        column.operator("exprgen.fetch_model", icon="IMPORT")


def _wrapped(layout, text: str, icon: str = "NONE", width: int = 34) -> None:
    """Text over several lines, since a label is one."""
    for line in wrapped(text, width):
        layout.label(text=line, icon=icon)
        icon = "BLANK1" if icon != "NONE" else "NONE"


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` letters; a longer word, such as a path, is broken."""
    return textwrap.wrap(text, width, break_on_hyphens=False)


def clock(seconds: float) -> str:
    """Seconds as a person says them."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d} min" if whole >= 60 else f"{whole} s"


def _column(layout):
    column = layout.column()
    column.use_property_split, column.use_property_decorate = True, False
    return column


def _alert(layout, text: str) -> None:
    column = layout.column(align=True)
    column.alert = True
    _wrapped(column, text, "ERROR", 30)


def _draw_thumbnail(layout, found: references.Seen, track: Path) -> None:
    icon = references.icon_of(references.thumbnail_path(track))
    if icon:
        layout.template_icon(icon_value=icon, scale=7.0)
    count, seen = len(found.track), int(found.track.found.sum())
    kind = "pictures" if found.stills else "frames"
    length = "" if found.stills else f", {float(found.track.times[-1]):.1f} s"
    layout.label(text=f"{seen} of {count} {kind} show the face{length}")
    if found.track.meta.get("partial"):
        _alert(layout, "Not all of it was analysed")


def _draw_warnings(layout, found: references.Seen) -> None:
    column = layout.column(align=True)
    for w in found.warnings[:WARNINGS]:
        row = column.split(factor=0.74, align=True)
        row.label(text=w.text, icon="ERROR" if w.kind == "lost" else "QUESTION")
        button = row.operator("exprgen.go_to", text=f"{w.start:.1f} s")
        button.seconds = w.start
        if found.stills:
            button.row = int((found.track.times < w.start - 1e-6).sum())
    more = len(found.warnings) - WARNINGS
    if more > 0:
        column.label(text=f"and {more} more")


def _draw_step(
    layout, number: int, step: new_character_steps.Step, following: bool, settings
) -> None:
    box = layout.box().column(align=True)
    row = box.row()
    icon = "CHECKMARK" if step.done else "RADIOBUT_ON" if following else "RADIOBUT_OFF"
    row.label(text=f"{number} {step.title}", icon=icon)
    begun = new_character.EXPRGEN_OT_new_step.begun == step.name
    running = begun and _draw_job(box, new_character.TITLE)
    if not running:
        sub = row.row()
        sub.enabled = step.ready
        text = "Again" if step.done else "Start"
        sub.operator("exprgen.new_step", text=text, emboss=not step.done).step = step.name
    if begun and not running:
        _draw_outcome(box, new_character.TITLE)
    if step.detail:
        _wrapped(box, step.detail, "BLANK1")
    if step.name == new_character_steps.CAPTURE and following:
        box.prop(settings, "new_pictures")
    if step.name == new_character_steps.POSES and step.picture is not None:
        box.operator("exprgen.accept_poses", icon="CHECKMARK")
    if step.picture is not None:
        icon = references.icon_of(step.picture)
        if icon and (following or begun or step.name == new_character_steps.POSES):
            box.template_icon(icon_value=icon, scale=6.0)
        box.operator("exprgen.open_file", icon="IMAGE_DATA").filepath = str(step.picture)


def _draw_network(layout, collection, scene) -> None:
    profile, lead = casting.profile_of(collection), casting.primary_collection(scene)
    if profile is None:
        _alert(layout, "Its profile is gone")
        return
    if casting.network_there(collection, scene):
        word = "solved from the face" if lead == collection else f"follows {lead.name}"
        layout.label(text=f"{len(profile.controls)} controls, {word}", icon="CHECKMARK")
    else:
        _alert(layout, casting.refusal_of(collection, scene))


def forget() -> None:
    """Let go of what was read."""
    casting.forget()


def register() -> None:
    """Show jobs in the status bar; the panels are registered."""
    bpy.types.STATUSBAR_HT_header.append(draw_status)


def unregister() -> None:
    """Take them out again."""
    bpy.types.STATUSBAR_HT_header.remove(draw_status)


classes = (
    EXPRGEN_UL_characters,
    EXPRGEN_MT_add_character,
    EXPRGEN_PT_presets,
    EXPRGEN_PT_job,
    EXPRGEN_PT_reference,
    EXPRGEN_PT_perception,
    EXPRGEN_PT_characters,
    EXPRGEN_PT_apply,
    EXPRGEN_PT_apply_keys,
    EXPRGEN_PT_apply_actor,
    EXPRGEN_PT_correct,
    EXPRGEN_PT_clarity,
    EXPRGEN_PT_new_character,
)
