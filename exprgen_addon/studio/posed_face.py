"""A character posed and read without rendering: its points in its own frame, and how far one can
look between its lips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...networks.characters.profile import RigProfile
from ...networks.evaluation.face_features import POINTS
from ...networks.evaluation.performance import Build
from ...networks.track import load_arrays, save_arrays
from ...networks.vocabulary import LANDMARK_INDEX, LANDMARK_NAMES
from ..characters.landmark_anchors import FaceAnchors, own_name
from .ced_capture import anchors_digest
from .evaluation_plan import digest
from .face_studio import FaceStudio
from .skin_rays import chin_anchor

POSED_KIND = "exprgen.posed"
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


class Poser:
    """One character whose POINTS are read at whatever pose it is put in; needs bpy.

    folder: where poses that were read are kept. rest: (50, 3) the POINTS at rest.

    Raises:
        InputError: see `face_studio.FaceStudio`; or the character has no landmarks.
    """

    def __init__(self, profile: RigProfile, folder: Path):
        self.profile, self._folder = profile, folder
        self._lips = {a.object for n, a in profile.landmarks.items() if n.startswith("lip")}
        self._behind = BEHIND_LIPS * profile.framing.size
        self._studio = FaceStudio(profile)
        try:
            self._anchors = self._place()
            reach = self.read(_extremes(profile), "reach", lambda made, total: None)
            self.build, self.rest = Build.of(reach["points"]), reach["points"][0]
        except BaseException:
            self._studio.close()
            raise

    def __enter__(self) -> Poser:
        return self

    def __exit__(self, *_) -> None:
        self._studio.close()

    def read(self, values: np.ndarray, name: str, progress, stop=lambda: False) -> dict | None:
        """What is seen of poses, native values (N, C), the head at rest; None if stopped.

        Returns:
            "points": (N, 50, 3) POINTS, x to the subject's own left, y up, z out of the face;
            "opening": (N,) see `_opening`; both in metres. Kept in the folder as `name`.
        """
        values = self._with_head_at_rest(values)
        path = self._folder / f"{name}_{self.profile.name}.npz"
        mark = digest([self._seen, np.round(values, 5).tolist()])
        if path.is_file():
            meta, arrays = load_arrays(path, POSED_KIND)
            if meta["of"] == mark:
                return arrays
        points, openings = [], []
        for row in values:
            if stop():
                return None
            self._studio.pose(row)
            places = self._anchors.world(self._studio.depsgraph)
            openings.append(self._opening(places))
            points.append(places @ self._studio.axes().T)
            progress(len(points), len(values))
        arrays = {"points": _with_chin(np.array(points)), "opening": np.array(openings)}
        save_arrays(path, POSED_KIND, {"of": mark}, arrays)
        return arrays

    def _opening(self, places: np.ndarray) -> float:
        """The height at which the camera looks between the lips, metres: the mean of three places.
        Rays go through points on the way from upper to lower lip and a little beyond."""
        camera = np.array(self._studio.camera.matrix_basis)[:3, 3]
        heights = []
        for top, bottom in LIP_PAIRS:
            start, way = places[top], places[bottom] - places[top]

            def between(share: float, start=start, way=way) -> bool:
                return self._between(camera, start + share * way)

            height = float(np.linalg.norm(way))
            heights.append(open_share(between, self._rays(height)) * height)
        return float(np.mean(heights))

    def _rays(self, height: float) -> int:
        """How many rays tell the opening between two landmarks so far apart, metres."""
        wanted = (1.0 + 2.0 * BEYOND) * height / (SLIT * self.profile.framing.size)
        return int(np.clip(wanted, LEAST_RAYS, MOST_RAYS))

    def _between(self, camera: np.ndarray, place: np.ndarray) -> bool:
        """The camera looks past this place, at something far behind the lips or another object."""
        ray = place - camera
        far = float(np.linalg.norm(ray))
        scene, graph = self._studio.scene, self._studio.depsgraph
        hit, where, _, _, thing, _ = scene.ray_cast(graph, camera, ray / far)
        if not hit or own_name(thing.original) not in self._lips:
            return True
        return float(np.linalg.norm(np.array(where) - camera)) - far > self._behind

    def _with_head_at_rest(self, values: np.ndarray) -> np.ndarray:
        values = np.array(values, float)
        for i, control in enumerate(self.profile.controls):
            if control.output == "head":
                values[:, i] = control.rest
        return values

    def _place(self) -> FaceAnchors:
        """The anchors that are read, the chin among them if the character has one."""
        chin = chin_anchor(self._studio)
        blend = self.profile.blend.stat()
        self._seen = [anchors_digest(self.profile), str(chin), blend.st_size, blend.st_mtime_ns]
        extra = [] if chin is None else [chin]
        own = [self.profile.landmarks[name] for name in LANDMARK_NAMES]
        return FaceAnchors(self.profile, self._studio.character.collection, [*own, *extra])


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


def _with_chin(points: np.ndarray) -> np.ndarray:
    """(N, 50, 3) of (N, 49 or 50, 3): a chin that the character does not have is nowhere."""
    chin = np.full((len(points), len(POINTS) - points.shape[1], 3), np.nan)
    return np.concatenate([points, chin], axis=1)


def _extremes(profile: RigProfile) -> np.ndarray:
    """(K, C) native values: at rest, then with each expression control at each of its limits."""
    rest = np.array([c.rest for c in profile.controls], float)
    poses = [rest]
    for i, control in enumerate(profile.controls):
        for limit in (control.minimum, control.maximum):
            if control.output == "expression" and limit != control.rest:
                poses.append(np.where(np.arange(len(rest)) == i, limit, rest))
    return np.array(poses)
