"""The scene around an actor's head: its range, its camera and light, and heads of other files."""

from __future__ import annotations

import math
from pathlib import Path

import bpy

from ...networks.errors import InputError
from ...networks.face_model.face_fit import FaceFit
from ...networks.face_model.projection import Camera
from ...networks.track import still_places
from ..keying.key_options import KeyOptions
from .build import TAG, ActorHead
from .footage import Pictures


def finish_scene(scene: bpy.types.Scene, head: ActorHead, camera: Camera) -> None:
    """Make a new scene show the head as it was filmed: range, size of pictures, camera, light."""
    scene.frame_start, scene.frame_end = max(0, head.first), max(0, head.last)
    scene.render.resolution_x, scene.render.resolution_y = camera.size
    scene.camera = head.camera
    for name, energy, elevation, azimuth in (("key", 2.6, 0.7, 0.6), ("fill", 0.8, 0.2, -0.8)):
        data = bpy.data.lights.new(f"{head.collection.name} {name} light", "SUN")
        data.energy, data.angle = energy, 0.2
        lamp = bpy.data.objects.new(data.name, data)
        lamp.rotation_euler = (math.pi / 2 - elevation, 0.0, azimuth)
        scene.collection.objects.link(lamp)
    world = scene.world or bpy.data.worlds.new(f"{head.collection.name} surround")
    scene.world, world.use_nodes = world, True
    surround = world.node_tree.nodes.get("Background")
    if surround is not None:
        surround.inputs["Color"].default_value = (0.5, 0.5, 0.5, 1.0)
    _look_through_camera()
    scene.frame_set(scene.frame_start)


def _look_through_camera() -> None:
    """Let every 3D view of the file show what the camera sees: the head over the actor."""
    areas = [area for screen in bpy.data.screens for area in screen.areas]
    for space in (area.spaces.active for area in areas if area.type == "VIEW_3D"):
        if space.region_3d is not None:
            space.region_3d.view_perspective = "CAMERA"


def picture_of(
    fit: FaceFit, frame: int, pictures: Pictures, fps: float, options: KeyOptions
) -> Path:
    """The footage's picture that shows a frame of a fit."""
    if fit.meta.get("stills"):
        place = options.start_frame + still_places(fit.times)[frame]
    else:
        place = options.start_frame + fit.times[frame] * fps
    number = min(max(round(float(place)) - pictures.first + 1, 1), pictures.count)
    return Path(pictures.folder) / (pictures.pattern % number)


def append_heads(scene: bpy.types.Scene, path: str | Path) -> list[bpy.types.Collection]:
    """Bring the actors' heads of another .blend into a scene.

    Raises:
        InputError: it can't be read, or holds none.
    """
    try:
        with bpy.data.libraries.load(str(path), link=False) as (there, wanted):
            wanted.collections = list(there.collections)
    except OSError as error:
        raise InputError("is no .blend that can be read", file=path) from error
    heads = [c for c in wanted.collections if c is not None and TAG in c]
    if not heads:
        raise InputError("holds no actor's head", file=path, fix="make it again")
    for collection in heads:
        scene.collection.children.link(collection)
    return heads
