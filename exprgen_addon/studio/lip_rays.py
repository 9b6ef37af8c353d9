"""How far one can look between a character's lips: rays from the camera; needs bpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...networks.vocabulary import LANDMARK_INDEX
from ..characters.landmark_anchors import own_name
from .face_studio import FaceStudio

LIP_PAIRS = tuple(
    (LANDMARK_INDEX[f"lip_top_inner_{k}"], LANDMARK_INDEX[f"lip_bottom_inner_{4 - k}"])
    for k in (1, 2, 3)
)
"""Landmarks of the upper lip, each with the one below it."""
BEYOND, HALVINGS = 0.2, 4
"""How far beyond two of them is looked, in shares of the way, and how often an edge is halved."""
SLIT = 0.0025
"""Height that is not missed between two rays, a share of the framed side."""
LEAST_RAYS, MOST_RAYS = 9, 25
BEHIND_LIPS = 0.025
"""What is seen so far behind the lips is the mouth's inside; share of the framed side. Closed lips'
crease is a third of that deep, what lies behind open ones three times."""

STEP = 1e-4
"""How far behind what is looked through the ray goes on, a share of the framed side."""


def lip_opening(studio: FaceStudio, places: np.ndarray) -> float:
    """The height at which the studio's camera looks between the lips as they are posed, metres: the
    mean of three places.

    Rays go through points on the way from upper to lower lip and a little beyond.

    Args:
        places: (>= 49, 3) where points are in the world, the landmarks in LANDMARK_NAMES order
            first.
    """
    profile = studio.profile
    camera = np.array(studio.camera.matrix_basis)[:3, 3]
    lips = {a.object for n, a in profile.landmarks.items() if n.startswith("lip")}
    behind = BEHIND_LIPS * profile.framing.size
    heights = []
    for top, bottom in LIP_PAIRS:
        start, way = places[top], places[bottom] - places[top]

        def between(share: float, start=start, way=way) -> bool:
            return _looks_past(studio, lips, behind, camera, start + share * way)

        height = float(np.linalg.norm(way))
        heights.append(open_share(between, _rays(height, profile.framing.size)) * height)
    return float(np.mean(heights))


def _rays(height: float, size: float) -> int:
    """How many rays tell the opening between two landmarks so far apart, metres."""
    wanted = (1.0 + 2.0 * BEYOND) * height / (SLIT * size)
    return int(np.clip(wanted, LEAST_RAYS, MOST_RAYS))


def _looks_past(studio: FaceStudio, lips: set[str], behind: float, camera, place) -> bool:
    """The camera looks past this place, at something far behind the lips or another object behind
    it. What another object hides of it, a moustache or a microphone, is looked through."""
    ray = place - camera
    far = float(np.linalg.norm(ray))
    ray, begin = ray / far, 0.0
    while True:
        hit, where, _, _, thing, _ = studio.scene.ray_cast(
            studio.depsgraph, camera + begin * ray, ray
        )
        reached = float(np.linalg.norm(np.array(where) - camera))
        if not hit:
            return True
        if own_name(thing.original) in lips:
            return reached - far > behind
        if reached > far:
            return True
        begin = max(reached, begin) + STEP * studio.profile.framing.size


def open_share(between: Callable[[float], bool], rays: int) -> float:
    """How much of the way from the upper lip's landmark to the lower's is open.

    Args:
        between: tells for a share of the way (0 the upper's, 1 the lower's) whether one looks
            between the lips there. rays: at how many places it is asked before both edges.
    """
    asked = np.linspace(-BEYOND, 1.0 + BEYOND, rays)
    seen = np.flatnonzero([between(share) for share in asked])
    if not len(seen):
        return 0.0
    edges = []
    for first, beyond in ((seen[0], seen[0] - 1), (seen[-1], seen[-1] + 1)):
        inside = asked[first]
        outside = asked[beyond] if 0 <= beyond < len(asked) else inside
        for _ in range(HALVINGS):
            middle = 0.5 * (inside + outside)
            inside, outside = (middle, outside) if between(middle) else (inside, middle)
        edges.append(0.5 * (inside + outside))
    return float(edges[1] - edges[0])
