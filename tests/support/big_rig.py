"""A body with a control structure as large productions have, built in the open file.

Made after the order of BlenRig's facial rig (facts only): what an animator sees are a few hundred
controls with custom shapes in bone collections by part; under every control hangs a bone that
deforms, and above it a chain of mechanism bones with constraints that blend jaw and head, follow
the mouth's corners and the master controls, and are switched by drivers from properties of a bone.
Most of the bones belong to the body: arms, hands, legs and spine have FK, IK, mechanism and
deformation of their own.

    python -m exprgen.tests.support.big_rig OUT.blend [BONES [all]]
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import bpy
import numpy as np
from mathutils import Matrix

from exprgen.tests.support import rig_scenes as build

BONES = 2400
MECHANISM = 4
"""Mechanism bones above every control."""
HEIGHT = 0.25
"""Of the head; it stands on a body whose crown is at 1.6 m."""
LIMBS = {
    "arm": ("fing_ind", "fing_mid", "hand", "palm", "str_arm"),
    "leg": ("toes_ind", "foot_roll", "leg", "str_leg", "ball"),
    "torso": ("torso", "spine", "str_torso", "belly", "ribs"),
}
"""Of the body, by what its bones are called: much of it says no part that a list would hold."""

FACE = {
    # part: (places on the right half of the head's front: across, up in radii), share of the jaw
    "lip_up": ([(0.10 * i, -0.40 - 0.01 * i) for i in range(4)], 0.1),
    "lip_up_out": ([(0.10 * i, -0.33 - 0.01 * i) for i in range(4)], 0.1),
    "lip_low": ([(0.10 * i, -0.52 + 0.01 * i) for i in range(4)], 0.9),
    "lip_low_out": ([(0.10 * i, -0.60 + 0.01 * i) for i in range(4)], 0.9),
    "mouth_corner": ([(0.36, -0.46)], 0.5),
    "eyelid_up": ([(0.25 + 0.07 * i, 0.24 - 0.01 * (i - 2) ** 2) for i in range(5)], 0.0),
    "eyelid_up_out": ([(0.25 + 0.07 * i, 0.30 - 0.01 * (i - 2) ** 2) for i in range(5)], 0.0),
    "eyelid_low": ([(0.25 + 0.07 * i, 0.12 + 0.01 * (i - 2) ** 2) for i in range(5)], 0.0),
    "eyelid_low_out": ([(0.25 + 0.07 * i, 0.06 + 0.01 * (i - 2) ** 2) for i in range(5)], 0.0),
    "brow": ([(0.14 + 0.10 * i, 0.42 + 0.02 * i) for i in range(5)], 0.0),
    "brow_up": ([(0.14 + 0.10 * i, 0.52 + 0.02 * i) for i in range(5)], 0.0),
    "cheek": ([(0.42 + 0.07 * (i % 3), -0.30 + 0.14 * (i // 3)) for i in range(9)], 0.3),
    "nose": ([(0.0, -0.05), (0.0, -0.15), (0.12, -0.14)], 0.0),
    "chin": ([(0.0, -0.70), (0.14, -0.66)], 1.0),
}
MASTERS = ("mouth", "eyelids", "brows", "cheeks")
FOLLOWS = {
    "lip": "mouth",
    "mouth": "mouth",
    "eyelid": "eyelids",
    "brow": "brows",
    "cheek": "cheeks",
}


@dataclass
class Plan:
    """Bones before they are made: name -> (head, parent, collection); what is done with them."""

    bones: dict[str, tuple] = field(default_factory=dict)
    deforming: dict[str, np.ndarray] = field(default_factory=dict)
    points: list[tuple[str, str, float]] = field(default_factory=list)

    def add(self, name: str, head, parent: str, collection: str) -> str:
        self.bones[name] = (np.asarray(head, float), parent, collection)
        return name


def plan(bones: int = BONES) -> Plan:
    """The rig's bones: the face's first, then as many of the body's as are asked for."""
    made = Plan()
    neck = build.at(0, 0, -1.0 * build.RADIUS)
    made.add("root", (0, 0, 0), "", "ROOT")
    made.add("head_fk", neck, "root", "HEAD")
    made.add("properties_head", build.at(0, 0, 1.6 * build.RADIUS), "head_fk", "HEAD")
    made.add("maxi", build.at(0, 0, -0.3 * build.RADIUS), "head_fk", "FACIAL_1")
    made.deforming["head_fk"] = build.CENTRE
    made.add("maxi_def", build.at(0, -0.6 * build.RADIUS, -0.6 * build.RADIUS), "maxi", "DEFORM")
    made.deforming["maxi_def"] = made.bones["maxi_def"][0]
    for name in MASTERS:
        for side in ("L", "R") if name != "mouth" else ("",):
            _master(made, name, side)
    for part, (places, follows) in FACE.items():
        for number, place in enumerate(places):
            for side in ("L", "R") if place[0] else ("",):
                _point(made, part, number, side, place, follows)
    for side in ("L", "R"):
        made.add(f"eye_{side}", _front(0.36, 0.18, side, 0.75), "head_fk", "FACIAL_1")
    _body(made, bones)
    return made


def _front(across: float, up: float, side: str, out: float = 1.0) -> np.ndarray:
    x = (-across if side == "R" else across) * build.RADIUS
    z = up * build.RADIUS
    y = -math.sqrt(max(build.RADIUS**2 - x * x - z * z, 0.0)) * out
    return build.at(x, y, z)


def _named(word: str, side: str) -> str:
    return f"{word}_{side}" if side else word


def _master(made: Plan, name: str, side: str) -> None:
    place = {"mouth": (0, -0.46), "eyelids": (0.36, 0.18), "brows": (0.3, 0.5)}
    across, up = place.get(name, (0.5, -0.1))
    head = _front(across, up, side, 1.3)
    made.add(_named(f"{name}_ctrl", side), head, "head_fk", "FACIAL_1")


def _point(made: Plan, part: str, number: int, side: str, place, follows: float) -> None:
    head, parent = _front(*place, side), "head_fk"
    for level in range(MECHANISM):
        name = _named(f"{part}_mech_{number}_{level}", side)
        parent = made.add(name, head, parent, "MECH")
    made.add(_named(f"{part}_ctrl_{number}", side), head, parent, "FACIAL_2")
    last = made.add(
        _named(f"{part}_def_{number}", side), head, _named(f"{part}_ctrl_{number}", side), "DEFORM"
    )
    made.deforming[last] = head
    made.points.append((f"{part}_mech_{number}", side, follows))


def _body(made: Plan, bones: int) -> None:
    """Limbs until there are as many bones as asked for: seven of each joint."""
    for joint, head in _joints():
        chain = "root"
        for kind in ("fk", "ik", "mech_a", "mech_b", "mech_c", "mech_d", "def"):
            if len(made.bones) >= bones:
                return
            where = {"fk": "BODY_FK", "ik": "BODY_IK", "def": "DEFORM"}.get(kind, "MECH")
            chain = made.add(f"{joint}_{kind}", head, chain, where)
        made.deforming[chain] = np.asarray(head)


def _joints() -> Iterator[tuple[str, np.ndarray]]:
    number = 0
    while True:
        for side, sign in (("L", 1.0), ("R", -1.0)):
            for limb, x, z in (("arm", 0.3, 1.15), ("leg", 0.1, 0.5), ("torso", 0.05, 0.9)):
                word = LIMBS[limb][number % 5]
                head = np.array((sign * (x + 0.002 * number), 0.0, z - 0.004 * number))
                yield f"{word}_{number:02d}_{side}", head
        number += 1


def big_rig(bones: int = BONES, rings: int = 36, all_shown: bool = False) -> bpy.types.Object:
    """Build body, rig and drivers in an empty file; the body, whose head is the face.

    Args:
        all_shown: mechanism and deformation are visible too, as in files whose layers were lost.
    """
    build.empty_file()
    made = plan(bones)
    rig = _armature(made, all_shown)
    body = _body_mesh(rings)
    _bind(body, rig, made)
    _constrain(rig, made)
    _properties(rig, made, body)
    for side in "LR":
        eye = build.ball(f"eye.{side}", _front(0.36, 0.18, side, 0.75), 0.02, 8)
        eye.parent, eye.parent_type, eye.parent_bone = rig, "BONE", f"eye_{side}"
        bpy.context.view_layer.update()
        eye.matrix_world = Matrix()
    bpy.context.view_layer.update()
    return body


def _armature(made: Plan, all_shown: bool) -> bpy.types.Object:
    rig = bpy.data.objects.new("rig", bpy.data.armatures.new("rig"))
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for name, (head, parent, _) in made.bones.items():
        bone = rig.data.edit_bones.new(name)
        bone.head, bone.tail = head, head + np.array((0, 0, 0.02))
        bone.use_deform = name in made.deforming
        if parent:
            bone.parent = rig.data.edit_bones[parent]
    bpy.ops.object.mode_set(mode="OBJECT")
    shape = bpy.data.objects.new("shape", bpy.data.meshes.new("shape"))
    shape.data.from_pydata([(0, 0, 0), (1, 0, 0), (1, 1, 0)], [(0, 1), (1, 2), (2, 0)], [])
    collections = {}
    for name, (_, _, where) in made.bones.items():
        if where not in collections:
            collections[where] = rig.data.collections.new(where)
            collections[where].is_visible = all_shown or where not in ("MECH", "DEFORM")
        collections[where].assign(rig.data.bones[name])
        if where not in ("MECH", "DEFORM"):
            rig.pose.bones[name].custom_shape = shape
        rig.pose.bones[name].rotation_mode = "XYZ"
    return rig


def _body_mesh(rings: int) -> bpy.types.Object:
    """A head that stands on a trunk with limbs, one mesh."""
    head = build.ball("body", rings=rings)
    parts = [head]
    for centre, radius in (
        ((0, 0, 1.0), 0.3), ((0.4, 0, 1.05), 0.12), ((-0.4, 0, 1.05), 0.12),
        ((0.12, 0, 0.4), 0.15), ((-0.12, 0, 0.4), 0.15),
    ):  # fmt: skip
        parts.append(build.ball("part", np.array(centre, float), radius, rings // 2))
    for part in parts:
        part.select_set(True)
    bpy.context.view_layer.objects.active = head
    bpy.ops.object.join()
    return head


def _bind(body, rig, made: Plan) -> None:
    """Vertex groups: every vertex follows the nearest bones that deform."""
    rest = np.array([v.co for v in body.data.vertices])
    names = list(made.deforming)
    heads = np.array([made.deforming[n] for n in names])
    away = np.linalg.norm(rest[:, None] - heads[None], axis=2)
    reach = np.where([n == "head_fk" for n in names], 0.03, 0.014)
    pull = np.exp(-((away / reach) ** 2)) + np.where([n == "head_fk" for n in names], 0.05, 0.0)
    pull *= np.where(rest[:, 2:] > 1.38, 1.0, np.where([n == "head_fk" for n in names], 0.0, 1.0))
    pull += 1e-9 / (away + 1e-6)
    groups = [body.vertex_groups.new(name=n) for n in names]
    for row, weights in enumerate(pull / pull.sum(1, keepdims=True)):
        for column in np.argsort(-weights)[:4]:
            if weights[column] > 0.01:
                groups[column].add([row], float(weights[column]), "REPLACE")
    modifier = body.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig
    body.parent = rig


def _constrain(rig, made: Plan) -> None:
    """What mechanism bones do, and limits of the controls that have some."""
    bones = rig.pose.bones
    for stem, side, follows in made.points:
        first, second, third, fourth = (bones[_named(f"{stem}_{k}", side)] for k in range(4))
        if follows:
            _blend(first, rig, follows)
        part = stem.split("_")[0]
        if part in FOLLOWS:
            master = FOLLOWS[part] + "_ctrl"
            _transformation(
                second, rig, _named(master, side if master != "mouth_ctrl" else ""), 1.0
            )
        if part == "lip":
            _transformation(third, rig, f"mouth_corner_ctrl_0_{side or 'L'}", 0.3)
        fourth.constraints.new("LIMIT_SCALE").use_min_x = True
    for name, (_, _, where) in made.bones.items():
        if name.endswith("_def") and "_mech" not in name and where == "DEFORM":
            limit = bones[name].constraints.new("COPY_SCALE")
            limit.target, limit.subtarget = rig, "root"
        elif "_mech_a" in name:
            copy = bones[name].constraints.new("COPY_ROTATION")
            copy.target, copy.subtarget = rig, name.replace("_mech_a", "_ik")
            copy.target_space = copy.owner_space = "LOCAL"
            copy.influence = 0.5
    for name in ("mouth_ctrl", *(f"{m}_ctrl_{s}" for m in MASTERS[1:] for s in "LR")):
        _limit(bones[name], 0.02)
    for side in "LR":
        _limit(bones[f"mouth_corner_ctrl_0_{side}"], 0.02)


def _blend(bone, rig, share: float) -> None:
    made = bone.constraints.new("ARMATURE")
    for target, weight in (("maxi", share), ("head_fk", 1.0 - share)):
        entry = made.targets.new()
        entry.target, entry.subtarget, entry.weight = rig, target, weight


def _transformation(bone, rig, source: str, share: float) -> None:
    made = bone.constraints.new("TRANSFORM")
    made.name = f"follow {source}"
    made.target, made.subtarget = rig, source
    made.target_space = made.owner_space = "LOCAL"
    made.use_motion_extrapolate = True
    for axis in "xyz":
        setattr(made, f"from_min_{axis}", -0.02)
        setattr(made, f"from_max_{axis}", 0.02)
        setattr(made, f"to_min_{axis}", -0.02 * share)
        setattr(made, f"to_max_{axis}", 0.02 * share)
    made.map_to_x_from, made.map_to_y_from, made.map_to_z_from = "X", "Y", "Z"


def _limit(bone, reach: float) -> None:
    made = bone.constraints.new("LIMIT_LOCATION")
    made.owner_space = "LOCAL"
    for axis in "xyz":
        for side, sign in (("min", -1), ("max", 1)):
            setattr(made, f"use_{side}_{axis}", True)
            setattr(made, f"{side}_{axis}", sign * reach)


def _properties(rig, made: Plan, body) -> None:
    """Properties that switch constraints by drivers, and keys that the jaw and the corners make."""
    holder = rig.pose.bones["properties_head"]
    for name in ("follow_mouth", "follow_eyelids", "follow_brows", "follow_cheeks"):
        holder[name] = 1.0
        holder.id_properties_ui(name).update(min=0.0, max=1.0)
    for stem, side, _ in made.points:
        bone = rig.pose.bones[_named(f"{stem}_1", side)]
        for constraint in bone.constraints:
            source = f'pose.bones["properties_head"]["follow_{FOLLOWS[stem.split("_")[0]]}"]'
            _drive(constraint.driver_add("influence"), rig, source)
    body.shape_key_add(name="Basis")
    rest = np.array([v.co for v in body.data.vertices])
    for side, sign in (("L", 1.0), ("R", -1.0)):
        for number in range(6):
            key = body.shape_key_add(name=f"corrective_{number}_{side}")
            place = _front(0.3, -0.4 + 0.15 * number, side)
            near = np.exp(-((np.linalg.norm(rest - place, axis=1) / 0.02) ** 2))
            key.data.foreach_set("co", (rest + near[:, None] * (0, -0.004, 0)).ravel())
            curve = key.driver_add("value")
            source = f'pose.bones["mouth_corner_ctrl_0_{side}"].location[0]'
            _drive(curve, rig, source, f"max(0.0, var * {sign * 50.0})")


def _drive(curve, rig, path: str, expression: str = "var") -> None:
    curve.driver.type = "SCRIPTED"
    variable = curve.driver.variables.new()
    variable.name = "var"
    variable.targets[0].id, variable.targets[0].data_path = rig, path
    curve.driver.expression = expression


if __name__ == "__main__":
    big_rig(int(sys.argv[2]) if len(sys.argv) > 2 else BONES, all_shown=len(sys.argv) > 3)
    bpy.ops.wm.save_as_mainfile(filepath=sys.argv[1])
