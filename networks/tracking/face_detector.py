"""Pictures -> faces: landmarks, coefficients and head pose, by the MediaPipe Face Landmarker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..vocabulary import LANDMARKS
from .face_finder import SMALLEST, FaceFinder, Spot
from .landmarker import open_landmarker
from .view import View, around, whole, wholes

STILL_THRESHOLD = 0.3  # finds most of the small, grey faces that 0.5 loses
CLIP_THRESHOLD = 0.5
MAX_FACES = 8  # in one picture
UNHURRIED = 1000.0
"""How many times longer a clip seems to the landmarker than it is.

Between two frames it smooths landmarks, by a 1 euro filter that knows the past alone: lips that
open quickly come most of a frame late, and a "p" between two vowels is never shut. The filter
trusts a frame the more, the longer ago the last one was; so far apart it lets all of it through,
while the face is still followed from frame to frame. What trembles is smoothed later, by those who
know both sides of a frame (`solving/smoothing.py`) or have to do with one (`live/causal.py`)."""
_CHOSEN = np.array(list(LANDMARKS.values()))


@dataclass(frozen=True)
class FaceObservation:
    """One face in one picture.

    landmarks (478, 3) float32: pixels of the upright picture, x right, y down, z alike (smaller is
    nearer, zero at the head's centre); arkit (52,) float32 in 0..1, in the order of ARKIT_CHANNELS;
    head_pose (4, 4) float32: face -> camera, centimetres, x right, y up, z to the camera; size:
    (width, height) of the picture in pixels; colour (3,) float32: mean RGB of bare skin, 0..255,
    where it is known.
    """

    landmarks: np.ndarray
    arkit: np.ndarray
    head_pose: np.ndarray
    size: tuple[int, int]
    colour: np.ndarray | None = None

    @property
    def landmarks49(self) -> np.ndarray:
        """(49, 2) float32: the landmarks of ExprGen, section 3, in the order of LANDMARK_NAMES."""
        return self.landmarks[_CHOSEN, :2]

    @property
    def box(self) -> np.ndarray:
        """(4,) left, top, right, bottom of the face mesh in pixels."""
        return np.concatenate([self.landmarks[:, :2].min(0), self.landmarks[:, :2].max(0)])

    @cached_property
    def centre(self) -> np.ndarray:
        """(2,) pixels: the middle of the landmarks."""
        return self.landmarks[:, :2].mean(0)

    @cached_property
    def width(self) -> float:
        """The side of a square as large as the box, pixels; at least 1."""
        return max(1.0, float(np.sqrt(self.area)))

    @cached_property
    def area(self) -> float:
        """Of the box, square pixels."""
        return float(np.prod(np.ptp(self.landmarks[:, :2], axis=0)))


class FaceDetector:
    """The landmarker, made once and used for many pictures; a context manager.

    Args:
        clip: frames of one clip follow each other (faster and steadier); False: separate pictures.
        faces: at most this many faces.
        threshold: of detection, presence and tracking; by default 0.3 for pictures, 0.5 for clips.

    Raises:
        ModelError: the landmark model is missing, damaged or can't be loaded.
    """

    def __init__(self, *, clip: bool = False, faces: int = 1, threshold: float | None = None):
        if threshold is None:
            threshold = CLIP_THRESHOLD if clip else STILL_THRESHOLD
        self.clip = clip
        self.view: View | None = None  # of the last finding; None after a closer look
        self._landmarker = open_landmarker(clip, faces, threshold)
        self._last_ms = -1
        self._finder: FaceFinder | None = None

    def __enter__(self) -> FaceDetector:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        if self._landmarker is not None:
            self._landmarker.close()
            self._landmarker = None
        if self._finder is not None:
            self._finder.close()
            self._finder = None

    def detect(
        self, rgb: np.ndarray, seconds: float = 0.0, view: View | None = None
    ) -> list[FaceObservation]:
        """The faces of a picture, from left to right.

        Args:
            rgb: (H, W, 3) uint8, or (H, W) grey.
            seconds: the frame's time (clips only); it has to increase.
            view: of a search in a picture of the same size; by default the whole picture.
        """
        self.view = view or whole(rgb.shape[1], rgb.shape[0])
        return self._detect(rgb, self.view, seconds)

    def search(
        self, rgb: np.ndarray, smallest: float = SMALLEST, finder: FaceFinder | None = None
    ) -> list[FaceObservation]:
        """Like `detect` for a separate picture, but not content with a first failure.

        A tight crop gets a border of mid grey before it is enlarged; a large picture is looked at
        more closely, since the detector sees the whole at 128x128 and overlooks small faces.

        Args:
            smallest: width in pixels of the smallest face that is looked for; finder: used for the
                closer look, by default one of its own.
        """
        height, width = rgb.shape[:2]
        for view in wholes(width, height):
            found = self._detect(rgb, view)
            if found:
                self.view = view
                return found
        self.view = None
        return self.look_at(rgb, (finder or self._own_finder()).scan(rgb, smallest))

    def look_at(self, rgb: np.ndarray, spots: list[Spot]) -> list[FaceObservation]:
        """The faces at these spots, from left to right, each seen in its surroundings."""
        faces: list[FaceObservation] = []
        for spot in spots:
            view = around(spot.box, rgb.shape[1], rgb.shape[0])
            for face in self._detect(rgb, view):
                middle = face.landmarks[:, :2].mean(0)
                inside = (spot.box[:2] <= middle).all() and (middle <= spot.box[2:]).all()
                if inside and not any(same_face(face, other) for other in faces):
                    faces.append(face)
        return sorted(faces, key=lambda face: float(face.landmarks[:, 0].mean()))

    def _own_finder(self) -> FaceFinder:
        if self._finder is None:
            self._finder = FaceFinder()
        return self._finder

    def _detect(self, rgb, view: View, seconds: float = 0.0) -> list[FaceObservation]:
        ms = 0
        if self.clip:
            ms = self._last_ms = max(self._last_ms + 1, round(seconds * 1000 * UNHURRIED))
        found = []
        for points, arkit, pose in self._landmarker(view.render(rgb), ms):
            landmarks = view.to_picture(points)
            size, colour = (rgb.shape[1], rgb.shape[0]), _skin(rgb, landmarks)
            found.append(FaceObservation(landmarks, arkit, pose, size, colour))
        return sorted(found, key=lambda face: float(face.landmarks[:, 0].mean()))


def scaled(face: FaceObservation, factor: np.ndarray) -> FaceObservation:
    """The face in a picture that is (2,) `factor` times as wide and high."""
    x, y = factor
    size = (round(face.size[0] * x), round(face.size[1] * y))
    return replace(face, landmarks=face.landmarks * np.array([x, y, x], np.float32), size=size)


SAME = 0.25  # widths within which two faces found in one picture are one


def same_face(a: FaceObservation, b: FaceObservation) -> bool:
    """Two findings in one picture are of one face."""
    apart = float(np.linalg.norm(a.centre - b.centre))
    return apart < SAME * min(a.width, b.width) and 0.5 < a.width / b.width < 2.0


# Forehead, cheeks, nose and chin: where hair, eyes and lips are not.
_SKIN = np.array([151, 108, 337, 50, 280, 101, 330, 36, 266, 205, 425, 6, 197, 195, 5, 199])


def _skin(rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """(3,) float32: mean colour of the skin; a face outside of the picture has its edge's."""
    height, width = rgb.shape[:2]
    x, y = np.rint(landmarks[_SKIN, :2]).astype(int).T
    colours = rgb[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    return np.broadcast_to(colours.reshape(len(_SKIN), -1).mean(0), 3).astype(np.float32)
