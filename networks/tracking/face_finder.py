"""Where faces are in a picture, how sure that is, and how the picture has to be turned for them.

By the landmarker's own first stage, BlazeFace, alone: it takes 3 ms and tells a score, which the
landmarker keeps to itself.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass

import cv2
import numpy as np

from ..errors import ModelError
from . import landmark_model
from .mediapipe_tasks import mediapipe
from .view import BORDER_GREY, View, tiles

FOUND = 0.4  # score from which somebody may be there
SURE = 0.6  # somebody is: patterns without a face reach 0.55
SMALLEST = 50  # pixels; a smaller face shows too little to be read
TILE = 10  # sides of the smallest face that a tile may have: 13 pixels of what the network sees
UPRIGHT = 0.7  # score of a face that stands upright, at least
TURNED = 0.08  # by how much it is higher than the score of the picture as it lies
SURROUNDINGS = 2.2  # sides of a face that are looked at when it is turned
_MEMBER = "face_detector.tflite"


@dataclass(frozen=True)
class Spot:
    """A face: box (4,) left, top, right, bottom in pixels, of eyes, nose and mouth with a little
    around; score 0..1."""

    box: np.ndarray
    score: float


class FaceFinder:
    """The detector, made once; a context manager.

    Raises:
        ModelError: the landmark model is missing, damaged or can't be loaded.
    """

    def __init__(self):
        self._detector = _detector()

    def __enter__(self) -> FaceFinder:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        if self._detector is not None:
            self._detector.close()
            self._detector = None

    def find(self, rgb: np.ndarray, view: View | None = None) -> list[Spot]:
        """The faces of a picture (H, W, 3) uint8, or of a view of it, the surest first.

        It sees the whole at 128x128: what is smaller than a tenth of it, it overlooks.
        """
        mp = mediapipe()
        view = view or View(0, 0, rgb.shape[1], rgb.shape[0])
        canvas = view.render(rgb)
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=canvas)
        spots = []
        for found in self._detector.detect(image).detections:
            b, score = found.bounding_box, found.categories[0].score
            corners = np.array(
                [[b.origin_x, b.origin_y], [b.origin_x + b.width, b.origin_y + b.height]]
            )
            box = view.to_picture(corners / np.array(canvas.shape[1::-1], float)).ravel()
            spots.append(Spot(box, float(score)))
        return sorted(spots, key=lambda spot: -spot.score)

    def scan(self, rgb: np.ndarray, smallest: float = SMALLEST) -> list[Spot]:
        """The faces of a picture by a closer look: in halves, quarters and so on, until some are
        found or a face of `smallest` pixels would have been."""
        height, width = rgb.shape[:2]
        finest = max(2, round(TILE * smallest))
        side = max(width, height)
        while side > finest:
            side = max(side // 2, finest)
            spots = [s for tile in tiles(width, height, side) for s in self.find(rgb, tile)]
            sure = _apart([s for s in spots if s.score >= SURE])
            if sure:
                return sure
        return []

    def turns(self, rgb: np.ndarray, box: np.ndarray) -> int:
        """By how many quarters counterclockwise a picture has to be turned for the face in a box
        to stand upright: 0 unless another way is surely better."""
        part = _surroundings(rgb, box)
        scores = [self._score(np.ascontiguousarray(np.rot90(part, turn))) for turn in range(4)]
        best = int(np.argmax(scores))
        sure = scores[best] >= UPRIGHT and scores[best] - scores[0] >= TURNED
        return best if sure else 0

    def _score(self, part: np.ndarray) -> float:
        """Of the face in the middle."""
        middle = np.array(part.shape[1::-1]) / 2
        return max(
            (s.score for s in self.find(part) if _within(middle, s.box)),
            default=0.0,
        )


def _within(point: np.ndarray, box: np.ndarray) -> bool:
    return bool((box[:2] <= point).all() and (point <= box[2:]).all())


def _apart(spots: list[Spot]) -> list[Spot]:
    """One spot a face: of those whose middles lie in each other the surest."""
    kept: list[Spot] = []
    for spot in sorted(spots, key=lambda s: -s.score):
        middle = (spot.box[:2] + spot.box[2:]) / 2
        if not any(_within(middle, other.box) for other in kept):
            kept.append(spot)
    return kept


def _surroundings(rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
    """A square around a box, grey where the picture ends."""
    half = round(SURROUNDINGS * float((box[2:] - box[:2]).max()) / 2) or 1
    x, y = np.rint((box[:2] + box[2:]) / 2).astype(int)
    height, width = rgb.shape[:2]
    low, high = np.array([x, y]) - half, np.array([x, y]) + half
    inside = rgb[max(0, low[1]) : max(0, high[1]), max(0, low[0]) : max(0, high[0])]
    if not inside.size:
        return np.full((2 * half, 2 * half, 3), BORDER_GREY, np.uint8)
    if inside.ndim == 2:
        inside = cv2.cvtColor(np.ascontiguousarray(inside), cv2.COLOR_GRAY2RGB)
    left, top = np.maximum(0, -low)
    right, bottom = np.maximum(0, high - [width, height])
    grey = (BORDER_GREY,) * 3
    return cv2.copyMakeBorder(
        inside, int(top), int(bottom), int(left), int(right), cv2.BORDER_CONSTANT, value=grey
    )


def _detector():
    tasks = mediapipe().tasks
    vision = tasks.vision
    model = landmark_model.landmark_model()
    try:
        with zipfile.ZipFile(model) as bundle:
            network = bundle.read(_MEMBER)
        options = vision.FaceDetectorOptions(
            base_options=tasks.BaseOptions(model_asset_buffer=network),
            min_detection_confidence=FOUND,
        )
        return vision.FaceDetector.create_from_options(options)
    except (KeyError, zipfile.BadZipFile, RuntimeError, ValueError, OSError) as error:
        raise ModelError(
            f"the face detector can't be started ({error}).",
            file=model,
            fix=landmark_model.FETCH_FIX,
        ) from error
