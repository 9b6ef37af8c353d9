"""A character with its take as glTF or FBX, by Blender's own exporters: meshes, bones, shape keys.

Exporters write what is keyed. What a character does may be made by drivers, constraints and
properties that no other program knows, so shape keys are baked first: in each frame what Blender
evaluates becomes a key. Bones are sampled by the exporters themselves. All this changes the open
file, which is not saved.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np

from ...networks.errors import OutputError
from ...networks.files import unwritable, written_whole
from ..characters.in_scene import Character
from .keyed_take import Progress, frames_of

KINDS = ("MESH", "ARMATURE", "EMPTY")


def export_whole(
    character: Character, scene: bpy.types.Scene, path: str | Path, progress: Progress
) -> dict:
    """Bake and write a .glb or a .fbx; what is in it: meshes, bones and shape keys.

    Raises:
        OutputError: it can't be written. UsageError: see `frames_of`.
    """
    path = Path(path)
    parts = parts_of(character)
    shapes = bake_shape_keys(parts, scene, progress)
    with _alone(parts), written_whole(path.resolve()) as part:
        try:
            _write_glb(part) if path.suffix.lower() == ".glb" else _write_fbx(part)
        except RuntimeError as error:
            raise unwritable(path, error) from error
        if not part.is_file():
            raise OutputError("Blender's exporter wrote nothing", file=path, fix="read the log")
    return {
        "meshes": sum(p.type == "MESH" for p in parts),
        "bones": sum(len(p.data.bones) for p in parts if p.type == "ARMATURE"),
        "shape_keys": shapes,
    }


def parts_of(character: Character) -> list[bpy.types.Object]:
    """The objects that a character is made of: without what only gives bones a shape, and without
    what no picture shows."""
    everything = list(character.collection.all_objects)
    shapes = {b.custom_shape for o in everything if o.pose for b in o.pose.bones}
    return [
        o
        for o in everything
        if o.type in KINDS and o not in shapes and not (o.type == "MESH" and o.hide_render)
    ]


def bake_shape_keys(parts: list, scene: bpy.types.Scene, progress: Progress) -> int:
    """Replace what moves the shape keys of meshes by a key in every frame; how many keys blocks."""
    holders = {}
    for part in parts:
        keys = getattr(part.data, "shape_keys", None) if part.type == "MESH" else None
        if keys is not None and keys.use_relative:
            holders[keys] = list(keys.key_blocks[1:])
    frames = frames_of(scene)
    shown = {keys: np.empty((len(frames), len(blocks))) for keys, blocks in holders.items()}
    before = scene.frame_current
    for row, frame in enumerate(frames.tolist()):
        scene.frame_set(frame)
        for keys, blocks in holders.items():
            shown[keys][row] = [0.0 if b.mute else b.value for b in blocks]
        progress(row + 1, len(frames))
    for keys, blocks in holders.items():
        _key(keys, blocks, frames, shown[keys])
    scene.frame_set(before)
    return sum(map(len, holders.values()))


def _key(keys, blocks: list, frames: np.ndarray, values: np.ndarray) -> None:
    """A new action that holds values (N, K) of shape keys, in place of drivers and actions."""
    keys.animation_data_clear()
    animation = keys.animation_data_create()
    action = bpy.data.actions.new(f"{keys.name} baked")
    slot = action.slots.new(keys.id_type, keys.name)
    strip = action.layers.new("Layer").strips.new(type="KEYFRAME")
    bag = strip.channelbag(slot, ensure=True)
    linear = bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items["LINEAR"].value
    for block, column in zip(blocks, values.T, strict=True):
        block.mute = False
        curve = bag.fcurves.new(block.path_from_id("value"))
        curve.keyframe_points.add(len(frames))
        places = np.stack([frames, column], axis=1).astype(np.float32)
        curve.keyframe_points.foreach_set("co", places.ravel())
        kinds = np.full(len(frames), linear, np.int32)
        curve.keyframe_points.foreach_set("interpolation", kinds)
        curve.update()
    animation.action, animation.action_slot = action, slot


@contextlib.contextmanager
def _alone(parts: list) -> Iterator[None]:
    """The parts selected, and nothing else: exporters write what is selected."""
    layer = bpy.context.view_layer
    if bpy.context.object is not None and bpy.context.object.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    for other in layer.objects:
        other.select_set(False, view_layer=layer)
    for part in parts:
        if part.name not in layer.objects:
            bpy.context.scene.collection.objects.link(part)
        part.hide_viewport = part.hide_select = False
        part.hide_set(False, view_layer=layer)
        part.select_set(True, view_layer=layer)
    layer.objects.active = next((p for p in parts if p.type == "ARMATURE"), parts[0])
    yield


def _write_glb(path: Path) -> None:
    bpy.ops.export_scene.gltf(
        filepath=str(path),
        export_format="GLB",
        use_selection=True,
        export_animations=True,
        export_animation_mode="SCENE",
        export_anim_scene_split_object=False,
        export_force_sampling=True,
        export_frame_range=True,
        export_morph=True,
        export_morph_animation=True,
        export_optimize_animation_size=False,
        export_apply=False,
    )


def _write_fbx(path: Path) -> None:
    bpy.ops.export_scene.fbx(
        filepath=str(path),
        use_selection=True,
        object_types=set(KINDS),
        use_mesh_modifiers=False,
        add_leaf_bones=False,
        bake_anim=True,
        bake_anim_use_all_actions=False,
        bake_anim_use_nla_strips=False,
        bake_anim_force_startend_keying=True,
        bake_anim_simplify_factor=0.0,
        path_mode="COPY",
        embed_textures=True,
    )
