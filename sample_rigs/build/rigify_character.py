"""Builds a character on a Rigify face: parts, rig, weights, correctives, eyes, profile.

Nothing of it needs Rigify afterwards: the generated rig is bones, constraints and drivers of simple
expressions, which Blender evaluates without leave to run scripts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import bpy
import numpy as np
from mathutils import Matrix

from ...networks.characters.profile import Control, KeyPose, RigProfile, Target
from ...networks.vocabulary import ARKIT_CHANNELS, mirror_name
from . import (
    board,
    brows,
    controls,
    correctives,
    creases,
    eyes,
    head,
    paint,
    parts,
    poses,
    rosa,
    shading,
    shapes,
)
from . import rigify_face as rf
from . import rigify_fit as rt
from .assemble import LID_GAP, Character, _framing, _shirt, shaped_parts
from .assemble import key_poses as shared_poses
from .config import CharacterConfig
from .source import load_source
from .stylise import fit_sphere, smooth

NAME = rosa.ROSA.name
SUMS = tuple(name for name in correctives.NAMES if name != "fixSeal")
"""Shared correctives of sums; the lips' seal is the rig's own mouth lock."""
IRIS_RANGE = (0.66, 1.25)
"""Limits of the eye targets' scale, which widens and narrows the iris."""


@dataclass(frozen=True)
class RigifyCharacter(Character):
    """A character with the solved poses that its correctives and channel hints come from."""

    key_fit: rt.KeyFit


def build_rigify(config: CharacterConfig) -> RigifyCharacter:
    """Build the character of `config` into a collection of the current scene named after it."""
    rf.enable_rigify()
    styled, pieces = shaped_parts(config)
    masks = shapes.shape_skin(pieces[0], styled, config)
    correctives.add_correctives(pieces, styled)
    pieces += [brows.brow_tube(pieces[0], styled, config, sign) for sign in (1.0, -1.0)]
    offset = np.array([0.0, 0.0, -(styled.after.chin[2] - 0.16)])
    skin = pieces[0]
    _prepare(skin, styled)
    collection = bpy.data.collections.new(config.name)
    bpy.context.scene.collection.children.link(collection)
    meta = rf.make_metarig()
    rf.fit_metarig(meta, skin, styled, offset)
    face = rf.generate(meta, config.name, collection)
    _set_modes(face.rig)
    tongue = next(p for p in pieces if p.kind == parts.TONGUE)
    fit = rt.solve_keys(face, skin, tongue, offset)
    mesh = _bind(config, pieces, masks, styled, face, fit, offset)
    mesh.parent = face.rig
    collection.objects.link(mesh)
    centre, radius = fit_sphere(styled.rest[np.unique(load_source().parts["helper-l-eye"])])
    centres = np.array([centre + offset, (centre * (-1, 1, 1)) + offset])
    balls = _eyeballs(config, centres, radius, face.rig, collection)
    _accessories(config, skin, styled, centres, radius, offset, face.rig, collection)
    _finish(mesh, face.rig, config, balls, radius)
    _drive(face.rig, mesh, balls, fit)
    correctives.drive_correctives(mesh)
    _limit(face.rig, _ranges(fit))
    framing = _framing(styled, offset)
    return RigifyCharacter(config, collection, face.rig, mesh, balls, framing, fit)


def _prepare(skin, styled) -> None:
    """What the fit needs besides the actions: the cavity, the mouth's height, a flare a side."""
    skin.extra["cavity"] = paint.cavity_mask(skin, styled)
    skin.extra["mouth_z"] = styled.after.mouth[2]
    side = smooth(-0.012, 0.012, skin.vertices[:, 0])[:, None]
    skin.shapes["flareLeft"] = side * skin.shapes["flare"]
    skin.shapes["flareRight"] = (1.0 - side) * skin.shapes["flare"]


def _set_modes(rig) -> None:
    """Euler angles where the profile has controls (Rigify starts with quaternions)."""
    for name in ("head", "jaw_master"):
        rig.pose.bones[name].rotation_mode = "XYZ"


def _bind(config, pieces, masks, styled, face, fit, offset):
    """The head mesh with vertex groups of the DEF bones and the correctives as shape keys."""
    skin = pieces[0]
    skin_weights = rt.fit_weights(face, fit, skin, offset)
    rt.pose_rig(face.rig, {"jaw_open": fit.values["jawOpen"]["jaw_open"], "mouth_lock": 1.0})
    locked = rt.bone_matrices(face.rig, fit.bones)
    rt.pose_rig(face.rig, {})
    neck = fit.bones.index("DEF-neck")
    tables, mended = [], []
    for part in pieces:
        weights = rt.part_weights(part, skin, skin_weights, face, fit, offset)
        if part.kind == parts.SKIN:
            share = head.head_weight(part.extra["anatomy"], styled)[:, None]
            weights = weights * share
            weights[:, neck] += 1.0 - share[:, 0]
        first = rt.leaning(fit.bones, part.vertices, rosa.RIGHT if part.kind == parts.SKIN else ())
        weights = rt.prune(weights, first)
        tables.append(weights)
        fields = rt.correctives(part, weights, fit, offset, locked)
        fields |= {k: part.shapes[k] for k in SUMS if k in part.shapes}
        mended.append(replace(part, shapes=fields))
    mesh = head.assemble(pieces, masks, styled, config, (), offset)
    mesh.shape_key_clear()
    mesh.vertex_groups.clear()
    starts = np.cumsum([0, *(len(p.vertices) for p in pieces)])
    head._add_keys(mesh, mended, starts, (*rt.key_names(), *SUMS))
    _add_groups(mesh, fit.bones, np.concatenate(tables))
    return mesh


def _add_groups(mesh, bones, table) -> None:
    for i, bone in enumerate(bones):
        column = table[:, i]
        if column.max() <= 0:
            continue
        group = mesh.vertex_groups.new(name=bone)
        for level in np.unique(column[column > 0]):
            group.add(np.flatnonzero(column == level).tolist(), float(level), "REPLACE")


def _eyeballs(config, centres, radius, rig, collection):
    mat = shading.material(f"{config.name}_eye", 0.10, 0.5)
    balls = []
    for side, centre in zip("LR", centres, strict=True):
        ball = eyes.make_eye(config, side, radius)
        ball.data.materials.append(mat)
        _hang(ball, rig, f"DEF-eye.{side}", centre, collection)
        balls.append(ball)
    return tuple(balls)


def _hang(obj, rig, bone: str, place, collection) -> None:
    """Parent to a bone so that `obj` keeps its rest place, whatever way the bone points."""
    collection.objects.link(obj)
    obj.parent, obj.parent_type, obj.parent_bone = rig, "BONE", bone
    data = rig.data.bones[bone]
    tail = data.matrix_local @ Matrix.Translation((0.0, data.length, 0.0))
    obj.matrix_basis = tail.inverted() @ Matrix.Translation([float(c) for c in place])


def _accessories(config, skin, styled, centres, radius, offset, rig, collection) -> None:
    """Glints, hair, earrings (on the head) and shirt (on the rig)."""
    glint = eyes.make_glint(config, centres, radius)
    glint.data.materials.append(shading.glow_white(f"{config.name}_glint"))
    strands = rosa.make_hair(skin, styled)
    strands.data.materials.append(shading.material(f"{config.name}_hair", 0.5, 0.3))
    level = strands.modifiers.new("Subdivision", "SUBSURF")
    level.levels = level.render_levels = 1
    hoops = rosa.make_earrings(skin, styled)
    hoops.data.materials.append(shading.material(f"{config.name}_gold", 0.25, 0.8))
    for obj, place in ((glint, (0, 0, 0)), (strands, offset), (hoops, offset)):
        at = parts.move_origin(obj, place, rig.data.bones["DEF-head"].tail_local)
        _hang(obj, rig, "DEF-head", at, collection)
    shirt = _shirt(config, styled, offset)
    shirt.parent = rig
    collection.objects.link(shirt)


def _finish(mesh, rig, config, balls, radius) -> None:
    """Modifiers: bones, then lids pushed off the eyeballs and wrinkles, then one subdivision."""
    armature = mesh.modifiers.new("Armature", "ARMATURE")
    armature.object = rig
    nodes = mesh.modifiers.new("Face", "NODES")
    nodes.node_group = _face_nodes(config, balls, radius + LID_GAP)
    level = mesh.modifiers.new("Subdivision", "SUBSURF")
    level.levels = level.render_levels = 1
    board.drive_creases(mesh, nodes, config.lines)


def _face_nodes(config, balls, radius: float):
    """As `shading.face_nodes`, after the bones: the eyeballs are found where they are posed."""
    tree = bpy.data.node_groups.new(f"{config.name}_face", "GeometryNodeTree")
    tree.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    for crease in creases.NAMES:
        for side in "LR":
            tree.interface.new_socket(
                f"{crease}_{side}", in_out="INPUT", socket_type="NodeSocketFloat"
            )
    g = shading.Graph(tree)
    entry, leave = g.node("NodeGroupInput"), g.node("NodeGroupOutput")
    geometry = entry.outputs["Geometry"]
    for ball in balls:
        place = g.node("GeometryNodeObjectInfo", transform_space="RELATIVE")
        place.inputs["Object"].default_value = ball
        geometry = _push(g, geometry, place.outputs["Location"], radius)
    geometry = shading._darken(g, geometry, entry, creases.NAMES, config.palette.crease)
    if hollow := shading.hollow_of(config):
        geometry = shading.shade_teeth(g, geometry, entry, hollow)
    tree.links.new(geometry, leave.inputs[0])
    return tree


def _push(g, geometry, centre, radius: float):
    """Move points that are inside the ball at the socket `centre` straight out to its surface."""
    position = g.node("GeometryNodeInputPosition").outputs[0]
    away = g.vector("SUBTRACT", position, centre)
    length = g.math("MAXIMUM", g.vector("LENGTH", away, scalar=True), 1e-4)
    scale = g.math("MAXIMUM", 1.0, g.math("DIVIDE", radius, length))
    node = g.node("ShaderNodeVectorMath", away, operation="SCALE")
    g.tree.links.new(scale, node.inputs["Scale"])
    target = g.vector("ADD", node.outputs["Vector"], centre)
    move = g.node("GeometryNodeSetPosition")
    g.tree.links.new(geometry, move.inputs["Geometry"])
    g.tree.links.new(target, move.inputs["Position"])
    return move.outputs["Geometry"]


# --- drivers and limits ------------------------------------------------------------------------


def _path(rig, control: str) -> tuple[str, int, float]:
    """Full RNA path, array index and sign of a control's channel."""
    bone, way = rt.CHANNELS[control]
    path, axis, sign = rt.channel_path(rig, bone, way)
    dot = "" if path.startswith("[") else "."
    return f'pose.bones["{bone}"]{dot}{path}', axis, sign


def _drive(rig, mesh, balls, fit) -> None:
    """Correctives from their leading controls, the iris from the eye targets' scale."""
    keys = mesh.data.shape_keys
    for key, (lead, _) in rt.key_leads().items():
        path, axis, sign = _path(rig, lead.name)
        full = fit.values[key][lead.name]
        variables = {"v": ("OBJECT", rig, path if axis < 0 else f"{path}[{axis}]")}
        expression = f"max(0,v*{sign / full:.5g})"
        if key == "mouthClose":  # a lock without an open jaw moves nothing
            jaw_path, jaw_axis, jaw_sign = _path(rig, "jaw_open")
            variables["j"] = ("OBJECT", rig, f"{jaw_path}[{jaw_axis}]")
            expression = f"max(0,v)*max(0,j*{jaw_sign / fit.values['jawOpen']['jaw_open']:.5g})"
        board.drive(keys, f'key_blocks["{key}"].value', variables, expression)
    for side, ball in zip("LR", balls, strict=True):
        variables = {"s": ("OBJECT", rig, f'pose.bones["eye.{side}"].scale[0]')}
        factor = 1.0 / (1.0 - IRIS_RANGE[0])
        path = 'key_blocks["irisSmall"].value'
        board.drive(ball.data.shape_keys, path, variables, f"(1-s)*{factor:.5g}")


def channel_values(fit: rt.KeyFit) -> dict[str, dict[str, float]]:
    """ARKit channel -> control -> value (signed, in the control's own unit) at full strength."""
    out = {}
    for channel, keys in rt.channel_keys().items():
        total: dict[str, float] = {}
        for key, unit in keys.items():
            for control, value in fit.values[key].items():
                total[control] = total.get(control, 0.0) + unit * value
        out[channel] = total
    return out


def _ranges(fit: rt.KeyFit) -> dict[str, tuple[float, float]]:
    """Control -> limits: what leads goes as far as its keys, helpers a little farther than any
    channel takes them, the same either way."""
    out = {}
    for lead in rt.LEADS:
        values = [fit.values[k][lead.name] for k in (lead.more, lead.less) if k]
        out[lead.name] = (min(0.0, *values), max(0.0, *values))
    table = channel_values(fit)
    for name, *_ in rt.FOLLOWERS:
        partner = mirror_name(name)
        most = max((abs(v.get(n, 0.0)) for v in table.values() for n in {name, partner}), default=0)
        most = float(np.clip(1.25 * most, 0.002, 0.014))
        out[name] = (-most, most)
    for name in out:
        other = out.get(mirror_name(name), out[name])
        low, high = min(out[name][0], other[0]), max(out[name][1], other[1])
        out[name] = (round(low, 5), round(high, 5))
    return out


def _limit(rig, ranges) -> None:
    """Limit the controls by constraints, so that the profile's limits are the rig's own."""
    spans: dict[str, dict[int, tuple[float, float]]] = {}
    for name, limits in ranges.items():
        path, axis, sign = _path(rig, name)
        if path.endswith("location"):
            bone = rt.CHANNELS[name][0]
            low, high = sorted((sign * limits[0], sign * limits[1]))
            spans.setdefault(bone, {})[axis] = (low, high)
    for bone, axes in spans.items():
        limit = rig.pose.bones[bone].constraints.new("LIMIT_LOCATION")
        limit.owner_space, limit.use_transform_limit = "LOCAL", True
        for axis, (low, high) in axes.items():
            letter = "xyz"[axis]
            for end, value in (("min", low), ("max", high)):
                setattr(limit, f"use_{end}_{letter}", True)
                setattr(limit, f"{end}_{letter}", value)
        # First of all: Rigify's own constraints come after what the animator may do.
        stack = rig.pose.bones[bone].constraints
        stack.move(len(stack) - 1, 0)


# --- profile -----------------------------------------------------------------------------------


def make_controls(character: RigifyCharacter) -> tuple[Control, ...]:
    """The profile's controls with limits, regions, roles, mirrors and channel hints."""
    rig, fit = character.rig, character.key_fit
    ranges, table = _ranges(fit), channel_values(fit)
    regions = {lead.name: lead.region for lead in rt.LEADS}
    regions |= {name: region for name, _, _, region in rt.FOLLOWERS}
    roles = {lead.name: lead.role for lead in rt.LEADS}
    out = []
    for name, (low, high) in ranges.items():
        path, axis, sign = _path(rig, name)
        channels = {}
        for channel in ARKIT_CHANNELS:
            value = table.get(channel, {}).get(name, 0.0)
            unit = value / (high if value > 0 else -low or 1.0)
            if abs(unit) > 0.02:
                channels[channel] = round(float(unit), 3)
        role = roles.get(name, "")
        if role or high == 0.0:  # a blink closes when it rises; one-way controls go upwards
            low, high, sign = -high, -low, -sign
            channels = {c: -v for c, v in channels.items()}
        partner = mirror_name(name)
        out.append(
            Control(
                name=name,
                targets=(Target("OBJECT", rig.name, path, axis, sign),),
                rest=0.0,
                minimum=low,
                maximum=high,
                region=regions[name],
                role=role,
                mirror=partner if partner != name else "",
                channels=channels,
            )
        )
    return (*out, _iris(rig), *_turns(rig))


def _iris(rig) -> Control:
    targets = tuple(
        Target("OBJECT", rig.name, f'pose.bones["eye.{side}"].scale', axis)
        for side in "LR"
        for axis in range(3)
    )
    return Control("iris_size", targets, 1.0, *IRIS_RANGE, "eye")


def _turns(rig) -> list[Control]:
    """The head by its bone; the gaze by the eyes' own targets, in radians at mid range."""
    out = []
    for control in controls.pose_controls(rig.name):
        if control.output == "head":
            out.append(control)
            continue
        side = "L" if "left" in control.name else "R"
        bones = rig.data.bones
        away = (bones[f"eye.{side}"].head_local - bones[f"DEF-eye.{side}"].head_local).length
        turn = control.name.rsplit("_", 1)[1]
        axis, sign = (0, 1.0) if turn == "yaw" else (1, -1.0)
        target = Target(
            "OBJECT", rig.name, f'pose.bones["eye.{side}"].location', axis,
            round(sign * away * float(np.tan(0.3)) / 0.3, 6),
        )  # fmt: skip
        out.append(replace(control, targets=(target,)))
    return out


def key_poses(made: tuple[Control, ...], config: CharacterConfig) -> tuple[KeyPose, ...]:
    """The shared poses with her corrections, and the iris of each expression."""
    out = []
    narrow, wide = IRIS_RANGE
    for pose in shared_poses(made, config.pose_edits):
        small = poses.IRIS.get(pose.expression, 0.0)
        small *= 0.5 if pose.name.endswith("subtle") else 1.0
        size = 1.0 - small * ((1.0 - narrow) if small > 0 else (wide - 1.0))
        values = pose.values | ({"iris_size": round(size, 4)} if small else {})
        out.append(replace(pose, values=values))
    return tuple(out)


def build_rosa() -> RigProfile:
    """Build Rosa into the current scene, in a collection named after her; returns her profile."""
    return make_profile(build_rigify(rosa.ROSA))


def make_profile(character: RigifyCharacter) -> RigProfile:
    """The profile of a built character."""
    config = character.config
    made = make_controls(character)
    return RigProfile(
        name=config.name,
        title=config.title,
        family="rigify_face",
        collection=config.name,
        controls=made,
        framing=character.framing,
        key_poses=key_poses(made, config),
        primary=config.primary,
        license="CC0-1.0",
    )
