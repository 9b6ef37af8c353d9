"""Landmarks cast through the camera onto a character's skin.

The skin is the connected piece of mesh that most points hit. Where lids and lips end, a ray passes
them by and meets the eyeball or the mouth's inside: such a point goes to the nearest spot at which
skin is seen.
"""

from __future__ import annotations

import numpy as np

from ...networks.characters.profile import Anchor, RigProfile
from ...networks.errors import InputError
from ...networks.evaluation.face_features import CHIN_DROP
from ...networks.head_rig.mesh_graph import connected, welded
from ...networks.names import shortened
from ...networks.vocabulary import LANDMARK_INDEX, LANDMARK_NAMES
from ..characters.landmark_anchors import own_name, world_vertices

PLACE_BY_HAND = (
    "place points by hand: exprgen landmarks CHARACTER --view VIEW.png shows the face, "
    "--points POINTS.json takes them"
)
"""What to do where the landmarks can't be found."""

CLEAR = 0.025
"""What lies this far before the skin hides it, as a share of the face's width: lashes don't."""
DEEP = 0.09
"""Skin this far behind its neighbours is the inside of mouth or socket; share of the width."""
REACH = 0.09
"""How far from its ray a landmark may be put, as a share of the face's width."""
MOST_OFF = 16
"""Landmarks that may lie on no skin and go to the nearest; with more it is no face of this mesh."""
CARRIERS = ("eye_right_outer", "eye_left_outer", "nose_base")
"""What carries a landmark of a template that lies on no skin."""

_BROWS = {s: [LANDMARK_INDEX[f"brow_{s}_{i}"] for i in range(1, 6)] for s in ("left", "right")}
# Neighbours, whose depth tells the surface from what is behind it.
_GROUPS = [
    np.array([i for i, n in enumerate(LANDMARK_NAMES) if n.startswith(start)])
    for start in (
        "brow_right", "brow_left", "nos", "eye_right", "eye_left", "lip_top", "lip_bottom", "mouth"
    )
]  # fmt: skip


class Surface:
    """All visible meshes of a character at one pose, ready for rays; needs bpy.

    Raises:
        InputError: the character has no visible faces.
    """

    def __init__(self, profile: RigProfile, collection, depsgraph):
        from mathutils.bvhtree import BVHTree

        vertices, triangles, owners, pieces, self.objects = [], [], [], [], []
        start = 0
        for obj in collection.all_objects:
            if obj.type != "MESH" or obj.hide_render:
                continue
            points, corners = _triangles(obj.evaluated_get(depsgraph))
            if not len(corners):
                continue
            vertices.append(points)
            triangles.append(corners + start)
            owners.append(np.full(len(corners), len(self.objects)))
            joined = welded(points)[corners]
            pieces.append(connected(len(points), joined)[joined[:, 0]] + start)
            self.objects.append((own_name(obj), start))
            start += len(points)
        if not triangles:
            raise InputError(
                f"character {profile.name!r} has no visible mesh with faces",
                file=profile.path,
                fix="give its collection a mesh that renders",
            )
        self.vertices, self.triangles = np.concatenate(vertices), np.concatenate(triangles)
        self.owner, self.piece = np.concatenate(owners), np.concatenate(pieces)
        self._tree = BVHTree.FromPolygons(
            self.vertices.tolist(), self.triangles.tolist(), all_triangles=True
        )
        self._of_piece: dict[int, tuple] = {}

    def first(self, origin: np.ndarray, direction: np.ndarray) -> tuple[int, float] | None:
        """(triangle, distance) of what a ray meets first, or None."""
        hit = self._tree.ray_cast(origin.tolist(), direction.tolist())
        return None if hit[2] is None else (hit[2], hit[3])

    def on_piece(self, piece: int, origin: np.ndarray, direction: np.ndarray):
        """(place (3,), normal (3,), distance) at which a ray meets this piece first, or None."""
        tree, _ = self._piece(piece)
        place, normal, index, distance = tree.ray_cast(origin.tolist(), direction.tolist())
        return None if index is None else (np.array(place), np.array(normal), distance)

    def nearest(self, piece: int, place: np.ndarray) -> np.ndarray:
        """The place (3,) on a piece that is nearest to another."""
        return np.array(self._piece(piece)[0].find_nearest(place.tolist())[0])

    def anchor(self, piece: int, place: np.ndarray) -> Anchor:
        """The anchor on a piece that is nearest to a place."""
        tree, rows = self._piece(piece)
        nearest, _, index, _ = tree.find_nearest(place.tolist())
        corners = self.triangles[rows[index]]
        name, start = self.objects[self.owner[rows[index]]]
        weights = barycentric(np.array(nearest), self.vertices[corners])
        return Anchor(
            name,
            tuple(int(c) - start for c in corners),
            tuple(round(float(w), 6) for w in weights),
        )

    def _piece(self, piece: int) -> tuple:
        if piece not in self._of_piece:
            from mathutils.bvhtree import BVHTree

            rows = np.flatnonzero(self.piece == piece)
            used, local = np.unique(self.triangles[rows], return_inverse=True)
            local = local.reshape(-1, 3)
            tree = BVHTree.FromPolygons(
                self.vertices[used].tolist(), local.tolist(), all_triangles=True
            )
            self._of_piece[piece] = tree, rows
        return self._of_piece[piece]


def anchor_seen(studio, pixel: np.ndarray) -> Anchor | None:
    """The anchor of what is seen at a pixel (2,) of the present view and pose; None for nothing."""
    surface = Surface(studio.profile, studio.character.collection, studio.depsgraph)
    rays = _Rays(studio)
    direction = rays.through(pixel)
    hit = surface.first(rays.origin, direction)
    if hit is None:
        return None
    triangle, distance = hit
    return surface.anchor(int(surface.piece[triangle]), rays.origin + distance * direction)


def chin_anchor(studio) -> Anchor | None:
    """The middle of the chin's front in the present view and pose, as `CHIN_DROP` tells; None where
    nothing is seen."""
    pixels = studio.landmarks()
    nose, lip = (pixels[LANDMARK_INDEX[n]] for n in ("nose_base", "lip_bottom_outer_3"))
    return anchor_seen(studio, nose + CHIN_DROP * (lip - nose))


def _triangles(evaluated) -> tuple[np.ndarray, np.ndarray]:
    mesh = evaluated.data
    mesh.calc_loop_triangles()
    corners = np.empty(3 * len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("vertices", corners)
    return world_vertices(evaluated), corners.reshape(-1, 3)


def barycentric(point: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    """(3,) weights of a triangle's corners (3, 3) that give a point on it, each 0..1, sum 1."""
    a, b, c = triangle
    edges = np.stack([b - a, c - a], axis=1)
    second, third = np.linalg.lstsq(edges, point - a, rcond=None)[0]
    weights = np.clip([1.0 - second - third, second, third], 0.0, 1.0)
    return weights / weights.sum()


def cast(surface: Surface, studio, pixels: np.ndarray, strict: bool = True):
    """Cast landmarks through the studio's camera onto the skin.

    Args:
        pixels: (49, 2) in the studio's picture. strict: landmarks that are on no skin go to the
            nearest, as `CARRIERS` always do; else their places are NaN.

    Returns:
        places (49, 3) in world space, pieces (49,) of the surface, moved (49,) bool: the ray met no
        skin, and the landmark was put on skin near by.

    Raises:
        InputError: no skin under or near more than `MOST_OFF` landmarks.
    """
    rays = _Rays(studio)
    hits = [surface.first(rays.origin, rays.through(p)) for p in pixels]
    pieces = np.array([-1 if h is None else surface.piece[h[0]] for h in hits])
    if (pieces < 0).all():
        raise InputError(
            f"no landmark lies on character {studio.profile.name!r}",
            file=studio.profile.path,
            fix="mend the profile's framing: the picture must show the face",
        )
    known, votes = np.unique(pieces[pieces >= 0], return_counts=True)
    skin = int(known[votes.argmax()])
    of = np.full(len(pixels), skin)
    for rows in _BROWS.values():  # brows of their own, where most of a brow's points meet one
        own, count = np.unique(pieces[rows], return_counts=True)
        if own[count.argmax()] not in (skin, -1) and count.max() >= 3:
            of[rows] = own[count.argmax()]
    width = np.ptp(pixels[:, 0])
    metre = rays.metres(pixels, surface, skin) * width
    depth = _depths(surface, rays, pixels, skin)
    places, moved = np.zeros((len(pixels), 3)), np.zeros(len(pixels), bool)
    off: list[str] = []
    for i, pixel in enumerate(pixels):
        best = None
        # A thin brow may be missed all around its end: the skin under it moves with it.
        for piece in dict.fromkeys((int(of[i]), skin)):
            for step in _spiral(REACH * width):
                best = _seen(surface, rays, pixel + step, piece, metre, depth[i])
                if best is not None:
                    moved[i], of[i] = np.hypot(*step) > 0.012 * width, piece
                    break
            if best is not None:
                break
        if best is None and (strict or LANDMARK_NAMES[i] in CARRIERS):
            best = surface.nearest(skin, rays.origin + depth[i] * rays.through(pixel))
            moved[i], of[i], off = True, skin, [*off, LANDMARK_NAMES[i]]
        places[i] = np.nan if best is None else best
    if len(off) > MOST_OFF:
        raise InputError(
            f"{len(off)} of {len(pixels)} landmarks, {off[0]!r} among them, are not on the skin of "
            f"{studio.profile.name!r}{_unseen(studio.character.collection)}",
            file=studio.profile.path,
            fix=PLACE_BY_HAND,
        )
    return places, of, moved


def _unseen(collection) -> str:
    """Meshes of a character that move and can't be seen, in words; "" where there are none."""
    moving = [o for o in collection.all_objects if o.type == "MESH" and o.data.shape_keys]
    hidden = [own_name(o) for o in moving if o.hide_render]
    return f"; hidden in renders: {shortened(hidden)}" if hidden else ""


def _seen(surface: Surface, rays: _Rays, pixel, piece: int, metre: float, depth: float):
    """Where this piece is seen at a pixel (3,), or None: hidden, averted, or too far behind."""
    direction = rays.through(pixel)
    hit = surface.on_piece(piece, rays.origin, direction)
    if hit is None:
        return None
    place, normal, distance = hit
    front = surface.first(rays.origin, direction)
    hidden = distance - front[1] > CLEAR * metre
    averted = abs(float(normal @ direction)) < 0.08
    return None if hidden or averted or distance > depth + DEEP * metre else place


def _depths(surface: Surface, rays: _Rays, pixels: np.ndarray, skin: int) -> np.ndarray:
    """(49,) how far the skin is near each landmark: the median over its neighbours, metres."""
    far = np.full(len(pixels), np.nan)
    for i, pixel in enumerate(pixels):
        hit = surface.on_piece(skin, rays.origin, rays.through(pixel))
        if hit is not None:
            far[i] = hit[2]
    out = np.full(len(pixels), np.nanmedian(far))
    for group in _GROUPS:
        # The nearer half: some of the others may look past a lid or lip at what is behind it.
        if np.isfinite(far[group]).any():
            out[group] = np.nanpercentile(far[group], 40)
    return out


class _Rays:
    """The studio camera's rays, by pixel."""

    def __init__(self, studio):
        matrix = studio.camera_matrix()
        self._inverse = np.linalg.inv(matrix[:, :3])
        self.origin = -self._inverse @ matrix[:, 3]

    def through(self, pixel: np.ndarray) -> np.ndarray:
        """Unit direction (3,) of the ray through a pixel."""
        direction = self._inverse @ np.array([pixel[0], pixel[1], 1.0])
        return direction / np.linalg.norm(direction)

    def metres(self, pixels: np.ndarray, surface: Surface, skin: int) -> float:
        """Metres a pixel, at the skin."""
        for pixel in pixels[LANDMARK_INDEX["nose_tip"] :]:
            hit = surface.on_piece(skin, self.origin, self.through(pixel))
            if hit is not None:
                beside = self.through(pixel + np.array([1.0, 0.0]))
                return hit[2] * float(np.arccos(np.clip(beside @ self.through(pixel), -1, 1)))
        return 0.0


def _spiral(radius: float, rings: int = 12, spokes: int = 16) -> np.ndarray:
    """Offsets (K, 2) from nothing to `radius`, nearest first."""
    angles = np.linspace(0, 2 * np.pi, spokes, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    steps = radius * np.arange(1, rings + 1) / rings
    return np.concatenate([np.zeros((1, 2)), *(s * circle for s in steps)])
