"""The relations of a face: distances between its own points, the same for an actor and a character.

EMOCA (Danecek et al. 2022, 4, eq. 5) asks that the distances between pairs of keypoints (lids,
lips, mouth corners) agree, not the places of the points: a difference of two points does not change
with where a face is, nor with what a build adds to both. Here they are widened to what performances
need, and each is a *linear* measure of the points in the face's own frame (x to the subject's
left, y up, z out of the face, in eye distances), so that a character's response passes through them
and stays what it is. This file knows neither controls nor time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..characters.response import POINTS, PROBES
from ..track import FaceTrack
from ..tracking.registration import similarity_3d
from ..vocabulary import LANDMARKS

SIDES = ("left", "right")

_AXIS = {"x": 0, "y": 1, "z": 2}
_LIP_INNER = {"left": ("3", "1"), "middle": ("2", "2"), "right": ("1", "3")}  # top, bottom
_LIP_OUTER = {"left": ("5", "1"), "right": ("1", "5")}
_BROW = {
    "left": {"inner": "1", "middle": "3", "outer": "5"},
    "right": {"inner": "5", "middle": "3", "outer": "1"},
}


@dataclass(frozen=True)
class Relation:
    """One measure. plus, minus: ((axis, point), ...), the mean of the first less that of the
    second; region: as a control's; size: what it is scaled by (see SIZES)."""

    plus: tuple[tuple[str, str], ...]
    minus: tuple[tuple[str, str], ...] = ()
    region: str = "mouth"
    size: str = "mouth"


def _of(axis: str, *points: str) -> tuple[tuple[str, str], ...]:
    return tuple((axis, p) for p in points)


def _up(plus, minus=()) -> Relation:
    return Relation(plus, minus, "mouth", "lower_face")


def _mouth() -> dict[str, Relation]:
    out = {}
    corners = ("mouth_left_corner", "mouth_right_corner")
    middle = ("lip_top_outer_3", "lip_bottom_outer_3")
    for place, (top, bottom) in _LIP_INNER.items():
        upper, lower = f"lip_top_inner_{top}", f"lip_bottom_inner_{bottom}"
        out[f"lip_gap_{place}"] = _up(_of("y", upper), _of("y", lower))
        out[f"upper_lip_{place}"] = _up(_of("y", upper))
        out[f"lower_lip_{place}"] = _up(_of("y", lower))
    for side, (top, bottom) in _LIP_OUTER.items():
        upper, lower = f"lip_top_outer_{top}", f"lip_bottom_outer_{bottom}"
        out[f"mouth_outline_{side}"] = _up(_of("y", upper), _of("y", lower))
        corner = _of("y", f"mouth_{side}_corner")
        out[f"mouth_corner_{side}"] = _up(corner)
        out[f"mouth_bend_{side}"] = _up(corner, _of("y", *middle))
    return out | {
        "mouth_width": Relation(_of("x", corners[0]), _of("x", corners[1])),
        "mouth_side": Relation(_of("x", *corners, *middle)),
        "upper_lip_full": Relation(_of("y", "lip_top_outer_3"), _of("y", "lip_top_inner_2")),
        "lower_lip_full": Relation(_of("y", "lip_bottom_inner_2"), _of("y", "lip_bottom_outer_3")),
        "upper_lip_forward": Relation(_of("z", "lip_top_outer_3", "lip_top_inner_2")),
        "lower_lip_forward": Relation(_of("z", "lip_bottom_outer_3", "lip_bottom_inner_2")),
        "mouth_corners_forward": Relation(_of("z", *corners)),
        "jaw_height": Relation(_of("y", "chin"), (), "jaw", "lower_face"),
        "jaw_side": Relation(_of("x", "chin"), region="jaw"),
        "jaw_forward": Relation(_of("z", "chin"), region="jaw"),
    }


def _eyes() -> dict[str, Relation]:
    out = {}
    for side in SIDES:
        upper = _of("y", f"eye_{side}_top_1", f"eye_{side}_top_2")
        lower = _of("y", f"eye_{side}_bottom_1", f"eye_{side}_bottom_2")
        out[f"lid_gap_{side}"] = Relation(upper, lower, "eye", "eye")
        out[f"lower_lid_{side}"] = Relation(lower, (), "eye", "eye")
        whole = _of("y", *(f"brow_{side}_{i}" for i in range(1, 6)))
        out[f"brow_height_{side}"] = Relation(whole, (), "brow", "brow")
        for place, number in _BROW[side].items():
            brow = _of("y", f"brow_{side}_{number}")
            out[f"brow_{place}_{side}"] = Relation(brow, (), "brow", "brow")
    inner = _of("x", "brow_left_1"), _of("x", "brow_right_5")
    return out | {"brow_apart": Relation(*inner, "brow", "brow")}


def _rest() -> dict[str, Relation]:
    out = {}
    for side in SIDES:
        wing = _of("y", f"nostril_{side}_outer", f"nostril_{side}_inner")
        out[f"nostril_{side}"] = Relation(wing, (), "nose", "nose")
        out[f"cheek_{side}"] = Relation(_of("y", f"cheek_{side}"), (), "cheek", "mouth")
        out[f"cheekbone_{side}"] = Relation(_of("y", f"cheekbone_{side}"), (), "cheek", "mouth")
    wings = _of("x", "nostril_left_outer"), _of("x", "nostril_right_outer")
    return out | {"nose_width": Relation(*wings, "nose", "nose")}


RELATIONS = {**_mouth(), **_eyes(), **_rest()}
"""All relations by name, in the order of every vector of them."""

NAMES = tuple(RELATIONS)
INDEX = {name: i for i, name in enumerate(NAMES)}
LIP_GAPS = [INDEX[f"lip_gap_{p}"] for p in _LIP_INNER]
LID_GAPS = [INDEX[f"lid_gap_{s}"] for s in SIDES]
UPPER_LIP, LOWER_LIP = ([INDEX[f"{lip}_lip_{p}"] for p in _LIP_INNER] for lip in ("upper", "lower"))
FORWARD = [INDEX[f"{lip}_lip_forward"] for lip in ("upper", "lower")]
JAW, WIDTH, APART = INDEX["jaw_height"], INDEX["mouth_width"], INDEX["brow_apart"]

SIZES = ("mouth", "lower_face", "eye", "brow", "nose")
"""What a character's proportions are compared by: the mouth's width; for what lips and jaw do up
and down, the mean (geometric) of that and of the height from nose to chin, since a wide mouth opens
more, and one with little room below the nose less; the eyes' opening, the brows' height over the
eyes, the nose's width; all of the neutral face."""


def relation_weights() -> np.ndarray:
    """(K, P * 3) the linear measures of the points, for `ResponseModel.through`."""
    out = np.zeros((len(NAMES), len(POINTS), 3))
    for row, relation in enumerate(RELATIONS.values()):
        for sign, terms in ((1.0, relation.plus), (-1.0, relation.minus)):
            for axis, point in terms:
                out[row, POINTS.index(point), _AXIS[axis]] += sign / len(terms)
    return out.reshape(len(NAMES), -1)


def seam_weights() -> np.ndarray:
    """(1, P * 3) likewise: how much further aside the lower lip lies than the upper one."""
    out = np.zeros((len(POINTS), 3))
    for top, bottom in _LIP_INNER.values():
        out[POINTS.index(f"lip_top_inner_{top}"), 0] -= 1.0 / len(_LIP_INNER)
        out[POINTS.index(f"lip_bottom_inner_{bottom}"), 0] += 1.0 / len(_LIP_INNER)
    return out.reshape(1, -1)


def measure(points: np.ndarray) -> np.ndarray:
    """(N, K) the relations of points (N, P, 3) in a face's own frame."""
    points = np.asarray(points, float)
    return points.reshape(len(points), -1) @ relation_weights().T


def neutral_sizes(neutral: np.ndarray) -> np.ndarray:
    """(5,) the SIZES of a face whose neutral relations (K,) these are, in eye distances."""
    brows, wings = ([INDEX[f"{n}_{s}"] for s in SIDES] for n in ("brow_middle", "nostril"))
    width = max(neutral[INDEX["mouth_width"]], 0.0)
    below = max(neutral[wings].mean() - neutral[INDEX["jaw_height"]], 0.0)
    return np.array(
        [
            width,
            np.sqrt(width * below),
            neutral[LID_GAPS].mean(),
            neutral[brows].mean(),
            neutral[INDEX["nose_width"]],
        ]
    )


def by_size(values: np.ndarray) -> np.ndarray:
    """(K,) for each relation the one of five values that its size has."""
    return np.array([values[SIZES.index(r.size)] for r in RELATIONS.values()])


# --- an actor's points ---------------------------------------------------------------------------

_CHOSEN = [*LANDMARKS.values(), *(mesh for _, mesh in PROBES.values())]
# What no expression moves: the eyes' corners, the bridge and tip of the nose, temples, forehead.
_FIRM = np.array([33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 127, 356, 10, 109, 338, 234, 454])
_FIRM_ROUNDS = 2
_EYE_ENDS = np.array([[362, 263], [33, 133]])


def actor_points(track: FaceTrack) -> np.ndarray:
    """(N, P, 3) the actor's points in the face's own frame, the head's motion taken out.

    The rotation is `head_pose`'s at first; what its noise leaves is taken out by laying the firm
    points of each frame over their mean. Rows of frames without a face don't matter.
    """
    if not track.meta.get("stills"):
        return FaceFrame.of(track).points(track.landmarks, track.head_pose)
    mesh = _levelled(track.landmarks, track.head_pose)
    found = track.found if track.found.any() else np.ones(len(track), bool)
    origin, apart = _eyes(mesh)
    if len(mesh) > 1:
        apart = np.full(len(mesh), np.median(apart[found]))
    return (mesh[:, _CHOSEN] - origin) / np.maximum(apart, 1e-9)[:, None, None]


def own_points(meshes: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """(N, P, 3) the points of meshes (N, 478, 3) that are turned as the face's own frame is, beside
    the same face at rest (478, 3), whose eyes are its origin and measure."""
    origin, apart = _eyes(rest[None])
    return (meshes[:, _CHOSEN] - origin) / max(float(apart[0]), 1e-9)


@dataclass(frozen=True)
class FaceFrame:
    """The frame of one actor's own face, as a clip has shown it.

    firm (17, 3): the firm points; origin (3,): between the eyes; apart: the eyes' distance; all in
    the size of the firm points.
    """

    firm: np.ndarray
    origin: np.ndarray
    apart: float

    @staticmethod
    def of(track: FaceTrack) -> FaceFrame:
        """From all frames of a clip that show the face."""
        mesh = _levelled(track.landmarks, track.head_pose)
        if track.found.any():
            mesh = mesh[track.found]
        for _ in range(_FIRM_ROUNDS):
            firm = np.median(mesh[:, _FIRM], axis=0)
            mesh = _laid_over(mesh, firm)
        origin, apart = _eyes(mesh)
        # The eyes' corners give a little with the lids: brows must not seem to move in a blink.
        return FaceFrame(firm, np.median(origin, axis=0)[0], float(np.median(apart)))

    def points(self, landmarks: np.ndarray, head_pose: np.ndarray) -> np.ndarray:
        """(N, P, 3) the points of frames with landmarks (N, 478, 3) and poses (N, 4, 4)."""
        return self.mesh(landmarks, head_pose)[:, _CHOSEN]

    def mesh(self, landmarks: np.ndarray, head_pose: np.ndarray) -> np.ndarray:
        """(N, 478, 3) the whole mesh of such frames."""
        mesh = _laid_over(_levelled(landmarks, head_pose), self.firm)
        return (mesh - self.origin) / max(self.apart, 1e-9)

    def size(self, landmarks: np.ndarray) -> np.ndarray:
        """(N,) the eyes' distance in pixels in frames with landmarks (N, 478, 3), by the firm
        points."""
        own = float(_size(self.firm[None])[0])
        return self.apart * _size(landmarks[:, _FIRM].astype(float)) / max(own, 1e-9)


def _levelled(landmarks: np.ndarray, head_pose: np.ndarray) -> np.ndarray:
    """Meshes (N, 478, 3) with the head's turn taken out, alike in size."""
    mesh = landmarks.astype(float) * (1.0, -1.0, -1.0)
    rotation = head_pose[:, :3, :3].astype(float)
    rotation /= np.cbrt(np.maximum(np.linalg.det(rotation), 1e-9))[:, None, None]
    mesh = (mesh - mesh[:, _FIRM].mean(1, keepdims=True)) @ rotation
    return mesh / np.maximum(_size(mesh[:, _FIRM]), 1e-9)[:, None, None]


def _size(points: np.ndarray) -> np.ndarray:
    """(N,) how far points (N, P, 3) lie from their middle, all together."""
    centred = points - points.mean(1, keepdims=True)
    return np.sqrt((centred**2).sum((1, 2)))


def _laid_over(mesh: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Meshes (N, 478, 3) turned and scaled so that their firm points lie nearest the goal's."""
    firm = mesh[:, _FIRM]
    middle = firm.mean(1, keepdims=True)
    firm, goal_middle = firm - middle, goal.mean(0)
    turn, scale = similarity_3d(firm, goal - goal_middle)
    return scale[:, None, None] * ((mesh - middle) @ turn) + goal_middle


def _eyes(mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 1, 3) the places between the eyes, (N,) the eyes' distances."""
    centres = mesh[:, _EYE_ENDS].mean(2)
    return centres.mean(1, keepdims=True), np.linalg.norm(centres[:, 0] - centres[:, 1], axis=1)
