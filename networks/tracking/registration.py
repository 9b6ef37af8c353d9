"""49 landmarks -> the registered 256x256 face and the geometric features (ExprGen, section 3).

Both are measured on the same 49 points for people and for characters, so they can be compared.
"""

from __future__ import annotations

import numpy as np

from ..vocabulary import GEOMETRIC_FEATURES, LANDMARK_INDEX, LANDMARK_NAMES, REGISTERED_SIZE

FRONTAL_FACE = {
    "brow_right_1": (-0.944, -0.243),
    "brow_right_2": (-0.844, -0.326),
    "brow_right_3": (-0.691, -0.373),
    "brow_right_4": (-0.486, -0.363),
    "brow_right_5": (-0.245, -0.329),
    "brow_left_1": (+0.245, -0.329),
    "brow_left_2": (+0.486, -0.363),
    "brow_left_3": (+0.691, -0.373),
    "brow_left_4": (+0.844, -0.326),
    "brow_left_5": (+0.944, -0.243),
    "nose_bridge_1": (+0.000, -0.052),
    "nose_bridge_2": (+0.000, +0.193),
    "nose_bridge_3": (+0.000, +0.408),
    "nose_tip": (+0.000, +0.541),
    "nostril_right_outer": (-0.299, +0.653),
    "nostril_right_inner": (-0.266, +0.716),
    "nose_base": (+0.000, +0.749),
    "nostril_left_inner": (+0.266, +0.716),
    "nostril_left_outer": (+0.299, +0.653),
    "eye_right_outer": (-0.718, -0.011),
    "eye_right_top_1": (-0.613, -0.070),
    "eye_right_top_2": (-0.455, -0.080),
    "eye_right_inner": (-0.282, +0.011),
    "eye_right_bottom_1": (-0.429, +0.036),
    "eye_right_bottom_2": (-0.589, +0.043),
    "eye_left_inner": (+0.282, +0.011),
    "eye_left_top_1": (+0.455, -0.080),
    "eye_left_top_2": (+0.613, -0.070),
    "eye_left_outer": (+0.718, -0.011),
    "eye_left_bottom_1": (+0.589, +0.043),
    "eye_left_bottom_2": (+0.429, +0.036),
    "mouth_right_corner": (-0.418, +1.140),
    "lip_top_outer_1": (-0.241, +1.034),
    "lip_top_outer_2": (-0.125, +1.004),
    "lip_top_outer_3": (+0.000, +1.026),
    "lip_top_outer_4": (+0.125, +1.004),
    "lip_top_outer_5": (+0.241, +1.034),
    "mouth_left_corner": (+0.418, +1.140),
    "lip_bottom_outer_1": (+0.248, +1.301),
    "lip_bottom_outer_2": (+0.133, +1.338),
    "lip_bottom_outer_3": (+0.000, +1.350),
    "lip_bottom_outer_4": (-0.133, +1.338),
    "lip_bottom_outer_5": (-0.248, +1.301),
    "lip_top_inner_1": (-0.103, +1.108),
    "lip_top_inner_2": (+0.000, +1.112),
    "lip_top_inner_3": (+0.103, +1.108),
    "lip_bottom_inner_1": (+0.105, +1.187),
    "lip_bottom_inner_2": (+0.000, +1.193),
    "lip_bottom_inner_3": (-0.105, +1.187),
}
"""The average frontal face: x to the viewer's right, y down, zero between the eyes, in units of the
distance between the eyes' centres (midpoints of their corners). The Procrustes mean of 269 neutral
faces turned by less than 8 degrees, made symmetric."""

EYE_DISTANCE = 88.0  # pixels between the eyes' centres in a registered face
EYE_LINE = 86.0  # pixels from its top; leaves room for raised brows above, an open jaw below

# The affine is solved from what an expression does not move: a fit to all points alike would see an
# open mouth as a long face and squeeze it away. Fitted so, the mean width of a smile came out 3%
# smaller than with these weights. The rest counts a little, to steady the fit on poor landmarks: of
# a dropped jaw three quarters remain, of raised brows five sixths.
ANCHORS = (
    *(f"eye_{side}_{corner}" for side in ("right", "left") for corner in ("inner", "outer")),
    *(f"nostril_{side}_{edge}" for side in ("right", "left") for edge in ("inner", "outer")),
    "nose_bridge_1",
    "nose_base",
)
OTHERS_WEIGHT = 0.05
# How strongly the affine is held to a similarity (0: free; 1: as strongly as the anchors pull). An
# affine undoes the foreshortening of a turned head, which spreads brow and mouth features; but a
# free one also stretches with every error of the anchors, up to 1.8:1.
STIFFNESS = 0.3

_TEMPLATE = np.array([FRONTAL_FACE[n] for n in LANDMARK_NAMES]) * EYE_DISTANCE + np.array(
    [REGISTERED_SIZE / 2, EYE_LINE]
)
_WEIGHTS = np.array([1.0 if n in ANCHORS else OTHERS_WEIGHT for n in LANDMARK_NAMES])
_WEIGHTS /= _WEIGHTS.sum()


def average_face() -> np.ndarray:
    """(49, 2) float64: the average frontal face in pixels of a registered picture."""
    return _TEMPLATE.copy()


def registering_affine(landmarks: np.ndarray) -> np.ndarray:
    """The affine (2, 3) from picture pixels to registered pixels.

    A weighted least-squares similarity to the average frontal face, then the affine correction that
    minimises sum w |A p - t|^2 + STIFFNESS |A - similarity|^2.

    Args:
        landmarks: (49, 2) pixels, in the order of LANDMARK_NAMES.
    """
    points = np.asarray(landmarks, float)
    middle, goal = _WEIGHTS @ points, _WEIGHTS @ _TEMPLATE
    similarity = _similarity(points - middle, _TEMPLATE - goal)
    turned = (points - middle) @ similarity.T
    weighted = turned.T * _WEIGHTS
    gram = weighted @ turned
    gram += STIFFNESS * np.trace(gram) / 2 * np.eye(2)
    change = np.linalg.solve(gram, weighted @ (_TEMPLATE - goal - turned)).T
    matrix = (np.eye(2) + change) @ similarity
    return np.column_stack([matrix, goal - matrix @ middle])


def overlaying_affine(points: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The turn, scale and shift (2, 3) that lay one face's landmarks over another's, the firm parts
    of the face before the others.

    Args:
        points, goal: (49, 2) in the order of LANDMARK_NAMES, both with y up or both with y down.
    """
    middle, there = _WEIGHTS @ points, _WEIGHTS @ goal
    matrix = _similarity(points - middle, goal - there)
    return np.column_stack([matrix, there - matrix @ middle])


def centred_affine(width: int, height: int) -> np.ndarray:
    """The affine (2, 3) that shows the middle square of a picture: for faces without landmarks."""
    side = min(width, height)
    scale = REGISTERED_SIZE / side
    shift_x, shift_y = (scale - 1) / 2, (scale - 1) / 2  # pixel centres, not corners
    return np.array(
        [
            [scale, 0.0, shift_x - scale * (width - side) / 2],
            [0.0, scale, shift_y - scale * (height - side) / 2],
        ]
    )


def apply_affine(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (..., 2) moved by an affine (2, 3)."""
    return np.asarray(points) @ affine[:, :2].T + affine[:, 2]


def warp_face(picture: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The registered face: (256, 256) uint8, grey.

    Grey, because the faces that the networks learn from are grey. What lies outside the picture
    repeats its edge, so that a tight crop does not show a frame that the networks could read.

    Args:
        picture: (H, W, 3) RGB or (H, W) grey, uint8.
        affine: (2, 3) picture pixels -> registered pixels.
    """
    return warp_cut(*cut_face(picture, affine))


def cut_face(picture: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(what `warp_cut` needs of a picture: grey uint8, a few hundred pixels wide, the affine (2, 3)
    from there); arguments as of `warp_face`."""
    import cv2  # here: the features are also measured in Blender's process, which lacks it

    part, affine = _around_face(picture, np.asarray(affine, float))
    if part.ndim == 3:
        part = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY)
    scale = np.sqrt(abs(np.linalg.det(affine[:, :2])))
    if scale < 0.5:  # bilinear sampling would skip pixels: shrink by areas first
        small = [max(1, round(n * scale * 1.5)) for n in part.shape[1::-1]]
        ratio = np.array(part.shape[1::-1]) / small
        part = cv2.resize(part, small, interpolation=cv2.INTER_AREA)
        shift = (ratio - 1) / 2
        affine = np.column_stack([affine[:, :2] * ratio, affine[:, :2] @ shift + affine[:, 2]])
    return part, affine


def warp_cut(part: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The registered face (256, 256) uint8 of what `cut_face` gives."""
    import cv2

    size = (REGISTERED_SIZE, REGISTERED_SIZE)
    return cv2.warpAffine(
        part, affine, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def register(picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The registered face (256, 256) uint8 of a picture, from 49 landmarks (49, 2) in pixels."""
    return warp_face(picture, registering_affine(landmarks))


def geometric_features(landmarks: np.ndarray) -> np.ndarray:
    """The nine geometric features of ExprGen, section 3, in the order of GEOMETRIC_FEATURES.

    Measured along the axes of a frame in which the line between the eyes' centres is level, so they
    do not change with scale, shift or in-plane rotation. Vertical distances are fractions of the
    height, horizontal ones of the width of the box around the 49 points in that frame.

    - brow_height: vertical, the eye's centre (midpoint of its corners, which lids don't move)
      to the highest of the five brow points; positive upwards.
    - lid_height: vertical, mean of the two lower to mean of the two upper lid points.
    - nose_width: horizontal, leftmost to rightmost of the five nostril and base points.
    - mouth_width: horizontal, mouth corner to mouth corner.
    - closed_mouth: vertical, middle of the upper to middle of the lower inner lip; 0 when closed.
    - lip_height: vertical, mean of the two lower lid points down to the mouth corner of that side.

    Args:
        landmarks: (..., 49, 2), any unit, x to the viewer's right, y down.

    Returns:
        (..., 9) float32.
    """
    points = _level(np.asarray(landmarks, float))
    x, y = points[..., 0], points[..., 1]
    width = np.maximum(np.ptp(x, axis=-1), 1e-9)
    height = np.maximum(np.ptp(y, axis=-1), 1e-9)
    across = {
        "nose_width": np.ptp(x[..., _NOSTRILS], axis=-1),
        "mouth_width": np.abs(x[..., _MOUTH["left"]] - x[..., _MOUTH["right"]]),
    }
    along = {"closed_mouth": y[..., _INNER_LIPS[1]] - y[..., _INNER_LIPS[0]]}
    for side in ("left", "right"):
        lower = y[..., _LOWER_LID[side]].mean(-1)
        along[f"brow_height_{side}"] = y[..., _CORNERS[side]].mean(-1) - y[..., _BROW[side]].min(-1)
        along[f"lid_height_{side}"] = lower - y[..., _UPPER_LID[side]].mean(-1)
        along[f"lip_height_{side}"] = y[..., _MOUTH[side]] - lower
    values = {k: v / width for k, v in across.items()} | {k: v / height for k, v in along.items()}
    return np.stack([values[name] for name in GEOMETRIC_FEATURES], axis=-1).astype(np.float32)


def _indices(*names: str) -> list[int]:
    return [LANDMARK_INDEX[name] for name in names]


_SIDES = ("left", "right")
_BROW = {s: _indices(*(f"brow_{s}_{i}" for i in range(1, 6))) for s in _SIDES}
_CORNERS = {s: _indices(f"eye_{s}_inner", f"eye_{s}_outer") for s in _SIDES}
_UPPER_LID = {s: _indices(f"eye_{s}_top_1", f"eye_{s}_top_2") for s in _SIDES}
_LOWER_LID = {s: _indices(f"eye_{s}_bottom_1", f"eye_{s}_bottom_2") for s in _SIDES}
_MOUTH = {s: LANDMARK_INDEX[f"mouth_{s}_corner"] for s in _SIDES}
_INNER_LIPS = _indices("lip_top_inner_2", "lip_bottom_inner_2")
_NOSTRILS = _indices(
    "nostril_right_outer", "nostril_right_inner", "nose_base",
    "nostril_left_inner", "nostril_left_outer",
)  # fmt: skip


def _level(points: np.ndarray) -> np.ndarray:
    """Points (..., 49, 2) turned so that the line between the eyes' centres is level."""
    right = points[..., _CORNERS["right"], :].mean(-2)
    left = points[..., _CORNERS["left"], :].mean(-2)
    line = left - right
    length = np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-9)
    cos, sin = np.moveaxis(line / length, -1, 0)[..., None]
    x, y = points[..., 0], points[..., 1]
    return np.stack([cos * x + sin * y, cos * y - sin * x], axis=-1)


def _similarity(points: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The (2, 2) rotation and scale that take centred points to a centred goal (weighted)."""
    spread = max(float((_WEIGHTS[:, None] * points**2).sum()), 1e-9)
    cos = (_WEIGHTS[:, None] * points * goal).sum() / spread
    sin = (_WEIGHTS * (points[:, 0] * goal[:, 1] - points[:, 1] * goal[:, 0])).sum() / spread
    return np.array([[cos, -sin], [sin, cos]])


def _around_face(picture: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of the picture that the registered face shows, and the affine from there."""
    side = REGISTERED_SIZE
    corners = np.array([[0, 0], [side, 0], [0, side], [side, side]], float)
    there = (corners - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T
    limit = np.array(picture.shape[1::-1])
    low = np.clip(np.floor(there.min(0)).astype(int) - 2, 0, limit - 1)
    high = np.clip(np.ceil(there.max(0)).astype(int) + 3, low + 1, limit)
    part = picture[low[1] : high[1], low[0] : high[0]]
    return part, np.column_stack([affine[:, :2], affine[:, :2] @ low + affine[:, 2]])


def similarity_3d(points: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (N, 3, 3) and scales (N,) that lay points (N, L, 3) on a goal (L, 3), both about
    their middles, by least squares (Kabsch 1976, Umeyama 1991): scale * (points @ rotation)."""
    u, s, vt = np.linalg.svd(np.einsum("nki,kj->nij", points, goal))
    flip = np.ones((len(points), 3))
    flip[:, 2] = np.sign(np.linalg.det(u @ vt))
    turn = (u * flip[:, None]) @ vt
    scale = (s * flip).sum(1) / np.maximum((points**2).sum((1, 2)), 1e-12)
    return turn, scale


def rotations_of(poses: np.ndarray) -> np.ndarray:
    """(N, 3, 3) how heads are turned by their poses (N, 4, 4), which scale them too."""
    turns = np.asarray(poses, float)[:, :3, :3]
    return turns / np.cbrt(np.linalg.det(turns))[:, None, None]
