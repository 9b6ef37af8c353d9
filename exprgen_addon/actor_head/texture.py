"""A picture of the actor on the head: seen from where the camera stood. Needs bpy.

What that picture does not show - the far cheek, the crown, the neck - fades to the colour of the
skin that it does show.
"""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from ...networks.errors import InputError
from ...networks.face_model.face_fit import FaceFit
from ...networks.face_model.fitting import vertex_normals
from ...networks.face_model.model import FaceModel

SEEN, SHOWN = 0.15, 0.55
"""Cosines to the camera between which a point of the skin fades from plain to pictured."""
BORDER = 0.004
"""Of the picture: what lies so near its edge is plain."""


def best_frame(fit: FaceFit) -> int:
    """The seen frame that looks most straight at the camera, with a small residual."""
    facing = fit.rotation[:, 2, 2] - 0.1 * fit.residual
    return int(np.where(fit.seen, facing, -np.inf).argmax())


def project_picture(
    obj: bpy.types.Object, model: FaceModel, fit: FaceFit, frame: int, path: str | Path
) -> None:
    """Give the head's skin the picture of a frame of the fit; it is packed into the file.

    Raises:
        InputError: Blender can't read the picture.
    """
    image = _loaded(path)
    image.name = f"{obj.name} picture"
    places, facing = _seen(model, fit, frame)
    _uv(obj.data, places)
    _mask(obj.data, places, facing)
    _wire(obj.data.materials[0], image, _skin_colour(image, places, facing))


def _loaded(path: str | Path) -> bpy.types.Image:
    """A picture, packed into the file."""
    try:
        image = bpy.data.images.load(str(path), check_existing=False)
    except RuntimeError as error:
        raise InputError("can't be read", file=path, fix="make the footage again") from error
    if not all(image.size):
        bpy.data.images.remove(image)
        raise InputError("is no picture that Blender reads", file=path, fix="make it again")
    image.pack()
    return image


def _seen(model: FaceModel, fit: FaceFit, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) where the mesh's points lie in the picture, 0..1 from its lower left; (N,) cosine of
    their normals to the camera."""
    whole = model.points(fit.identity, fit.expression[frame]) + fit.own
    heads = fit.heads.of(np.array([frame]))
    pixels = fit.camera.project(whole[None], heads)[0]
    places = pixels / fit.camera.size * (1.0, -1.0) + (0.0, 1.0)
    normals = vertex_normals(whole, model.faces[: model.skin]) @ heads.rotation[0].T
    placed = whole @ heads.rotation[0].T + heads.translation[0]
    to_camera = -placed / np.linalg.norm(placed, axis=1, keepdims=True)
    faces = np.concatenate([model.faces[: model.skin], model.faces[model.skin + model.eyes :]])
    kept = np.unique(faces)
    return places[kept], (normals * to_camera).sum(1)[kept]


def _uv(mesh: bpy.types.Mesh, places: np.ndarray) -> None:
    layer = mesh.uv_layers.new(name="Picture")
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    layer.data.foreach_set("uv", np.ascontiguousarray(places[corners], np.float32).ravel())


def _mask(mesh: bpy.types.Mesh, places: np.ndarray, facing: np.ndarray) -> None:
    inside = ((places > BORDER) & (places < 1.0 - BORDER)).all(1)
    shown = np.clip((facing - SEEN) / (SHOWN - SEEN), 0.0, 1.0) * inside
    layer = mesh.attributes.new("seen", "FLOAT", "POINT")
    layer.data.foreach_set("value", shown.astype(np.float32))


def _skin_colour(image: bpy.types.Image, places: np.ndarray, facing: np.ndarray) -> tuple:
    """(4,) linear colour of the skin that the picture shows: the median."""
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(height, width, 4)
    shown = places[(facing > SHOWN) & ((places > 0) & (places < 1)).all(1)]
    if not len(shown):
        return (0.5, 0.4, 0.35, 1.0)
    columns, rows = (shown * (width - 1, height - 1)).astype(int).T
    colour = np.median(pixels[rows, columns, :3], axis=0)  # sRGB, as the file has it
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return (*map(float, linear), 1.0)


def _wire(material: bpy.types.Material, image: bpy.types.Image, plain: tuple) -> None:
    """Base colour: the picture where the mask says so, else a plain colour."""
    tree = material.node_tree
    shader = tree.nodes["Principled BSDF"]
    picture = tree.nodes.new("ShaderNodeTexImage")
    picture.image, picture.extension = image, "EXTEND"
    place = tree.nodes.new("ShaderNodeUVMap")
    place.uv_map = "Picture"
    mask = tree.nodes.new("ShaderNodeAttribute")
    mask.attribute_name = "seen"
    mix = tree.nodes.new("ShaderNodeMix")
    mix.data_type = "RGBA"
    mix.inputs["A"].default_value = mix.inputs[6].default_value = plain
    tree.links.new(place.outputs["UV"], picture.inputs["Vector"])
    tree.links.new(mask.outputs["Fac"], mix.inputs["Factor"])
    tree.links.new(picture.outputs["Color"], mix.inputs[7])
    tree.links.new(mix.outputs[2], shader.inputs["Base Color"])
    for node, x in ((place, -900), (picture, -700), (mask, -700), (mix, -300)):
        node.location = (x, 300 if node is not mask else 600)
