"""Blip: a one-eyed creature with a topology, controls and poses of its own.

Its handles sit on the face as bones (brow, lids, mouth); what has no place on the face (pupil,
tongue, tremble, feelers) is a custom property of the armature.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import bmesh
import bpy
import numpy as np

from ...networks.characters.profile import Control, Framing, KeyPose, RigProfile, Target, from_unit
from ...networks.vocabulary import mirror_name
from . import board, eyes, shading
from .assemble import _bone_parent, _subdivide, wear
from .blip_face import ACTIONS, BROW, CREASES, DARK, SKIN, TEETH, TIP, TONGUE, Face, eye_radius
from .blip_mesh import EYE, EYE_RADIUS, EYE_V, LID_STEPS, LIP_STEPS, MOUTH_V, MOUTH_W, wrap
from .blip_poses import POSES, spread_pairs
from .config import CharacterConfig, Palette
from .controls import GAZE_PITCH, GAZE_YAW, HEAD_LIMITS, UNIT
from .head import _add_keys, _round
from .parts import Part, make_mesh
from .stylise import smooth

NAME = "blip"
CONFIG = CharacterConfig(
    name=NAME, title="Blip", phenotypes={}, iris_angle=31.0, pupil_angle=14.0, seed=5,
    palette=Palette(iris="#7fb13a", iris_rim="#2c4a12", sclera="#f6f3ea", crease="#3a2a78"),
)  # fmt: skip

COLORS = {
    "body": "#8a78e6", "crown": "#7058d0", "belly": "#c3b6f7", "spot": "#5e47bf",
    "lid": "#7a62d8", "rim": "#2b1d5c", "lips": "#6a2f86", "blush": "#d67fc4",
    "cavity": "#3a0f2a", "brow": "#241a52", "teeth": "#fbf6e6", "tongue": "#e8637f",
    "stalk": "#7058d0", "tip": "#f2c53d", "foot": "#6a54c8",
}  # fmt: skip
"""sRGB hex."""

STILL = 3.8e-4
"""Metres that Blip's shapes lose everywhere, as `head.STILL`: sixteen controls leave room in the
file, where people's many shapes need more."""

CORRECTION = 0.0012
"""Two actions get a correction where their sum is off by more than this, metres."""


@dataclass(frozen=True)
class Handle:
    """One expression control: a bone's axis (0 across, 1 up), or a custom property (bone "").

    sign: direction of the bone for positive values. channels as in `profile.Control`.
    """

    name: str
    bone: str
    axis: int
    sign: float
    low: float
    high: float
    region: str
    channels: dict[str, float]
    role: str = ""

    @property
    def variable(self) -> tuple[str, str, float]:
        """RNA path on the armature object, and the factor from it to unit values."""
        if not self.bone:
            return f'["{self.name}"]', 1.0
        return f'pose.bones["{self.bone}"].location[{self.axis}]', self.sign / UNIT


def _both(**weights: float) -> dict[str, float]:
    """Channel stems -> both sides' channels: one eye answers to two, by halves."""
    return {f"{k}{side}": v for k, v in weights.items() for side in ("Left", "Right")}


HANDLES = (
    Handle("brow_mid", "brow_mid", 1, 1, -1, 1, "brow",
           {"browInnerUp": 0.8, **_both(browDown=-0.5, browOuterUp=0.2)}),
    Handle("brow_left", "brow_L", 1, 1, -1, 1, "brow",
           {"browInnerUp": -0.5, "browOuterUpLeft": 1.2, "browDownLeft": 0.35}),
    Handle("brow_right", "brow_R", 1, 1, -1, 1, "brow",
           {"browInnerUp": -0.5, "browOuterUpRight": 1.2, "browDownRight": 0.35}),
    Handle("lid_upper", "lid_upper", 1, -1, -1, 1, "eye",
           _both(eyeBlink=0.5, eyeWide=-0.5, eyeSquint=0.1), "blink_left"),
    Handle("lid_lower", "lid_lower", 1, 1, -0.5, 1, "eye",
           _both(eyeSquint=0.35, cheekSquint=0.2, eyeWide=-0.3)),
    Handle("pupil", "", 0, 1, -1, 1, "eye",
           _both(eyeWide=0.3, mouthSmile=-0.12)),
    Handle("sneer_left", "sneer_L", 1, 1, 0, 1, "nose",
           {"noseSneerLeft": 0.9, "mouthUpperUpLeft": 0.6}),
    Handle("sneer_right", "sneer_R", 1, 1, 0, 1, "nose",
           {"noseSneerRight": 0.9, "mouthUpperUpRight": 0.6}),
    Handle("jaw", "jaw", 1, -1, 0, 1, "jaw", {"jawOpen": 1.0, "mouthClose": -0.8}),
    Handle("corner_left", "corner_L", 1, 1, -1, 1, "mouth",
           {"mouthSmileLeft": 1.0, "mouthFrownLeft": -1.0, "mouthDimpleLeft": 0.3,
            "mouthLeft": 0.3, "jawLeft": 0.3}),
    Handle("corner_right", "corner_R", 1, 1, -1, 1, "mouth",
           {"mouthSmileRight": 1.0, "mouthFrownRight": -1.0, "mouthDimpleRight": 0.3,
            "mouthRight": 0.3, "jawRight": 0.3}),
    Handle("mouth_width", "mouth", 0, 1, -1, 1, "mouth",
           {**_both(mouthStretch=0.5), "mouthPucker": -1.0, "mouthFunnel": -0.8,
            "cheekPuff": -0.3}),
    Handle("lip_lower", "lip_lower", 1, 1, -1, 1, "mouth",
           {**_both(mouthLowerDown=-0.5, mouthPress=0.3), "mouthShrugLower": 1.0,
            "mouthShrugUpper": 0.4, "mouthRollLower": 0.5, "mouthRollUpper": 0.4,
            "jawForward": 0.4}),
    Handle("tongue", "", 0, 1, 0, 1, "mouth", {"tongueOut": 1.0}),
    Handle("tremble", "", 0, 1, 0, 1, "mouth", _both(mouthStretch=0.3)),
    Handle("ears", "", 0, 1, -1, 1, "brow",
           {**_both(browOuterUp=0.35, mouthFrown=-0.3, mouthStretch=-0.2, noseSneer=-0.2,
                    mouthSmile=0.15)}),
)  # fmt: skip
"""The sixteen expression controls, in profile order."""

PROPERTIES = {
    "pupil": "Pupil and iris: -1 large, 1 small",
    "tongue": "Tongue: 0 in, 1 out",
    "tremble": "Wavy mouth: 0 still, 1 shaking",
    "ears": "Feelers: -1 hanging, 1 pricked",
}

# Shape key -> arithmetic of the controls; drivers stay within Blender's simple expressions.
_WAYS = {
    "browMid": ("brow_mid", "Up", "Down"), "browLeft": ("brow_left", "Up", "Down"),
    "browRight": ("brow_right", "Up", "Down"), "ears": ("ears", "Up", "Down"),
    "lip": ("lip_lower", "Up", "Down"), "lower": ("lid_lower", "Up", "Down"),
    "pupil": ("pupil", "Small", "Large"),
}  # fmt: skip
DRIVES = {
    **{f"{k}{up}": f"max(0,{c})" for k, (c, up, _) in _WAYS.items()},
    **{f"{k}{down}": f"max(0,-{c})" for k, (c, _, down) in _WAYS.items()},
    "lowerDown": "max(0,-2*lid_lower)",
    "blink": "max(0,lid_upper)",
    "wide": "max(0,-lid_upper)",
    # The brow presses the lid into its own shape, as far as the eye is open.
    "lidVee": "max(0,0.18*(brow_left+brow_right)-0.75*brow_mid)*max(0,1-max(0,lid_upper))",
    "lidArch": "max(0,0.5*brow_mid-0.25*(brow_left+brow_right))*max(0,1-max(lid_upper,-lid_upper))",
    "sneerLeft": "sneer_left", "sneerRight": "sneer_right", "jawOpen": "jaw",
    "smileLeft": "max(0,corner_left)", "frownLeft": "max(0,-corner_left)",
    "smileRight": "max(0,corner_right)", "frownRight": "max(0,-corner_right)",
    "stretch": "max(0,mouth_width)", "narrow": "max(0,-mouth_width)",
    "tongueOut": "tongue", "tremble": "tremble",
}  # fmt: skip

# Actions whose sums need looking at; those of one control's two ways never meet.
_MEET = (
    ("browMidUp", "browMidDown", "browLeftUp", "browLeftDown", "browRightUp", "browRightDown"),
    ("lidVee", "lidArch", "blink", "wide", "lowerUp", "lowerDown", "lookUp", "lookDown",
     "smileLeft", "smileRight"),
    ("sneerLeft", "sneerRight", "jawOpen", "smileLeft", "smileRight", "frownLeft", "frownRight",
     "stretch", "narrow", "lipUp", "lipDown", "tongueOut", "tremble"),
)  # fmt: skip
_APART = (
    ("browMidUp", "browMidDown"), ("browLeftUp", "browLeftDown"), ("browRightUp", "browRightDown"),
    ("blink", "wide"), ("lowerUp", "lowerDown"), ("lookUp", "lookDown"), ("lidVee", "lidArch"),
    ("smileLeft", "frownLeft"), ("smileRight", "frownRight"), ("stretch", "narrow"),
    ("lipUp", "lipDown"), ("wide", "lidArch"),
)  # fmt: skip


def make_shapes(face: Face) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Rest points (V, 3) and offsets (V, 3) of every action and correction, metres.

    A correction's name is `<action>__<action>`; it is driven by the product of both.
    """
    rest = face.positions({})
    shapes = {name: face.positions({name: 1.0}) - rest for name in ACTIONS}
    apart = {frozenset(pair) for pair in _APART}
    pairs = {frozenset(p): p for group in _MEET for p in combinations(group, 2)}
    for a, b in (p for key, p in pairs.items() if key not in apart):
        off = face.positions({a: 1.0, b: 1.0}) - rest - shapes[a] - shapes[b]
        if np.linalg.norm(off, axis=1).max() > CORRECTION:
            shapes[f"{a}__{b}"] = off
    return rest, shapes


# --- colours ---------------------------------------------------------------------------------


def _blend(color: np.ndarray, name: str, mask: np.ndarray) -> np.ndarray:
    return color + (shading.linear(COLORS[name]) - color) * np.clip(mask, 0, 1)[:, None]


def _skin_colors(face: Face) -> np.ndarray:
    uv = face.layout.uv
    u, v = np.abs(uv[:, 0]), uv[:, 1]
    color = np.tile(shading.linear(COLORS["body"]), (len(uv), 1))
    color = _blend(color, "crown", smooth(0.05, 0.19, v + 0.25 * u))
    muzzle = np.hypot(uv[:, 0] / 0.104, (v + 0.092) / 0.082)
    color = _blend(color, "belly", 0.95 * smooth(1.08, 0.80, muzzle))
    for su, sv, size in ((0.118, 0.075, 0.017), (0.142, 0.040, 0.012), (0.105, 0.118, 0.012),
                         (0.150, 0.085, 0.014), (0.030, 0.205, 0.013), (0.168, 0.010, 0.016),
                         (0.120, 0.165, 0.018)):  # fmt: skip
        spot = np.hypot(u - su, v - sv) / size
        color = _blend(color, "spot", 0.75 * smooth(1.15, 0.75, spot))
    color = _blend(
        color, "blush", 0.6 * np.exp(-(((u - 0.082) / 0.020) ** 2 + ((v + 0.022) / 0.014) ** 2))
    )
    layout = face.layout
    for ring, shade in zip(
        layout.eye[: len(LID_STEPS) + 1], (1, 1, 0.8, 0, 0, 0, 0, 0), strict=True
    ):
        color[ring] = _blend(color[ring], "lid", np.full(len(ring), 0.8))
        color[ring] = _blend(color[ring], "rim", np.full(len(ring), float(shade)))
    for ring, shade in zip(
        layout.mouth[: len(LIP_STEPS)], (1.0, 1.0, 0.95, 0.75, 0.12, 0.0), strict=True
    ):
        color[ring] = _blend(color[ring], "lips", np.full(len(ring), shade))
    color[layout.mouth[0]] = shading.linear(COLORS["rim"])
    return color


def point_colors(face: Face) -> np.ndarray:
    """(V, 3) linear colours."""
    color = np.zeros((face.count, 3))
    color[face.slices["skin"]] = _skin_colors(face)
    for name, part in face.slices.items():
        kind = name.split("_")[0]
        plain = {"cavity": "cavity", "brow": "brow", "tongue": "tongue", "tooth": "teeth",
                 "nostril": "rim", "foot": "foot", "stalk": "stalk"}  # fmt: skip
        if kind in plain:
            color[part] = shading.linear(COLORS[plain[kind]])
        if kind == "stalk":  # rows of the ball, then the far pole
            color[part][12 * 16 : 24 * 16] = shading.linear(COLORS["tip"])
            color[part][-1] = shading.linear(COLORS["tip"])
    return color


# --- objects -----------------------------------------------------------------------------------


def _make_head(face: Face):
    rest, shapes = make_shapes(face)
    mesh = make_mesh(f"{NAME}_head", _round(rest), face.faces)
    mesh.polygons.foreach_set("material_index", np.array(face.kinds, np.int32))
    _face_outwards(mesh)
    for kind, settings in (
        (SKIN, (0.50, 0.3)), (DARK, (0.8, 0.1)), (BROW, (0.7, 0.2)), (TEETH, (0.2, 0.5, 0.15)),
        (TONGUE, (0.35, 0.5)), (TIP, (0.4, 0.4)),
    ):  # fmt: skip
        word = {
            SKIN: "skin",
            DARK: "dark",
            BROW: "brow",
            TEETH: "teeth",
            TONGUE: "tongue",
            TIP: "tip",
        }
        mesh.materials.append(shading.material(f"{NAME}_{word[kind]}", *settings))
    shading.paint(mesh, point_colors(face), changing=True)
    shading.note_creases(mesh, {n: np.round(m, 3) for n, m in face.crease_masks().items()})
    obj = bpy.data.objects.new(mesh.name, mesh)
    part = Part(_round(rest), np.zeros((0, 4), int), shapes)
    _add_keys(obj, [part], [0], tuple(shapes), STILL)
    _weigh(obj, face, rest)
    return obj


def _face_outwards(mesh) -> None:
    """Consistent winding of every piece, outwards; the order of points stays."""
    work = bmesh.new()
    work.from_mesh(mesh)
    bmesh.ops.recalc_face_normals(work, faces=work.faces)
    work.to_mesh(mesh)
    work.free()


def _weigh(obj, face: Face, rest: np.ndarray) -> None:
    """Head turns all but the seat and the feet."""
    weights = smooth(0.0, 0.075, rest[:, 2])
    for name, part in face.slices.items():
        if name.startswith("foot"):
            weights[part] = 0.0
        elif name not in ("skin",):
            weights[part] = 1.0
    weights = np.round(weights, 2)
    groups = obj.vertex_groups.new(name="head"), obj.vertex_groups.new(name="root")
    for level in np.unique(weights):
        members = np.flatnonzero(weights == level).tolist()
        if level > 0:
            groups[0].add(members, float(level), "REPLACE")
        if level < 1:
            groups[1].add(members, float(1 - level), "REPLACE")


def _make_eye(rig):
    """The eyeball; keys `pupilSmall` and `pupilLarge` move its rings of colour."""
    ball = eyes.make_eye(CONFIG, "C", EYE_RADIUS)
    ball.shape_key_clear()
    mesh = ball.data
    ball.name = mesh.name = f"{NAME}_eye"
    rest = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", rest)
    rest = rest.reshape(-1, 3).astype(float)
    polar = np.degrees(np.arccos(np.clip(-rest[:, 1] / EYE_RADIUS, -1, 1)))
    length = np.maximum(np.hypot(rest[:, 0], rest[:, 2]), 1e-9)
    ball.shape_key_add(name="Basis", from_mix=False)
    iris, pupil = CONFIG.iris_angle, CONFIG.pupil_angle
    for name, iris_to, pupil_to in (("pupilSmall", 0.60, 0.42), ("pupilLarge", 1.13, 1.50)):
        knots = [0.0, pupil + 1, iris + 2, 100.0, 180.0]
        angle = np.radians(
            np.interp(
                polar, knots, [0.0, pupil_to * (pupil + 1), iris_to * (iris + 2), 100.0, 180.0]
            )
        )
        out = rest.copy()
        out[:, 1] = -EYE_RADIUS * np.cos(angle)
        out[:, (0, 2)] *= (EYE_RADIUS * np.sin(angle) / length)[:, None]
        key = ball.shape_key_add(name=name, from_mix=False)
        key.data.foreach_set("co", out.astype(np.float32).ravel())
    mesh.shape_keys.name = mesh.name + "_keys"
    mesh.materials.append(shading.material(f"{NAME}_eye", 0.10, 0.5))
    _bone_parent(ball, rig, "eye", EYE)
    return ball


_PLACES = {
    "brow_mid": (0.0, 0.116), "brow_L": (0.054, 0.109), "brow_R": (-0.054, 0.109),
    "lid_upper": (0.0, EYE_V + 0.036), "lid_lower": (0.0, EYE_V - 0.046),
    "sneer_L": (0.026, -0.026), "sneer_R": (-0.026, -0.026), "mouth": (0.0, MOUTH_V),
    "corner_L": (MOUTH_W + 0.010, MOUTH_V), "corner_R": (-MOUTH_W - 0.010, MOUTH_V),
    "lip_lower": (0.0, MOUTH_V - 0.014), "jaw": (0.0, MOUTH_V - 0.048),
}  # fmt: skip
"""Where a handle's bone rests on the plane of the face; it floats a little before the skin."""


def _make_rig(collection):
    widgets = board.make_widgets(NAME, collection)
    armature = bpy.data.armatures.new(f"{NAME}_rig")
    rig = bpy.data.objects.new(armature.name, armature)
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    board._bone(armature, "root", (0, 0, 0), 0.08)
    board._bone(armature, "head", (0.0, 0.0, 0.055), 0.12, "root")
    board._bone(armature, "eye", tuple(EYE), 0.03, "head")
    points, normals = wrap(np.array(list(_PLACES.values())))
    for name, place in zip(_PLACES, points + 0.016 * normals, strict=True):
        board._bone(armature, name, tuple(place), 0.012, "head")
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.scene.collection.objects.unlink(rig)
    for bone in rig.pose.bones:
        bone.rotation_mode = "XYZ"
    for name, size in (("root", 1.9), ("head", 1.3), ("eye", 1.6)):
        bone = rig.pose.bones[name]
        bone.custom_shape, bone.custom_shape_scale_xyz = widgets["ring"], (size,) * 3
        bone.lock_location = (True,) * 3
        bone.color.palette = "THEME09"
    for name in _PLACES:
        _dress(rig.pose.bones[name], widgets["handle"])
    turns = tuple(HEAD_LIMITS[f"head_{turn}"] for turn in ("pitch", "yaw", "roll"))
    for name, angles in (("head", turns), ("eye", (GAZE_PITCH, GAZE_YAW, 0.0))):
        limit = rig.pose.bones[name].constraints.new("LIMIT_ROTATION")
        _limit(limit, "use_limit", [(-a, a) for a in angles])
    for h in HANDLES:
        if not h.bone:
            rig[h.name] = 0.0
            rig.id_properties_ui(h.name).update(
                min=float(h.low), max=float(h.high), soft_min=float(h.low), soft_max=float(h.high),
                default=0.0, description=PROPERTIES[h.name],
            )  # fmt: skip
            rig.property_overridable_library_set(f'["{h.name}"]', True)
    rig.show_in_front = True
    return rig


def _dress(bone, widget) -> None:
    axes = {h.axis: h for h in HANDLES if h.bone == bone.name}
    bone.custom_shape, bone.custom_shape_scale_xyz = widget, (0.38,) * 3
    bone.color.palette = {"L": "THEME04", "R": "THEME01"}.get(bone.name[-1], "THEME09")
    bone.lock_location = tuple(i not in axes for i in range(3))
    bone.lock_rotation = bone.lock_scale = (True,) * 3
    ranges = [(0.0, 0.0)] * 3
    for axis, h in axes.items():
        ranges[axis] = tuple(sorted((h.sign * h.low * UNIT, h.sign * h.high * UNIT)))
    _limit(bone.constraints.new("LIMIT_LOCATION"), "", ranges)


def _limit(constraint, switch: str, ranges) -> None:
    """Local limits of a location (switch "") or rotation constraint, (low, high) for x, y, z."""
    constraint.owner_space, constraint.use_transform_limit = "LOCAL", True
    for letter, (low, high) in zip("xyz", ranges, strict=True):
        for end, value in (("min", low), ("max", high)):
            setattr(constraint, f"{end}_{letter}", value)
            if not switch:
                setattr(constraint, f"use_{end}_{letter}", True)
        if switch:
            setattr(constraint, f"{switch}_{letter}", True)


def _drive(rig, head, ball) -> None:
    """Shape keys from the controls; corrections from the keys they mend; lids from the gaze."""
    for key, expression in DRIVES.items():
        owner = (ball if key.startswith("pupil") else head).data.shape_keys
        variables = {}
        for h in HANDLES:
            if h.name in expression:
                path, factor = h.variable
                variables[h.name] = ("OBJECT", rig, path)
                scaled = h.name if factor == 1.0 else f"({h.name}*{factor:.6g})"
                expression = expression.replace(h.name, scaled)
        board.drive(owner, f'key_blocks["{key}"].value', variables, expression)
    keys = head.data.shape_keys
    for key, sign in (("lookDown", 1.0), ("lookUp", -1.0)):
        variables = {
            "r": ("OBJECT", rig, 'pose.bones["eye"].rotation_euler[0]'),
            "b": ("KEY", keys, 'key_blocks["blink"].value'),
        }
        expression = f"max(0,r*{sign / GAZE_PITCH:.4g})*max(0,1-b)"
        board.drive(keys, f'key_blocks["{key}"].value', variables, expression)
    for block in keys.key_blocks:
        if "__" in block.name:
            a, b = (("KEY", keys, f'key_blocks["{n}"].value') for n in block.name.split("__"))
            board.drive(keys, f'key_blocks["{block.name}"].value', {"a": a, "b": b}, "a*b")


def _drive_creases(head, modifier) -> None:
    """Darkening of every wrinkle from the shape keys that raise it."""
    keys = head.data.shape_keys
    tree = modifier.node_group.interface.items_tree
    sockets = {item.name: item.identifier for item in tree if item.in_out == "INPUT"}
    for crease in CREASES:
        for side, word in (("L", "Left"), ("R", "Right")):
            variables, terms = {}, []
            for i, (action, amount) in enumerate(crease.actions.items()):
                key = action if action in keys.key_blocks else action + word
                variables[f"v{i}"] = ("KEY", keys, f'key_blocks["{key}"].value')
                terms.append(f"{amount:.3g}*v{i}")
            path = f'modifiers["{modifier.name}"]["{sockets[f"{crease.name}_{side}"]}"]'
            board.drive(head, path, variables, f"min(1,{'+'.join(terms)})*{crease.dark:.3g}")


def build_blip() -> RigProfile:
    """Build Blip into a collection of the current scene named after it; its profile, not saved."""
    collection = bpy.data.collections.new(NAME)
    bpy.context.scene.collection.children.link(collection)
    head = _make_head(Face())
    rig = _make_rig(collection)
    ball = _make_eye(rig)
    glint = eyes.make_glint(CONFIG, EYE[None], EYE_RADIUS)
    glint.data.materials.append(shading.glow_white(f"{NAME}_glint"))
    wear(glint, rig, "head", (0, 0, 0))
    for obj in (rig, head, ball, glint):
        collection.objects.link(obj)
    head.parent = rig
    nodes = head.modifiers.new("Face", "NODES")
    nodes.node_group = shading.face_nodes(
        f"{NAME}_face", tuple(c.name for c in CREASES), [EYE], eye_radius(), CONFIG.palette.crease
    )
    head.modifiers.new("Armature", "ARMATURE").object = rig
    _subdivide(head)
    _drive(rig, head, ball)
    _drive_creases(head, nodes)
    return make_profile()


# --- the profile ---------------------------------------------------------------------------------


def _control(h: Handle) -> Control:
    rig = f"{NAME}_rig"
    scale = UNIT if h.bone else 1.0
    if h.bone:
        target = Target("OBJECT", rig, f'pose.bones["{h.bone}"].location', h.axis, h.sign)
    else:
        target = Target("OBJECT", rig, f'["{h.name}"]')
    mirror = mirror_name(h.name)
    return Control(
        h.name, (target,), 0.0, h.low * scale, h.high * scale, h.region, role=h.role,
        mirror=mirror if mirror != h.name else "", channels=dict(sorted(h.channels.items())),
    )  # fmt: skip


def make_controls() -> tuple[Control, ...]:
    """Blip's controls: sixteen of expression, then the head's and the eye's rotation."""
    out = [_control(h) for h in HANDLES]
    rig = f"{NAME}_rig"
    for role, axis, scale in (("head_pitch", 0, 1.0), ("head_yaw", 1, 1.0), ("head_roll", 2, -1.0)):
        target = Target("OBJECT", rig, 'pose.bones["head"].rotation_euler', axis, scale)
        limit = HEAD_LIMITS[role]
        out.append(Control(role, (target,), 0.0, -limit, limit, "head", "head", role))
    for turn, axis, limit in (("yaw", 1, GAZE_YAW), ("pitch", 0, GAZE_PITCH)):
        target = Target("OBJECT", rig, 'pose.bones["eye"].rotation_euler', axis)
        role = f"gaze_left_{turn}"
        out.append(Control(f"gaze_{turn}", (target,), 0.0, -limit, limit, "gaze", "eyes", role))
    return tuple(out)


def make_profile() -> RigProfile:
    """Blip's profile with its key poses."""
    made = make_controls()
    poses = []
    for name, pose in POSES.items():
        units = spread_pairs(pose)
        chosen = tuple(c for c in made if c.name in units)
        values = from_unit(chosen, np.array([units[c.name] for c in chosen]))
        kept = {c.name: round(float(v), 6) for c, v in zip(chosen, values, strict=True)}
        poses.append(KeyPose(name, name.split("_")[0], kept))
    return RigProfile(
        name=NAME, title=CONFIG.title, family="control_bones", collection=NAME, controls=made,
        framing=Framing((0.0, -0.06, 0.165), (0.0, -1.0, 0.0), 0.33), key_poses=tuple(poses),
        license="CC0-1.0",
    )  # fmt: skip
