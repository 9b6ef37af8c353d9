"""`python -m exprgen.sample_rigs.build.landmark_error PROFILE.json ...`: how well landmarks landed.

Compares a profile's landmarks with those that are known from how the characters are built: the lid
margins run round the eyeballs, the lips part along a seam when the jaw opens, brows are pieces of
their own. Measured on the neutral face as the camera sees it, in shares of the face's width (of the
skin at the height of the eyes, between the cheekbones' sides).
"""

from __future__ import annotations

import sys

import numpy as np

from ...exprgen_addon.characters.landmark_anchors import project, world_vertices
from ...exprgen_addon.studio.face_studio import CED, FaceStudio
from ...exprgen_addon.studio.landmark_finding import open_jaw
from ...networks.characters.profile import RigProfile, find_character
from ...networks.vocabulary import LANDMARK_INDEX
from .stylise import fit_sphere

TOUCHING, PARTED = 0.0016, 0.0012
"""Points of both lips are this near each other at rest, and this much farther apart when the jaw
is open, metres."""


def known_landmarks(studio: FaceStudio) -> tuple[dict[str, np.ndarray], float]:
    """Landmarks known from the meshes, name -> (3,) world space at rest, and the face's width.

    For characters of this folder that have eyeballs `<name>_eye_L` and `_R` and one head mesh
    `<name>_head` whose materials end in `_skin` and `_brow`.
    """
    objects = {o.name: o for o in studio.character.collection.all_objects}
    name = studio.profile.name
    head = objects[f"{name}_head"]
    skin, brow = material_vertices(head, "_skin"), material_vertices(head, "_brow")
    rest = world_vertices(head.evaluated_get(studio.depsgraph))
    known: dict[str, np.ndarray] = {}
    for side, letter, sign in (("left", "L", 1.0), ("right", "R", -1.0)):
        ball = objects[f"{name}_eye_{letter}"]
        centre, radius = fit_sphere(world_vertices(ball.evaluated_get(studio.depsgraph)))
        known |= _eye(rest[skin], centre, radius, side, sign)
        hair = rest[brow][rest[brow][:, 0] * sign > 0]
        known |= _brow(hair, side, sign)
    eye = (known["eye_left_outer"] + known["eye_right_outer"]) / 2
    level = rest[skin][np.abs(rest[skin][:, 2] - eye[2] + 0.01) < 0.006]
    width = float(np.ptp(level[level[:, 1] < eye[1] + 0.03][:, 0]))
    known["nose_tip"] = _nose_tip(rest[skin], eye)
    studio.pose(open_jaw(studio.profile))
    opened = world_vertices(head.evaluated_get(studio.depsgraph))
    studio.pose(np.array([c.rest for c in studio.profile.controls]))
    known |= _lips(rest[skin], opened[skin], known["nose_tip"])
    return known, width


def errors(profile: RigProfile) -> dict[str, float]:
    """Landmark -> distance in the picture from where it is known to be, in face widths."""
    with FaceStudio(profile, CED) as studio:
        known, width = known_landmarks(studio)
        found, matrix = studio.landmarks(), studio.camera_matrix()
        axes = studio.axes()
    out = {}
    for name, place in known.items():
        pixel = project(matrix, place)
        beside = project(matrix, place + axes[0] * width)
        gap = np.linalg.norm(found[LANDMARK_INDEX[name]] - pixel)
        out[name] = float(gap / np.linalg.norm(beside - pixel))
    return out


def material_vertices(head, ending: str) -> np.ndarray:
    """Indices of the head's vertices on faces whose material's name ends so."""
    mesh = head.data
    kinds = [i for i, m in enumerate(mesh.materials) if m.name.split(".")[0].endswith(ending)]
    return np.unique([v for p in mesh.polygons if p.material_index in kinds for v in p.vertices])


def _eye(skin, centre, radius, side: str, sign: float) -> dict[str, np.ndarray]:
    """Corners, and the lids at thirds between them, of the margin around an eyeball."""
    away = skin - centre
    near = (np.linalg.norm(away, axis=1) < 1.45 * radius) & (away[:, 1] < -0.25 * radius)
    points, flat = skin[near], away[near][:, (0, 2)]
    angle, gap = np.arctan2(flat[:, 1], flat[:, 0]), np.linalg.norm(flat, axis=1)
    sector = np.floor((angle + np.pi) / (2 * np.pi) * 28).astype(int)
    margin = np.array(
        [
            points[rows[gap[rows].argmin()]]
            for s in range(28)
            if len(rows := np.flatnonzero(sector == s))
        ]
    )
    order = margin[:, 0] * sign
    inner, outer = margin[order.argmin()], margin[order.argmax()]
    line = np.interp(margin[:, 0] * sign, *_rising(inner, outer, sign))
    out = {f"eye_{side}_inner": inner, f"eye_{side}_outer": outer}
    for row, rows in (("top", margin[:, 2] > line + 1e-4), ("bottom", margin[:, 2] < line - 1e-4)):
        curve = margin[rows][np.argsort(margin[rows][:, 0])]
        # Numbered from the viewer's left in the upper lid, from the right in the lower one.
        shares = (1 / 3, 2 / 3) if row == "top" else (2 / 3, 1 / 3)
        low, high = sorted((inner[0], outer[0]))
        for i, share in enumerate(shares, 1):
            x = low + share * (high - low)
            out[f"eye_{side}_{row}_{i}"] = np.array(
                [x, *(np.interp(x, curve[:, 0], curve[:, k]) for k in (1, 2))]
            )
    return out


def _rising(inner, outer, sign: float):
    return (inner[0] * sign, outer[0] * sign), (inner[2], outer[2])


def _brow(hair, side: str, sign: float) -> dict[str, np.ndarray]:
    """Both ends of a brow: the middle of its outermost and innermost points."""
    order = np.argsort(hair[:, 0] * sign)
    inner, outer = hair[order[:8]].mean(0), hair[order[-8:]].mean(0)
    ends = (inner, outer) if side == "left" else (outer, inner)
    return {f"brow_{side}_1": ends[0], f"brow_{side}_5": ends[1]}


def _nose_tip(skin, eye) -> np.ndarray:
    middle = skin[(np.abs(skin[:, 0]) < 1e-3) & (skin[:, 2] < eye[2] - 0.01)]
    middle = middle[middle[:, 2] > eye[2] - 0.09]
    return middle[middle[:, 1].argmin()]


def _lips(rest, opened, nose) -> dict[str, np.ndarray]:
    """Corners and the middle of the inner lips: where points that touch part with the jaw."""
    near = np.flatnonzero(
        (np.abs(rest[:, 0]) < 0.05) & (rest[:, 2] < nose[2]) & (rest[:, 1] < nose[1] + 0.045)
    )
    upper, lower = parting_pairs(rest[near], opened[near])
    pairs = (rest[near][upper] + rest[near][lower]) / 2
    middle = np.abs(pairs[:, 0]) < 0.003
    front = np.flatnonzero(middle)[pairs[middle][:, 1].argmin()]
    return {
        "mouth_left_corner": pairs[pairs[:, 0].argmax()],
        "mouth_right_corner": pairs[pairs[:, 0].argmin()],
        "lip_top_inner_2": rest[near][upper[front]],
        "lip_bottom_inner_2": rest[near][lower[front]],
    }


def parting_pairs(rest: np.ndarray, opened: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of points (N, 3) that touch at rest and part when the jaw opens: rows of the upper
    lip's, which stay up, and of the lower lip's."""
    gap = np.linalg.norm(rest[:, None] - rest[None], axis=-1)
    moved = opened - rest
    parting = moved[:, None, 2] - moved[None, :, 2]
    return np.nonzero((gap < TOUCHING) & (parting > PARTED))


def main(words: list[str]) -> int:
    """Print a table for the profiles named; returns 0."""
    for word in words:
        found = errors(find_character(word))
        worst = max(found, key=found.get)
        mean = np.mean(list(found.values()))
        print(f"{word}: mean {mean:.2%}, worst {worst} {found[worst]:.2%} of the face's width")
        print("  " + ", ".join(f"{n} {e:.1%}" for n, e in found.items()), flush=True)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    import os

    os._exit(code)  # the bpy module can hang a normal exit
