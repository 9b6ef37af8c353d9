"""A free side for the footage beside a character: where it hides nobody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from mathutils import Vector

from ..characters.in_scene import Character, handles_of, right_of
from ..characters.landmark_anchors import world_vertices

GAP = 0.06
"""Room between the footage and whatever it could hide, in sides of the character's face picture."""
STEP = 0.04
"""By how much a side is looked along for a free place, likewise."""
FAR = 6.0
"""How far a place may be, likewise."""
SIDES = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "above": (0.0, 1.0), "below": (0.0, -1.0)}
"""As the viewer sees them; of two that are as near the first is taken."""


def axes_of(forward: Vector) -> tuple[Vector, Vector, Vector]:
    """(right, up, back) of somebody who looks a character in the face that looks `forward`, world
    space; `back` comes towards the viewer."""
    back = forward.normalized()
    right = right_of(back)
    return right, back.cross(right).normalized(), back


def place_beside(
    character: Character, everyone: Iterable[Character], width: float, height: float
) -> Vector:
    """The centre, in world space, of a picture (metres) that stands beside a character's face and
    hides no character: at the nearest free side.

    Args:
        everyone: all characters of the scene, this one too.
    """
    right, up, _ = axes_of(character.forward)
    centre, size = character.face_center, character.profile.framing.size
    taken = np.concatenate([_seen_of(c, right, up) for c in everyone])
    taken = _thinned(taken - (right.dot(centre), up.dot(centre)), GAP / 6 * size)
    half = np.array([width, height]) / 2
    found = {}
    for side, way in SIDES.items():
        for place in _along(way, half, size):
            if not _covers(place, half + GAP * size, taken):
                found[side] = place
                break
    # How much of a side's way is there because of the picture's own extent does not count.
    x, y = min(
        found.values(), key=lambda p: np.abs(p).sum() - (half[0] if p[0] else half[1]),
        default=np.array([-FAR * size, 0.0]),
    )  # fmt: skip
    return centre + right * float(x) + up * float(y)


def _along(way: tuple[float, float], half: np.ndarray, size: float) -> Iterator[np.ndarray]:
    """Places at one side of a face, from the nearest, relative to its centre."""
    nearest = 0.5 * size + float(np.abs(way) @ half)
    for i in range(round(FAR / STEP)):
        yield np.array(way) * (nearest + i * STEP * size)


def _thinned(points: np.ndarray, step: float) -> np.ndarray:
    """Points (N, 2), one of those that share a square of this side."""
    x, y = np.round((points - points.min(0)) / step).astype(np.int64).T
    return points[np.unique(x * (y.max() + 1) + y, return_index=True)[1]]


def _covers(place: np.ndarray, half: np.ndarray, points: np.ndarray) -> bool:
    return bool((np.abs(points - place) < half).all(1).any())


def _seen_of(character: Character, right: Vector, up: Vector) -> np.ndarray:
    """(N, 2) what is seen of a character, as points in the plane of right and up: the vertices of
    its meshes, the picture of its face, its handles."""
    import bpy

    graph = bpy.context.evaluated_depsgraph_get()
    parts = [
        world_vertices(o.evaluated_get(graph))
        for o in character.collection.all_objects
        if o.type == "MESH" and o.visible_get()
    ]
    places = [np.array(handles_of(character), float).reshape(-1, 3), *parts]
    flat = np.concatenate(places) @ np.array([right, up]).T
    side = np.linspace(-0.45, 0.45, 9) * character.profile.framing.size
    face = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    centre = (right.dot(character.face_center), up.dot(character.face_center))
    return np.concatenate([flat, face + centre])
