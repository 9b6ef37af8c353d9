"""Where on the model the landmarker's 478 points lie: looked up in pictures of people.

People of the base mesh are rendered from several sides, with the mouth closed and open, and given
to the landmarker. Each point is cast onto the skin of the person in the picture; the same place on
the mean face, averaged over pictures, is its anchor. So the anchors have the landmarker's habits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....exprgen_addon.studio.look import Look
from ....networks.face_model.fitting import vertex_normals
from ....networks.vocabulary import LANDMARKS, MEDIAPIPE_LANDMARKS
from ..people import person
from .heads import EXPRESSIONS, Topology, shaped, styled, topology

SIZE = 400
SEED = 77
"""Of the people in the pictures, who are not those of the model."""
JAW_OPEN = 0.5
TURNS = ((0.0, 0.0), (0.0, -0.55), (0.0, 0.55), (0.22, 0.0))
"""Pitch and yaw of the views, radians."""
LIPS = frozenset(
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
     78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
     76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 408, 304, 303, 302, 11, 72, 73, 74, 184,
     62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 407, 272, 271, 268, 12, 38, 41, 42, 183)
)  # fmt: skip
"""Points on the lips, which are told apart with the mouth open alone."""
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""Points of the face's outline, round from the forehead over the own left side."""
ASTRAY = 14.0
"""Millimetres from where the canonical mesh has a point, from which a hit is of something else."""
GUIDED = 0.4
"""What the canonical mesh counts beside the pictures' hits; of the outline it alone counts."""
VAGUE = 4.0
"""Deviation of the outline's points, millimetres."""
STRAY = 3.0
"""Millimetres from which a hit says no more of a point's deviation: it is of something else."""
SIDE = 30.0
"""Millimetres from the midline beyond which a point of the outline slides."""
AXIS = -75.0
"""Millimetres behind the eyes, where the axis stands round which it slides."""
SLIDE = np.radians(np.linspace(-40.0, 50.0, 10))
"""Angles by which it slides, towards the ear where positive."""


@dataclass(frozen=True)
class Hit:
    """Where a picture's points lie: corners (478, 3) of the topology, shares (478, 3), facing
    (478,) cosine to the camera, halved beside the face. open_mouth: which kind of picture."""

    corners: np.ndarray
    shares: np.ndarray
    facing: np.ndarray
    open_mouth: bool


@dataclass(frozen=True)
class Anchors:
    """corners (478, 3), shares (478, 3), deviation (478,) millimetres: see `face_model.model`."""

    corners: np.ndarray
    shares: np.ndarray
    deviation: np.ndarray


def shots(number: int, folder: Path) -> Iterator[Hit]:
    """The points in all pictures of one person, built into `folder` and rendered. Needs bpy."""
    from ....networks.tracking.face_detector import FaceDetector
    from ..assemble import build_once

    config = person(SEED, number)
    profile = build_once(config, folder / config.name)
    with FaceDetector() as detector:
        yield from _of_person(config, profile, detector)


def _of_person(config, profile, detector) -> Iterator[Hit]:
    from ....exprgen_addon.studio.drawn_studio import DrawnStudio
    from ....exprgen_addon.studio.face_studio import StudioSettings

    rest, moves = shaped(config)
    offset = np.array([0.0, 0.0, -(styled(config).after.chin[2] - 0.16)])
    jaw = [c.name for c in profile.expression_controls].index("jawOpen")
    with DrawnStudio(profile, StudioSettings(size=SIZE, subdivision=1)) as studio:
        for amount in (0.0, JAW_OPEN):
            units = np.zeros(len(profile.expression_controls))
            units[jaw] = amount
            studio.pose_units(units)
            points = rest + amount * moves[EXPRESSIONS.index("jawOpen")] + offset
            for pitch, yaw in TURNS:
                studio.look(Look(orbit=(pitch, yaw, 0.0), ambient=1.3, zoom=0.85))
                faces = detector.detect(studio.render())
                if faces:
                    seen = faces[0].landmarks[:, :2].astype(float)
                    yield cast(studio.camera_matrix(), points, seen, amount > 0)


def cast(camera: np.ndarray, points: np.ndarray, seen: np.ndarray, open_mouth: bool) -> Hit:
    """Pixels (478, 2) onto the surface of points (V, 3) that a camera (3, 4) sees."""
    shared = topology()
    triangles = outer_triangles(shared)
    flat = points @ camera[:, :3].T + camera[:, 3]
    pixels, depth = flat[:, :2] / flat[:, 2:], flat[:, 2]
    eye = -np.linalg.solve(camera[:, :3], camera[:, 3])
    normals = vertex_normals(points, shared.faces[: shared.skin + shared.eyes])
    to_camera = (eye - points) / np.linalg.norm(eye - points, axis=1, keepdims=True)
    facing = (normals * to_camera).sum(1)
    hits = [_nearest(pixels, depth, triangles, p) for p in seen]
    corners = np.array([h[0] for h in hits])
    shares = np.array([h[1] for h in hits])
    turned = np.clip((facing[corners] * shares).sum(1), 0.0, 1.0)
    return Hit(corners, shares, turned * [h[2] for h in hits], open_mouth)


def outer_triangles(shared: Topology) -> np.ndarray:
    """(T, 3) triangles of what can be seen from outside: skin without the mouth's inside, eyes."""
    hollow = hidden_points()
    quads = shared.faces[: shared.skin + shared.eyes]
    quads = quads[~hollow[quads].all(1)]
    return np.concatenate([quads[:, (0, 1, 2)], quads[:, (0, 2, 3)]])


def hidden_points() -> np.ndarray:
    """(V,) bool: inside the mouth."""
    from .. import lips
    from .heads import average

    return lips.find_mouth(styled(average())).inside[topology().used]


def _nearest(pixels, depth, triangles, place) -> tuple[np.ndarray, np.ndarray, float]:
    """(corners, shares, 1) of the foremost triangle over a pixel; beside all: those of the nearest
    point, and a half."""
    a, b, c = (pixels[triangles[:, k]] for k in range(3))
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    (px, py), area = (place - a).T, (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    safe = np.where(np.abs(area) < 1e-9, np.inf, area)
    second, third = (px * vy - py * vx) / safe, (ux * py - uy * px) / safe
    inside = (second >= 0) & (third >= 0) & (second + third <= 1) & np.isfinite(safe)
    if not inside.any():
        used = np.unique(triangles)
        near = used[((pixels[used] - place) ** 2).sum(1).argmin()]
        return np.full(3, near), np.array([1.0, 0.0, 0.0]), 0.5
    over = np.flatnonzero(inside)
    corners = triangles[over]
    shares = np.stack([1 - second[over] - third[over], second[over], third[over]], 1)
    best = (shares * depth[corners]).sum(1).argmin()
    return corners[best], shares[best], 1.0


def gather(hits: list[Hit], mean: np.ndarray, canonical: np.ndarray) -> Anchors:
    """The anchors on the mean face (V, 3) of many pictures; canonical (468, 3): the landmarker's
    own mesh, which tells a hit from what lies before the point that was meant."""
    places = np.array([np.einsum("lkc,lk->lc", mean[h.corners], h.shares) for h in hits])
    weights = np.array([h.facing for h in hits]) ** 2
    is_open = np.array([h.open_mouth for h in hits])
    lips = np.isin(np.arange(MEDIAPIPE_LANDMARKS), list(LIPS))
    weights = np.where(lips[None] == is_open[:, None], weights, 0.05 * weights)
    first = _median(places, weights)
    guide = first.copy()
    guide[: len(canonical)] = _fitted(canonical, first, mean)
    weights[np.linalg.norm(places - guide, axis=2) > ASTRAY] = 0.0
    weights[:, list(OVAL)] = 0.0
    known = np.concatenate([places, guide[None]])
    weights = np.concatenate([weights, np.full((1, len(guide)), GUIDED)])
    middle = _mirrored(_median(known, weights), canonical)
    off = np.linalg.norm(known - middle, axis=2)
    deviation = np.sqrt((weights * np.minimum(off, STRAY) ** 2).sum(0) / weights.sum(0))
    deviation[list(OVAL)] = VAGUE
    corners, shares = on_surface(middle, mean)
    return Anchors(corners, shares, deviation)


def _mirrored(places: np.ndarray, canonical: np.ndarray) -> np.ndarray:
    """Places (478, 3), those of the canonical mesh made the same on both sides."""
    flip = np.array([-1.0, 1.0, 1.0])
    partner = ((canonical[:, None] - canonical[None] * flip) ** 2).sum(2).argmin(1)
    out = places.copy()
    out[: len(partner)] = 0.5 * (places[: len(partner)] + places[partner] * flip)
    return out


def _fitted(canonical: np.ndarray, seen: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """(468, 3) the canonical mesh laid onto the mean face: as its points are seen on the inner
    face, then onto the surface."""
    inner = np.array(sorted({*LANDMARKS.values()} - {4, 5, 1}))
    one, other = canonical[inner], seen[inner]
    a, b = one - one.mean(0), other - other.mean(0)
    scale = np.sqrt((b**2).sum() / (a**2).sum())
    laid = scale * (canonical - one.mean(0)) + other.mean(0)  # both look straight ahead
    corners, shares = on_surface(laid, mean)
    return np.einsum("lkc,lk->lc", mean[corners], shares)


def _median(places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Geometric medians (L, 3) of places (P, L, 3) with weights (P, L) (Weiszfeld)."""
    middle = np.einsum("plc,pl->lc", places, weights) / weights.sum(0)[:, None]
    for _ in range(30):
        near = weights / np.maximum(np.linalg.norm(places - middle, axis=2), 0.3)
        middle = np.einsum("plc,pl->lc", places, near) / near.sum(0)[:, None]
    return middle


def on_surface(points: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (L, 3) -> corners (L, 3) and shares (L, 3) of the nearest places outside."""
    triangles = outer_triangles(topology())
    out = [nearest_on_triangles(mean[triangles], p) for p in points]
    return np.array([triangles[t] for t, _ in out]), np.array([s for _, s in out])


def nearest_on_triangles(corners: np.ndarray, point: np.ndarray) -> tuple[int, np.ndarray]:
    """Corners (T, 3, 3) and a point -> the nearest triangle and the shares (3,) there."""
    near = np.flatnonzero(((corners.mean(1) - point) ** 2).sum(1) < 30.0**2)
    near = near if len(near) else np.arange(len(corners))
    shares = closest_shares(corners[near], point)
    off = np.einsum("tkc,tk->tc", corners[near], shares) - point
    best = (off**2).sum(1).argmin()
    return int(near[best]), shares[best]


def closest_shares(corners: np.ndarray, point: np.ndarray) -> np.ndarray:
    """(T, 3) shares of the place of each triangle (T, 3, 3) that is nearest to a point (3,)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    u, v, w = b - a, c - a, point - a
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    wu, wv = (w * u).sum(1), (w * v).sum(1)
    area = np.maximum(uu * vv - uv * uv, 1e-12)
    second, third = (vv * wu - uv * wv) / area, (uu * wv - uv * wu) / area
    inside = np.stack([1 - second - third, second, third], 1)
    choices = [inside, *(_on_edge(corners, point, i) for i in range(3))]
    off = [((np.einsum("tkc,tk->tc", corners, s) - point) ** 2).sum(1) for s in choices]
    off[0][(inside < 0).any(1)] = np.inf
    best = np.argmin(off, axis=0)
    return np.array(choices)[best, np.arange(len(corners))]


def _on_edge(corners: np.ndarray, point: np.ndarray, first: int) -> np.ndarray:
    """(T, 3) shares of the place nearest to a point on the edge from corner `first`."""
    start, end = corners[:, first], corners[:, (first + 1) % 3]
    along = end - start
    t = ((point - start) * along).sum(1) / np.maximum((along**2).sum(1), 1e-12)
    shares = np.zeros((len(corners), 3))
    shares[:, (first + 1) % 3] = np.clip(t, 0.0, 1.0)
    shares[:, first] = 1.0 - shares[:, (first + 1) % 3]
    return shares


def slides(anchors: Anchors, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks (C,) of the outline's sides, and (C, K) points of the mean face between cheek and
    ear where each may be."""
    places = np.einsum("lkc,lk->lc", mean[anchors.corners], anchors.shares)
    contour = [n for n in OVAL if abs(places[n, 0]) > SIDE]
    shared = topology()
    skin = np.unique(shared.faces[: shared.skin])
    skin = skin[~hidden_points()[skin]]
    rows = [_slide(places[n], mean, skin) for n in contour]
    return np.array(contour), np.array(rows)


def _slide(place: np.ndarray, mean: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """(K,) of the points `skin` those at a place's height, round the head's upright axis."""
    side = np.sign(place[0])
    around = np.arctan2(side * place[0], place[2] - AXIS)
    angles = np.arctan2(side * mean[skin, 0], mean[skin, 2] - AXIS)
    reach = np.hypot(mean[skin, 0], mean[skin, 2] - AXIS)
    off = [
        (reach * (angles - around - slide)) ** 2
        + (mean[skin, 1] - place[1]) ** 2
        - 0.05 * reach**2  # the outer one of two layers, an ear's or a nostril's
        for slide in SLIDE
    ]
    return skin[np.argmin(off, axis=1)]
