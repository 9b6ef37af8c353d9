"""Live clarity: how the character's present pose reads, a few times a second, while it is posed.

A timer looks whether the pose has changed, which is reading some numbers off the rig, and shows the
newest one to `mirror.Mirror`, whose processes draw and read it. While one pose is on its way no
other is sent, so the rate follows from what the machine can do and posing never waits. It looks at
the character that is chosen in the panel's list.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import bpy
import numpy as np

from ...networks.characters.profile import RigProfile
from ...networks.errors import ExprGenError
from ..characters.in_scene import Character, active_collection, character_of
from ..studio.pose_reading import Mirror

INTERVAL = 0.02
"""Seconds between looks while something happens; `IDLE` else."""
IDLE = 0.2
SAME = 1e-4
"""Change of unit values that is no other pose."""


@dataclass
class View:
    """What is shown. probabilities: (7,) or None while none came; known: SCNN was trained on this
    character; rate: readings a second, of the last ones; error: why there are none."""

    character: str = ""
    probabilities: np.ndarray | None = None
    known: bool = True
    error: ExprGenError | None = None
    moments: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Readings a second over the last ones; 0 with fewer than two."""
        recent = self.moments[-8:]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 else 0.0


view = View()
_mirror: Mirror | None = None
_shown: np.ndarray | None = None
_bound: tuple | None = None


def switch(on: bool) -> None:
    """Begin or end looking; in the background nothing is drawn, so nothing begins."""
    if bpy.app.background:
        return
    registered = bpy.app.timers.is_registered(_tick)
    if on and not registered:
        bpy.app.timers.register(_tick, first_interval=INTERVAL)
    elif not on:
        if registered:
            bpy.app.timers.unregister(_tick)
        close()


def close() -> None:
    """End the processes and forget what was seen."""
    global _mirror, _shown, _bound, view
    if _mirror is not None:
        _mirror.close()
    _mirror, _shown, _bound, view = None, None, None, View()


def mirror_for(profile: RigProfile) -> Mirror:
    """A mirror of one's own for this character, to be closed by the caller.

    Raises:
        ExprGenError: a process can't be started.
    """
    from ..engine.other_blender import blender_command

    return Mirror(profile, blender_command("exprgen_addon.studio.pose_reading"))


def pose_of(character: Character) -> np.ndarray:
    """(C,) native values of all controls as they are now."""
    rows = [character.bindings[c.name][0] for c in character.profile.controls]
    return np.array([p.read() / p.scale for p in rows])


def _tick() -> float | None:
    from . import job_timer

    try:
        changed = _step()
    except ExprGenError as error:
        close()
        view.error = error
        job_timer.redraw()
        bpy.context.window_manager.exprgen.live = False
        view.error = error
        return None
    if changed:
        job_timer.redraw()
    return INTERVAL if _mirror is not None and _mirror.busy else IDLE


def _step() -> bool:
    """Send the pose if it is another, take a reading if there is one; True if there was."""
    global _mirror, _shown
    scene = bpy.context.scene
    collection = active_collection(scene)
    if collection is None:
        return False
    character = _character(collection)
    if _mirror is not None and (
        _mirror.profile.path != character.profile.path or not _mirror.alive
    ):
        dead = not _mirror.alive
        close()
        if dead:
            raise ExprGenError("the clarity view's process ended", fix="switch it on again")
    if _mirror is None:
        _mirror, _shown = mirror_for(character.profile), None
        view.character = collection.name
    found = _mirror.answer()
    if found is not None:
        view.probabilities, view.known = found, _mirror.known
        view.moments = [*view.moments[-15:], time.monotonic()]
    if not _mirror.busy:
        values = pose_of(character)
        span = np.array([c.maximum - c.minimum for c in character.profile.controls])
        if _shown is None or np.abs((values - _shown) / span).max() > SAME:
            if _shown is not None and found is None:
                view.moments = []  # it rested in between: no rate over that
            _shown = values
            _mirror.show(values)
    return found is not None


def _character(collection: bpy.types.Collection) -> Character:
    """The character, looked up again only when something was loaded, undone or renamed."""
    global _bound
    key = (collection.as_pointer(), collection.name, len(bpy.data.objects))
    if _bound is None or _bound[0] != key:
        _bound = (key, character_of(collection))
    try:
        pose_of(_bound[1])
    except ReferenceError:  # undo has replaced what it was bound to
        _bound = (key, character_of(collection))
    return _bound[1]


def rebind() -> None:
    """Look the character up again: after undo, redo."""
    global _bound
    _bound = None
