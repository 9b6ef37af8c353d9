"""Wrinkles: lines on the face with a groove and a ridge, and the actions that bring them out.

Each line is drawn on the face seen from the front, for the subject's left side, in units relative
to landmarks. An action's shape key gets the groove as geometry; the node group darkens it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .stylise import Landmarks, smooth


@dataclass(frozen=True)
class Crease:
    """One family of wrinkle lines.

    width, depth: metres. bulge: (dx, dz) direction of the side that swells. actions: key name
    without side -> amount at full strength. dark: how much it darkens at full strength.
    """

    name: str
    width: float
    depth: float
    bulge: tuple[float, float]
    actions: dict[str, float]
    dark: float = 0.7


CREASES = (
    Crease("nasolabial", 0.0030, 0.0022, (0.9, 0.4),
           {"noseSneer": 0.9, "mouthUpperUp": 0.55, "mouthDimple": 0.1, "nasolabial": 0.6}, 0.62),
    Crease("smile_line", 0.0026, 0.0004, (0.9, 0.3), {"mouthSmile": 0.5, "mouthDimple": 0.3}, 0.16),
    Crease("glabella", 0.0025, 0.0024, (-0.6, 0.0),
           {"browDown": 0.9, "browSqueeze": 0.8, "browInnerDown": 0.5, "noseSneer": 0.15}, 0.8),
    Crease("nose", 0.0018, 0.0013, (0.0, 1.0), {"noseSneer": 1.0}, 0.55),
    Crease("forehead_mid", 0.0026, 0.0013, (0.0, 1.0), {"browInnerUp": 0.9}, 0.6),
    Crease("forehead_side", 0.0026, 0.0011, (0.0, 1.0),
           {"browOuterUp": 0.75, "browMidUp": 0.7, "browTailUp": 0.2}, 0.5),
    Crease("crow", 0.0020, 0.0011, (0.0, 1.0),
           {"cheekSquint": 0.5, "eyeSquint": 0.3, "mouthSmile": 0.25}, 0.45),
    Crease("under_eye", 0.0022, 0.0013, (0.0, -1.0),
           {"cheekSquint": 0.6, "eyeSquint": 0.45, "noseSneer": 0.3}, 0.4),
    Crease("chin", 0.0030, 0.0020, (0.0, -1.0),
           {"mouthShrugLower": 0.9, "mouthFrown": 0.25}, 0.55),
    Crease("corner", 0.0026, 0.0016, (0.9, 0.0),
           {"mouthFrown": 0.8, "mouthStretch": 0.35, "mouthPress": 0.35}, 0.6),
    Crease("cheek_line", 0.0028, 0.0014, (0.9, 0.2),
           {"mouthStretch": 0.5, "mouthDimple": 0.4}, 0.4),
)  # fmt: skip

NAMES = tuple(c.name for c in CREASES)


def crease_lines(m: Landmarks) -> dict[str, list[np.ndarray]]:
    """Crease name -> polylines of (x, z) in metres on the stylised face's left side."""
    r = m.eye_radius
    ex, ez = m.eye[0], m.eye[2]
    wx, wz = m.nose_wing[0], m.nose_wing[2]
    cx, cz = m.corner[0], m.corner[2]
    bx, bz = m.brow[:, 0], m.brow[:, 2]
    chin = m.chin[2]
    mid = lambda a, b, t: a + (b - a) * t  # noqa: E731
    lines = {
        "nasolabial": [
            [(wx + 0.001, wz + 0.007), (wx + 0.006, wz - 0.001), (mid(wx, cx, 0.7) + 0.008,
             mid(wz, cz, 0.55)), (cx + 0.0075, cz + 0.002), (cx + 0.0075, cz - 0.007)]
        ],
        # Drawn where the skin comes from: the smile carries this line up and outwards.
        "smile_line": [
            [(wx + 0.003, wz - 0.004), (mid(wx, cx, 0.75), mid(wz, cz, 0.6)),
             (cx + 0.0035, cz + 0.001), (cx + 0.0045, cz - 0.008)]
        ],
        "glabella": [[(0.0042, bz[0] - 0.013), (0.0052, bz[0] - 0.003), (0.0062, bz[0] + 0.012)]],
        "nose": [
            [(0.001, z0), (0.006, z0 + 0.0015), (0.011, z0 - 0.004)]
            for z0 in (ez - 0.004, ez + 0.0025, ez - 0.0105)
        ],
        "forehead_mid": [
            [(0.0, z0), (bx[0] + 0.004, z0 + 0.0015), (bx[1] - 0.002, z0 - 0.001)]
            for z0 in (bz[1] + 0.016, bz[1] + 0.026)
        ],
        "forehead_side": [
            [(bx[0] + 0.004, z0), (bx[1], z0 + 0.003), (bx[2] - 0.004, z0 - 0.004)]
            for z0 in (bz[1] + 0.014, bz[1] + 0.024)
        ],
        "crow": [
            [(ex + 1.45 * r, ez + 0.004), (ex + 1.80 * r, ez + 0.009)],
            [(ex + 1.45 * r, ez - 0.002), (ex + 1.85 * r, ez - 0.003)],
            [(ex + 1.40 * r, ez - 0.008), (ex + 1.75 * r, ez - 0.014)],
        ],
        "under_eye": [
            [(ex - 0.85 * r, ez - 0.75 * r), (ex - 0.3 * r, ez - 1.02 * r),
             (ex + 0.4 * r, ez - 1.08 * r), (ex + 1.1 * r, ez - 0.85 * r)]
        ],
        "chin": [[(0.0, mid(cz, chin, 0.50)), (0.009, mid(cz, chin, 0.53)),
                  (0.016, mid(cz, chin, 0.62))]],
        "corner": [[(cx + 0.003, cz + 0.001), (cx + 0.006, cz - 0.006), (cx + 0.005, cz - 0.015)]],
        "cheek_line": [[(cx + 0.012, cz + 0.012), (cx + 0.0155, cz + 0.001),
                        (cx + 0.013, cz - 0.012)]],
    }  # fmt: skip
    return {name: [np.array(line) for line in group] for name, group in lines.items()}


def _distance(points: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of (N, 2) points to a polyline, and position along it in [0, 1]."""
    best = np.full(len(points), np.inf)
    along = np.zeros(len(points))
    lengths = np.linalg.norm(np.diff(line, axis=0), axis=1)
    starts = np.r_[0.0, np.cumsum(lengths)]
    for i, length in enumerate(lengths):
        direction = (line[i + 1] - line[i]) / length
        t = np.clip((points - line[i]) @ direction, 0.0, length)
        d = np.linalg.norm(points - line[i] - t[:, None] * direction, axis=1)
        nearer = d < best
        best[nearer] = d[nearer]
        along[nearer] = (starts[i] + t[nearer]) / starts[-1]
    return best, along


def _taper(along: np.ndarray, first_open: bool) -> np.ndarray:
    start = np.ones_like(along) if first_open else smooth(-0.02, 0.22, along)
    return start * smooth(1.02, 0.75, along)


def crease_fields(
    rest: np.ndarray,
    normals: np.ndarray,
    front: np.ndarray,
    marks: Landmarks,
    depth: float,
    breadth: float = 1.0,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Masks and geometry of every crease on the left side.

    Args:
        rest, normals: (N, 3) vertices and unit normals; front: (N,) weight of what faces forward.
        depth, breadth: scale of all depths and widths.
    Returns:
        name -> (N,) mask in [0, 1]; name -> (N, 3) displacement in metres at full strength.
    """
    masks, grooves = {}, {}
    lines = crease_lines(marks)
    points = rest[:, (0, 2)]
    for crease in CREASES:
        width = crease.width * breadth
        mask = np.zeros(len(rest))
        height = np.zeros(len(rest))
        for line in lines[crease.name]:
            d, along = _distance(points, line)
            fade = _taper(along, line[0, 0] <= 0.0) * front
            cut = np.exp(-((d / width) ** 2)) * fade
            shifted = points - 2.3 * width * np.array(crease.bulge)
            swell, _ = _distance(shifted, line)
            bump = np.exp(-((swell / (1.7 * width)) ** 2)) * fade
            mask = np.maximum(mask, cut)
            height += 0.75 * bump - cut
        # Lines that start on the midline belong to both sides by half.
        half = smooth(-0.0015, 0.0015, rest[:, 0])
        masks[crease.name] = mask * half
        grooves[crease.name] = (height * half * crease.depth * depth)[:, None] * normals
    return masks, grooves
