"""Binds a styled head to a Rigify face so that moving its controls makes the head's own actions.

1. Every key (an ARKit-like action, see `controls.BOARD`) is posed: the control that leads it takes
   its full travel, others that lie on the skin follow until they sit where the action takes them.
2. Weights: started from the distance to the bones, then fitted by non-negative least squares so
   that the bones in those poses come as near as they can to the actions, then smoothed.
3. Correctives: what is still missing becomes a shape key, driven by the leading control alone.

So the bones do the broad motion and everything between, the correctives the folds and the seals.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from . import controls
from .head import STILL
from .parts import BROW, LASH, SKIN, TEETH, Part, relax, without_tails
from .rigify_face import FaceRig, jaw_turn
from .shapes import flip_map
from .teeth import OWN

WAYS = {
    "left": np.array([1.0, 0.0, 0.0]),
    "up": np.array([0.0, 0.0, 1.0]),
    "forward": np.array([0.0, -1.0, 0.0]),
}
"""World directions of positive values; "out" is away from the midline, "open" turns about +X."""

LEAST = 0.0025
"""Least full travel of a leading control, metres: where an action hardly moves its place."""


@dataclass(frozen=True)
class Lead:
    """One transform channel of a control bone and the keys it leads.

    name: the profile's control. bone: the control bone. way: "left", "out", "up" or "forward" for
    locations, "open" for the jaw's turn, '["..."]' for a property. more, less: key led by positive
    and by negative values.
    """

    name: str
    bone: str
    way: str
    more: str = ""
    less: str = ""
    region: str = "mouth"
    role: str = ""


def _side(side: str) -> tuple[Lead, ...]:
    word = {"L": "Left", "R": "Right"}[side]
    table = (
        ("brow_inner", "brow.T.{}.003", "up", "browInnerUp", "browInnerDown", "brow"),
        ("brow_squeeze", "brow.T.{}.003", "out", "", "browSqueeze", "brow"),
        ("brow_mid", "brow.T.{}.002", "up", "browMidUp", "browMidDown", "brow"),
        ("brow_outer", "brow.T.{}.001", "up", "browTailUp", "browTailDown", "brow"),
        ("lid_upper", "lid.T.{}.002", "up", "eyeWide", "eyeBlink", "eye"),
        ("lid_lower", "lid.B.{}.002", "up", "eyeSquint", "", "eye"),
        ("cheek_raise", "cheek.T.{}.001", "up", "cheekSquint", "", "cheek"),
        ("cheek_puff", "cheek.B.{}.001", "out", "cheekPuff", "", "cheek"),
        ("nose_sneer", "nose.{}.001", "up", "noseSneer", "", "nose"),
        ("nostril", "nose.{}.001", "out", "flare", "", "nose"),
        ("corner_up", "lip_end.{}.001", "up", "mouthSmile", "mouthFrown", "mouth"),
        ("corner_out", "lip_end.{}.001", "out", "mouthStretch", "mouthNarrow", "mouth"),
        ("corner_in", "lip_end.{}.001", "forward", "", "mouthDimple", "mouth"),
        ("lip_upper", "lip.T.{}.001", "up", "mouthUpperUp", "mouthPress", "mouth"),
        ("lip_lower", "lip.B.{}.001", "up", "", "mouthLowerDown", "mouth"),
    )
    out = []
    for name, bone, way, more, less, region in table:
        keys = [k and k + word for k in (more, less)]
        role = f"blink_{word.lower()}" if name == "lid_upper" else ""
        out.append(Lead(f"{name}_{side}", bone.format(side), way, *keys, region, role))
    return tuple(out)


LEADS: tuple[Lead, ...] = (
    *_side("L"),
    *_side("R"),
    Lead("jaw_open", "jaw_master", "open", "jawOpen", "", "jaw"),
    Lead("jaw_side", "jaw_master", "left", "jawLeft", "jawRight", "jaw"),
    Lead("jaw_forward", "jaw_master", "forward", "jawForward", "", "jaw"),
    Lead("mouth_lock", "jaw_master", '["mouth_lock"]', "mouthClose"),
    Lead("mouth_side", "jaw_master_mouth", "left", "mouthLeft", "mouthRight"),
    Lead("pucker", "jaw_master_mouth", "forward", "mouthPucker"),
    Lead("lip_upper_forward", "lip.T", "forward", "mouthFunnel", "mouthRollUpper"),
    Lead("lip_upper_up", "lip.T", "up", "mouthShrugUpper"),
    Lead("lip_lower_forward", "lip.B", "forward", "", "mouthRollLower"),
    Lead("lip_lower_up", "lip.B", "up", "mouthShrugLower"),
    Lead("tongue_out", "tongue", "forward", "tongueOut"),
)
"""Controls that lead keys, in profile order."""


def _followers() -> tuple[tuple[str, str, str, str], ...]:
    sided = (
        ("brow_low_outer", "brow.B.{}.001", "up", "brow"),
        ("brow_low_mid", "brow.B.{}.003", "up", "brow"),
        ("brow_low_inner", "brow.B.{}.004", "up", "brow"),
        ("nose_side", "nose.{}", "up", "nose"),
        ("lid_upper_outer", "lid.T.{}.001", "up", "eye"),
        ("lid_upper_inner", "lid.T.{}.003", "up", "eye"),
        ("lid_lower_inner", "lid.B.{}.001", "up", "eye"),
        ("lid_lower_outer", "lid.B.{}.003", "up", "eye"),
        ("cheek_side", "cheek.T.{}.001", "out", "cheek"),
        ("cheek_low", "cheek.B.{}.001", "up", "cheek"),
        ("lip_upper_side", "lip.T.{}.001", "out", "mouth"),
        ("lip_upper_depth", "lip.T.{}.001", "forward", "mouth"),
        ("lip_lower_side", "lip.B.{}.001", "out", "mouth"),
        ("lip_lower_depth", "lip.B.{}.001", "forward", "mouth"),
        ("jaw_flank", "chin.{}", "up", "jaw"),
    )
    out = [(f"{n}_{s}", b.format(s), a, r) for s in "LR" for n, b, a, r in sided]
    return (
        *out,
        ("nose_tip", "nose.002", "up", "nose"),
        ("philtrum", "nose_end.004", "up", "mouth"),
        ("chin_up", "chin.001", "up", "jaw"),
        ("chin_fold", "chin_end.001", "forward", "jaw"),
    )


FOLLOWERS = _followers()
"""(control, bone, way, region) of controls that only help to shape the skin."""

BLINK_ALONE = ("eyeBlinkLeft", "eyeBlinkRight", "mouthClose", "tongueOut")
"""Keys that their leading control makes alone."""


def key_leads() -> dict[str, tuple[Lead, float]]:
    """Key -> the channel that leads it and the sign of that channel's full value."""
    out = {}
    for lead in LEADS:
        for key, sign in ((lead.more, 1.0), (lead.less, -1.0)):
            if key:
                out[key] = (lead, sign)
    return out


def key_names() -> tuple[str, ...]:
    return tuple(sorted(key_leads()))


def channel_keys() -> dict[str, dict[str, float]]:
    """ARKit channel -> key -> unit value, as on the face board (`controls.BOARD`)."""
    out: dict[str, dict[str, float]] = {}
    for handle in controls.BOARD:
        for channel, hint in handle.channels.items():
            for key, (sign, strength) in handle.drives.items():
                names = (f"{key}Left", f"{key}Right") if key == "flare" else (key,)
                for name in names:
                    if hint * sign > 0 and name in key_leads():
                        units = out.setdefault(channel, {})
                        units[name] = units.get(name, 0.0) + abs(hint) * strength
    return out


@dataclass(frozen=True)
class KeyFit:
    """Solved poses. values: key -> control -> value at full strength; bones: names of the deforming
    bones; matrices: key -> (B, 4, 4) transforms of the rest shape by each bone."""

    values: dict[str, dict[str, float]]
    bones: tuple[str, ...]
    matrices: dict[str, np.ndarray]


CHANNELS = {
    **{lead.name: (lead.bone, lead.way) for lead in LEADS},
    **{name: (bone, way) for name, bone, way, _ in FOLLOWERS},
}
"""Control -> (bone, way)."""


def direction_of(bone: str, way: str) -> np.ndarray:
    """World direction of a location channel's positive values."""
    if way == "out":
        return WAYS["left"] * (-1.0 if ".R" in bone else 1.0)
    return WAYS["left" if way == "open" else way]


def channel_path(rig, bone: str, way: str) -> tuple[str, int, float]:
    """RNA path below the pose bone, array index (-1: none) and sign of a channel."""
    if way.startswith("["):
        return way, -1, 1.0
    local = np.array(rig.data.bones[bone].matrix_local)[:3, :3].T @ direction_of(bone, way)
    axis = int(np.abs(local).argmax())
    return "rotation_euler" if way == "open" else "location", axis, float(np.sign(local[axis]))


def pose_rig(rig, values: dict[str, float]) -> None:
    """Set the named controls (the others to rest) and evaluate."""
    for name, (bone, way) in CHANNELS.items():
        path, axis, sign = channel_path(rig, bone, way)
        pose, value = rig.pose.bones[bone], sign * values.get(name, 0.0)
        if axis < 0:
            pose[path[2:-2]] = value
        else:
            getattr(pose, path)[axis] = value
    rig.update_tag()
    bpy.context.view_layer.update()


def bone_matrices(rig, bones) -> np.ndarray:
    """(B, 4, 4) transforms from rest to the present pose in the rig's space."""
    return np.array([
        np.array(rig.pose.bones[b].matrix) @ np.linalg.inv(np.array(rig.data.bones[b].matrix_local))
        for b in bones
    ])  # fmt: skip


def solve_keys(face: FaceRig, skin: Part, tongue: Part, offset: np.ndarray) -> KeyFit:
    """Control values and bone transforms of every key at full strength; see module docstring."""
    rig = face.rig
    bones = (*sorted(face.lines),)
    points = skin.vertices + offset
    outer = _outer(skin)
    at = {
        bone: outer[np.linalg.norm(points[outer] - face.nodes[bone], axis=1).argmin()]
        for bone, way in CHANNELS.values()
        if way in ("left", "out", "up", "forward")
    }
    lips = [at[b] for b in ("lip.T", "lip.B", "lip.T.L.001", "lip.B.L.001", "lip.T.R.001",
                            "lip.B.R.001", "lip_end.L.001", "lip_end.R.001")]  # fmt: skip
    values, matrices = {}, {}
    for key, (lead, sign) in key_leads().items():
        delta = skin.shapes[key]
        full = _full_travel(lead, sign, delta, at, lips, tongue, skin)
        solved = {lead.name: full}
        # Once a control leads something, other keys leave it alone: its value says how much.
        helpers = [] if key in BLINK_ALONE else [f for f in FOLLOWERS if _same_side(f[0], key)]
        for _ in range(4):
            pose_rig(rig, solved)
            for name, bone, way, _region in helpers:
                place = np.array(rig.pose.bones[bone].matrix.translation)
                missing = (delta[at[bone]] - (place - face.nodes[bone])) @ direction_of(bone, way)
                solved[name] = solved.get(name, 0.0) + 0.9 * missing
        solved = {n: v for n, v in solved.items() if n == lead.name or abs(v) > 4e-4}
        pose_rig(rig, solved)
        values[key], matrices[key] = solved, bone_matrices(rig, bones)
    pose_rig(rig, {})
    return KeyFit(values, bones, matrices)


def _outer(skin: Part) -> np.ndarray:
    """Indices of vertices at most slightly behind what is seen from the front."""
    return np.flatnonzero(skin.extra["cavity"] < 0.2)


def _same_side(control: str, key: str) -> bool:
    if key.startswith(("jaw", "mouthLeft", "mouthRight")):
        return True
    return not (control.endswith("_L") and key.endswith("Right")) and not (
        control.endswith("_R") and key.endswith("Left")
    )


def _full_travel(lead: Lead, sign, delta, at, lips, tongue: Part, skin: Part) -> float:
    """Value of the leading channel at its key's full strength."""
    if lead.way == "open":
        return jaw_turn(skin)[1]
    if lead.way.startswith("["):
        return 1.0
    if lead.bone == "tongue":
        moved = tongue.shapes["tongueOut"]
        return float(np.linalg.norm(moved, axis=1).max()) * 0.8
    along = delta @ direction_of(lead.bone, lead.way) * sign
    if lead.bone == "jaw_master_mouth":
        travel = along[lips].mean()
    elif lead.bone == "jaw_master":
        low = skin.vertices[:, 2] < np.median(skin.vertices[lips, 2])
        travel = np.percentile(along[low], 98)
    else:
        travel = along[at[lead.bone]]
    return sign * max(float(travel), LEAST)


# --- weights -----------------------------------------------------------------------------------


def _segment_distance(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    a, b = line
    t = np.clip((points - a) @ (b - a) / max((b - a) @ (b - a), 1e-12), 0, 1)
    return np.linalg.norm(points - a - t[:, None] * (b - a), axis=1)


def fit_weights(
    face: FaceRig, fit: KeyFit, skin: Part, offset: np.ndarray, *, near: float = 0.008,
    candidates: int = 14, steps: int = 120,
) -> np.ndarray:  # fmt: skip
    """(V, B) weights of the skin, rows sum to 1; see module docstring.

    near: metres over which a bone's start weight falls; candidates: bones a vertex may choose from.
    """
    points = skin.vertices + offset
    rigid = {"DEF-neck", "DEF-teeth.T", "DEF-teeth.B", "DEF-tongue", "DEF-tongue.001",
             "DEF-tongue.002"}  # fmt: skip
    distance = np.full((len(points), len(fit.bones)), 1.0)
    for i, bone in enumerate(fit.bones):
        if bone not in rigid:
            distance[:, i] = _segment_distance(points, face.lines[bone])
    head = fit.bones.index("DEF-head")
    distance[:, head] = 0.016
    distance[:, fit.bones.index("DEF-jaw_master")] = 0.020
    weights = np.zeros_like(distance)
    keys = list(fit.matrices)
    loud = np.array([np.sqrt((skin.shapes[k] ** 2).sum(1).mean()) for k in keys])
    even = (1.0 / (loud + 3e-4))[None, :, None, None]  # faint keys count too
    even = even / even.mean()
    for chunk in np.array_split(np.arange(len(points)), max(len(points) // 1500, 1)):
        pick = np.argsort(distance[chunk], axis=1)[:, :candidates]
        start = np.exp(-((np.take_along_axis(distance[chunk], pick, 1) / near) ** 2)) + 1e-5
        start /= start.sum(1, keepdims=True)
        at = np.c_[points[chunk], np.ones(len(chunk))]
        moves = np.stack(
            [
                np.einsum("vbij,vj->vbi", fit.matrices[k][pick][:, :, :3], at) - at[:, None, :3]
                for k in keys
            ],
            1,
        )
        wanted = np.stack([skin.shapes[k][chunk] for k in keys], 1)
        moves, wanted = moves * even, wanted * even[:, :, 0]
        gram = np.einsum("vkbi,vkci->vbc", moves, moves)
        pull = np.einsum("vkbi,vki->vb", moves, wanted)
        weights[chunk[:, None], pick] = _fit_rows(start, gram, pull, steps)
    flip = flip_map(skin.vertices)
    partner = [fit.bones.index(_flip_name(b)) for b in fit.bones]
    weights = 0.5 * (weights + weights[flip][:, partner])
    return _smooth_rows(skin.faces, weights)


def _fit_rows(start, gram, pull, steps: int) -> np.ndarray:
    """Exponentiated gradient from `start`: rows stay non-negative and sum to 1."""
    w = start.copy()
    scale = 1.0 / (np.trace(gram, axis1=1, axis2=2) + 2e-5)[:, None]
    for _ in range(steps):
        slope = np.einsum("vbc,vc->vb", gram, w) - pull
        slope -= (slope * w).sum(1, keepdims=True)
        w *= np.exp(np.clip(-8.0 * slope * scale, -1, 1))
        w /= w.sum(1, keepdims=True)
    return w


def _smooth_rows(faces, weights, times: int = 5) -> np.ndarray:
    out = np.zeros_like(weights)
    used = np.flatnonzero(weights.max(0) > 0.01)
    everywhere = np.ones(len(weights))
    for i in range(0, len(used), 3):
        block = used[i : i + 3]
        field = np.zeros((len(weights), 3))
        field[:, : len(block)] = weights[:, block]
        out[:, block] = relax(faces, field, everywhere, times)[:, : len(block)]
    return out / out.sum(1, keepdims=True)


def _flip_name(bone: str) -> str:
    if ".L" in bone:
        return bone.replace(".L", ".R")
    return bone.replace(".R", ".L")


def part_weights(part: Part, skin: Part, skin_weights, face: FaceRig, fit: KeyFit,
                 offset: np.ndarray) -> np.ndarray:  # fmt: skip
    """(N, B) weights of any part: skin by the fit, lashes and brows as the skin under them, teeth
    rigid, the tongue by distance to its bones."""
    if part.kind == SKIN:
        return skin_weights
    if part.kind in (LASH, BROW):
        return _nearest_rows(part.vertices, skin, skin_weights)
    out = np.zeros((len(part.vertices), len(fit.bones)))
    if part.kind == TEETH:
        upper = part.vertices[:, 2].mean() > skin.extra["mouth_z"]
        out[:, fit.bones.index("DEF-teeth.T" if upper else "DEF-teeth.B")] = 1.0
        return out
    for i, bone in enumerate(fit.bones):
        if bone.startswith("DEF-tongue"):
            gap = _segment_distance(part.vertices + offset, face.lines[bone])
            out[:, i] = np.exp(-((gap / 0.012) ** 2)) + 1e-9
    return out / out.sum(1, keepdims=True)


def _nearest_rows(points, skin: Part, weights) -> np.ndarray:
    from mathutils.kdtree import KDTree

    outer = _outer(skin)
    tree = KDTree(len(outer))
    for i in outer:
        tree.insert(skin.vertices[i], int(i))
    tree.balance()
    rows = []
    for p in points:
        found = tree.find_n(p, 4)
        share = np.array([1.0 / (d + 5e-4) for _, _, d in found])
        rows.append((weights[[i for _, i, _ in found]] * share[:, None]).sum(0) / share.sum())
    return np.array(rows)


TIE = 1e-5
"""Weights that differ by less are as large; ten times what differs from run to run."""


def leaning(bones, points: np.ndarray, right: tuple[int, ...]) -> np.ndarray:
    """(N, B) which of two bones as near to a point (N, 3) goes first: on the midline the left one,
    of the points that are numbered in `right` the right one. Rigify's sums differ from run to run
    in their last bits, and these would decide."""
    side = np.array([float(".L" in bone) - float(".R" in bone) for bone in bones])
    way = np.where(np.isin(np.arange(len(points)), right), -1.0, 1.0)
    return TIE * np.outer(way * (np.abs(points[:, 0]) < 1e-6), side)


def prune(
    weights: np.ndarray, first: np.ndarray | float = 0.0, most: int = 4, steps: int = 32
) -> np.ndarray:
    """At most `most` bones a vertex, in `steps` steps, rows still summing to 1. first: see
    `leaning`."""
    order = np.argsort(-(weights + first), axis=1, kind="stable")[:, :most]
    kept = np.zeros_like(weights)
    np.put_along_axis(kept, order, np.take_along_axis(weights, order, 1), 1)
    kept[kept < 0.02] = 0.0
    kept = np.round(kept / kept.sum(1, keepdims=True) * steps)
    kept[np.arange(len(kept)), order[:, 0]] += steps - kept.sum(1)
    return kept / steps


# --- correctives -------------------------------------------------------------------------------


def skinned(points: np.ndarray, weights: np.ndarray, matrices: np.ndarray):
    """Linear blend skinning: (N, 3) posed points and the (N, 3, 3) blended linear parts."""
    blended = np.einsum("nb,bij->nij", weights, matrices[:, :3])
    posed = np.einsum("nij,nj->ni", blended[:, :, :3], points) + blended[:, :, 3]
    return posed, blended[:, :, :3]


def correctives(part: Part, weights: np.ndarray, fit: KeyFit, offset: np.ndarray,
                jaw_with_lock: np.ndarray) -> dict[str, np.ndarray]:  # fmt: skip
    """Key -> (N, 3) rest-space displacement that the bones of that key's pose lack.

    jaw_with_lock: (B, 4, 4) transforms with the jaw fully open and the mouth locked, for
    `mouthClose`, which means nothing without an open jaw.
    """
    points = part.vertices + offset
    if part.kind == TEETH:  # the bones carry them, but neither part nor bare them
        return {key: part.shapes[key] for key in OWN if key in part.shapes}
    out = {}
    for key, matrices in fit.matrices.items():
        wanted = part.shapes.get(key)
        if wanted is None:
            wanted = np.zeros_like(points)
        if key == "mouthClose":
            continue
        posed, linear = skinned(points, weights, matrices)
        out[key] = np.linalg.solve(linear, (points + wanted - posed)[..., None])[..., 0]
    both = part.shapes.get("jawOpen", 0.0) + part.shapes.get("mouthClose", np.zeros_like(points))
    posed, linear = skinned(points + out["jawOpen"], weights, jaw_with_lock)
    out["mouthClose"] = np.linalg.solve(linear, (points + both - posed)[..., None])[..., 0]
    return _symmetric(part, {k: _mended(part, field) for k, field in out.items()})


TAIL = 5e-4
"""What correctives lose everywhere but on the lips, metres."""


def _mended(part: Part, field: np.ndarray) -> np.ndarray:
    """(N, 3) the corrective without its faint surroundings. On lips all of it is kept, in advance
    also what keys lose (`head.STILL`): half a millimetre that bones lack is a cleft there."""
    lips = np.clip(2.0 * part.extra["lips"][:, :1], 0.0, 1.0) if part.kind == SKIN else 0.0
    if np.linalg.norm(field * lips, axis=1).max() < TAIL:
        return without_tails(field, TAIL)
    return without_tails(field, TAIL - (TAIL + STILL) * lips)


def _symmetric(part: Part, fields: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Make right keys the mirror images of the left ones, central ones even (skin only)."""
    if part.kind != SKIN:
        return fields
    flip, turn = flip_map(part.vertices), np.array([-1.0, 1.0, 1.0])
    out = dict(fields)
    for key, field in fields.items():
        if key.endswith("Left") and key[:-4] + "Right" in fields:
            out[key[:-4] + "Right"] = field[flip] * turn
        elif not key.endswith("Right"):
            out[key] = 0.5 * (field + field[flip] * turn)
    return out
