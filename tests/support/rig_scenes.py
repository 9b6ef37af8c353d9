"""Faces of spheres with rigs like those that people bring, built in the open file."""

from __future__ import annotations

import bpy
import numpy as np

CENTRE = np.array((0.0, 0.0, 1.5))
RADIUS = 0.1

# Where each ARKit channel moves the sphere: left-right (as a side's sign), up, and the direction.
FEATURES = {
    "eyeBlink": (0.035, 0.02, (0, 0, -0.008)),
    "eyeWide": (0.035, 0.025, (0, 0, 0.006)),
    "browDown": (0.035, 0.045, (0, 0, -0.01)),
    "browOuterUp": (0.05, 0.045, (0, 0, 0.012)),
    "browInnerUp": (0.0, 0.045, (0, 0, 0.012)),
    "cheekSquint": (0.05, -0.005, (0, 0, 0.008)),
    "eyeSquint": (0.035, 0.01, (0, 0, 0.006)),
    "noseSneer": (0.015, -0.01, (0, 0, 0.008)),
    "mouthSmile": (0.03, -0.045, (0.006, 0, 0.012)),
    "mouthFrown": (0.03, -0.05, (0.0, 0, -0.012)),
    "mouthStretch": (0.035, -0.047, (0.012, 0, 0)),
    "mouthUpperUp": (0.012, -0.04, (0, 0, 0.008)),
    "mouthLowerDown": (0.012, -0.055, (0, 0, -0.008)),
    "mouthPress": (0.02, -0.047, (0, 0.005, 0)),
    "mouthShrugLower": (0.0, -0.06, (0, 0, 0.007)),
    "jawOpen": (0.0, -0.075, (0, 0, -0.025)),
    "eyeLookUp": (0.035, 0.02, (0, 0, 0.004)),
    "eyeLookDown": (0.035, 0.02, (0, 0, -0.004)),
    "eyeLookIn": (0.035, 0.02, (-0.004, 0, 0)),
    "eyeLookOut": (0.035, 0.02, (0.004, 0, 0)),
}
CENTRAL = ("browInnerUp", "mouthShrugLower", "jawOpen")


def at(x: float, y: float, z: float) -> np.ndarray:
    """A place (3,) counted from the head's centre, metres."""
    return CENTRE + np.array((x, y, z))


def empty_file() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)


def ball(name: str, centre=CENTRE, radius: float = RADIUS, rings: int = 20) -> bpy.types.Object:
    """A sphere of quads; faces along -Y have the same vertices as all others: no eyes, no mouth."""
    polar = np.linspace(0.05, np.pi - 0.05, rings)
    turn = np.linspace(0, 2 * np.pi, 2 * rings, endpoint=False)
    p, t = np.meshgrid(polar, turn, indexing="ij")
    points = np.stack([np.sin(p) * np.cos(t), np.sin(p) * np.sin(t), np.cos(p)], -1)
    points = points.reshape(-1, 3) * radius + centre
    n = len(turn)
    faces = [
        (r * n + c, (r + 1) * n + c, (r + 1) * n + (c + 1) % n, r * n + (c + 1) % n)
        for r in range(rings - 1)
        for c in range(n)
    ]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points.tolist(), [], faces)
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return made


def spots(channel: str) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(key name, place, direction) of a channel, left (+X) and right, or the one in the middle."""
    across, up, direction = FEATURES[channel]
    place = np.array((across, -np.sqrt(RADIUS**2 - across**2 - up**2), up)) + CENTRE
    direction = np.array(direction, float)
    if channel in CENTRAL:
        return [(channel, place, direction)]
    mirror = np.array((-1.0, 1.0, 1.0))
    flipped = (place - CENTRE) * mirror + CENTRE
    return [(f"{channel}Left", place, direction), (f"{channel}Right", flipped, direction * mirror)]


def add_keys(part: bpy.types.Object, spell=lambda name: name, width: float = 0.022) -> None:
    """Shape keys of all FEATURES, each a bump of `width` metres."""
    part.shape_key_add(name="Basis")
    rest = np.array([v.co for v in part.data.vertices])
    for channel in FEATURES:
        for name, place, direction in spots(channel):
            near = np.exp(-((np.linalg.norm(rest - place, axis=1) / width) ** 2))
            key = part.shape_key_add(name=spell(name))
            key.value = 0.0  # newer Blenders begin at 1
            key.data.foreach_set("co", (rest + near[:, None] * direction).ravel())
            key.value = 0.0  # from 5.0 on a new key is at 1


def armature(name: str, bones: dict[str, tuple], parent: str = "") -> bpy.types.Object:
    """An armature of bones {name: (head, tail)}; all hang on `parent` but itself."""
    rig = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for bone, (head, tail) in bones.items():
        made = rig.data.edit_bones.new(bone)
        made.head, made.tail = head, tail
    for bone in bones:
        if parent and bone != parent:
            rig.data.edit_bones[bone].parent = rig.data.edit_bones[parent]
    bpy.ops.object.mode_set(mode="OBJECT")
    return rig


def bind_by_distance(part, rig, bones: dict[str, np.ndarray], width: float, body: str) -> None:
    """Vertex groups: every bone pulls what lies within `width` of its place, `body` the rest."""
    rest = np.array([v.co for v in part.data.vertices])
    pull = {b: np.exp(-((np.linalg.norm(rest - p, axis=1) / width) ** 2)) for b, p in bones.items()}
    total = np.maximum(sum(pull.values()), 1.0)
    groups = {b: part.vertex_groups.new(name=b) for b in {*bones, body}}
    for i in range(len(rest)):
        left = 1.0
        for bone, weights in pull.items():
            share = float(weights[i] / total[i])
            if share > 0.01:
                groups[bone].add([i], share, "REPLACE")
                left -= share
        groups[body].add([i], max(left, 0.0), "ADD")
    modifier = part.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig
    part.parent = rig
