"""Live: start and stop a session, record a take of it, take the actor's neutral anew."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ....networks.errors import ExprGenError, InputError, UsageError
from ....networks.track import RigTrack
from ...characters import casting
from ...characters.in_scene import collections_in
from ...engine.chain import Nothing
from ...engine.live_tape import read_tape
from ...engine.task_queue import Task
from ...keying.key_options import KeyOptions
from ...keying.keyframes import apply_tracks
from ...keying.sound import hear
from ...keying.take_list import About, free_take, note_about
from ...keying.takes import fit_range
from .. import job_timer, live_drive, live_tapes, review
from ..applying import cast_of, describe, with_gain

TAKE = "Live"
TITLE = "Start Live"
NOT_LIVE = "Nothing drives the characters: press Start first"


class EXPRGEN_PG_live(bpy.types.PropertyGroup):
    """What drives; of the running Blender and not of the file, so that no file can open a port."""

    source: EnumProperty(
        name="Source",
        items=[
            ("camera", "Camera", "A camera of this machine", "CAMERA_DATA", 0),
            ("clip", "Clip", "A clip that plays at its own rate, as a camera", "FILE_MOVIE", 1),
            ("phone", "Phone", "Live Link Face on an iPhone or iPad (ARKit)", "MOD_WAVE", 2),
        ],
        description="What drives the characters",
    )
    camera: IntProperty(name="Camera", min=0, max=99, description="Its number, from 0")
    clip: StringProperty(name="Clip", subtype="FILE_PATH", description="A clip that shows a face")
    loop: BoolProperty(name="Loop", default=True, description="Begin anew at the clip's end")
    port: IntProperty(
        name="Port",
        default=11111,
        min=1,
        max=65535,
        description="To which the app sends; it is open while the session runs",
    )
    address: StringProperty(
        name="Address",
        default="127.0.0.1",
        description="This machine's address in the network of the phone, such as 192.168.0.5. "
        "127.0.0.1 listens to this machine alone, 0.0.0.0 to every network that it is in",
    )

    @classmethod
    def register(cls):
        bpy.types.WindowManager.exprgen_live = PointerProperty(type=cls)

    @classmethod
    def unregister(cls):
        del bpy.types.WindowManager.exprgen_live

    @property
    def request(self) -> dict:
        """The fields of LiveRequest that name the source."""
        if self.source == "camera":
            return {"camera": self.camera}
        if self.source == "clip":
            return {"clip": bpy.path.abspath(self.clip), "loop": self.loop}
        return {"port": self.port, "address": self.address.strip()}

    @property
    def is_local(self) -> bool:
        """The address is this machine's alone."""
        try:
            return ipaddress.ip_address(self.address.strip()).is_loopback
        except ValueError:
            return False

    @property
    def title(self) -> str:
        """The source, for a person."""
        if self.source == "camera":
            return f"Camera {self.camera}"
        if self.source == "clip":
            return Path(bpy.path.abspath(self.clip)).name
        return f"Port {self.port} of {self.address.strip()}"


class EXPRGEN_OT_live_start(bpy.types.Operator):
    """Let the source drive every character that is switched on. Nothing is keyed, and all is as
    it was before when you stop. Look at the camera with a calm face for the first two seconds"""

    bl_idname = "exprgen.live_start"
    bl_label = "Start"

    @classmethod
    def poll(cls, context):
        live, reason = context.window_manager.exprgen_live, ""
        if not collections_in(context.scene):
            reason = "Add a character first"
        elif why := casting.refusal(context.scene):
            reason = why
        elif live.source == "clip" and not Path(bpy.path.abspath(live.clip or "?")).is_file():
            reason = "Choose a clip first"
        elif live.source == "phone" and not (live.is_local or bpy.app.online_access):
            reason = "Allow online access first: Preferences > System > Network"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context):
        live, scene = context.window_manager.exprgen_live, context.scene
        try:
            begin = job_timer.measured_first(cast_of(scene).profiles, Nothing)
            if begin is not Nothing:  # rig, landmarks or controls have changed, as Apply sees to it
                return job_timer.start(_starting(scene.name, live.request, live.title, begin), self)
            _start(scene.name, live.request, live.title)
        except ExprGenError as error:
            live_drive.end(error=error)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if live_drive.state.doubt:
            self.report({"WARNING"}, live_drive.state.doubt)
        return {"FINISHED"}


class EXPRGEN_OT_live_stop(bpy.types.Operator):
    """End the session; every control goes back to where it was before. What is being recorded
    becomes a take"""

    bl_idname = "exprgen.live_stop"
    bl_label = "Stop"

    @classmethod
    def poll(cls, context):
        if not live_drive.state.runs:
            cls.poll_message_set(NOT_LIVE)
        return live_drive.state.runs

    def execute(self, context):
        if live_drive.state.recording:
            _keep_take(self)
        live_drive.end(said=live_drive.outcome())
        return {"FINISHED"}


class EXPRGEN_OT_live_record(bpy.types.Operator):
    """Record what is played from now on, from the current frame; pressed again, it becomes a take
    of its own, with keys at the exact times of the frames"""

    bl_idname = "exprgen.live_record"
    bl_label = "Record"

    @classmethod
    def poll(cls, context):
        drive = live_drive.state
        reason = "" if drive.runs else NOT_LIVE
        if drive.runs and drive.calibrating and not drive.recording:
            reason = "Wait until the characters move"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context):
        if not live_drive.state.recording:
            live_drive.record(context.scene.frame_current_final)
            return {"FINISHED"}
        return _keep_take(self)


class EXPRGEN_OT_live_calibrate(bpy.types.Operator):
    """Your face is neutral for the next two seconds, looking at the camera: it becomes the
    characters' neutral"""

    bl_idname = "exprgen.live_calibrate"
    bl_label = "Calibrate"

    @classmethod
    def poll(cls, context):
        runs = live_drive.state.runs and not live_drive.state.calibrating
        if not runs:
            cls.poll_message_set(NOT_LIVE)
        return runs

    def execute(self, context):
        live_drive.calibrate()
        return {"FINISHED"}


class EXPRGEN_OT_live_write(bpy.types.Operator):
    """Write recorded tracks as keys of a take of their own"""

    bl_idname = "exprgen.live_write"
    bl_label = "ExprGen: Record"
    bl_options = {"INTERNAL"}

    scene: StringProperty()
    folder: StringProperty(subtype="DIR_PATH")
    frame: FloatProperty()
    said = ""

    def execute(self, context):
        scene = bpy.data.scenes.get(self.scene)
        if scene is None:
            self.report({"ERROR"}, f"the scene {self.scene!r} is gone")
            return {"CANCELLED"}
        try:
            EXPRGEN_OT_live_write.said = _write(scene, Path(self.folder), self.frame)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class EXPRGEN_OT_live_recover(bpy.types.Operator):
    """Make a take, from the current frame, of a recording whose Blender was ended before it was
    one. The recording goes when it is a take"""

    bl_idname = "exprgen.live_recover"
    bl_label = "Make a Take"
    bl_options = {"REGISTER", "UNDO"}

    tape: StringProperty(name="Recording", subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        if live_drive.state.runs:
            cls.poll_message_set("Stop the session first")
            return False
        return True

    def execute(self, context):
        scene, tape = context.scene, Path(self.tape)
        try:
            tracks = read_tape(tape)
            if not tracks:
                raise InputError("is too short to be a take", file=tape, fix="discard it")
            said = _key(scene, tracks, scene.frame_current_final, everyone=True)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        live_tapes.discard(tape)
        self.report({"INFO"}, said)
        return {"FINISHED"}


class EXPRGEN_OT_live_discard(bpy.types.Operator):
    """Delete this recording, which has become no take"""

    bl_idname = "exprgen.live_discard"
    bl_label = "Discard"

    tape: StringProperty(name="Recording", subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context, event):
        title = f'Delete the Recording "{live_tapes.titled(Path(self.tape))}"'
        return context.window_manager.invoke_confirm(
            self, event, title=title, confirm_text="Delete"
        )

    def execute(self, context):
        if Path(self.tape) not in live_tapes.left(anew=True):
            self.report({"ERROR"}, "There is no such recording")
            return {"CANCELLED"}
        live_tapes.discard(Path(self.tape))
        return {"FINISHED"}


def _starting(scene: str, source: dict, title: str, begin) -> Task:
    """What measures characters first, and starts the session when they are."""

    def finish(result: dict) -> str:
        try:
            _start(scene, source, title)
        except ExprGenError:
            live_drive.end()
            raise
        return live_drive.state.doubt

    return Task(TITLE, begin, finish, until_stopped=True)


def _start(scene: str, source: dict, title: str) -> None:
    """Start a session in the scene of this name.

    Raises:
        ExprGenError: as `live_drive.start`; the scene is gone.
    """
    found = bpy.data.scenes.get(scene)
    if found is None:
        raise UsageError(f"the scene {scene!r} is gone")
    live_drive.start(found, source, title)


def _keep_take(operator: bpy.types.Operator) -> set[str]:
    """What was recorded becomes a take, as one step of undo."""
    drive = live_drive.state
    scene, frame = drive.scene, drive.recording_from
    folder = job_timer.scratch() / "live"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.npz"):
        old.unlink()
    tracks = live_drive.recorded()
    if not tracks:
        live_drive.settle_tape(is_take=True)
        operator.report({"WARNING"}, "Nothing was played: there is no take")
        return {"CANCELLED"}
    try:
        for track in tracks:
            track.save(folder / f"{track.character}.npz")
        # The step of undo must hold the pose of before, and not a moment of the session.
        live_drive.put_back()
        job_timer.undoable(bpy.ops.exprgen.live_write, scene=scene, folder=str(folder), frame=frame)
    except ExprGenError as error:
        live_drive.settle_tape(is_take=False)
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}
    live_drive.settle_tape(is_take=True)
    live_drive.rebind()
    drive.said = drive.kept = EXPRGEN_OT_live_write.said
    operator.report({"INFO"}, drive.kept)
    return {"FINISHED"}


def _write(scene: bpy.types.Scene, folder: Path, frame: float) -> str:
    return _key(scene, [RigTrack.load(p) for p in sorted(folder.glob("*.npz"))], frame)


def _key(
    scene: bpy.types.Scene, tracks: list[RigTrack], frame: float, everyone: bool = False
) -> str:
    """Tracks as keys of a new take; what came of it, in words.

    Args:
        everyone: refuse where somebody who plays is not there, and not only where nobody is.
    """
    played = {t.character: t for t in tracks}
    driven = [c for c in cast_of(scene).driven if c.profile.name in played]
    missing = sorted(set(played) - {c.profile.name for c in driven})
    if missing and (everyone or not driven):
        fix = "open their file, or add them and switch them on"
        raise UsageError(f"{', '.join(missing)} played this and can't be found", fix=fix)
    tracks = [with_gain(played[c.profile.name], c) for c in driven]
    options = KeyOptions(start_frame=frame, subframes=True)
    take = free_take(TAKE)
    report = apply_tracks(tracks, driven, scene, take=take, options=options)
    about = About(str(tracks[0].meta.get("source", "")), start_frame=frame)
    note_about(bpy.data.actions[report.action], about)
    hear(scene, take)
    scene.exprgen.take = take
    review.follow(scene)
    if scene.exprgen.fit_range:
        fit_range(scene, report)
    return describe(report)


classes = (
    EXPRGEN_PG_live,
    EXPRGEN_OT_live_start,
    EXPRGEN_OT_live_stop,
    EXPRGEN_OT_live_record,
    EXPRGEN_OT_live_calibrate,
    EXPRGEN_OT_live_write,
    EXPRGEN_OT_live_recover,
    EXPRGEN_OT_live_discard,
)
