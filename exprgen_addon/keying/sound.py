"""A take's sound in the scene: a strip in the sequencer, in step with the take's keys. Needs bpy.

A strip says which take it belongs to: it is replaced when the take is applied again, and goes with
it. Of several takes only the one that is shown is heard.
"""

from __future__ import annotations

import math
from pathlib import Path

import bpy

from ...networks.files import IMAGE_SUFFIXES
from ...networks.track import RigTrack
from .keyframes import scene_fps
from .take_actions import TAKE_TAG

SILENT = (*IMAGE_SUFFIXES, ".csv", ".gif")
"""Endings of references that have no sound."""


def put_sound(
    scene: bpy.types.Scene, reference: str, take: str, track: RigTrack, start_frame: float
) -> bool:
    """Put a clip's sound into the scene as a take's, and have it heard; whether there is any.

    Args:
        reference: the clip; what was the take's before goes, also where this has no sound.
        track: solved from it; start_frame: scene frame of the clip's time zero.
    """
    remove_sound(scene, take)
    path = Path(reference)
    clip = path.is_file() and path.suffix.lower() not in SILENT and not track.meta.get("stills")
    strip = clip and _strip(scene, path, start_frame + _begins(track) * scene_fps(scene))
    if not strip:
        hear(scene, take)
        return False
    strip[TAKE_TAG] = take
    scene.use_audio_scrub, scene.sync_mode = True, "AUDIO_SYNC"
    _show_in_sequencers(scene)
    hear(scene, take)
    return True


def sounds_of(scene: bpy.types.Scene, take: str | None = None) -> list[bpy.types.Strip]:
    """The sound strips of a take, or of all takes."""
    editor = scene.sequence_editor
    strips = editor.strips_all if editor is not None else ()
    found = [s for s in strips if s.type == "SOUND" and s.get(TAKE_TAG) is not None]
    return [s for s in found if take is None or s[TAKE_TAG] == take]


def remove_sound(scene: bpy.types.Scene, take: str) -> None:
    """Take a take's strips out, and their sounds where nobody else plays them."""
    for strip in sounds_of(scene, take):
        _remove(scene, strip)


def rename_sound(scene: bpy.types.Scene, take: str, name: str) -> None:
    """A take is called otherwise now."""
    for strip in sounds_of(scene, take):
        strip[TAKE_TAG] = name


def hear(scene: bpy.types.Scene, take: str) -> None:
    """Mute the takes' sounds but one's."""
    for strip in sounds_of(scene):
        strip.mute = strip[TAKE_TAG] != take


def _strip(scene: bpy.types.Scene, path: Path, frame: float) -> bpy.types.Strip | None:
    """A strip that begins at a frame, on a channel of its own; None for a clip without sound."""
    editor = scene.sequence_editor or scene.sequence_editor_create()
    channel = 1 + max((s.channel for s in editor.strips), default=0)
    try:
        strip = editor.strips.new_sound(path.stem, _named(path), channel, math.floor(frame + 0.5))
    except RuntimeError:  # Blender can't read it
        return None
    if strip.sound is None or strip.sound.channels == "INVALID":
        _remove(scene, strip)
        return None
    return strip


def _show_in_sequencers(scene: bpy.types.Scene) -> None:
    """Since Blender 5.0 a sequencer shows the scene that its workspace names, at first none."""
    for workspace in bpy.data.workspaces:
        if hasattr(workspace, "sequencer_scene") and workspace.sequencer_scene is None:
            workspace.sequencer_scene = scene


def _remove(scene: bpy.types.Scene, strip: bpy.types.Strip) -> None:
    sound = strip.sound
    scene.sequence_editor.strips.remove(strip)
    if sound is not None and not sound.users:
        bpy.data.sounds.remove(sound)


def _begins(track: RigTrack) -> float:
    """Seconds of the clip at which its sound begins; 0 where an older analysis does not tell."""
    return float(track.meta.get("sound") or 0.0)


def _named(path: Path) -> str:
    """The path as the open file keeps it: relative to it where it is saved on the same drive."""
    if not bpy.data.filepath:
        return str(path.resolve())
    try:
        return bpy.path.relpath(str(path.resolve()))
    except ValueError:  # another drive
        return str(path.resolve())
