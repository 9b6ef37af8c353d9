"""A real Rigify face: the upgraded face metarig of Blender's own add-on, fitted to a styled head.

Only the head of the human metarig is kept (neck, head, `face`). Its points are carried over by a
smooth warp that takes anatomical landmarks to the styled head's; what lies on the skin is then laid
onto it. `generate` makes the rig as a user would, by Rigify's own operators.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from .paint import cavity_mask
from .parts import Part
from .stylise import StyledHead

DEPTH = 0.0012
"""How far under the skin the bones of the face lie, metres."""
WAY_UP = np.array([0.0, 0.0, 1.0])
CONTROL_COLLECTIONS = ("Face", "Face (Primary)", "Face (Secondary)", "Torso", "Root")
LID_UPPER = ("lid.T.L", "lid.T.L.001", "lid.T.L.002", "lid.T.L.003")
LID_LOWER = ("lid.B.L", "lid.B.L.001", "lid.B.L.002", "lid.B.L.003")


@dataclass(frozen=True)
class FaceRig:
    """A generated rig at rest.

    rig: the armature object. nodes: control bone -> (3,) rest position in metres, for the controls
    that move by translation. lines: DEF bone -> (2, 3) head and tail.
    """

    rig: bpy.types.Object
    nodes: dict[str, np.ndarray]
    lines: dict[str, np.ndarray]


def enable_rigify() -> None:
    """Enable Rigify until Blender ends.

    The bpy module of 4.5 hangs when Python exits after it: leave by os._exit.
    """
    if "rigify" not in bpy.context.preferences.addons:
        with contextlib.redirect_stdout(io.StringIO()):
            bpy.ops.preferences.addon_enable(module="rigify")


def make_metarig() -> bpy.types.Object:
    """The head of Rigify's human metarig with its face upgraded to the modular face bones."""
    bpy.ops.object.armature_human_metarig_add()
    meta = bpy.context.object
    bpy.ops.object.mode_set(mode="EDIT")
    bones = meta.data.edit_bones
    keep = {"spine.005", "spine.006", "face", *(b.name for b in bones["face"].children_recursive)}
    for bone in list(bones):
        if bone.name not in keep:
            bones.remove(bone)
    bones["spine.006"].name, bones["spine.005"].name = "head", "neck"
    bones["head"].use_connect = False
    bpy.ops.object.mode_set(mode="POSE")
    for name in ("neck", "head"):
        meta.pose.bones[name].rigify_type = "basic.super_copy"
    bpy.ops.pose.rigify_upgrade_face()
    bpy.ops.object.mode_set(mode="OBJECT")
    return meta


class Fit:
    """Smooth map from the metarig's head to a styled head, exact at landmarks."""

    def __init__(self, pairs: list[tuple[np.ndarray, np.ndarray]]):
        source, target = (np.array(side, float) for side in zip(*pairs, strict=True))
        off = np.abs(source[:, 0]) > 1e-6
        flip = np.array([-1.0, 1.0, 1.0])
        self.source = np.r_[source, source[off] * flip]
        target = np.r_[target, target[off] * flip]
        n = len(self.source)
        kernel = np.linalg.norm(self.source[:, None] - self.source[None], axis=-1)
        affine = np.c_[np.ones(n), self.source]
        system = np.block([[kernel, affine], [affine.T, np.zeros((4, 4))]])
        self.weights = np.linalg.lstsq(system, np.r_[target, np.zeros((4, 3))], rcond=None)[0]

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) -> (N, 3)."""
        points = np.atleast_2d(points)
        kernel = np.linalg.norm(points[:, None] - self.source[None], axis=-1)
        return np.c_[kernel, np.ones(len(points)), points] @ self.weights


class Surface:
    """What is seen of the skin: without mouth cavity and nostrils."""

    def __init__(self, skin: Part, head: StyledHead):
        inside = cavity_mask(skin, head) > 0.3
        faces = skin.faces[~inside[skin.faces].any(axis=1)]
        corners = [tuple(map(int, f)) for f in faces]
        self.tree = BVHTree.FromPolygons([Vector(v) for v in skin.vertices], corners)

    def front(self, x: float, z: float) -> np.ndarray | None:
        """First point met from the front, or None."""
        hit = self.tree.ray_cast(Vector((x, -1.0, z)), Vector((0.0, 1.0, 0.0)))[0]
        return None if hit is None else np.array(hit)

    def under(self, point: np.ndarray) -> np.ndarray:
        """The nearest place on the skin, DEPTH below it."""
        place, normal = self.tree.find_nearest(Vector(point))[:2]
        return np.array(place - normal * DEPTH)


def lid_opening(surface: Surface, head: StyledHead, steps: int = 90) -> dict[str, np.ndarray]:
    """Rim of the left eye's opening: "outer", "inner" corner and (3, 3) "upper", "lower" points,
    both from the outer to the inner corner."""
    eye, r = head.after.eye, head.after.eye_radius
    xs = eye[0] + r * np.linspace(-1.6, 1.6, steps)
    zs = eye[2] + r * np.linspace(-1.1, 1.1, steps)

    def is_open(x: float, z: float) -> bool:
        hit = surface.front(x, z)
        ball = r * r - (x - eye[0]) ** 2 - (z - eye[2]) ** 2
        return ball > 0 and (hit is None or hit[1] > eye[1] - np.sqrt(ball))

    mask = np.array([[is_open(x, z) for z in zs] for x in xs])
    columns = np.flatnonzero(mask.any(axis=1))
    first, last = columns[0], columns[-1]
    middle = lambda i: zs[mask[i]].mean()  # noqa: E731

    def rim(share: float, side: int) -> tuple[float, float]:
        i = round(last + share * (first - last))
        return xs[i], zs[np.flatnonzero(mask[i])[side]]

    def place(x: float, z: float) -> np.ndarray:
        return surface.under(np.array([x, eye[1] - 0.9 * r, z]))

    return {
        "outer": place(xs[last] + 0.001, middle(last)),
        "inner": place(xs[first] - 0.001, middle(first)),
        "upper": np.array([place(x, z + 0.001) for x, z in (rim(s, -1) for s in (0.2, 0.5, 0.8))]),
        "lower": np.array([place(x, z - 0.001) for x, z in (rim(s, 0) for s in (0.2, 0.5, 0.8))]),
    }


def lip_points(skin: Part, head: StyledHead) -> dict[str, np.ndarray]:
    """Middle of the red of both lips: "upper" and "lower" at the midline, "upper_side" and
    "lower_side" half way to the corner."""
    v, m = skin.vertices, head.after
    red = (skin.extra["lips"][:, 0] > 0.3) & (cavity_mask(skin, head) < 0.2)
    falls = -skin.shapes["jawOpen"][:, 2]
    lower = falls > 0.5 * falls[red].max()
    out = {}
    for name, part in (("upper", ~lower), ("lower", lower)):
        for suffix, x in (("", 0.0), ("_side", 0.55 * m.corner[0])):
            near = red & part & (np.abs(v[:, 0] - x) < 0.0025)
            picked = v[near]
            front = picked[picked[:, 1] < np.percentile(picked[:, 1], 60)]
            out[name + suffix] = np.array([x, front[:, 1].mean(), front[:, 2].mean()])
    return out


def _landmark_pairs(meta, skin: Part, head: StyledHead, surface: Surface):
    """(metarig point, head point) of the left side and the midline."""
    m, bones = head.after, meta.data.bones
    at = lambda name, end="head": np.array(getattr(bones[name], f"{end}_local"))  # noqa: E731
    lids, lips = lid_opening(surface, head), lip_points(skin, head)
    brow = [surface.front(x, z) for x, _, z in m.brow]
    flat, v = skin.extra["anatomy"], skin.vertices
    ear = (flat[:, 0] > head.before.ear_x + 0.002) & (flat[:, 2] > head.before.chin[2])
    ear_front = v[ear][v[ear][:, 1].argmin()]
    jaw_axis, _ = jaw_turn(skin)
    pairs = [
        (at("eye.L"), m.eye),
        (at("lid.T.L"), lids["outer"]),
        (at("lid.B.L"), lids["inner"]),
        *zip((at(n) for n in LID_UPPER[1:]), lids["upper"], strict=True),
        *zip((at(n) for n in LID_LOWER[1:]), lids["lower"][::-1], strict=True),
        (at("lip.T.L"), lips["upper"]),
        (at("lip.B.L"), lips["lower"]),
        (at("lip.T.L.001"), lips["upper_side"]),
        (at("lip.B.L.001"), lips["lower_side"]),
        (at("lip.T.L.001", "tail"), m.corner),
        (at("brow.T.L.003"), brow[0]),
        (at("brow.T.L.002"), brow[1]),
        (at("brow.T.L.001"), brow[2]),
        (at("brow.T.L.003", "tail"), surface.front(0.0, m.brow[0, 2] - 0.004)),
        (at("nose.002"), m.nose_tip),
        (at("nose.L.001"), m.nose_wing),
        (at("chin.001"), m.chin),
        (at("head", "tail"), m.top),
        (at("ear.L"), ear_front),
        (at("jaw"), np.array([0.0, jaw_axis[1] - 0.035, m.chin[2] - 0.016])),
    ]
    return [(a, np.array(b)) for a, b in pairs]


def jaw_turn(skin: Part) -> tuple[np.ndarray, float]:
    """Axis (a point on the midline, metres) and angle (radians) about X that come nearest to what
    `jawOpen` does to the chin and lower lip."""
    move = skin.shapes["jawOpen"]
    size = np.linalg.norm(move, axis=1)
    strong = size > 0.75 * size.max()
    a, b = skin.vertices[strong][:, 1:], (skin.vertices + move)[strong][:, 1:]
    ca, cb = a.mean(0), b.mean(0)
    cross = ((a - ca)[:, 0] * (b - cb)[:, 1] - (a - ca)[:, 1] * (b - cb)[:, 0]).sum()
    dot = ((a - ca) * (b - cb)).sum()
    angle = float(np.clip(np.arctan2(cross, dot), 0.12, 0.6))
    # The centre c of a turn that takes ca to cb: c = ca + (d + d_perp / tan(angle / 2)) / 2.
    d = cb - ca
    centre = ca + 0.5 * (d + np.array([-d[1], d[0]]) / np.tan(angle / 2))
    return np.array([0.0, *centre]), angle


def fit_metarig(meta, skin: Part, head: StyledHead, offset: np.ndarray) -> None:
    """Move every point of the metarig onto the head; shared points stay shared."""
    surface = Surface(skin, head)
    fit = Fit(_landmark_pairs(meta, skin, head, surface))
    on_skin = set()
    for bone in meta.data.bones:
        kind = _skin_type(meta, bone.name)
        if kind and not bone.name.startswith(("tongue", "teeth")):
            on_skin |= {_key(bone.head_local), _key(bone.tail_local)}
    bpy.context.view_layer.objects.active = meta
    bpy.ops.object.mode_set(mode="EDIT")
    connected = [b.name for b in meta.data.edit_bones if b.use_connect]
    for name in connected:  # or moving one end would drag the next bone's
        meta.data.edit_bones[name].use_connect = False
    for bone in meta.data.edit_bones:
        for end in ("head", "tail"):
            old = np.array(getattr(bone, end))
            side = np.array([-1.0 if old[0] < 0 else 1.0, 1.0, 1.0])  # fitted on the left only
            new = fit(old * side)[0]
            if _key(old) in on_skin:
                new = surface.under(new)
            new[0] = 0.0 if abs(old[0]) < 1e-4 else new[0]
            setattr(bone, end, new * side + offset)
    for name in connected:
        meta.data.edit_bones[name].use_connect = True
    _upright(meta, head, offset)
    jaw = meta.data.edit_bones["jaw_master"]
    jaw.head = jaw_turn(skin)[0] + offset
    jaw.tail = jaw.head + Vector((0.0, -0.04, 0.0))
    jaw.roll = 0.0
    bpy.ops.object.mode_set(mode="OBJECT")


def _upright(meta, head: StyledHead, offset: np.ndarray) -> None:
    """Head, face and neck point straight up, eyes straight ahead, so that local axes are known."""
    bones, m = meta.data.edit_bones, head.after
    pivot = np.array([0.0, -0.035, m.mouth[2] - 0.005]) + offset
    for name, start, length in (("neck", pivot - 0.10 * WAY_UP, 0.09), ("head", pivot, 0.12),
                                ("face", pivot, 0.06)):  # fmt: skip
        bones[name].head, bones[name].tail = start, start + length * WAY_UP
        bones[name].roll = 0.0
    for side, sign in (("L", 1.0), ("R", -1.0)):
        bone = bones[f"eye.{side}"]
        bone.head = m.eye * (sign, 1, 1) + offset
        bone.tail = bone.head + Vector((0.0, -1.25 * m.eye_radius, 0.0))
        bone.roll = 0.0


def _key(point) -> tuple[int, ...]:
    return tuple(round(float(c) * 1e5) for c in point)


def _skin_type(meta, name: str) -> bool:
    """Whether a bone belongs to one of Rigify's skin chains (its own type or its chain's)."""
    bone = meta.pose.bones[name]
    while bone is not None:
        kind = bone.rigify_type
        if kind:
            return kind.startswith("skin.")
        bone = bone.parent
    return False


def generate(meta, name: str, collection) -> FaceRig:
    """Run Rigify on the metarig; the metarig and the panel's script go, widgets are kept hidden.

    Bones deform as single segments: the mesh's own weights make the curve, and the file opens and
    plays faster.
    """
    before = set(bpy.data.objects)
    bpy.context.view_layer.objects.active = meta
    with contextlib.redirect_stdout(io.StringIO()):
        bpy.ops.pose.rigify_generate()
    made = set(bpy.data.objects) - before
    rig = next(o for o in made if o.type == "ARMATURE")
    rig.name = rig.data.name = f"{name}_rig"
    for obj in made:
        for home in list(obj.users_collection):
            home.objects.unlink(obj)
        collection.objects.link(obj)
        if obj is not rig:
            obj.hide_render = obj.hide_viewport = True
    armature = meta.data
    bpy.data.objects.remove(meta)
    bpy.data.armatures.remove(armature)
    for text in list(bpy.data.texts):
        bpy.data.texts.remove(text)
    for bone in rig.data.bones:
        bone.bbone_segments = 1
    for unused in [c for c in rig.data.collections_all if not len(c.bones_recursive)]:
        rig.data.collections.remove(unused)
    return read_rig(rig)


def read_rig(rig) -> FaceRig:
    """Control positions and deforming bones of a generated rig at rest."""
    bones = rig.data.bones
    names = {b.name for c in rig.data.collections_all if c.name in CONTROL_COLLECTIONS
             for b in c.bones}  # fmt: skip
    nodes = {n: np.array(bones[n].head_local) for n in sorted(names)}
    lines = {
        b.name: np.array([b.head_local, b.tail_local])
        for b in bones
        if b.use_deform and not b.name.startswith("DEF-eye")
    }
    return FaceRig(rig, nodes, lines)
