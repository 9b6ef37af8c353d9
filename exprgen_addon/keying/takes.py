"""A take as a .blend: characters appended, keyed, lit, framed and saved. Needs bpy.

What the command line does in an empty file the operators do in the user's scene with the same
functions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import bpy

from ...networks.characters.profile import RigProfile
from ...networks.errors import InputError, UsageError
from ...networks.files import unwritable, written_whole
from ...networks.footage.clock import own_rate
from ...networks.footage.stamp import replaced_note
from ...networks.reading import plain_file
from ...networks.track import RigTrack
from ..characters.in_scene import (
    CHARACTER_TAG,
    Character,
    append_characters,
    broken_in,
    characters_in,
    frame_camera,
)
from .generated import same_reference
from .key_options import KeyOptions
from .keyframes import KeyReport, apply_tracks, nearest_common_fps, scene_fps, set_scene_fps
from .punch import Punch, punched
from .sound import hear, put_sound
from .take_actions import actions_of
from .take_list import (
    About,
    TakeInfo,
    find_take,
    follow_up,
    need_take,
    note_about,
    other_clip,
    show_take,
)

DEFAULT_FPS = 24.0


@dataclass(frozen=True)
class Take:
    """What `build_take` made in the open file."""

    characters: tuple[Character, ...]
    report: KeyReport
    fps: float
    sound: bool = False


def build_take(
    tracks: list[RigTrack],
    profiles: list[RigProfile],
    *,
    name: str = "Take",
    fps: float | None = None,
    options: KeyOptions | None = None,
    sound: str = "",
) -> Take:
    """Replace the open file by a new one that holds the characters, keyed by their tracks.

    Args:
        fps: the scene's rate; None takes the usual rate nearest to the reference's.
        sound: the clip whose sound comes along, if it has one; "" for none.

    Raises:
        InputError, UsageError: see `append_characters` and `apply_tracks`.
    """
    scene = new_file()
    fps = set_scene_fps(scene, fps or reference_fps(tracks[0]))
    characters = append_characters(profiles, scene)
    options = options or KeyOptions()
    report = apply_tracks(tracks, characters, scene, take=name, options=options)
    heard = bool(sound) and put_sound(scene, sound, name, tracks[0], options.start_frame)
    note_about(bpy.data.actions[report.action], _about(tracks[0], sound, options))
    fit_range(scene, report)
    light(scene, characters)
    frame_camera(scene, characters)
    if any(t.meta.get("partial") for t in tracks):
        scene["exprgen_partial"] = True
    scene.frame_set(scene.frame_start)
    return Take(tuple(characters), report, fps, heard)


def add_take(
    tracks: list[RigTrack],
    profiles: list[RigProfile],
    into: str | Path,
    *,
    name: str,
    options: KeyOptions,
    punch: Punch | None = None,
    sound: str = "",
) -> Take:
    """Open a .blend and key the tracks on its characters, as a take beside those that it has; one
    of this name is keyed anew, in part where `punch` says so. At the file's own rate.

    Raises:
        InputError: the file can't be opened, or lacks a character. UsageError: the take is of
        another clip, or a combined one, or not there where a stretch of it is to be keyed.
    """
    punch = punch or Punch()
    scene = opened_scene(into)
    characters = [_character_in(scene, profile) for profile in profiles]
    source = str(tracks[0].meta.get("source") or "")
    check_take_name(name, source)
    if punch.first is not None:
        need_take(name)
    if find_take(name) is not None:
        show_take(scene, characters, name)
    fps = scene_fps(scene)
    pairs = zip(tracks, characters, strict=True)
    part = [punched(t, c, punch, options.start_frame, fps) for t, c in pairs]
    options = replace(options, whole=options.whole and punch.whole)
    report = apply_tracks(part, characters, scene, take=name, options=options)
    for action in actions_of(name):
        note_about(action, _about(tracks[0], sound, options))
    heard = bool(sound) and put_sound(scene, sound, name, tracks[0], options.start_frame)
    hear(scene, name)
    follow_up(characters_in(scene), name)
    scene.frame_set(scene.frame_current)
    return Take(tuple(characters), report, fps, heard)


def opened_scene(path: str | Path) -> bpy.types.Scene:
    """Open a .blend, running none of its scripts; its scene.

    Raises:
        InputError: it can't be opened.
    """
    plain_file(path)
    try:
        bpy.ops.wm.open_mainfile(filepath=str(path), load_ui=False, use_scripts=False)
    except RuntimeError as error:
        fix = "give a .blend that Blender opens"
        raise InputError("can't be opened", file=path, fix=fix) from error
    return bpy.context.scene


def check_take_name(name: str, source: str) -> None:
    """Refuse a take that keys of a reference must not go to.

    Raises:
        UsageError: it is of another clip, or a combined one.
    """
    found = find_take(name)
    if found is None:
        return
    fix = "give another name with --take"
    if found.about.parts:
        raise UsageError(f"{name!r} is combined of other takes", fix=fix)
    if source and found.about.source and not same_reference(found.about.source, source):
        raise UsageError(f"the take {name!r} is of {found.clip}, not of {source}", fix=fix)


def _character_in(scene: bpy.types.Scene, profile: RigProfile) -> Character:
    present = [c for c in characters_in(scene) if c.profile.name == profile.name]
    if not present:
        raise InputError(f"has no character {profile.name!r}", file=bpy.data.filepath,
                         fix="add it to the file first")  # fmt: skip
    return present[0]


def _about(track: RigTrack, reference: str, options: KeyOptions) -> About:
    """What a take on the command line is of."""
    source = str(track.meta.get("source") or "")
    path = str(Path(reference).resolve()) if reference else ""
    return About(source, path, start_frame=options.start_frame)


def apply_file(
    path: str, scene: bpy.types.Scene, *, character: str, take: str, options: KeyOptions
) -> KeyReport:
    """Key a saved RigTrack on a character that is in the scene already.

    Args:
        character: name of the character's collection; "" means the first of the track's character.

    Raises:
        InputError: the file is no RigTrack. UsageError: no such character in the scene.
    """
    track = RigTrack.load(path)
    present = characters_in(scene)
    wanted = [
        c
        for c in present
        if (c.collection.name == character if character else c.profile.name == track.character)
    ]
    if not wanted:
        for collection, error in broken_in(scene).items():
            if collection.name == character or (
                not character and collection[CHARACTER_TAG] == track.character
            ):
                raise error
        names = ", ".join(c.collection.name for c in present) or "none"
        raise UsageError(
            f"the scene has no character {character or track.character!r}",
            fix=f"add it first (in the scene: {names})",
        )
    told, before = other_clip(take, str(track.meta.get("source") or "")), find_take(take)
    about = _about(track, "", options) if told or before is None else before.about
    report = apply_tracks([track], wanted[:1], scene, take=take, options=options)
    for action in actions_of(take):
        note_about(action, replace(about, made=""))
    hear(scene, take)
    notes = (*told, *report.notes, replaced_note(track.meta))
    return replace(report, notes=tuple(filter(None, notes)))


def reference_fps(track: RigTrack) -> float:
    """The usual rate nearest to that of the track's own timestamps; pauses and dropped frames do
    not count."""
    if len(track) < 2 or track.meta.get("stills"):
        return DEFAULT_FPS
    return nearest_common_fps(own_rate(track.times))


def new_file() -> bpy.types.Scene:
    """Open an empty file, leaving preferences and add-ons as they are; its scene."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.name = "ExprGen"
    return scene


def fit_range(scene: bpy.types.Scene, report: KeyReport | TakeInfo) -> None:
    """Set the scene's frame range to what was keyed."""
    scene.frame_start = max(0, math.floor(report.first))
    scene.frame_end = max(scene.frame_start, math.ceil(report.last))


def light(scene: bpy.types.Scene, characters: list[Character]) -> None:
    """A key, a fill and a grey surround, so that a new file shows faces at once."""
    facing = characters[0].forward
    turned = math.atan2(facing[0], -facing[1])
    for name, energy, elevation, azimuth in (("Key", 2.6, 0.7, 0.6), ("Fill", 0.6, 0.2, -0.8)):
        data = bpy.data.lights.new(f"ExprGen {name.lower()} light", "SUN")
        data.energy, data.angle = energy, 0.2
        lamp = bpy.data.objects.new(data.name, data)
        lamp.rotation_euler = (math.pi / 2 - elevation, 0.0, turned + azimuth)
        scene.collection.objects.link(lamp)
    world = scene.world or bpy.data.worlds.new("ExprGen surround")
    scene.world = world
    world.use_nodes = True
    surround = world.node_tree.nodes.get("Background")
    if surround is not None:
        surround.inputs["Color"].default_value = (0.5, 0.5, 0.5, 1.0)
        surround.inputs["Strength"].default_value = 0.5


def save_file(path: str | Path, *, fsync: bool = False) -> Path:
    """Save the open file as a compressed .blend, whole or not at all.

    Args:
        fsync: see `written_whole`.

    Raises:
        OutputError: it can't be written; nothing is left then.
    """
    path = Path(path)
    try:
        with written_whole(path, fsync=fsync) as part:
            bpy.ops.wm.save_as_mainfile(filepath=str(part), compress=True, copy=True)
    except RuntimeError as error:
        raise unwritable(path, error) from error
    return path


def matched(tracks: list[RigTrack], profiles: list[RigProfile]) -> list[RigTrack]:
    """The tracks in the order of the profiles, each checked to be its character's.

    Raises:
        InputError: a track for a profile is missing.
    """
    by_name = {t.character: t for t in tracks}
    for profile in profiles:
        if profile.name not in by_name:
            raise InputError(f"there is no track for {profile.name!r}", fix="solve it again")
    return [by_name[p.name] for p in profiles]
