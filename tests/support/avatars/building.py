"""Avatars built in the open, empty file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import bpy
import numpy as np

from exprgen.networks.characters.naming_schemes import Meaning
from exprgen.networks.characters.profile import SAMPLE_RIGS, RigProfile, load_profile

from .donor import Donor, Part, donor, meanings_of
from .skeleton import FaceBone, skin_held

GROUND = 1.3
"""Height at which the head of an avatar with a body begins, metres."""


@dataclass(frozen=True)
class Bones:
    """Names of an avatar's bones. others: what hangs on the head or spine and is no control of the
    face, name -> "hair", "shoulder_L", "shoulder_R", "ear_L", "ear_R". face: bones that hold the
    skin, see skeleton.py."""

    head: str = "Head"
    neck: str = "Neck"
    eyes: tuple[str, str] | None = ("LeftEye", "RightEye")
    others: dict[str, str] = field(default_factory=dict)
    face: tuple[FaceBone, ...] = ()


@dataclass(frozen=True)
class Avatar:
    """What an avatar is made of.

    names: of its facial controls. made_as: "keys", "properties" that drive keys, "sliders", bones
    that drive them, or "bones" that hold the skin. sample: a sample character that is taken as it
    is, instead of a face with these controls. meshes: names of head, eyes and hair. bones: None for
    none. kind: how it is saved. wrong: labels that must not become controls.
    """

    name: str
    scheme: str
    names: tuple[str, ...]
    made_as: str = "keys"
    sample: str = ""
    meshes: tuple[str, str, str, str] = ("Head", "EyeLeft", "EyeRight", "Hair")
    bones: Bones | None = Bones()
    kind: str = "blend"
    scale: float = 1.0
    hat: bool = False
    wrong: tuple[str, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict)
    """Key in the file -> the name that its extension gives it."""
    named: bool = True
    """Its names are meant to tell what its controls make."""
    spoilt: bool = False
    """Materials with alpha 0 and a picture that is missing."""


@dataclass(frozen=True)
class Built:
    """An avatar in the open file. truth: control's label -> what it is meant to make."""

    avatar: Avatar
    truth: dict[str, Meaning]
    head: bpy.types.Object


def build(avatar: Avatar) -> Built:
    """Make an avatar in an empty file; one that is a sample is opened."""
    if avatar.sample:
        bpy.ops.wm.open_mainfile(filepath=str(sample_of(avatar).blend), load_ui=False)
        return Built(avatar, {}, bpy.data.objects[avatar.meshes[0]])
    face = donor()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scale = avatar.scale
    lift = np.array([0.0, 0.0, GROUND if avatar.bones and avatar.bones.others else 0.0])
    meshes = dict(zip(("head", "eye_L", "eye_R", "hair"), avatar.meshes, strict=True))
    made = {part: _mesh(name, face.parts[part], scale, lift, part) for part, name in meshes.items()}
    if avatar.hat:
        made["hat"] = _hat(face, scale, lift)
    truth = meanings_of(avatar.names)
    if avatar.made_as != "bones":
        _add_keys(avatar, face, made, truth, scale)
    if avatar.bones:
        _add_bones(avatar, face, made, scale, lift)
    keyed = [o for o in made.values() if o.data.shape_keys]
    if avatar.made_as == "properties":
        _drive_by_properties(keyed)
    elif avatar.made_as == "sliders":
        _drive_by_sliders(keyed, scale, lift)
    return Built(avatar, truth, made["head"])


def sample_of(avatar: Avatar) -> RigProfile:
    """The sample that an avatar is."""
    return load_profile(SAMPLE_RIGS / f"{avatar.sample}.json")


def _mesh(name: str, part: Part, scale: float, lift: np.ndarray, prefix: str):
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(((part.vertices + lift) * scale).tolist(), [], [list(f) for f in part.faces])
    for i, colour in enumerate(part.palette):
        mesh.materials.append(_material(f"{prefix}_{i}", colour))
    mesh.polygons.foreach_set("material_index", part.colour.astype(np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(part.faces), bool))
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return made


def _material(name: str, colour) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    shader = next(n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Roughness"].default_value = 0.6
    return material


def _hat(face: Donor, scale: float, lift: np.ndarray):
    """A tall hat: a box on the crown, three heads high; brows and eyes are seen below it."""
    top = face.landmarks[:, 2].max() + 0.025
    x, y = np.meshgrid([-0.11, 0.11], [-0.13, 0.09], indexing="ij")
    ring = np.stack([x.ravel(), y.ravel()], 1)[[0, 1, 3, 2]]
    corners = np.concatenate([np.c_[ring, np.full(4, top + h)] for h in (0.0, 0.9)])
    faces = [(0, 1, 2, 3), (7, 6, 5, 4), *((i, (i + 1) % 4, (i + 1) % 4 + 4, i + 4)
             for i in range(4))]  # fmt: skip
    part = Part(corners, tuple(faces), np.zeros(6, int), np.array([[0.05, 0.05, 0.3]]))
    return _mesh("TopHat", part, scale, lift, "hat")


# --- keys ----------------------------------------------------------------------------------------


def _add_keys(avatar: Avatar, face: Donor, made: dict, truth: dict, scale: float) -> None:
    for part in ("head", "eye_L", "eye_R", "hair"):
        target = made[part]
        rest = np.array([v.co for v in target.data.vertices])
        for name in avatar.names:
            for meaning, end in _ways(avatar, truth.get(name)):
                moved = _moved(avatar, face, part, name, meaning)
                if moved is None or np.abs(moved).max() < 1e-6:
                    continue
                if target.data.shape_keys is None:
                    target.shape_key_add(name="Basis")
                key = target.shape_key_add(name=avatar.renamed.get(name, name) + end,
                                           from_mix=False)  # fmt: skip
                key.data.foreach_set("co", (rest + scale * moved).ravel())
                key.value = 0.0  # from 5.0 on a new key is at 1


DOWN = " (down)"
"""Ends the name of the key of a slider's other way."""


def _ways(avatar: Avatar, meaning: Meaning | None):
    """(meaning, end of the key's name): a slider that goes both ways drives two keys."""
    if meaning is None:
        return
    yield meaning, ""
    other = {c: -v for c, v in meaning.channels.items() if v < 0.0}
    if avatar.made_as == "sliders" and other:
        yield replace(meaning, channels=other), DOWN


def _moved(avatar: Avatar, face: Donor, part: str, name: str, meaning: Meaning):
    if part == "head":
        return face.motion(meaning)
    if part == "hair":
        hides = meaning.apart and "Ear" not in name
        return np.tile((0.0, 0.05, 0.0), (len(face.parts["hair"].vertices), 1)) if hides else None
    by_bones = avatar.bones is not None and avatar.bones.eyes is not None
    return None if by_bones else face.gaze(part[-1], meaning)


def _drive(block, owner, path: str, expression: str = "v") -> None:
    driver = block.driver_add("value").driver
    driver.expression = expression
    variable = driver.variables.new()
    variable.name = "v"
    variable.targets[0].id = owner
    variable.targets[0].data_path = path


def _blocks(keyed: list) -> list:
    return [b for o in keyed for b in o.data.shape_keys.key_blocks[1:]]


def _drive_by_properties(keyed: list) -> None:
    rig = next(o for o in bpy.data.objects if o.type == "ARMATURE")
    for block in _blocks(keyed):
        rig[block.name] = 0.0
        rig.id_properties_ui(block.name).update(min=0.0, max=1.0, soft_min=0.0, soft_max=1.0)
        _drive(block, rig, f'["{block.name}"]')


def _drive_by_sliders(keyed: list, scale: float, lift: np.ndarray) -> None:
    """Bones of a board beside the head, one a control, named without its axis."""
    data = bpy.data.armatures.new("FaceBoard")
    board = bpy.data.objects.new("FaceBoard", data)
    bpy.context.scene.collection.objects.link(board)
    bpy.context.view_layer.objects.active = board
    labels = [b.name.removesuffix(DOWN) for b in _blocks(keyed)]
    stems = list(dict.fromkeys(label.rsplit(".t", 1)[0] for label in labels))
    bpy.ops.object.mode_set(mode="EDIT")
    for i, stem in enumerate(stems):
        bone = data.edit_bones.new(stem)
        place = (np.array([0.25 + 0.02 * (i % 8), 0.0, 0.1 + 0.02 * (i // 8)]) + lift) * scale
        bone.head, bone.tail = place, place + np.array([0.0, 0.0, 0.01]) * scale
    bpy.ops.object.mode_set(mode="OBJECT")
    free: dict[str, set[int]] = {stem: set() for stem in stems}
    for block in _blocks(keyed):
        down = block.name.endswith(DOWN)
        stem, axis = block.name.removesuffix(DOWN).rsplit(".t", 1)
        free[stem].add("xyz".index(axis))
        _limit(board.pose.bones[stem], axis, down)
        path = f'pose.bones["{stem}"].location[{"xyz".index(axis)}]'
        _drive(block, board, path, "max(-v, 0)" if down else "max(v, 0)")
    for stem, axes in free.items():
        bone = board.pose.bones[stem]
        bone.lock_location = [i not in axes for i in range(3)]
        bone.lock_rotation = bone.lock_scale = (True, True, True)
        bone.lock_rotation_w = True
    board.parent = next((o for o in bpy.data.objects if o.name == "Rig"), None)


def _limit(bone, axis: str, down: bool) -> None:
    limit = next((c for c in bone.constraints), None)
    if limit is None:
        limit = bone.constraints.new("LIMIT_LOCATION")
        limit.owner_space = "LOCAL"
        limit.use_transform_limit = True
    setattr(limit, f"use_min_{axis}", True)
    setattr(limit, f"use_max_{axis}", True)
    setattr(limit, f"max_{axis}", 1.0)
    if down:
        setattr(limit, f"min_{axis}", -1.0)


# --- bones ---------------------------------------------------------------------------------------


def _add_bones(avatar: Avatar, face: Donor, made: dict, scale: float, lift: np.ndarray) -> None:
    names = avatar.bones
    head, hair = face.parts["head"].vertices, face.parts["hair"].vertices
    crown, chin = hair[:, 2].max(), 0.13
    places = {
        "hips": ((0, 0, -0.6), (0, 0, -0.3), None),
        names.neck: ((0, 0, 0.05), (0, -0.01, chin), "hips"),
        names.head: ((0, -0.01, chin), (0, -0.01, head[:, 2].max()), names.neck),
    }
    if names.eyes:
        for side, bone in zip("LR", names.eyes, strict=True):
            middle = face.parts[f"eye_{side}"].middle
            places[bone] = (middle, middle - (0, 0.03, 0), names.head)
    for bone, what in names.others.items():
        places[bone] = _place(what, crown, names)
    for bone in names.face:
        places[bone.name] = (*bone.ends(face), bone.parent or names.head)
    data = bpy.data.armatures.new("Rig")
    rig = bpy.data.objects.new("Rig", data)
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for bone, (start, end, _) in places.items():
        new = data.edit_bones.new(bone)
        new.head, new.tail = (np.array(start) + lift) * scale, (np.array(end) + lift) * scale
    for bone, (_, _, parent) in places.items():
        if parent:
            data.edit_bones[bone].parent = data.edit_bones[parent]
    bpy.ops.object.mode_set(mode="OBJECT")
    _weigh(avatar, face, made, rig)


def _place(what: str, crown: float, names: Bones) -> tuple:
    side = 1.0 if what.endswith("_L") else -1.0
    return {
        "hair": ((0, 0.0, crown - 0.1), (0, 0.08, crown - 0.18), names.head),
        "shoulder": ((0.02 * side, 0, 0.06), (0.15 * side, 0, 0.05), "hips"),
        "ear": ((0.09 * side, 0, 0.24), (0.12 * side, 0, 0.27), names.head),
    }[what.split("_")[0]]


def _weigh(avatar: Avatar, face: Donor, made: dict, rig) -> None:
    names, points = avatar.bones, face.parts["head"].vertices
    x, _, z = points.T
    up = np.clip((z - 0.08) / 0.06, 0.0, 1.0)
    weights = {names.head: up, names.neck: 1.0 - up}
    for bone, what in names.others.items():
        side = 1.0 if what.endswith("_L") else -1.0
        if what.startswith("shoulder"):
            weights[bone] = np.clip((0.09 - z) / 0.03, 0, 1) * (side * x > 0.0)
        elif what.startswith("ear"):
            weights[bone] = np.clip((side * x - 0.085) / 0.01, 0, 1) * (np.abs(z - 0.24) < 0.05)
    held = skin_held(names.face, face)
    left = 1.0 - sum(held.values(), np.zeros(len(points)))
    weights = {bone: share * left for bone, share in weights.items()} | held
    _bind(made["head"], rig, weights)
    for side in "LR":
        bone = names.eyes["LR".index(side)] if names.eyes else names.head
        _bind(made[f"eye_{side}"], rig, {bone: np.ones(len(face.parts[f"eye_{side}"].vertices))})
    hair = next((b for b, what in names.others.items() if what == "hair"), names.head)
    _bind(made["hair"], rig, {hair: np.ones(len(face.parts["hair"].vertices))})
    if "hat" in made:
        _bind(made["hat"], rig, {names.head: np.ones(8)})


def _bind(target, rig, weights: dict[str, np.ndarray]) -> None:
    total = np.maximum(sum(weights.values()), 1e-6)
    for bone, share in weights.items():
        group = target.vertex_groups.new(name=bone)
        share = share / total
        for level in np.unique(np.round(share, 2)):
            if level > 0.0:
                rows = np.flatnonzero(np.round(share, 2) == level)
                group.add(rows.tolist(), float(level), "REPLACE")
    target.modifiers.new("Armature", "ARMATURE").object = rig
    target.parent = rig
