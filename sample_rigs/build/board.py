"""The armature: head and eye bones, the face board of control bones, and all drivers.

Driver expressions stay within Blender's simple expressions (max, min, arithmetic), which need no
permission to run scripts.
"""

from __future__ import annotations

import bpy
import numpy as np

from . import creases
from .config import CharacterConfig
from .controls import (
    BOARD,
    BOARD_PLACES,
    GAZE_PITCH,
    GAZE_YAW,
    HEAD_LIMITS,
    LOOK_KEYS,
    UNIT,
    key_drives,
)
from .controls_properties import FACE


def _widget(name: str, points, edges, collection):
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points, edges, [])
    obj = bpy.data.objects.new(name, mesh)
    obj.hide_render = obj.hide_viewport = True
    collection.objects.link(obj)
    return obj


def make_widgets(name: str, collection) -> dict[str, bpy.types.Object]:
    """Custom shapes in bone space (Y along the bone): handle, frame of a 2D slot, slider, ring."""
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    ring = [(float(np.cos(a)), float(np.sin(a)), 0.0) for a in turn]
    loop = [(i, (i + 1) % 20) for i in range(20)]
    box = [(-1.0, -1.0, 0.0), (1.0, -1.0, 0.0), (1.0, 1.0, 0.0), (-1.0, 1.0, 0.0)]
    square = [(0, 1), (1, 2), (2, 3), (3, 0)]
    flat = [(x, 0.0, y) for x, y, _ in ring]
    return {
        "handle": _widget(f"WGT_{name}_handle", ring, loop, collection),
        "slot": _widget(f"WGT_{name}_slot", box, square, collection),
        "ring": _widget(f"WGT_{name}_ring", flat, loop, collection),
    }


def make_rig(config: CharacterConfig, pivot, eyes, widgets) -> bpy.types.Object:
    """The armature. pivot: head's turning point; eyes: left and right ball centre, metres."""
    armature = bpy.data.armatures.new(f"{config.name}_rig")
    rig = bpy.data.objects.new(f"{config.name}_rig", armature)
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    _bone(armature, "root", (0, 0, 0), 0.08)
    _bone(armature, "head", pivot, 0.12, "root")
    for side, centre in zip("LR", eyes, strict=True):
        _bone(armature, f"eye_{side}", centre, 0.03, "head")
    places = _board_places(pivot)
    if config.controls == "properties":
        above = (pivot[0], pivot[1], pivot[2] + 0.26)
        _bone(armature, FACE, above, 0.03, "head")
    if config.controls == "board":
        _bone(armature, "board", places["board"], 0.05, "root")
        for name, place in places.items():
            if name != "board":
                _bone(armature, f"slot_{name}", place, 0.012, "board")
                _bone(armature, name, place, 0.012, f"slot_{name}")
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.scene.collection.objects.unlink(rig)
    _dress(rig, config, widgets, places)
    return rig


def _bone(armature, name: str, head, length: float, parent: str = "") -> None:
    """A bone that points up, so that its X is world X and its Y world Z."""
    bone = armature.edit_bones.new(name)
    bone.head = head
    bone.tail = (head[0], head[1], head[2] + length)
    bone.roll = 0.0
    bone.use_deform = name in ("root", "head")
    if parent:
        bone.parent = armature.edit_bones[parent]


def _board_places(pivot) -> dict[str, tuple[float, float, float]]:
    """World rest position of every board bone; the board hangs beside the face's left."""
    centre = np.array([0.36, -0.15, pivot[2] + 0.045])
    places = {"board": tuple(centre - np.array([0.0, 0.0, 0.16]))}
    for handle in BOARD:
        stem = handle.bone[:-2] if handle.bone[-2:] in ("_L", "_R") else handle.bone
        x, z = BOARD_PLACES[stem]
        flip = -1.0 if handle.bone.endswith("_R") else 1.0
        places[handle.bone] = tuple(centre + 1.15 * np.array([flip * x, 0.0, z]))
    return places


def _dress(rig, config: CharacterConfig, widgets, places) -> None:
    """Custom shapes, rotation modes, locks, limits and colours."""
    for bone in rig.pose.bones:
        bone.rotation_mode = "XYZ"
    for name, size in (("head", 1.1), ("eye_L", 0.9), ("eye_R", 0.9), ("root", 1.6)):
        bone = rig.pose.bones[name]
        bone.custom_shape = widgets["ring"]
        bone.custom_shape_scale_xyz = (size,) * 3
        bone.lock_location = (True,) * 3
        bone.color.palette = "THEME09"
    _limit_rotations(rig)
    if config.controls == "properties":
        face = rig.pose.bones[FACE]
        face.custom_shape = widgets["handle"]
        face.lock_location = face.lock_rotation = face.lock_scale = (True,) * 3
        face.color.palette = "THEME04"
    if config.controls == "board":
        rig.pose.bones["board"].custom_shape = widgets["slot"]
        rig.pose.bones["board"].custom_shape_scale_xyz = (0.3, 0.12, 1.0)
        for name in places:
            if name != "board":
                _dress_handle(rig, name, widgets)
    rig.show_in_front = True
    rig.data.relation_line_position = "HEAD"


def _dress_handle(rig, name: str, widgets) -> None:
    axes = {h.axis: h for h in BOARD if h.bone == name}
    handle, slot = rig.pose.bones[name], rig.pose.bones[f"slot_{name}"]
    handle.custom_shape, slot.custom_shape = widgets["handle"], widgets["slot"]
    handle.custom_shape_scale_xyz = (0.3, 0.3, 0.3)
    handle.color.palette = {"L": "THEME04", "R": "THEME01"}.get(name[-1], "THEME09")
    handle.lock_location = tuple(i not in axes for i in range(3))
    handle.lock_rotation = handle.lock_scale = (True,) * 3
    slot.bone.hide_select = True
    limit = handle.constraints.new("LIMIT_LOCATION")
    limit.owner_space, limit.use_transform_limit = "LOCAL", True
    low, high = np.zeros(3), np.zeros(3)
    for axis, h in axes.items():
        low[axis], high[axis] = sorted((h.sign * h.low * UNIT, h.sign * h.high * UNIT))
    for axis, letter in enumerate("xyz"):
        setattr(limit, f"use_min_{letter}", True)
        setattr(limit, f"use_max_{letter}", True)
        setattr(limit, f"min_{letter}", low[axis])
        setattr(limit, f"max_{letter}", high[axis])
    # The slot's frame shows the range; bones are 12 mm long and shapes scale with them.
    half = np.maximum((high - low) / 2, 0.0016) / 0.012
    middle = (high + low) / 2
    slot.custom_shape_scale_xyz = (half[0], half[1], 1.0)
    slot.custom_shape_translation = tuple(middle)


def _limit_rotations(rig) -> None:
    limits = {"head": tuple(HEAD_LIMITS[f"head_{turn}"] for turn in ("pitch", "yaw", "roll"))}
    limits |= {f"eye_{s}": (GAZE_PITCH, GAZE_YAW, 0.0) for s in "LR"}
    for name, angles in limits.items():
        limit = rig.pose.bones[name].constraints.new("LIMIT_ROTATION")
        limit.owner_space, limit.use_transform_limit = "LOCAL", True
        for letter, angle in zip("xyz", angles, strict=True):
            setattr(limit, f"use_limit_{letter}", True)
            setattr(limit, f"min_{letter}", -angle)
            setattr(limit, f"max_{letter}", angle)


# --- drivers -----------------------------------------------------------------------------------


def drive(owner, path: str, variables: dict[str, tuple], expression: str) -> None:
    """Add a scripted driver; variables: name -> (id type, datablock, RNA path)."""
    driver = owner.driver_add(path).driver
    driver.type = "SCRIPTED"
    for name, (kind, block, data_path) in variables.items():
        variable = driver.variables.new()
        variable.name = name
        variable.targets[0].id_type = kind
        variable.targets[0].id = block
        variable.targets[0].data_path = data_path
    driver.expression = expression


def drive_board(rig, head, eyes) -> None:
    """Shape keys from the board's handles."""
    for key, sources in key_drives().items():
        owners = eyes if key == "irisSmall" else [head]
        for obj in owners:
            variables, terms = {}, []
            for i, (handle, sign, strength) in enumerate(sources):
                path = f'pose.bones["{handle.bone}"].location[{handle.axis}]'
                variables[f"v{i}"] = ("OBJECT", rig, path)
                factor = handle.sign * sign * strength / UNIT
                term = f"v{i}*{factor:.4g}"
                both_ways = len(handle.drives) == 1 and handle.low < 0
                terms.append(term if both_ways else f"max(0,{term})")
            drive(obj.data.shape_keys, f'key_blocks["{key}"].value', variables, "+".join(terms))


def drive_lids(rig, head) -> None:
    """Lids that follow the gaze, less so the more the eye is closed."""
    turns = {"Up": (0, -1.0, GAZE_PITCH), "Down": (0, 1.0, GAZE_PITCH)}
    for key in LOOK_KEYS:
        side = "L" if key.endswith("Left") else "R"
        way = key[len("eyeLook") :].replace("Left", "").replace("Right", "")
        outward = 1.0 if side == "L" else -1.0
        turns["Out"], turns["In"] = (1, outward, GAZE_YAW), (1, -outward, GAZE_YAW)
        axis, sign, limit = turns[way]
        word = "Left" if side == "L" else "Right"
        variables = {
            "r": ("OBJECT", rig, f'pose.bones["eye_{side}"].rotation_euler[{axis}]'),
            "b": ("KEY", head.data.shape_keys, f'key_blocks["eyeBlink{word}"].value'),
        }
        expression = f"max(0,r*{sign / limit:.4g})*max(0,1-b)"
        drive(head.data.shape_keys, f'key_blocks["{key}"].value', variables, expression)


def drive_creases(head, modifier, lines: dict[str, float]) -> None:
    """Darkening of every wrinkle from the shape keys that raise it, over the lines of age."""
    keys = head.data.shape_keys
    sockets = {
        item.name: item.identifier
        for item in modifier.node_group.interface.items_tree
        if item.in_out == "INPUT"
    }
    for crease in creases.CREASES:
        for side, word in (("L", "Left"), ("R", "Right")):
            variables, terms = {}, [f"{lines.get(crease.name, 0.0):.3g}"]
            for action, amount in crease.actions.items():
                for key in (action + word, action):
                    if key in keys.key_blocks:
                        name = f"v{len(variables)}"
                        variables[name] = ("KEY", keys, f'key_blocks["{key}"].value')
                        terms.append(f"{amount:.3g}*{name}")
                        break
            expression = f"min(1,{'+'.join(terms)})*{crease.dark:.3g}"
            path = f'["{sockets[f"{crease.name}_{side}"]}"]'
            drive(modifier.id_data, f'modifiers["{modifier.name}"]{path}', variables, expression)
