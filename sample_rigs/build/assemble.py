"""Puts a character together in the open scene and describes it as a RigProfile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import bpy
import numpy as np

from ...networks.characters.profile import (
    Framing,
    KeyPose,
    RigProfile,
    arkit_to_unit,
    from_unit,
    load_profile,
)
from ...networks.errors import UsageError
from ...networks.files import written_whole
from ...networks.vocabulary import ARKIT_CHANNELS
from . import (
    board,
    board_labels,
    brows,
    controls,
    controls_properties,
    correctives,
    creases,
    eyes,
    hair,
    head,
    lids,
    lips,
    parts,
    properties_rig,
    shading,
    shapes,
    source,
    teeth,
)
from .config import CharacterConfig
from .poses import IRIS, Edits, arkit_weights, edited_poses, label
from .stylise import StyledHead, fit_sphere, style_head

LID_GAP = 0.0009
"""What lids keep clear of the eyeball, metres."""
FAMILIES = {
    "board": "control_bones",
    "properties": "properties",
    "arkit": "arkit_shape_keys",
    "actions": "arkit_shape_keys",
}
"""Control scheme -> rig family of its profile."""


@dataclass(frozen=True)
class Character:
    """What `build_character` made; all objects are in `collection`."""

    config: CharacterConfig
    collection: bpy.types.Collection
    rig: bpy.types.Object
    head: bpy.types.Object
    eyes: tuple[bpy.types.Object, ...]
    framing: Framing


def _keys(config: CharacterConfig) -> tuple[str, ...]:
    if config.controls == "properties":
        keys = (*controls_properties.property_keys(), *controls.LOOK_KEYS)
    else:
        keys = controls.board_keys() if config.controls == "board" else ARKIT_CHANNELS
    return keys if config.controls == "actions" else (*keys, *correctives.NAMES)


def _shirt(config: CharacterConfig, styled: StyledHead, offset: np.ndarray):
    """A plain crew-neck shirt from the base mesh's clothing helper, cut below the chest."""
    anatomy, marks = styled.anatomy, styled.before
    faces = source.load_source().parts["helper-tights"]
    near = (anatomy[:, 2] > marks.chin[2] - 0.28) & (np.abs(anatomy[:, 0]) < 0.28)
    faces, used = parts.cut_faces(faces, near)
    low, neck = marks.chin[2] - 0.20, marks.chin[2] - 0.045
    planes = (
        ((0.0, 0.0, low), (0.0, 0.0, -1.0)),
        ((0.185, 0.0, 0.0), (1.0, 0.0, -0.25)),
        ((-0.185, 0.0, 0.0), (-1.0, 0.0, -0.25)),
        ((0.0, -0.02, neck), (0.0, -0.40, 1.0)),
    )
    planes = [((x, y, z or marks.chin[2] - 0.10), normal) for (x, y, z), normal in planes]
    vertices, polygons = parts.trim(anatomy[used], styled.rest[used], faces, planes)
    mesh = parts.make_mesh(f"{config.name}_shirt", vertices + offset, polygons)
    color = shading.linear(config.palette.shirt)
    shading.paint(mesh, np.tile(color, (len(vertices), 1)))
    mesh.materials.append(shading.material(f"{config.name}_cloth", 0.85, 0.2))
    obj = bpy.data.objects.new(mesh.name, mesh)
    solid = obj.modifiers.new("Thickness", "SOLIDIFY")
    solid.thickness, solid.offset = 0.006, 1.0
    _subdivide(obj)
    return obj


def _subdivide(obj, levels: int = 1) -> None:
    modifier = obj.modifiers.new("Subdivision", "SUBSURF")
    modifier.levels = modifier.render_levels = levels


def _bone_parent(obj, rig, bone: str, place) -> None:
    """Parent to a bone so that `obj` keeps its rest place (bone parents act at the tail)."""
    obj.parent, obj.parent_type, obj.parent_bone = rig, "BONE", bone
    data = rig.data.bones[bone]
    # Bones point up: their matrix turns Y to world Z and Z to world -Y.
    x, y, z = np.array(place) - np.array(data.tail_local)
    obj.location = (x, z, -y)
    obj.rotation_euler = (-np.pi / 2, 0.0, 0.0)


def wear(obj, rig, bone: str, place) -> None:
    """The same of what a bone carries along: its origin goes to the bone's tail."""
    _bone_parent(obj, rig, bone, parts.move_origin(obj, place, rig.data.bones[bone].tail_local))


def shaped_parts(config: CharacterConfig) -> tuple[StyledHead, list[parts.Part]]:
    """The styled head and its skin (first), tongue, lashes and teeth with their actions."""
    styled = lids.shape_lids(lips.shape_lips(style_head(config), config.mouth))
    pieces, mouth = parts.build_parts(styled, config), lips.find_mouth(styled)
    lips.arch_lips(pieces[0], styled, mouth, config.mouth.arched)
    rows = teeth.teeth_rows(styled, mouth, config.mouth)
    for row in rows if config.mouth.teeth_shaded else ():
        row.extra["lips"] = teeth.lips_before(row, pieces[0], styled, mouth)
    return styled, pieces + rows


def build_character(config: CharacterConfig) -> Character:
    """Build the character of `config` into a collection of the current scene named after it.

    With `config.controls == "actions"` the head's shape keys stay free (ARKit names) and no face
    board is made; head and eye bones are always there.
    """
    styled, pieces = shaped_parts(config)
    masks = shapes.shape_skin(pieces[0], styled, config)
    correctives.add_correctives(pieces, styled)
    pieces += [brows.brow_tube(pieces[0], styled, config, sign) for sign in (1.0, -1.0)]
    if config.bush:
        pieces += [brows.brow_bush(pieces[0], styled, config, sign) for sign in (1.0, -1.0)]
    offset = np.array([0.0, 0.0, -(styled.after.chin[2] - 0.16)])
    collection = bpy.data.collections.new(config.name)
    bpy.context.scene.collection.children.link(collection)
    face = head.assemble(pieces, masks, styled, config, _keys(config), offset)
    centre, radius = fit_sphere(styled.rest[np.unique(source.load_source().parts["helper-l-eye"])])
    centres = np.array([centre + offset, (centre * (-1, 1, 1)) + offset])
    widgets = board.make_widgets(config.name, collection)
    pivot = (0.0, -0.035, styled.after.mouth[2] + offset[2] - 0.005)
    rig = board.make_rig(config, pivot, centres, widgets)
    balls = _eyeballs(config, centres, radius, rig)
    glint = eyes.make_glint(config, centres, radius)
    glint.data.materials.append(shading.glow_white(f"{config.name}_glint"))
    strands = hair.make_hair(pieces[0], styled, config)
    strands.data.materials.append(shading.material(f"{config.name}_hair", 0.5, 0.3))
    _subdivide(strands)
    for obj, place in ((glint, (0, 0, 0)), (strands, offset)):
        wear(obj, rig, "head", place)
    shirt = _shirt(config, styled, offset)
    shirt.parent = rig
    for obj in (rig, face, *balls, glint, strands, shirt):
        collection.objects.link(obj)
    _finish_head(face, rig, config, centres, radius)
    board.drive_lids(rig, face)
    correctives.drive_correctives(face)
    if config.controls == "board":
        board.drive_board(rig, face, balls)
        board_labels.label_board(rig, collection)
    if config.controls == "arkit":
        correctives.drive_iris(face, balls)
    if config.controls == "properties":
        properties_rig.add_properties(rig)
        properties_rig.drive_properties(rig, face, balls)
    return Character(config, collection, rig, face, balls, _framing(styled, offset))


def _eyeballs(config, centres, radius, rig):
    mat = shading.material(f"{config.name}_eye", 0.10, 0.5)
    balls = []
    for side, centre in zip("LR", centres, strict=True):
        ball = eyes.make_eye(config, side, radius)
        ball.data.materials.append(mat)
        _bone_parent(ball, rig, f"eye_{side}", centre)
        balls.append(ball)
    return tuple(balls)


def _finish_head(face, rig, config, centres, radius) -> None:
    """Modifiers: lids and wrinkles in rest space, then the armature, then one subdivision."""
    face.parent = rig
    nodes = face.modifiers.new("Face", "NODES")
    name, hollow = f"{config.name}_face", shading.hollow_of(config)
    nodes.node_group = shading.face_nodes(
        name, creases.NAMES, centres, radius + LID_GAP, config.palette.crease, hollow
    )
    armature = face.modifiers.new("Armature", "ARMATURE")
    armature.object = rig
    _subdivide(face)
    board.drive_creases(face, nodes, config.lines)


def _framing(styled: StyledHead, offset: np.ndarray) -> Framing:
    """The square that shows chin, brows and most of the hair with a margin."""
    chin, top = styled.after.chin[2] + offset[2], styled.after.top[2] + offset[2]
    centre = (0.0, float(styled.after.eye[1]), round(float(0.5 * (chin + top) - 0.004), 4))
    return Framing(centre, (0.0, -1.0, 0.0), round(float(1.26 * (top - chin)), 4))


def key_poses(profile_controls, edits: Edits = MappingProxyType({})) -> tuple[KeyPose, ...]:
    """POSES in the native units of these controls (values at rest left out).

    edits: the character's corrections, see `poses.edited_poses`.
    """
    out = []
    names = [c.name for c in profile_controls]
    for name, (channels, direct) in edited_poses(edits).items():
        units = arkit_to_unit(profile_controls, np.array(arkit_weights(channels)))
        expression = label(name)
        if "iris_small" in names and expression in IRIS:
            strength = 0.5 if name.endswith("subtle") else 1.0
            units[names.index("iris_small")] = IRIS[expression] * strength
        for control, unit in direct.items():
            if control not in names:
                raise UsageError(
                    f"the edit of {name!r} names no control or channel: {control!r}",
                    fix="use an ARKit channel or a control of the character",
                )
            units[names.index(control)] = unit
        values = from_unit(profile_controls, units)
        pairs = zip(profile_controls, values, strict=True)
        kept = {c.name: round(float(v), 6) for c, v in pairs if abs(v - c.rest) > 1e-9}
        out.append(KeyPose(name, expression, kept))
    return tuple(out)


def build_once(config: CharacterConfig, folder: Path) -> RigProfile:
    """The character's profile in `folder`, built with its .blend unless it is there.

    The open file is given up.
    """
    path = folder / f"{config.name}.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        profile = make_profile(build_character(config))
        with written_whole(path.with_suffix(".blend")) as part:  # others may build it just now
            bpy.ops.wm.save_as_mainfile(filepath=str(part), compress=True)
        profile.save(path)
        bpy.ops.wm.read_factory_settings(use_empty=True)  # a file can't be appended from itself
    return load_profile(path)


def make_profile(character: Character) -> RigProfile:
    """The profile of a built character."""
    config = character.config
    made = controls.make_controls(config.controls, config.name)
    made = tuple(replace(c, channels=dict(sorted(c.channels.items()))) for c in made)
    return RigProfile(
        name=config.name,
        title=config.title,
        family=FAMILIES[config.controls],
        collection=config.name,
        controls=made,
        framing=character.framing,
        key_poses=key_poses(made, config.pose_edits),
        primary=config.primary,
        license="CC0-1.0",
    )
