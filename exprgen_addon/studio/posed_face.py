"""A character posed and read without rendering: its points in its own frame, and how far one can
look between its lips."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...networks.characters.profile import RigProfile
from ...networks.evaluation.face_features import POINTS
from ...networks.evaluation.performance import Build
from ...networks.track import load_arrays, save_arrays
from ...networks.vocabulary import LANDMARK_NAMES
from ..characters.landmark_anchors import FaceAnchors
from .ced_capture import anchors_digest
from .evaluation_plan import digest
from .face_studio import FaceStudio
from .lip_rays import lip_opening
from .skin_rays import chin_anchor

POSED_KIND = "exprgen.posed"


class Poser:
    """One character whose POINTS are read at whatever pose it is put in; needs bpy.

    folder: where poses that were read are kept. rest: (50, 3) the POINTS at rest.

    Raises:
        InputError: see `face_studio.FaceStudio`; or the character has no landmarks.
    """

    def __init__(self, profile: RigProfile, folder: Path):
        self.profile, self._folder = profile, folder
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
            "opening": (N,) see `lip_opening`; both in metres. Kept in the folder as `name`.
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
            openings.append(lip_opening(self._studio, places))
            points.append(places @ self._studio.axes().T)
            progress(len(points), len(values))
        arrays = {"points": _with_chin(np.array(points)), "opening": np.array(openings)}
        save_arrays(path, POSED_KIND, {"of": mark}, arrays)
        return arrays

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
