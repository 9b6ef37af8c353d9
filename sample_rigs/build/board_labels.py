"""The face board explains itself: a name over each handle, and handles large enough to grab.

All of it is in the bones' custom shapes, so that it hides and shows with the rig and is in no
render. Works on a rig that is just built and on one in a .blend that is there, and again on one
that has been labelled.
"""

from __future__ import annotations

from pathlib import Path

import bmesh
import bpy
import numpy as np

from .controls import BOARD
from .packing import save_open

NAMES = {
    "brow_inner": "brow in", "brow_mid": "brow mid", "brow_outer": "brow out",
    "lid_upper": "lid up", "lid_lower": "lid low", "cheek": "cheek",
    "nose_sneer": "sneer", "nostrils": "nostrils", "mouth_corner": "corner",
    "lip_upper": "lip up", "lip_lower": "lip low", "corner_tuck": "tuck",
    "mouth": "mouth", "lips_round": "round", "shrug_upper": "shrug up",
    "shrug_lower": "shrug low", "roll_upper": "roll up", "roll_lower": "roll low",
    "jaw": "JAW", "jaw_forward": "jaw fwd", "tongue": "tongue", "iris": "iris",
}  # fmt: skip
"""What a handle is called on the board, without its side."""

LETTER = 0.0078
"""Height of the names, metres."""
ABOVE = 0.0032
"""Room between a handle's frame and its name."""
BELOW = ("lip_lower", "shrug_lower", "roll_lower", "corner_tuck")
"""Handles whose name stands under them: over them others move."""
RADIUS = 0.0062
"""Of a handle, metres; the nearest two leave room for it."""
LIGHT = (0.9, 0.9, 0.9)
GRID = 512
"""Places of a bone's length on which points lie: a tenth of a millimetre."""
GRIP = np.array([[-0.075, -0.010], [0.075, 0.010]])
"""Corners of the frame by which the whole board is moved, from its bone's head, metres."""


def label_board(rig: bpy.types.Object, collection: bpy.types.Collection) -> int:
    """Name the handles of a board and make them large; returns how many were named."""
    stem = rig.name.removesuffix("_rig")
    board = rig.pose.bones["board"]
    disc = _shape(f"WGT_{stem}_grip", *_disc(), collection)
    drawn = [_frame(*GRIP)]
    handles = dict.fromkeys(h.bone for h in BOARD)
    for bone in handles:
        handle = rig.pose.bones[bone]
        handle.custom_shape = disc
        handle.custom_shape_scale_xyz = (RADIUS / handle.bone.length,) * 3
        drawn.append(_name_of(handle, board))
    points = np.concatenate([p for p, _ in drawn]) / board.bone.length
    starts = np.cumsum([0, *(len(p) for p, _ in drawn)])
    faces = [[i + at for i in f] for at, (_, fs) in zip(starts, drawn, strict=False) for f in fs]
    # One shape for all names, for each is a datablock; on a grid of halves, which packs well.
    points = np.round(points * GRID) / GRID
    board.custom_shape = _shape(f"WGT_{stem}_names", points, faces, collection)
    board.custom_shape_scale_xyz = (1.0, 1.0, 1.0)
    board.color.palette = "CUSTOM"  # light: a bone's own colour outlines letters in black
    board.color.custom.normal = board.color.custom.select = board.color.custom.active = LIGHT
    return len(handles)


def _name_of(handle: bpy.types.PoseBone, board: bpy.types.PoseBone) -> tuple[np.ndarray, list]:
    """A handle's name over its frame, in metres from the board bone's head."""
    x, _, z = handle.bone.head_local - board.bone.head_local
    low, high = _reach(handle)
    words, faces = _letters(NAMES[_stem(handle.name)])
    if _stem(handle.name) in BELOW:
        up = min(low[1], -RADIUS) - ABOVE - LETTER
    else:
        up = max(high[1], RADIUS) + ABOVE
    return words * LETTER + (x + (low[0] + high[0]) / 2, z + up, 0.0), faces


def label_file(path: Path) -> int:
    """Open a character's .blend, label its board and save it; returns how many handles it has."""
    bpy.ops.wm.open_mainfile(filepath=str(path))
    rig = next(o for o in bpy.data.objects if o.pose is not None and "board" in o.pose.bones)
    named = label_board(rig, rig.users_collection[0])
    bpy.data.orphans_purge(do_recursive=True)
    save_open(path)
    return named


def _stem(bone: str) -> str:
    return bone[:-2] if bone[-2:] in ("_L", "_R") else bone


def _reach(handle: bpy.types.PoseBone) -> tuple[np.ndarray, np.ndarray]:
    """(lowest, highest) place (2,) of a handle on its slot, metres."""
    limit = next(c for c in handle.constraints if c.type == "LIMIT_LOCATION")
    low, high = (
        np.array([getattr(limit, f"{end}_{axis}") for axis in "xy"]) for end in ("min", "max")
    )
    return low, high


def _frame(low: np.ndarray, high: np.ndarray, thin: float = 0.0008) -> tuple[np.ndarray, list]:
    """An outline as thin bars: (points (N, 3), faces)."""
    (x0, y0), (x1, y1) = low, high
    bars = (
        (x0, y0, x1, y0 + thin), (x0, y1 - thin, x1, y1),
        (x0, y0, x0 + thin, y1), (x1 - thin, y0, x1, y1),
    )  # fmt: skip
    points = [(x, y, 0.0) for a, b, c, d in bars for x, y in ((a, b), (c, b), (c, d), (a, d))]
    return np.array(points), [[4 * i + k for k in range(4)] for i in range(len(bars))]


def _disc(sides: int = 20) -> tuple[np.ndarray, list]:
    """A filled disc of radius 1: all of it can be clicked."""
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    return np.stack([np.cos(turn), np.sin(turn), 0 * turn], 1), [list(range(sides))]


def _letters(words: str) -> tuple[np.ndarray, list]:
    """Words in Blender's own font, one high, centred over the origin: (points (N, 3), faces)."""
    curve = bpy.data.curves.new("letters", "FONT")
    curve.body, curve.align_x, curve.resolution_u, curve.size = words, "CENTER", 1, 1.0
    obj = bpy.data.objects.new("letters", curve)
    bpy.context.scene.collection.objects.link(obj)
    bpy.context.view_layer.update()
    whole = bmesh.new()  # few large faces instead of many triangles
    whole.from_mesh(obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh())
    bmesh.ops.dissolve_limit(
        whole,
        angle_limit=0.02,
        verts=whole.verts[:],
        edges=whole.edges[:],
        use_dissolve_boundaries=False,
    )
    whole.verts.index_update()
    points = np.array([v.co[:] for v in whole.verts])
    faces = [[v.index for v in face.verts] for face in whole.faces]
    whole.free()
    bpy.data.objects.remove(obj)
    bpy.data.curves.remove(curve)
    return points, faces


def _shape(name: str, points, faces, collection) -> bpy.types.Object:
    """An object for a bone's shape, made anew where there is one of this name."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([tuple(p) for p in points], [], faces)
    obj = bpy.data.objects.get(name)
    if obj is not None:
        old, obj.data = obj.data, mesh
        bpy.data.meshes.remove(old)
        mesh.name = name
        return obj
    obj = bpy.data.objects.new(name, mesh)
    obj.hide_render = obj.hide_viewport = True
    collection.objects.link(obj)
    return obj
