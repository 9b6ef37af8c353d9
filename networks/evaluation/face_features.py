"""Features of a face over time, on named landmarks in its own frame, in eye distances.

The same for an actor, a made face and a posed character. It must not know how they are solved.
"""

from __future__ import annotations

import numpy as np

from ..footage.truth import ClipTruth
from ..track import FaceTrack
from ..tracking.registration import rotations_of
from ..vocabulary import LANDMARK_NAMES, LANDMARKS

POINTS = (*LANDMARK_NAMES, "chin")
"""The points that are measured: the 49 landmarks and the middle of the chin's front."""
CHIN = 199
"""MediaPipe's mesh point of the chin."""
CHIN_DROP = 1.8
"""How far a character's chin is looked for below the nose, in heights of the lower lip's edge below
it: 1.4 to 1.7 on filmed people; a little lower, where lips don't pull at it."""
EYE_TO_MOUTH = 1.1
"""Height of the eyes over the mouth in eye distances: the median of filmed people."""
ONE_EYE = 0.3
"""Inner corners of the eyes nearer than this, in distances of the eyes, are one eye's middle."""
_INDEX = {name: i for i, name in enumerate(POINTS)}
_OUTLINE = [
    "mouth_right_corner",
    *(f"lip_top_outer_{k}" for k in range(1, 6)),
    "mouth_left_corner",
    *(f"lip_bottom_outer_{k}" for k in range(1, 6)),
]
_TOP = [f"lip_top_inner_{k}" for k in (1, 2, 3)]
_BOTTOM = [f"lip_bottom_inner_{k}" for k in (1, 2, 3)]
_STEADY = (
    *(f"eye_{side}_{corner}" for side in ("left", "right") for corner in ("inner", "outer")),
    "nose_bridge_1",
    "nose_bridge_2",
)
# Of each brow the two points nearer the nose and the two nearer the temple.
_BROW_ENDS = {
    "brow_inner_left": ("brow_left_1", "brow_left_2"),
    "brow_outer_left": ("brow_left_4", "brow_left_5"),
    "brow_inner_right": ("brow_right_4", "brow_right_5"),
    "brow_outer_right": ("brow_right_1", "brow_right_2"),
}


def actor_points(track: FaceTrack) -> np.ndarray:
    """(N, 50, 3) POINTS of the actor, the head's turn taken out: x to the subject's own left, y up,
    z out of the face; in pixels, from the middle of `_STEADY`, what of a face moves least."""
    mesh = [*LANDMARKS.values(), CHIN]
    points = np.asarray(track.landmarks[:, mesh], float) * (1.0, -1.0, -1.0)
    return (points - _mean(points, *_STEADY)[:, None]) @ rotations_of(track.head_pose)


def true_points(truth: ClipTruth, times: np.ndarray) -> np.ndarray:
    """(N, 50, 3) true POINTS at these moments, seconds; between two frames on the straight way."""
    points = np.concatenate([truth.landmarks, truth.chin[:, None]], axis=1).astype(float)
    flat = points.reshape(len(points), -1)
    columns = [np.interp(times, truth.times, column) for column in flat.T]
    return np.stack(columns, axis=1).reshape(len(times), *points.shape[1:])


def one_eyed(points: np.ndarray) -> bool:
    """The face (N, 50, 3) has one eye, whose middle stands for the inner corners of two."""
    inner = _mean(points, "eye_left_inner") - _mean(points, "eye_right_inner")
    return bool(_length(inner) < ONE_EYE * _length(_eye(points, "left") - _eye(points, "right")))


def unit(points: np.ndarray) -> float:
    """The length in which a face (N, 50, 3) is measured: the distance of the eyes' middles, the
    median over the frames; for one eye what that would be by the height over the mouth."""
    if one_eyed(points):
        eyes = 0.5 * (_eye(points, "left") + _eye(points, "right"))
        mouth = _mean(points, "mouth_left_corner", "mouth_right_corner")
        return float(np.median(eyes[:, 1] - mouth[:, 1])) / EYE_TO_MOUTH
    return _length(_eye(points, "left") - _eye(points, "right"))


def features(points: np.ndarray, scale: float) -> dict[str, np.ndarray]:
    """Name -> (N,) of each feature of a face (N, 50, 3), as seen from the front.

    All are in eye distances but `roundness`, the outer lips' 4 pi area / perimeter^2: 1 for a
    circle. `gap` and lids are negative where the edges have passed each other. Brows, corners and
    lips are heights in the frame of the skull: over the eyes' corners, which move with the lids, a
    blink lifts brows; that is `brows_over_eyes`.
    `lip_upper` is the height of the upper lip's inner edge, `lip_lower` that of the lower one's
    over the chin, `jaw` how low the chin hangs, `jaw_apart` that less the gap.

    Args:
        scale: the face's eye distance, see `unit`.
    """
    points = points / scale
    top, bottom = _mean(points, *_TOP), _mean(points, *_BOTTOM)
    corners = {s: _mean(points, f"mouth_{s}_corner") for s in ("left", "right")}
    lips = _mean(
        points, "lip_top_outer_3", "lip_top_inner_2", "lip_bottom_inner_2", "lip_bottom_outer_3"
    )
    eyes = 0.5 * (_eye(points, "left") + _eye(points, "right"))
    brows = [n for n in POINTS if n.startswith("brow_")]
    lids = {s: _lid(points, s) for s in ("left", "right")}
    gap = (top - bottom)[:, 1]
    chin = _mean(points, "chin")[:, 1]
    return {
        "gap": gap,
        "width": np.linalg.norm((corners["left"] - corners["right"])[:, :2], axis=1),
        "lids": 0.5 * (lids["left"] + lids["right"]),
        "lid_left": lids["left"],
        "lid_right": lids["right"],
        "brows": _mean(points, *brows)[:, 1],
        "brows_over_eyes": (_mean(points, *brows) - eyes)[:, 1],
        **{name: _mean(points, *ends)[:, 1] for name, ends in _BROW_ENDS.items()},
        **{f"corner_{s}": place[:, 1] for s, place in corners.items()},
        "sideways": lips[:, 0],
        "protrusion": lips[:, 2],
        "roundness": _roundness(points[:, [_INDEX[n] for n in _OUTLINE], :2]),
        "jaw": -chin,
        "jaw_apart": -chin - gap,
        "lip_upper": top[:, 1],
        "lip_lower": bottom[:, 1] - chin,
    }


def _mean(points: np.ndarray, *names: str) -> np.ndarray:
    return points[:, [_INDEX[n] for n in names]].mean(1)


def _eye(points: np.ndarray, side: str) -> np.ndarray:
    return _mean(points, f"eye_{side}_inner", f"eye_{side}_outer")


def _lid(points: np.ndarray, side: str) -> np.ndarray:
    top = _mean(points, f"eye_{side}_top_1", f"eye_{side}_top_2")
    return (top - _mean(points, f"eye_{side}_bottom_1", f"eye_{side}_bottom_2"))[:, 1]


def _length(vectors: np.ndarray) -> float:
    """Median length in the picture of vectors (N, 3)."""
    return float(np.median(np.linalg.norm(vectors[:, :2], axis=1)))


def _roundness(outline: np.ndarray) -> np.ndarray:
    """(N,) 4 pi area / perimeter^2 of polygons (N, K, 2)."""
    following = np.roll(outline, -1, axis=1)
    x, y = outline[..., 0], outline[..., 1]
    area = 0.5 * np.abs((x * following[..., 1] - following[..., 0] * y).sum(1))
    around = np.linalg.norm(following - outline, axis=2).sum(1)
    return 4.0 * np.pi * area / np.maximum(around, 1e-9) ** 2
