"""What a character does in a file, whoever keyed it: its controls read frame by frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np

from ...networks.characters.coverage import missing_parts
from ...networks.characters.profile import RigProfile, find_character
from ...networks.errors import InputError, UsageError
from ...networks.footage.live_link import CoefficientTake
from ...networks.solving.coefficients import take_of
from ...networks.track import TRACKED, RigTrack
from ...networks.vocabulary import EXPRESSIONS
from ..characters.in_scene import Character, bind, broken_in, characters_in
from ..rigs import Property

Progress = Callable[[int, int], None]
"""Called with (frames read, all)."""


def chosen(scene: bpy.types.Scene, name: str | None) -> Character:
    """The character of a scene with a name, its collection's or its profile's; without a name the
    only one. With the path of a profile also one whose own file is open.

    Raises:
        UsageError: there is none, or several. InputError: it no longer fits its profile.
    """
    present = characters_in(scene)
    if name and Path(name).suffix.lower() == ".json":
        return _by_profile(find_character(name), present)
    found = [c for c in present if not name or name in (c.collection.name, c.profile.name)]
    if len(found) == 1:
        return found[0]
    for collection, error in broken_in(scene).items():
        if not found and name in (None, collection.name):
            raise error
    names = ", ".join(c.collection.name for c in present)
    if not names:
        fix = "give the profile of the character that the file holds: --character PROFILE.json"
        raise UsageError("the file holds no character of ExprGen's", fix=fix)
    problem = f"the file has no character {name!r}" if name and not found else "which character?"
    raise UsageError(problem, fix=f"give --character with one of {names}")


def _by_profile(profile: RigProfile, present: list[Character]) -> Character:
    """The character of a profile: in the scene, or the open file's own."""
    there = next((c for c in present if c.profile.path == profile.path), None)
    if there is not None:
        return there
    collection = bpy.data.collections.get(profile.collection) if profile.collection else None
    if collection is None:
        missing = [n for n in profile.parts if n not in bpy.data.objects]
        if missing or not profile.parts:
            what = f"object {missing[0]!r}" if missing else f"collection {profile.collection!r}"
            fix = "give the profile of the character that is in this file"
            raise InputError(f"the open file has no {what}", file=profile.path, fix=fix)
        collection = bpy.data.collections.new(profile.name)
        for part in profile.parts:
            collection.objects.link(bpy.data.objects[part])
    return Character(profile, collection, None, bind(profile, collection))


def shot_scene(start: float | None, end: float | None) -> bpy.types.Scene:
    """The open file's scene, its frames narrowed to seconds from its first one.

    Raises:
        UsageError: the range holds fewer than two frames.
    """
    scene = bpy.context.scene
    first, last, fps = scene.frame_start, scene.frame_end, fps_of(scene)
    if start is not None:
        scene.frame_start = first + math.ceil(start * fps - 1e-6)
    if end is not None:
        scene.frame_end = min(last, first + math.ceil(end * fps - 1e-6) - 1)
    if len(frames_of(scene)) < 2:
        seconds = (last - first) / fps
        raise UsageError("the range holds no take", fix=f"choose one from 0 to {seconds:.2f} s")
    return scene


def frames_of(scene: bpy.types.Scene) -> np.ndarray:
    """The scene's frames (N,), first to last."""
    return np.arange(scene.frame_start, scene.frame_end + 1)


def fps_of(scene: bpy.types.Scene) -> float:
    """Frames a second."""
    return scene.render.fps / scene.render.fps_base


def read_take(
    character: Character, scene: bpy.types.Scene, progress: Progress = lambda done, total: None
) -> RigTrack:
    """What the controls do over the scene's frames, as Blender evaluates them: keys, strips of the
    NLA and drivers alike. The scene goes back to its frame.

    """
    frames, before = frames_of(scene), scene.frame_current
    controls = character.profile.controls
    values = np.empty((len(frames), len(controls)), np.float32)
    try:
        for row, frame in enumerate(frames.tolist()):
            scene.frame_set(frame)
            values[row] = [_value(character.bindings[c.name], c.rest) for c in controls]
            progress(row + 1, len(frames))
    finally:
        scene.frame_set(before)
    return RigTrack(
        character=character.profile.name,
        times=(frames - frames[0]) / fps_of(scene),
        controls=tuple(c.name for c in controls),
        values=values,
        state=np.full(len(frames), TRACKED, np.uint8),
        expression=np.zeros((len(frames), len(EXPRESSIONS)), np.float32),
        meta={"keyed": True},
    )


def _value(props: tuple[Property, ...], rest: float) -> float:
    """A control's value: that of the property which left rest the farthest. Of two shape keys that
    show one direction each only one has."""
    values = [p.read() / p.scale for p in props]
    return max(values, key=lambda v: abs(v - rest))


def coefficients_of(track: RigTrack, profile: RigProfile) -> CoefficientTake:
    """A track as ARKit coefficients, by the channels that the controls stand for.

    Raises:
        UsageError: they don't stand for a face's.
    """
    if missing := missing_parts(profile):
        raise UsageError(
            f"no control of {profile.name} {missing[0]} by a known name or channel",
            file=profile.path,
            fix="give its controls `channels` in the profile, or export .glb or .fbx",
        )
    return take_of(track, profile)
