"""A TD's checklist: each step calls what the command line calls, as a job."""

from __future__ import annotations

import contextlib
from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty

from ....networks.characters.profile import RigProfile, load_profile, sample_characters
from ....networks.errors import ExprGenError, UsageError
from ...characters.in_scene import append_characters, place_beside
from ...engine.chain import Chain, Link
from ...engine.course import Course
from ...engine.task_queue import Task
from .. import job_timer, new_character_steps
from . import try_controls
from .try_controls import profile_path

TITLE = "New Character"


STEPS = (
    (new_character_steps.CONTROLS, "Controls", "Move everything, and see what moves the face"),
    (new_character_steps.LANDMARKS, "Landmarks", "Find the 49 landmarks on a picture of the face"),
    (
        new_character_steps.POSES,
        "Key poses",
        "Propose poses for each expression, by name or search",
    ),
    (
        new_character_steps.CAPTURE,
        "Capture",
        "Take labelled poses of the character, and measure them",
    ),
    (new_character_steps.TRAIN, "Train", "Train the network that drives the character"),
    (new_character_steps.TEST, "Test", "See how surely each key pose reads"),
)


class EXPRGEN_OT_new_step(bpy.types.Operator):
    """Do this step. It runs beside Blender, with progress and Esc, and changes no file of yours but
    the profile"""

    bl_idname = "exprgen.new_step"
    bl_label = "Do This Step"

    begun = ""
    """The step that was begun last, for the panel."""

    step: EnumProperty(items=STEPS)

    @classmethod
    def description(cls, context, properties):
        what = next(text for name, _, text in STEPS if name == properties.step)
        return f"{what}. Runs beside Blender; Esc stops it"

    @classmethod
    def poll(cls, context):
        reason = job_timer.queue.refusal(TITLE)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context):
        try:
            task = _task(context, self.step)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        # Choosing the mesh alone makes a file count as changed, so this is no reason to refuse. In
        # the background a file never counts as saved.
        if (
            self.step == new_character_steps.CONTROLS
            and bpy.data.is_dirty
            and not bpy.app.background
        ):
            self.report({"WARNING"}, "The saved file is read: save first if the rig has changed")
        EXPRGEN_OT_new_step.begun = self.step
        return job_timer.start(task, self)


class EXPRGEN_OT_accept_poses(bpy.types.Operator):
    """Take the proposed key poses into the profile"""

    bl_idname = "exprgen.accept_poses"
    bl_label = "Accept Poses"

    which: StringProperty(
        name="Poses",
        default="all",
        description="all, or names with commas; NAME=EXPRESSION relabels one",
    )

    @classmethod
    def poll(cls, context):
        path = profile_path(context)
        there = path is not None and path.with_suffix(".proposals.json").is_file()
        if not there:
            cls.poll_message_set("Propose key poses first")
        return there

    def invoke(self, context, event):
        return context.window_manager.invoke_props_dialog(self, width=420)

    def draw(self, context):
        column = self.layout.column()
        column.prop(self, "which")
        for line in ("all: every proposal on the sheet", "joy_grin, fear_open: only these",
                     "disgust_gag=anger: this one, as another expression"):  # fmt: skip
            column.label(text=line, icon="DOT")

    def execute(self, context):
        from ...profiling import pose_proposals

        try:
            profile = load_profile(profile_path(context))
            before = pose_proposals.load_proposals(profile)
            made, gained = pose_proposals.accept(profile, self.which)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        taken = [p for p in made.key_poses if p.name in gained]
        doubtful = pose_proposals.hardly_read(before, taken)
        self.report({"INFO"}, f"{len(gained)} key poses accepted")
        if doubtful:
            named = ", ".join(doubtful[:4])
            self.report({"WARNING"}, f"{len(doubtful)} of them hardly read: {named}")
        job_timer.redraw()
        return {"FINISHED"}


class EXPRGEN_OT_add_new(bpy.types.Operator):
    """Bring the new character into this scene, to be driven"""

    bl_idname = "exprgen.add_new"
    bl_label = "Add to Scene"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        path = profile_path(context)
        if path is None or not path.is_file():
            cls.poll_message_set("Find the controls first")
            return False
        if context.mode != "OBJECT":
            cls.poll_message_set("Leave pose or edit mode first")
            return False
        return True

    def execute(self, context):
        try:
            profile = load_profile(profile_path(context))
            place_beside(append_characters([profile], context.scene)[0])
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


def primary_for(role: str) -> RigProfile | None:
    """Whom a new character follows: the samples' primary, unless it is to be one itself."""
    if role == "primary":
        return None
    return next((p for p in sample_characters() if p.primary), None)


def _task(context, step: str) -> Task:
    settings = context.scene.exprgen
    if step == new_character_steps.CONTROLS:
        return _controls(context)
    path = profile_path(context)
    if path is None or not path.is_file():
        raise UsageError("there is no profile yet", fix="find the controls first")
    profile, primary = load_profile(path), primary_for(settings.new_role)
    if step == new_character_steps.LANDMARKS:
        picture = new_character_steps.sheet(profile, "landmarks")
        begin = job_timer.command("landmarks", path, "--sheet", picture)
        return _said(begin, course=_course(landmarks=1.0, poses=1.0))
    if step == new_character_steps.POSES:
        picture = new_character_steps.sheet(profile, "proposals")
        return _said(
            job_timer.command("propose", path, "--out", picture),
            lambda r: f"{len(r['proposals'])} poses proposed, {r['clear']} read clearly",
            _course(proposing=1.0, sheet=0.3),  # what was seen is read, then drawn
        )
    if step == new_character_steps.CAPTURE:
        return _capture(profile, primary, settings.new_pictures)
    if step == new_character_steps.TRAIN:
        if primary is None:
            raise UsageError(
                "a primary is trained on people's faces too, which the window has not",
                fix="use `exprgen train rig` (see the documentation)",
            )
        return _train(profile, primary)
    return _said(
        job_timer.command("clarity", path, "--out", new_character_steps.clarity_folder(profile)),
        lambda r: f"{r.get('clear', 0)} poses read clearly",
        _course(rendering=1.0, reading=0.2, sheet=0.1),
    )


def _course(**stages: float) -> Course:
    """Of stages that begin with these words, and the share of the work that each is."""
    return Course(tuple(stages.items()))


def _said(begin, describe=None, course: Course | None = None) -> Task:
    """A task that says what `describe` makes of its result, else its text's first line."""

    def said(result: dict) -> str:
        if describe is not None and not result.get("stopped"):
            return describe(result)
        return str(result.get("text") or "done").splitlines()[0]

    return Task(TITLE, begin, said, course=course or Course())


def _controls(context) -> Task:
    mesh = context.object
    if mesh is None or mesh.type != "MESH":
        raise UsageError("no mesh is selected", fix="select the mesh of the face, then try again")
    if not bpy.data.filepath:
        raise UsageError("the file was never saved", fix="save it; it is read, not changed")
    given = profile_path(context)
    blend = Path(bpy.data.filepath)
    path = given or blend.with_suffix(".json")
    context.scene.exprgen.new_profile = bpy.path.relpath(str(path))
    words = ("profile", blend, "--object", mesh.name, "--out", path)

    def describe(result: dict) -> str:
        with contextlib.suppress(ExprGenError):
            try_controls.fill(bpy.context)
        return str(result["text"]).splitlines()[0]

    return _said(job_timer.command(*words), describe)


def _capture(profile: RigProfile, primary: RigProfile | None, count: int) -> Task:
    """Poses of the character, and of the primary where there are none yet. No picture is made for
    one that follows: its network learns from poses alone. A primary's looks at pictures."""
    folder = new_character_steps.captures(profile)
    folder.mkdir(parents=True, exist_ok=True)
    order = [profile, *([primary] if primary and primary.name != profile.name else [])]
    links = []
    for p in order:
        made, planned = new_character_steps.captured(folder, p.name)
        if not made or made < planned or planned < count or p is profile:
            words = ["capture", p.path, "--out", folder, "--count", count]
            words += ["--poses-only"] if primary else []
            links.append(Link(f"poses of {p.title}", job_timer.command(*words)))
    return _chain(links)


def _train(profile: RigProfile, primary: RigProfile) -> Task:
    folder = new_character_steps.captures(profile)
    network = new_character_steps.network_path(profile, primary)
    words = [
        "--ced", folder, "--primary", primary.name, "--secondary", profile.path, "--out", network,
    ]  # fmt: skip
    train = {"name": "cmlp", "arguments": [str(w) for w in words]}
    told = f"how well it follows is told in {network.with_suffix('.md').name}"
    return _said(job_timer.ask("train", train), lambda result: told)


def _chain(links: list[Link]) -> Task:
    """Jobs one after the other as one task, each about as long as another."""
    course = Course(tuple((link.label, 1.0) for link in links))
    return _said(lambda: Chain(links), course=course)


classes = (
    EXPRGEN_OT_new_step,
    EXPRGEN_OT_accept_poses,
    EXPRGEN_OT_add_new,
)
