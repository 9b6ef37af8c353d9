"""The camera that filmed the actor, with the footage behind what it sees. Needs bpy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...networks.face_model.projection import Camera

SENSOR = 24.0
"""Height of the sensor in millimetres; what counts is its ratio to the focal length."""
NEAR, FAR = 0.01, 100.0


@dataclass(frozen=True)
class Pictures:
    """The footage as pictures, one a scene frame: picture i, from 1, is `pattern % i` in `folder`;
    count of them from scene frame `first`."""

    folder: str
    pattern: str
    count: int
    first: int


def make_camera(name: str, camera: Camera) -> bpy.types.Object:
    """The camera, at its own origin as the head's places are told; in no collection."""
    data = bpy.data.cameras.new(name)
    data.sensor_fit, data.sensor_height = "VERTICAL", SENSOR
    data.lens = SENSOR * camera.focal / camera.size[1]
    data.clip_start, data.clip_end = NEAR, FAR
    obj = bpy.data.objects.new(name, data)
    obj.rotation_euler = (math.pi / 2.0, 0.0, 0.0)
    return obj


def show_pictures(camera: bpy.types.Object, pictures: Pictures) -> bpy.types.Image:
    """Put the footage behind all that the camera sees."""
    first = Path(pictures.folder) / (pictures.pattern % 1)
    image = bpy.data.images.load(str(first), check_existing=False)
    image.source = "SEQUENCE"
    camera.data.show_background_images = True
    shown = camera.data.background_images.new()
    shown.image, shown.alpha, shown.display_depth = image, 1.0, "BACK"
    shown.frame_method = "FIT"
    user = shown.image_user
    user.frame_start, user.frame_duration, user.frame_offset = pictures.first, pictures.count, 0
    user.use_auto_refresh = True
    return image
