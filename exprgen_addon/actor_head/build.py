"""A FaceFit -> the actor's head in a scene, keyed over the clip before its camera. Needs bpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ...networks.face_model.face_fit import FaceFit
from ...networks.face_model.model import FaceModel, face_model
from ...networks.names import as_name
from ...networks.track import still_places
from ..keying.key_options import KeyOptions
from ..keying.keyframes import Curve, to_frames, write_curves
from .footage import Pictures, make_camera, show_pictures
from .head_mesh import METRES, TO_BLENDER, make_eye, make_head
from .texture import project_picture

TAG = "exprgen_actor_head"
"""Marks the collection of an actor's head; its value is the name of the footage."""


@dataclass(frozen=True)
class ActorHead:
    """What was made; first, last: scene frames that are keyed; keys: how many."""

    collection: bpy.types.Collection
    head: bpy.types.Object
    camera: bpy.types.Object
    first: int
    last: int
    keys: int


def build_head(
    fit: FaceFit,
    scene: bpy.types.Scene,
    name: str,
    fps: float,
    *,
    options: KeyOptions | None = None,
    pictures: Pictures | None = None,
    texture: tuple[int, Path] | None = None,
) -> ActorHead:
    """Make the head in a collection of its own in the scene.

    Args:
        fps: of the scene. options: of the keys. pictures: the footage, for the camera's background.
        texture: a frame of the fit and its picture, to be projected onto the head.

    Raises:
        InputError: the picture can't be read.
    """
    model, options = face_model(), options or KeyOptions()
    name = as_name(name)
    head = make_head(name, model, fit)
    if texture is not None:
        project_picture(head, model, fit, *texture)
    rest = fit.rest(model)
    eyes = [make_eye(f"{name} eye {s}", rest[model.groups[f"eye_{s}"]]) for s in ("left", "right")]
    camera = make_camera(f"{name} camera", fit.camera)
    if pictures is not None:
        show_pictures(camera, pictures)
    root = bpy.data.objects.new(f"{name} footage", None)
    for child, parent in ((head, root), (camera, root), *((eye, head) for eye in eyes)):
        child.parent = parent
    collection = bpy.data.collections.new(name)
    collection[TAG] = str(fit.meta.get("source") or name)
    for obj in (root, camera, head, *eyes):
        collection.objects.link(obj)
    scene.collection.children.link(collection)
    first, last, keys = _key(fit, model, head, eyes, fps, options)
    return ActorHead(collection, head, camera, first, last, keys)


def _key(fit: FaceFit, model: FaceModel, head, eyes, fps: float, options: KeyOptions):
    """Key head, eyes and shape keys; (first frame, last frame, keys)."""
    times = fit.times
    if fit.meta.get("stills"):
        times = still_places(times) / fps
    names, columns = zip(*_columns(fit, head, eyes), strict=True)
    frames, values = to_frames(times, np.stack(columns, 1), fps, options)
    action = bpy.data.actions.new(head.name)
    flat = np.zeros(len(frames))
    curves = [
        Curve(owner, path, index, group, options.interpolation, frames, values[:, i], flat)
        for i, (owner, path, index, group) in enumerate(names)
    ]
    write_curves(curves, action, head.name)
    return int(frames[0]), int(frames[-1]), len(frames) * len(curves)


def _columns(fit: FaceFit, head, eyes):
    """((owner, data path, index, group), (N,) values) of all that is keyed."""
    places = METRES * fit.translation @ TO_BLENDER.T
    turns = TO_BLENDER @ fit.rotation.astype(float) @ TO_BLENDER.T
    head.rotation_mode = "QUATERNION"
    for i in range(3):
        yield (head, "location", i, "Head"), places[:, i]
    for i, column in enumerate(_quaternions(turns).T):
        yield (head, "rotation_quaternion", i, "Head"), column
    for eye, gaze in zip(eyes, np.moveaxis(fit.gaze, 1, 0), strict=True):
        eye.rotation_mode = "XYZ"
        # Looking down turns about x, to the own left about z; signs as in ROLES.
        yield (eye, "rotation_euler", 0, "Gaze"), gaze[:, 1]
        yield (eye, "rotation_euler", 2, "Gaze"), gaze[:, 0]
    keys = head.data.shape_keys
    for name, column in zip(fit.names, fit.expression.T, strict=True):
        if name in keys.key_blocks:
            yield (keys, f'key_blocks["{name}"].value', 0, "Expression"), column


def _quaternions(turns: np.ndarray) -> np.ndarray:
    """Rotations (N, 3, 3) -> quaternions (N, 4), each on the side of the one before."""
    from mathutils import Matrix

    out = np.array([Matrix(turn.tolist()).to_quaternion()[:] for turn in turns])
    for n in range(1, len(out)):
        if out[n] @ out[n - 1] < 0:
            out[n] = -out[n]
    return out
