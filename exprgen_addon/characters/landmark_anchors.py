"""The 49 landmarks as anchors on a character's meshes, read at whatever pose it is in.

A landmark is kept as a triangle of the evaluated mesh and barycentric weights (`Anchor`), so it
follows shape keys, armatures, drivers and whatever else deforms the mesh, and is known for every
pose without rendering or looking for a face. Modifiers that refine or rebuild a mesh (`REBUILDING`:
subdivision and its like) are off while anchors are placed and read, since their vertices are
counted differently at every level; the pictures of a capture are rendered without them too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ...networks.characters.profile import Anchor, RigProfile
from ...networks.errors import InputError
from ...networks.vocabulary import LANDMARK_NAMES

REBUILDING = ("SUBSURF", "MULTIRES", "DECIMATE", "REMESH", "BUILD", "EXPLODE")
"""Modifiers that are off where anchors are placed and read."""


class FaceAnchors:
    """A profile's anchors on one copy of the character, read at whatever pose it is in.

    Args:
        profile: its landmarks are read. collection: the copy's. anchors: other ones than the
            profile's landmarks.

    Raises:
        InputError: the profile has no landmarks, or they are on objects or vertices that are gone.
    """

    def __init__(self, profile: RigProfile, collection, anchors: Sequence[Anchor] | None = None):
        if anchors is None:
            require_landmarks(profile)
            anchors = [profile.landmarks[name] for name in LANDMARK_NAMES]
        self._profile = profile
        self._weights = np.array([a.weights for a in anchors], float)[..., None]
        self._parts = []
        for name in sorted({a.object for a in anchors}):
            rows = np.array([i for i, a in enumerate(anchors) if a.object == name])
            corners = np.array([anchors[i].vertices for i in rows])
            self._parts.append((find_object(profile, collection, name), rows, corners))

    def world(self, depsgraph) -> np.ndarray:
        """(49, 3) float64: the anchors in world space, metres, at the graph's evaluated pose."""
        triangles = np.zeros((len(self._weights), 3, 3))
        for obj, rows, corners in self._parts:
            evaluated = obj.evaluated_get(depsgraph)
            points = _vertices(evaluated)
            if corners.max() >= len(points):
                raise InputError(
                    f"landmarks are on vertices that {obj.name!r} does not have",
                    file=self._profile.path,
                    fix=_fix(self._profile),
                )
            triangles[rows] = _placed(evaluated, points[corners])
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
    from .in_scene import NAME_TAG, tag_of

    return tag_of(obj, NAME_TAG) or obj.name


def world_vertices(evaluated) -> np.ndarray:
    """(V, 3) float64 vertices of an evaluated mesh object in world space."""
    return _placed(evaluated, _vertices(evaluated))


def _vertices(evaluated) -> np.ndarray:
    """(V, 3) float32 vertices of an evaluated mesh object in its own space."""
    mesh = evaluated.data
    flat = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3)


def _placed(evaluated, points: np.ndarray) -> np.ndarray:
    """Points (..., 3) of an object's own space in world space, float64."""
    matrix = np.array(evaluated.matrix_world)
    return points.astype(float) @ matrix[:3, :3].T + matrix[:3, 3]


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
