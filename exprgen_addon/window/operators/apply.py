"""Apply: the analysed performance becomes keys on the scene's characters."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import bpy
from bpy.props import StringProperty

from ....networks.errors import ExprGenError
from ....networks.reading import parse_json
from ....networks.records import as_record, json_text
from ...characters import casting
from ...characters.in_scene import collections_in, select_bones_where_none, select_rig
from ...engine.task_queue import Task
from ...keying.punch import Punch
from .. import job_timer, references, review
from ..applying import cast_of, describe, solve_request, write_pieces, write_take
from ..take_pieces import Piece, punched_pieces

TITLE = "Apply"
GONE = "The analysis is gone or damaged: analyse again"


@dataclass(frozen=True)
class PunchIn:
    """A punch, and the takes that it goes to. said: what a person should know of it."""

    punch: Punch
    pieces: tuple[Piece, ...]
    said: tuple[str, ...] = ()


def solve_and_write(operator: bpy.types.Operator, scene: bpy.types.Scene) -> set[str]:
    """Let an operator have the performance solved and keyed as the panel says; what its `execute`
    returns."""
    folder = _empty_folder()
    try:
        cast = cast_of(scene)
        request = solve_request(scene, cast, folder)
    except ExprGenError as error:
        return _refused(operator, error)
    begin = job_timer.measured_first(cast.profiles, job_timer.ask("solve", request))
    return _start(operator, scene, begin, folder=str(folder))


def solve_and_punch(operator: bpy.types.Operator, scene: bpy.types.Scene, punch: Punch) -> set[str]:
    """The same of a stretch, or of some parts, of the shown take; each clip that it is from is
    solved for itself."""
    try:
        cast = cast_of(scene)
        found, left = punched_pieces(scene.exprgen, punch.parts)
        pieces = _in_folders(found, _empty_folder())
        lead = {p.folder: p for p in pieces}.values()
        requests = [solve_request(scene, cast, Path(p.folder), p.about) for p in lead]
    except ExprGenError as error:
        return _refused(operator, error)
    words = json_text(asdict(PunchIn(punch, pieces, left)))
    solve = job_timer.ask_all("solve", "solving", requests)
    return _start(operator, scene, job_timer.measured_first(cast.profiles, solve), punch=words)


def _in_folders(pieces: Sequence[Piece], within: Path) -> tuple[Piece, ...]:
    """The pieces with folders to solve into; what is solved alike is solved once."""
    alike = list(dict.fromkeys((p.about.track, p.about.start_frame) for p in pieces))
    for number in range(len(alike)):
        (within / f"{number}").mkdir()
    places = [alike.index((p.about.track, p.about.start_frame)) for p in pieces]
    return tuple(
        replace(p, folder=str(within / f"{n}")) for p, n in zip(pieces, places, strict=True)
    )


def punch_from(words: str) -> PunchIn:
    """What `solve_and_punch` was told, from its text.

    Raises:
        FieldError, ValueError: it is something else.
    """
    return as_record(PunchIn, parse_json(words))


def _start(operator, scene: bpy.types.Scene, begin, **properties) -> set[str]:
    """Start the solving; `properties` are of the operator that writes what it finds."""
    name = scene.name

    def finish(result: dict) -> str:
        job_timer.undoable(bpy.ops.exprgen.write_take, of_take=True, scene=name, **properties)
        return EXPRGEN_OT_write_take.said

    return job_timer.start(Task(TITLE, begin, finish, until_stopped=True), operator)


def _empty_folder() -> Path:
    folder = job_timer.scratch() / "solved"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _refused(operator, error: ExprGenError) -> set[str]:
    operator.report({"ERROR"}, str(error))
    return {"CANCELLED"}


class EXPRGEN_OT_apply(bpy.types.Operator):
    """Key the analysed performance on every character that is switched on. Keys generated before
    are replaced within the range; keys set by hand stay"""

    bl_idname = "exprgen.apply"
    bl_label = "Apply"

    @classmethod
    def poll(cls, context):
        settings = context.scene.exprgen
        reason = job_timer.queue.refusal(TITLE)
        if not collections_in(context.scene):
            reason = "Add a character first"
        elif not settings.track:
            reason = "Analyse a reference first"
        elif references.seen(settings) is None:
            reason = GONE
        elif why := casting.refusal(context.scene):
            reason = why
        elif not settings.outputs:
            reason = "Choose what to key: expression, head or eyes"
        elif context.mode not in ("OBJECT", "POSE"):
            reason = "Leave edit mode first"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context):
        return solve_and_write(self, context.scene)


class EXPRGEN_OT_write_take(bpy.types.Operator):
    """Write solved tracks as keys"""

    bl_idname = "exprgen.write_take"
    bl_label = "ExprGen: Apply"
    bl_options = {"INTERNAL"}

    scene: StringProperty()
    folder: StringProperty(subtype="DIR_PATH")
    punch: StringProperty(description="Of a Punch In all of it, as JSON; else empty")
    said = ""

    def execute(self, context):
        scene = bpy.data.scenes.get(self.scene)
        if scene is None:
            self.report({"ERROR"}, f"the scene {self.scene!r} is gone")
            return {"CANCELLED"}
        try:
            EXPRGEN_OT_write_take.said = describe(self._write(scene))
            _show_keyed(scene)
            review.follow(scene)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}

    def _write(self, scene):
        if not self.punch:
            return write_take(scene, Path(self.folder))
        told = punch_from(self.punch)
        report = write_pieces(scene, told.pieces, told.punch, again=True)
        return replace(report, notes=(*told.said, *report.notes))


class EXPRGEN_OT_range_from_scene(bpy.types.Operator):
    """Take the scene's frame range, or its preview range, as the part to apply"""

    bl_idname = "exprgen.range_from_scene"
    bl_label = "From Timeline"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        scene, settings = context.scene, context.scene.exprgen
        if scene.use_preview_range:
            first, last = scene.frame_preview_start, scene.frame_preview_end
        else:
            first, last = scene.frame_start, scene.frame_end
        settings.apply_first, settings.apply_last = first, last
        return {"FINISHED"}


class EXPRGEN_OT_neutral_here(bpy.types.Operator):
    """The actor's face is neutral at the current frame"""

    bl_idname = "exprgen.neutral_here"
    bl_label = "Neutral Here"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        found = references.seen(context.scene.exprgen)
        if found is None:
            cls.poll_message_set("Analyse a reference first")
        return found is not None

    def execute(self, context):
        scene = context.scene
        seconds = references.seconds_at(scene, scene.frame_current_final)
        scene.exprgen.calibration, scene.exprgen.neutral_time = "frame", max(0.0, seconds)
        return {"FINISHED"}


def _show_keyed(scene: bpy.types.Scene) -> None:
    """Select the primary's rig, so that the timeline shows its keys; who has something of a
    character selected keeps it, and of a selected rig without a selected bone gets those that are
    keyed: with Only Show Selected, as Blender comes, the timeline and the curves show no others."""
    context = bpy.context
    everything = [o for c in collections_in(scene) for o in c.all_objects]
    if scene != context.scene:
        return
    cast = cast_of(scene)
    if any(o.select_get() for o in everything):
        for character in cast.driven:
            select_bones_where_none(character)
        return
    lead = next((c for c in cast.driven if c.profile.name == cast.primary.name), cast.driven[0])
    select_rig(lead)


classes = (
    EXPRGEN_OT_apply,
    EXPRGEN_OT_write_take,
    EXPRGEN_OT_range_from_scene,
    EXPRGEN_OT_neutral_here,
)
