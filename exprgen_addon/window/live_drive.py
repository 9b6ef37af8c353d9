"""Live in the window: what a camera, a clip or a phone says is what the characters do, now.

A timer takes the newest frame from the session's own worker and sets the controls: no keys, no
steps of undo. When the session ends, however it ends, every control is what it was before; while it
is recorded, all frames are kept, and become a take when the recording ends. Nothing here survives a
file load, an `unregister` or the end of Blender, but the tape of what was being recorded; see
live_tapes.py.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import bpy

from ...networks.characters.profile import RigProfile
from ...networks.errors import ExprGenError
from ...networks.track import RigTrack
from ..characters.in_scene import Character
from ..engine.live import CALIBRATING, Live, LiveFrame, live_source
from ..engine.live_tape import LiveTape
from ..engine.worker_process import WorkerProcess
from . import job_timer, live_tapes
from .applying import cast_of
from .scene_settings import retarget_settings

INTERVAL = 1 / 120
"""Seconds between two looks at what has come."""
TOLD_EVERY = 0.5
"""Seconds between two drawings of what the panel says."""
SAME = 1e-6


@dataclass
class State:
    """A session and what it changes. title: what drives; before: (collection, control) -> the
    values of its properties before the session; recording_from: the scene's frame at which the
    recording began, None while none runs; tape: the recording on the disk; kept: what was said of
    the last take; doubt: why what is shown is less than it could be; error, said: of the last
    session, for the panel."""

    scene: str = ""
    title: str = ""
    session: Live | None = None
    worker: WorkerProcess | None = None
    cast: list[tuple[Character, int]] = field(default_factory=list)
    before: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    recording_from: float | None = None
    tape: LiveTape | None = None
    kept: str = ""
    doubt: str = ""
    error: ExprGenError | None = None
    said: str = ""
    told: float = 0.0

    @property
    def runs(self) -> bool:
        return self.session is not None

    @property
    def recording(self) -> bool:
        return self.recording_from is not None

    @property
    def calibrating(self) -> bool:
        """Nothing has come yet, or the neutral is being learned."""
        newest = self.session.newest if self.session is not None else None
        return newest is None or newest.state == CALIBRATING


state = State()


def start(scene: bpy.types.Scene, source: dict, title: str) -> None:
    """Let a source drive the characters of a scene that are switched on.

    Args:
        source: fields of networks/live/session.LiveRequest that name it. title: for a person.

    Raises:
        ExprGenError: nobody can be driven, or no engine.
    """
    global state
    end()
    cast = cast_of(scene)
    profiles = cast.profiles
    # Whole clips are calibrated by a time of theirs, and emphasis is keyed in them: not this one.
    settings = retarget_settings(scene.exprgen)
    wish = "none" if settings.calibration == "none" else "auto"
    settings = replace(settings, calibration=wish, emphasis_curve=(), emphasis_part_curves={})
    worker = WorkerProcess(nice=0)
    request = {
        **source,
        "profiles": [str(p.path) for p in profiles],
        "settings": settings.to_json(),
        "acknowledged": True,
    }
    state = State(scene=scene.name, title=title, worker=worker, doubt=_doubt(profiles))
    state.session = Live(request, worker)
    state.cast = [(c, profiles.index(c.profile)) for c in cast.driven]
    state.before = {
        (c.collection.name, name): [p.read() for p in properties]
        for c in cast.driven
        for name, properties in c.bindings.items()
    }
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=INTERVAL)


def _doubt(profiles: Sequence[RigProfile]) -> str:
    """A warning of those whose geometry is not known as it is now, whatever the reason; else ""."""
    names = ", ".join(p.title for p in job_timer.unmeasured(profiles))
    if not names:
        return ""
    return (
        f"How controls move {names} is not measured as rig and landmarks are now: lips, lids and "
        "brows may be off. See that the profile's folder can be written and that its .blend is "
        "there, then press Start again"
    )


def end(said: str = "", error: ExprGenError | None = None) -> None:
    """End the session: its process, its timer, and the pose that it made."""
    global state
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if state.runs:
        state.session.job.stop()
        state.worker.kill()
        if state.tape is not None:
            live_tapes.give_up(state.tape)
        put_back()
        _settle()
    state = State(error=error, said=said)


def forget() -> None:
    """End the session and what was said of it."""
    global state
    end()
    state = State()


def put_back() -> None:
    """Every control that a session has moved as it was before; the next frame moves it again."""
    for character, _ in _characters():
        for name, properties in character.bindings.items():
            kept = state.before.get((character.collection.name, name), ())
            for prop, value in zip(properties, kept, strict=False):
                if abs(prop.read() - value) > SAME:
                    prop.set(value)
                    prop.owner.update_tag()


def rebind() -> None:
    """Look the characters up again: after undo, redo."""
    if not state.runs:
        return
    scene = bpy.data.scenes.get(state.scene)
    found = []
    if scene is not None:
        with contextlib.suppress(ExprGenError):
            found = cast_of(scene).driven
    names = [name for name, _ in state.session.cast]
    state.cast = [(c, names.index(c.profile.name)) for c in found if c.profile.name in names]


def record(frame: float) -> None:
    """Keep all frames from now on; `frame` of the scene is where the first one will lie."""
    state.session.tape.clear()
    state.recording_from = frame
    state.tape = live_tapes.begin(live_source())
    state.session.on_recorded = _keep


def recorded() -> list[RigTrack]:
    """End the recording: a track a character, empty where nothing was played. Its tape stays until
    `settle_tape`."""
    state.recording_from = None
    tracks = state.session.recorded(live_source())
    state.session.tape.clear()
    return tracks


def settle_tape(is_take: bool) -> None:
    """The recording that has ended became a take, or it did not and its tape is offered."""
    tape, state.tape = state.tape, None
    if tape is not None and is_take:
        tape.remove()
    elif tape is not None:
        live_tapes.give_up(tape)


def _keep(cast: list, messages: list[dict]) -> None:
    """Frames that are recorded to the disk, where a Blender that is killed leaves them."""
    tape = state.tape
    if tape is None or tape.error is not None:
        return
    tape.add(cast, messages)
    if tape.error is not None:
        why = tape.error.strerror
        state.said = f"The disk can't be written ({why}): a Blender that is killed loses the take"


def calibrate() -> None:
    """The actor is neutral now: learn it anew."""
    state.session.job.tell({"calibrate": True})


def step() -> None:
    """Take what came and show the newest of it. Never waits.

    Raises:
        ExprGenError: the session has ended by an error.
    """
    session = state.session
    for message in session.job.messages():
        if message["type"] == "log":
            state.said = message["text"]
    frames = session.take(state.recording)
    if frames:
        _show(frames[-1])
        session.arrived(frames[-1:])
        session.job.tell({"taken": session.come})
    if session.job.done:
        if session.job.error is not None:
            raise session.job.error
        if not state.recording:  # else somebody has still to say what becomes of it
            end(said=outcome())


def _tick() -> float | None:
    if not state.runs:
        return None
    try:
        step()
    except ExprGenError as error:
        if state.recording:  # what was played until then is not lost
            with contextlib.suppress(RuntimeError), job_timer.in_view():
                bpy.ops.exprgen.live_record("EXEC_DEFAULT")
        end(error=error)
    except ReferenceError:  # something was removed or undone
        rebind()
    if state.runs and time.monotonic() - state.told < TOLD_EVERY:
        return INTERVAL
    state.told = time.monotonic()
    job_timer.redraw()
    return INTERVAL if state.runs else None


def _show(frame: LiveFrame) -> None:
    """Set the controls of all characters to a frame's values."""
    cast = state.session.cast
    for character, index in state.cast:
        _, controls = cast[index]
        owners = {}
        gain = character.collection.exprgen.gain
        for name, value in zip(controls, frame.values[index].tolist(), strict=True):
            control = character.profile.control(name)
            if control.output == "expression" and gain != 1.0:
                value = control.rest + gain * (value - control.rest)
                value = min(max(value, control.minimum), control.maximum)
            for prop in character.bindings[name]:
                prop.write(value)
                owners[prop.owner] = None
        for owner in owners:
            owner.update_tag()
    _redraw_views()


def _characters() -> list[tuple[Character, int]]:
    """Who is driven, looked up again where Blender has replaced them."""
    try:
        for character, _ in state.cast:
            for properties in character.bindings.values():
                properties[0].read()
                break
    except ReferenceError:
        rebind()
    return state.cast


def _settle() -> None:
    """Where controls are keyed, let the keys say what they are."""
    scene = bpy.data.scenes.get(state.scene)
    with contextlib.suppress(AttributeError, RuntimeError):  # amid a file load
        if scene is not None and scene == bpy.context.scene:
            scene.frame_set(scene.frame_current, subframe=scene.frame_subframe)
    _redraw_views()


def _redraw_views() -> None:
    manager = bpy.context.window_manager
    for window in manager.windows if manager is not None else ():
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "WINDOW":
                        region.tag_redraw()


def outcome() -> str:
    """What the session came to, for a person."""
    session = state.session
    if session is None or not session.shown:
        return state.kept
    middle, worst = (round(1000 * d) for d in session.delays())
    came = f"{session.shown} frames shown, delay {middle} ms (95%: {worst} ms)"
    return f"{state.kept}; {came}" if state.kept else came
