"""The 49 landmarks on a character: found on renders of its neutral face, kept as mesh anchors.

A landmark is kept as a triangle of the evaluated mesh and barycentric weights (`Anchor`), so it
follows shape keys, armatures, drivers and whatever else deforms the mesh, and is known for every
pose without rendering or looking for a face. Modifiers that refine or rebuild a mesh (`REBUILDING`:
subdivision and its like) are off while anchors are placed and read, since their vertices are
counted differently at every level; the pictures of a capture are rendered without them too.

How they are found: the neutral face is rendered in several lights and sizes, and once more with the
jaw open, since the lips of a closed mouth can't be told apart. The worker's landmarker finds 49
points in each; they are cast through the camera onto the skin, which is the connected piece of
mesh that most of them hit. Where lids and lips end, a ray passes them by and meets the eyeball or
the mouth's inside: such a point goes to the nearest spot at which skin is seen. The median over
the pictures is kept.

A face that the landmarker can't find (one eye, a beak) gets the average face's landmarks, warped by
points that a person places (`warp_template`). One eye is taken for two halves: its outer ends are
the outer corners of both, its middle their inner corners. What then lies on no skin, such as these,
is carried by the three `CARRIERS` instead of a triangle of its own.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...networks.characters.profile import Anchor, RigProfile, arkit_to_unit, from_unit
from ...networks.errors import InputError, UsageError
from ...networks.tracking.registration import FRONTAL_FACE, geometric_features
from ...networks.vocabulary import (
    ARKIT_CHANNELS,
    ARKIT_INDEX,
    GEOMETRIC_FEATURES,
    LANDMARK_INDEX,
    LANDMARK_NAMES,
)
from ..studio.ced_poses import Look

REBUILDING = ("SUBSURF", "MULTIRES", "DECIMATE", "REMESH", "BUILD", "EXPLODE")
"""Modifiers that are off where anchors are placed and read."""

Locate = Callable[[list[Path]], list[np.ndarray | None]]
"""Pictures -> their landmarks (49, 2) in pixels, or None where no face was found."""

POINTS_FORMAT = "exprgen.landmark_points"
PLACE_BY_HAND = (
    "place points by hand: exprgen landmarks CHARACTER --view VIEW.png shows the face, "
    "--points POINTS.json takes them"
)
"""What to do where the landmarks can't be found."""
VIEW_SIZE = 320
JAW_OPEN = 0.55
"""jawOpen of the pose in which lower and inner lips are found."""

CLEAR = 0.025
"""What lies this far before the skin hides it, as a share of the face's width: lashes don't."""
DEEP = 0.09
"""Skin this far behind its neighbours is the inside of mouth or socket; share of the width."""
REACH = 0.09
"""How far from its ray a landmark may be put, as a share of the face's width."""
MIN_POINTS = 3
CARRIERS = ("eye_right_outer", "eye_left_outer", "nose_base")
"""What carries a landmark of a template that lies on no skin."""

_BROWS = {s: [LANDMARK_INDEX[f"brow_{s}_{i}"] for i in range(1, 6)] for s in ("left", "right")}
_FROM_OPEN = [
    i for i, n in enumerate(LANDMARK_NAMES) if "inner" in n and n.startswith("lip")
] + [i for i, n in enumerate(LANDMARK_NAMES) if n.startswith("lip_bottom_outer")]  # fmt: skip
# Neighbours, whose depth tells the surface from what is behind it.
_GROUPS = [
    np.array([i for i, n in enumerate(LANDMARK_NAMES) if n.startswith(start)])
    for start in (
        "brow_right", "brow_left", "nos", "eye_right", "eye_left", "lip_top", "lip_bottom", "mouth"
    )
]  # fmt: skip
_VIEWS = (
    Look(key_azimuth=-0.35, key_elevation=0.5, ambient=1.3),
    Look(key_azimuth=0.35, key_elevation=0.5, ambient=1.3, zoom=0.8),
    Look(key_azimuth=0.0, key_elevation=0.35, ambient=1.5, zoom=0.92, shift=(0.03, 0.02)),
    Look(key_azimuth=-0.8, key_elevation=0.7, ambient=1.2, zoom=0.7, shift=(-0.04, -0.03)),
)


@dataclass(frozen=True)
class Placement:
    """How landmarks were placed.

    profile: with its landmarks. found: pictures in which the landmarker saw the face, of `looked`.
    template: warped from points that a person placed. open_mouth: the lips were found with the jaw
    open. moved: names whose ray met no skin, so that they went to skin near by. spread: (49,)
    deviation over the pictures, in shares of the face's width.
    """

    profile: RigProfile
    found: int
    looked: int
    template: bool
    open_mouth: bool
    moved: tuple[str, ...]
    spread: np.ndarray = field(repr=False)

    @property
    def warnings(self) -> list[str]:
        """What a person should look at."""
        out = []
        if self.template:
            out.append("placed on a closed mouth: look whether the lower lip's points follow it")
        elif not self.open_mouth:
            out.append("no jaw control was found: look whether the lower lip's points follow it")
        if self.moved:
            out.append(f"not on the skin, moved to it: {', '.join(self.moved)}")
        loose = [LANDMARK_NAMES[i] for i in np.flatnonzero(self.spread > 0.03)]
        if loose:
            out.append(f"found in different places in different light: {', '.join(loose)}")
        return out


# --- anchors that follow the mesh ----------------------------------------------------------------


class FaceAnchors:
    """A profile's anchors on one copy of the character, read at whatever pose it is in.

    Args:
        profile: its landmarks are read. collection: the copy's.

    Raises:
        InputError: the profile has no landmarks, or they are on objects or vertices that are gone.
    """

    def __init__(self, profile: RigProfile, collection):
        require_landmarks(profile)
        self._profile = profile
        anchors = [profile.landmarks[name] for name in LANDMARK_NAMES]
        self._weights = np.array([a.weights for a in anchors], float)[..., None]
        self._parts = []
        for name in sorted({a.object for a in anchors}):
            rows = np.array([i for i, a in enumerate(anchors) if a.object == name])
            corners = np.array([anchors[i].vertices for i in rows])
            self._parts.append((find_object(profile, collection, name), rows, corners))

    def world(self, depsgraph) -> np.ndarray:
        """(49, 3) float64: the landmarks in world space, metres, at the graph's evaluated pose."""
        triangles = np.zeros((len(LANDMARK_NAMES), 3, 3))
        for obj, rows, corners in self._parts:
            points = world_vertices(obj.evaluated_get(depsgraph))
            if corners.max() >= len(points):
                raise InputError(
                    f"landmarks are on vertices that {obj.name!r} does not have",
                    file=self._profile.path,
                    fix=_fix(self._profile),
                )
            triangles[rows] = points[corners]
        return (triangles * self._weights).sum(1)


def require_landmarks(profile: RigProfile) -> None:
    """Raises InputError, which names the command that places them, where there are none."""
    if not profile.landmarks:
        raise InputError(
            f"character {profile.name!r} has no landmarks", file=profile.path, fix=_fix(profile)
        )


def _fix(profile: RigProfile) -> str:
    return f"place them: exprgen landmarks {profile.path or profile.name}"


def find_object(profile: RigProfile, collection, name: str):
    """The object that a profile calls `name` in this copy of the character.

    Raises:
        InputError: there is none.
    """
    from .in_scene import NAME_TAG

    objects = list(collection.all_objects)
    for same in (
        lambda o: o.get(NAME_TAG) == name,
        lambda o: o.name == name,
        lambda o: re.sub(r"\.\d{3,}$", "", o.name) == name,  # Blender's name for a second copy
    ):
        for obj in objects:
            if obj.type == "MESH" and same(obj):
                return obj
    raise InputError(
        f"landmarks are on the mesh {name!r}, which is gone", file=profile.path, fix=_fix(profile)
    )


def own_name(obj) -> str:
    """What a profile calls an object of a copy; the inverse of `find_object`."""
    from .in_scene import NAME_TAG

    return obj.get(NAME_TAG) or obj.name


def world_vertices(evaluated) -> np.ndarray:
    """(V, 3) float64 vertices of an evaluated mesh object in world space."""
    mesh = evaluated.data
    flat = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", flat)
    matrix = np.array(evaluated.matrix_world)
    return flat.reshape(-1, 3).astype(float) @ matrix[:3, :3].T + matrix[:3, 3]


def switch_off_rebuilding(collection) -> None:
    """Turn REBUILDING modifiers off where poses are evaluated; renders keep them."""
    for obj in list(collection.all_objects):
        for modifier in obj.modifiers:
            if modifier.type in REBUILDING:
                modifier.show_viewport = False


def project(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """World points (..., 3) -> picture pixels (..., 2), by a camera matrix (3, 4)."""
    seen = np.asarray(points) @ matrix[:, :3].T + matrix[:, 3]
    return seen[..., :2] / seen[..., 2:]


HIDDEN = 0.3
"""Share of hidden landmarks from which on a face counts as hidden; a turned head hides a few."""
LIPS_CROSSED, LIDS_CROSSED = 0.025, 0.045
"""How far lips or lids may pass each other, as shares of the face's height: closed ones touch, and
an upper lid that meets a raised cheek lies over the lower one."""


def fault(pixels: np.ndarray, hidden: np.ndarray, size: int) -> str:
    """Why a picture with these landmarks (49, 2) is of no use (capture.REASONS), or ""."""
    if hidden.mean() > HIDDEN:
        return "face hidden"
    if (pixels < 0).any() or (pixels > size).any():
        return "landmarks outside the frame"
    features = dict(zip(GEOMETRIC_FEATURES, geometric_features(pixels), strict=True))
    if features["closed_mouth"] < -LIPS_CROSSED:
        return "lips inverted"
    if min(features["lid_height_left"], features["lid_height_right"]) < -LIDS_CROSSED:
        return "lids inverted"
    return ""


# --- casting -------------------------------------------------------------------------------------


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
            pieces.append(connected(len(points), corners)[corners[:, 0]] + start)
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


def _triangles(evaluated) -> tuple[np.ndarray, np.ndarray]:
    mesh = evaluated.data
    mesh.calc_loop_triangles()
    corners = np.empty(3 * len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("vertices", corners)
    return world_vertices(evaluated), corners.reshape(-1, 3)


def connected(count: int, triangles: np.ndarray) -> np.ndarray:
    """(count,) the smallest vertex index of the connected piece that each vertex belongs to."""
    label = np.arange(count)
    edges = np.concatenate([triangles[:, (0, 1)], triangles[:, (1, 2)]])
    while True:
        low = np.minimum(label[edges[:, 0]], label[edges[:, 1]])
        new = label.copy()
        np.minimum.at(new, edges[:, 0], low)
        np.minimum.at(new, edges[:, 1], low)
        new = new[new]  # jump: neighbours of neighbours at once
        if np.array_equal(new, label):
            return label
        label = new


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
        pixels: (49, 2) in the studio's picture. strict: refuse landmarks that are on no skin, but
            for `CARRIERS` always; else their places are NaN.

    Returns:
        places (49, 3) in world space, pieces (49,) of the surface, moved (49,) bool: the ray met no
        skin, and the landmark was put on skin near by.

    Raises:
        InputError: no skin under or near a landmark.
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
            raise InputError(
                f"landmark {LANDMARK_NAMES[i]!r} is not on the skin of {studio.profile.name!r}",
                file=studio.profile.path,
                fix=PLACE_BY_HAND,
            )
        places[i] = np.nan if best is None else best
    return places, of, moved


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


# --- placing -------------------------------------------------------------------------------------


def place_landmarks(profile: RigProfile, locate: Locate, points: dict | None = None) -> Placement:
    """Find a character's landmarks and anchor them; nothing is saved. Needs bpy.

    Args:
        locate: finds landmarks in pictures, `locate_with(worker)` for instance.
        points: landmark name -> (x, y) in shares of the neutral view's side (see `neutral_view`):
            placed by a person, and used instead of looking for the face.

    Raises:
        InputError: the landmarker finds no face, or what it finds is not on the character.
        UsageError: too few points, or unknown names.
    """
    from ..studio.capture import CED, FaceStudio

    template = None if points is None else warp_template(points)
    with FaceStudio(profile, replace(CED, size=VIEW_SIZE)) as studio:
        if template is not None:
            shots = [(Look(), template * VIEW_SIZE)]
            looked = 1
        else:
            shots = _look_for(studio, locate, _VIEWS)
            looked = len(_VIEWS)
            if not shots:
                raise InputError(
                    f"the landmarker finds no face on the neutral face of {profile.name!r}",
                    file=profile.path,
                    fix=PLACE_BY_HAND,
                )
        anchors, moved, spread = _anchor_all(studio, shots, strict=template is None)
        open_mouth = False
        jaw = open_jaw(profile)
        if jaw is not None and template is None:
            studio.pose(jaw)
            shots_open = _look_for(studio, locate, _VIEWS[:3])
            looked += 3
            if shots_open:
                opened, moved_open, spread_open = _anchor_all(studio, shots_open)
                for i in _FROM_OPEN:
                    anchors[LANDMARK_NAMES[i]] = opened[LANDMARK_NAMES[i]]
                    moved[i], spread[i] = moved_open[i], spread_open[i]
                open_mouth = True
            shots = [*shots, *shots_open]
    return Placement(
        profile=replace(profile, landmarks=anchors),
        found=len(shots),
        looked=looked,
        template=template is not None,
        open_mouth=open_mouth,
        moved=tuple(LANDMARK_NAMES[i] for i in np.flatnonzero(moved)),
        spread=spread,
    )


def _look_for(studio, locate: Locate, looks: Sequence[Look]) -> list[tuple[Look, np.ndarray]]:
    """(look, landmarks (49, 2)) of the looks in which the face is found at the present pose."""
    with tempfile.TemporaryDirectory(prefix="exprgen_") as folder:
        paths = [Path(folder) / f"{i}.png" for i in range(len(looks))]
        for look, path in zip(looks, paths, strict=True):
            studio.look(look)
            studio.render_to(path)
        found = locate(paths)
    return [(k, p) for k, p in zip(looks, found, strict=True) if p is not None]


def _anchor_all(
    studio, shots, strict: bool = True
) -> tuple[dict[str, Anchor], np.ndarray, np.ndarray]:
    """Anchors by name, moved (49,), spread (49,) of landmarks found at the present pose."""
    surface = Surface(studio.profile, studio.character.collection, studio.depsgraph)
    places, pieces, moved = [], [], []
    for look, pixels in shots:
        studio.look(look)
        place, piece, far = cast(surface, studio, np.asarray(pixels, float), strict)
        places.append(place)
        pieces.append(piece)
        moved.append(far)
    places, pieces = np.array(places), np.array(pieces)
    middle = np.median(places, axis=0)
    across = middle @ studio.axes()[0]
    width = max(float(np.nanmax(across) - np.nanmin(across)), 1e-9)
    spread = np.linalg.norm(places - middle, axis=-1).mean(0) / width
    anchors = {}
    for i, name in enumerate(LANDMARK_NAMES):
        if np.isnan(middle[i]).any():
            continue
        own, count = np.unique(pieces[:, i], return_counts=True)
        anchors[name] = surface.anchor(int(own[count.argmax()]), middle[i])
    flat = dict(zip(LANDMARK_NAMES, np.asarray(shots[0][1], float), strict=True))
    anchors = {n: anchors.get(n) or carried(flat, anchors, n) for n in LANDMARK_NAMES}
    spread = np.nan_to_num(spread)
    return anchors, np.mean(moved, axis=0) > 0.5, spread


def carried(pixels: dict[str, np.ndarray], anchors: dict[str, Anchor], name: str) -> Anchor:
    """An anchor for a landmark on no skin: `CARRIERS` hold it where it is in the picture.

    Raises:
        InputError: the carriers are on several meshes.
    """
    holders = [anchors[n] for n in CARRIERS]
    if len({a.object for a in holders}) > 1:
        raise InputError(
            f"landmark {name!r} is on no skin", fix=f"put a point for it on {holders[0].object!r}"
        )
    heaviest = [int(np.argmax(a.weights)) for a in holders]
    system = np.vstack([np.array([pixels[n] for n in CARRIERS]).T, np.ones(3)])
    weights = np.linalg.solve(system, [*pixels[name], 1.0])
    return Anchor(
        holders[0].object,
        tuple(a.vertices[k] for a, k in zip(holders, heaviest, strict=True)),
        tuple(round(float(w), 6) for w in weights),
    )


def open_jaw(profile: RigProfile) -> np.ndarray | None:
    """Native values (C,) of all controls with the jaw open, or None without such a control."""
    controls = profile.controls
    arkit = np.zeros(len(ARKIT_CHANNELS))
    arkit[ARKIT_INDEX["jawOpen"]] = JAW_OPEN
    units = arkit_to_unit(controls, arkit)
    return from_unit(controls, units) if np.abs(units).max() > 0.05 else None


def locate_with(run: Callable[[str, dict], dict]) -> Locate:
    """A `Locate` that asks the worker; `run(command, arguments)` gives a job's result."""

    def locate(paths: list[Path]) -> list[np.ndarray | None]:
        result = run("locate", {"images": [str(p) for p in paths]})
        found = [p["landmarks"] for p in result["pictures"]]
        return [None if p is None else np.asarray(p, float) for p in found]

    return locate


def neutral_view(profile: RigProfile, out: Path) -> None:
    """Write the neutral view, in whose shares points are placed."""
    from ..studio.capture import CED, FaceStudio

    with FaceStudio(profile, replace(CED, size=VIEW_SIZE)) as studio:
        studio.render_to(out)


def sheet_cells(profile: RigProfile, folder: Path, count: int = 12) -> list[dict]:
    """Pictures of the neutral face and of key poses with their landmarks, for the worker's `sheet`
    command; the pictures are written into `folder`."""
    from ..studio.capture import CED, FaceStudio, full_values

    step = max(1, len(profile.key_poses) // max(1, count - 1))
    chosen = [("neutral", {})] + [(p.name, p.values) for p in profile.key_poses[::step]]
    cells = []
    with FaceStudio(profile, replace(CED, size=VIEW_SIZE)) as studio:
        for i, (name, values) in enumerate(chosen[:count]):
            path = Path(folder) / f"{i:02d}.png"
            studio.pose(full_values(profile, list(values), list(values.values())))
            studio.render_to(path)
            cells.append(
                {"file": str(path), "lines": [name], "landmarks": studio.landmarks().tolist()}
            )
    return cells


# --- points placed by hand -----------------------------------------------------------------------


def load_points(path: str | Path) -> dict[str, tuple[float, float]]:
    """Points that a person placed: {"format": "exprgen.landmark_points", "points": {name: [x, y]}},
    x to the right and y down, in shares of the neutral view's side.

    Raises:
        InputError: the file is missing, is no such file, or a point is not two numbers.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"can't be read ({error.strerror})", file=path) from error
    except ValueError as error:
        raise InputError(f"is not valid JSON ({error})", file=path, fix="mend it") from error
    if not isinstance(data, dict) or data.get("format") != POINTS_FORMAT:
        raise InputError(
            "holds no landmark points", file=path, fix=f'let it say "format": "{POINTS_FORMAT}"'
        )
    points = {}
    for name, place in data.get("points", {}).items():
        try:
            x, y = (float(v) for v in place)
        except (TypeError, ValueError):
            x = y = float("nan")
        if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
            raise InputError(
                f"point {name!r} is not two numbers in 0..1",
                file=path,
                fix="give shares of the neutral view's side",
            )
        points[name] = (x, y)
    return points


def save_points(path: str | Path, points: dict[str, tuple[float, float]]) -> None:
    """The inverse of `load_points` (temporary name first, then renamed)."""
    data = {"format": POINTS_FORMAT, "points": {k: list(v) for k, v in points.items()}}
    temporary = Path(f"{path}.part")
    temporary.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def warp_template(points: dict[str, tuple[float, float]]) -> np.ndarray:
    """The average face's 49 landmarks, bent so that the named ones lie where they were placed.

    An affine map and, for what it leaves, a thin-plate spline: the placed points are met exactly,
    and between them the bending is least.

    Args:
        points: landmark name -> (x, y), at least three that are not on one line.

    Returns:
        (49, 2) in the points' own unit.

    Raises:
        UsageError: too few points, points on one line, or unknown names.
    """
    unknown = set(points) - set(LANDMARK_NAMES)
    if unknown:
        raise UsageError(
            f"there is no landmark {min(unknown)!r}",
            fix=f"use names such as {', '.join(LANDMARK_NAMES[:3])}",
        )
    template = np.array([FRONTAL_FACE[name] for name in LANDMARK_NAMES])
    source = template[[LANDMARK_INDEX[name] for name in points]].reshape(-1, 2)
    goal = np.array(list(points.values()), float).reshape(-1, 2)
    flat = np.c_[np.ones(len(source)), source]
    if len(source) < MIN_POINTS or np.linalg.matrix_rank(flat, tol=1e-6) < 3:
        raise UsageError(
            f"{len(source)} points can't place a face",
            fix=f"give at least {MIN_POINTS} that are not on one line, such as both outer eye "
            "corners and both mouth corners",
        )
    system = np.zeros((len(flat) + 3, len(flat) + 3))
    system[:-3, :-3] = _plate(source, source)
    system[:-3, -3:], system[-3:, :-3] = flat, flat.T
    solution = np.linalg.lstsq(system, np.r_[goal, np.zeros((3, 2))], rcond=None)[0]
    all_flat = np.c_[np.ones(len(template)), template]
    return _plate(template, source) @ solution[:-3] + all_flat @ solution[-3:]


def _plate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Thin-plate kernel r^2 log r between points (N, 2) and (M, 2)."""
    squared = ((a[:, None] - b[None]) ** 2).sum(-1)
    return 0.5 * squared * np.log(np.maximum(squared, 1e-12))
