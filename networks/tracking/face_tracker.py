"""Frames -> face observations, by the MediaPipe Face Landmarker.

`FaceDetector` finds the faces of one picture or of the frames of a clip; `FaceTracker` chooses one
of them and keeps to it. What it says of each frame goes into a FaceTrack by `recorder`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..errors import ModelError, UsageError
from ..footage.frames import Frame
from ..vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, LANDMARKS, MEDIAPIPE_LANDMARKS
from . import landmark_model
from .registration import geometric_features, register

os.environ.setdefault("GLOG_minloglevel", "2")  # the library's start-up chatter is no news

STILL_THRESHOLD = 0.3  # finds most of the small, grey faces that 0.5 loses
CLIP_THRESHOLD = 0.5
MAX_FACES = 8  # in one picture
MAX_SIDE = 1280  # pixels; the landmarker looks at 256x256 of a face, more would only cost time
SMALL_SIDE = 160  # pixels; below this a picture is taken for a crop of a face
ENLARGED_SIDE = 320
BORDER_GREY = 127
_CHOSEN = np.array(list(LANDMARKS.values()))


@dataclass(frozen=True)
class FaceObservation:
    """One face in one picture.

    landmarks (478, 3) float32: pixels of the upright picture, x right, y down, z alike (smaller is
    nearer, zero at the head's centre); arkit (52,) float32 in 0..1, in the order of ARKIT_CHANNELS;
    head_pose (4, 4) float32: face -> camera, centimetres, x right, y up, z to the camera; size:
    (width, height) of the picture in pixels.
    """

    landmarks: np.ndarray
    arkit: np.ndarray
    head_pose: np.ndarray
    size: tuple[int, int]

    @property
    def landmarks49(self) -> np.ndarray:
        """(49, 2) float32: the landmarks of ExprGen, section 3, in the order of LANDMARK_NAMES."""
        return self.landmarks[_CHOSEN, :2]

    @property
    def box(self) -> np.ndarray:
        """(4,) left, top, right, bottom of the face mesh in pixels."""
        return np.concatenate([self.landmarks[:, :2].min(0), self.landmarks[:, :2].max(0)])

    @property
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
        self.view: _View | None = None  # what the last search was lucky with
        self._landmarker = _landmarker(clip, faces, threshold)
        self._last_ms = -1

    def __enter__(self) -> FaceDetector:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        if self._landmarker is not None:
            self._landmarker.close()
            self._landmarker = None

    def detect(
        self, rgb: np.ndarray, seconds: float = 0.0, view: _View | None = None
    ) -> list[FaceObservation]:
        """The faces of a picture, from left to right.

        Args:
            rgb: (H, W, 3) uint8, or (H, W) grey.
            seconds: the frame's time (clips only); it has to increase.
            view: of a search in a picture of the same size; by default the whole picture.
        """
        return self._detect(rgb, view or _whole(rgb.shape[1], rgb.shape[0]), seconds)

    def search(self, rgb: np.ndarray) -> list[FaceObservation]:
        """Like `detect` for a separate picture, but not content with a first failure.

        A tight crop gets a border of mid grey before it is enlarged (the detector was trained on
        faces with surroundings); a large picture is searched in overlapping quarters, because the
        detector sees the whole at 128x128 and overlooks small faces.
        """
        height, width = rgb.shape[:2]
        for view in _views(width, height):
            found = self._detect(rgb, view)
            if found:
                self.view = view
                return found
        return []

    def _detect(self, rgb, view: _View, seconds: float = 0.0) -> list[FaceObservation]:
        import mediapipe as mp

        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=view.render(rgb))
        if self.clip:
            self._last_ms = max(self._last_ms + 1, round(seconds * 1000))
            result = self._landmarker.detect_for_video(image, self._last_ms)
        else:
            result = self._landmarker.detect(image)
        found = [
            FaceObservation(
                landmarks=view.to_picture(_points(points)),
                arkit=_arkit(scores),
                head_pose=np.asarray(pose, np.float32),
                size=(rgb.shape[1], rgb.shape[0]),
            )
            for points, scores, pose in zip(
                result.face_landmarks,
                result.face_blendshapes,
                result.facial_transformation_matrixes,
                strict=True,
            )
        ]
        return sorted(found, key=lambda face: float(face.landmarks[:, 0].mean()))


@dataclass(frozen=True)
class _View:
    """What the landmarker is shown: a part of the picture, with a grey border, scaled.

    left, top, right, bottom: the part, in picture pixels; border: picture pixels on each side;
    scale: canvas pixels per picture pixel.
    """

    left: int
    top: int
    right: int
    bottom: int
    scale: float = 1.0
    border: int = 0

    def render(self, rgb: np.ndarray) -> np.ndarray:
        """The canvas, (h, w, 3) uint8, contiguous."""
        rgb = rgb[self.top : self.bottom, self.left : self.right]
        if rgb.ndim == 2:
            rgb = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_GRAY2RGB)
        if self.border:
            b, grey = self.border, (BORDER_GREY,) * 3
            rgb = cv2.copyMakeBorder(rgb, b, b, b, b, cv2.BORDER_CONSTANT, value=grey)
        if self.scale != 1.0:
            way = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC
            size = [max(1, round(n * self.scale)) for n in rgb.shape[1::-1]]
            rgb = cv2.resize(rgb, size, interpolation=way)
        return np.ascontiguousarray(rgb)

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Points (478, 3) as fractions of the canvas -> pixels of the picture."""
        width = self.right - self.left + 2 * self.border
        height = self.bottom - self.top + 2 * self.border
        pixels = points * np.array([width, height, width], np.float32)  # z is scaled like x
        pixels[:, 0] += self.left - self.border
        pixels[:, 1] += self.top - self.border
        return pixels


def _whole(width: int, height: int, border: float = 0.0) -> _View:
    """The whole picture; border as a fraction of its longer side."""
    longer = max(width, height)
    pixels = round(border * longer)
    side = longer + 2 * pixels
    scale = min(1.0, MAX_SIDE / side)
    if longer < SMALL_SIDE:
        scale = ENLARGED_SIDE / side
    return _View(0, 0, width, height, scale, pixels)


def _views(width: int, height: int) -> Iterator[_View]:
    """What `FaceDetector.search` tries, in this order."""
    borders = (0.25, 0.5, 0.0) if max(width, height) < SMALL_SIDE else (0.0, 0.25, 0.5)
    for border in borders:
        yield _whole(width, height, border)
    if min(width, height) < 2 * SMALL_SIDE:
        return
    for top in (0, height // 4, height - height // 2):
        for left in (0, width // 4, width - width // 2):
            right, bottom = left + width // 2, top + height // 2
            yield _View(left, top, right, bottom, min(1.0, 2 * MAX_SIDE / max(width, height)))


def _points(landmarks: list) -> np.ndarray:
    """MediaPipe's list of points -> (478, 3) float32."""
    flat = [value for p in landmarks for value in (p.x, p.y, p.z)]
    return np.array(flat, np.float32).reshape(MEDIAPIPE_LANDMARKS, 3)


def _arkit(scores: list) -> np.ndarray:
    """MediaPipe's 52 categories (with _neutral, without tongueOut) -> (52,) by ARKIT_CHANNELS."""
    arkit = np.zeros(len(ARKIT_CHANNELS), np.float32)
    for category in scores:
        column = ARKIT_INDEX.get(category.category_name)
        if column is not None:
            arkit[column] = category.score
    return arkit


def _landmarker(clip: bool, faces: int, threshold: float):
    """A MediaPipe landmarker with everything switched on that a FaceObservation needs."""
    from mediapipe.tasks.python import BaseOptions, vision

    model = landmark_model.landmark_model()
    mode = vision.RunningMode.VIDEO if clip else vision.RunningMode.IMAGE
    try:
        return vision.FaceLandmarker.create_from_options(
            vision.FaceLandmarkerOptions(
                base_options=BaseOptions(model_asset_path=str(model)),
                running_mode=mode,
                num_faces=faces,
                min_face_detection_confidence=threshold,
                min_face_presence_confidence=threshold,
                min_tracking_confidence=threshold,
                output_face_blendshapes=True,
                output_facial_transformation_matrixes=True,
            )
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(
            f"the landmarker can't be started ({error}).", file=model, fix=landmark_model.FETCH_FIX
        ) from error


# --- one face through a clip ---------------------------------------------------------------------

CHOICES = ("largest", "left", "right")
SEARCH_EVERY = 8  # lost frames between two thorough searches
LOOK_ROUND = 1.0  # seconds between two looks at who else is there
NEAR = 0.7  # widths of the face that it may move between two frames,
SPEED = 3.0  # and in a second more
GROWTH = 1.6  # factor by which its size may change between two frames
REUNION = 2.0  # widths within which a lost face is looked for at first
SHAPE_WEIGHT = 5.0  # of a different shape against one width of distance; see `_shape`
# Points that expressions hardly move: eye corners, nose, temples and forehead.
_RIGID = np.array(
    [33, 133, 362, 263, 168, 6, 197, 4, 1, 2, 98, 327, 10, 109, 338, 54, 284, 127, 356]
)
_LIDS = {  # upper, lower, outer and inner corner
    "left": ((385, 386, 387), (380, 374, 373), 263, 362),
    "right": ((160, 159, 158), (144, 145, 153), 33, 133),
}
GAZE_YAW = 0.6  # radians at a look-in or look-out coefficient of 1
GAZE_PITCH = 0.5  # radians at a look-up or look-down coefficient of 1


@dataclass(frozen=True)
class TrackedFace:
    """What one frame says of the chosen face.

    Where found is False everything but index, time, size and name is None or 0. face: the
    registered face (256, 256) uint8; geometry (9,); gaze (2, 2) left and right eye's yaw and pitch
    in radians, see ROLES; lids (2,) left and right lid opening over eye width; confidence: see
    `confidence`; name: of a picture.
    """

    index: int
    time: float
    size: tuple[int, int]
    found: bool = False
    observation: FaceObservation | None = None
    face: np.ndarray | None = None
    geometry: np.ndarray | None = None
    gaze: np.ndarray | None = None
    lids: np.ndarray | None = None
    confidence: float = 0.0
    name: str = ""


class FaceTracker:
    """Follows one face through the frames of a clip, or chooses one in each of several pictures.

    The face is chosen in the first frame that shows enough faces: "largest", "left" or "right" (of
    the picture, as the viewer sees it), or a number, counted from 0 at the left. From then on it is
    the one that goes on smoothly from where it was; when it is lost, another person's face is not
    taken for it, and only a face near by, or one that belongs to no other person seen so far, is.

    Args:
        face: the choice. stills: the frames are separate pictures; each is chosen from anew.

    Raises:
        UsageError: not a choice. ModelError: see FaceDetector.
    """

    def __init__(self, face: str = "largest", *, stills: bool = False):
        self._choice = _parse_choice(face)
        self.face, self.stills = str(face), stills
        self._still = FaceDetector(faces=MAX_FACES)
        self._clip = None if stills else FaceDetector(clip=True)
        self._last: FaceObservation | None = None
        self._last_time = 0.0
        self._others: list[FaceObservation] = []
        self._looked = -math.inf
        self._lost = 0
        self._view: _View | None = None  # how the face is best shown to the landmarker

    def __enter__(self) -> FaceTracker:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._still.close()
        if self._clip is not None:
            self._clip.close()

    def track(self, frame: Frame) -> TrackedFace:
        """The chosen face in the next frame; frames come in the order of their times."""
        observation = self._choose_still(frame) if self.stills else self._follow(frame)
        if observation is None:
            return TrackedFace(frame.index, frame.time, frame.size, name=frame.name)
        return _describe(frame, observation)

    def _choose_still(self, frame: Frame) -> FaceObservation | None:
        faces = self._still.search(frame.rgb)
        return self._pick(faces)

    def _pick(self, faces: list[FaceObservation]) -> FaceObservation | None:
        """The face of the choice; None where there are not enough."""
        if not faces:
            return None
        if isinstance(self._choice, int):
            return faces[self._choice] if self._choice < len(faces) else None
        if self._choice == "largest":
            return max(faces, key=lambda face: face.area)
        return faces[0 if self._choice == "left" else -1]

    def _follow(self, frame: Frame) -> FaceObservation | None:
        if self._last is not None and self._lost == 0:
            self._look_round(frame)
            observation = self._go_on(frame)
            if observation is not None:
                return self._keep(observation, frame.time)
        observation = self._find(frame)
        if observation is None:
            self._lost += 1
            return None
        return self._keep(observation, frame.time)

    def _keep(self, observation: FaceObservation, time: float) -> FaceObservation:
        self._last, self._last_time, self._lost = observation, time, 0
        return observation

    def _go_on(self, frame: Frame) -> FaceObservation | None:
        """The face where the landmarker follows it, unless it has jumped to another one."""
        faces = self._clip.detect(frame.rgb, frame.time, self._view)
        if not faces:
            return None
        width = _width(self._last)
        reach = NEAR + SPEED * (frame.time - self._last_time)
        far = _distance(faces[0], self._last) > reach * width
        grown = abs(math.log(_width(faces[0]) / width)) > math.log(GROWTH)
        return None if far or grown else faces[0]

    def _find(self, frame: Frame) -> FaceObservation | None:
        """The chosen face among all that are in the frame, and the landmarker set on it."""
        faces = self._still.detect(frame.rgb, view=self._view)
        if not faces and self._lost % SEARCH_EVERY == 0:
            faces = self._still.search(frame.rgb)
        chosen = self._pick(faces) if self._last is None else self._recognise(faces, frame.time)
        if chosen is None:
            return None
        self._others = [face for face in faces if face is not chosen]
        self._looked = frame.time
        self._view = self._still.view or self._view
        # Made anew: the old one may be following somebody else. It sees this frame with the others
        # covered, so that it starts on the right face; the next ones it sees as they are.
        self._clip.close()
        self._clip = FaceDetector(clip=True)
        alone = frame.rgb if not self._others else _cover_all_but(frame.rgb, chosen)
        started = self._clip.detect(alone, frame.time, self._view)
        near = started and _distance(started[0], chosen) < NEAR * _width(chosen)
        return started[0] if near else chosen

    def _recognise(self, faces: list[FaceObservation], time: float) -> FaceObservation | None:
        lost = time - self._last_time
        candidates = []
        for face in faces:
            cost = _difference(face, self._last)
            if any(_difference(face, other) < cost for other in self._others):
                continue
            # Somebody seen beside other people may have left; alone, they can come back anywhere.
            reach = REUNION + SPEED * lost if not self._others else REUNION
            if _distance(face, self._last) < reach * _width(self._last):
                candidates.append((cost, face))
        return min(candidates, key=lambda c: c[0])[1] if candidates else None

    def _look_round(self, frame: Frame) -> None:
        """Now and then note where other people are, so as not to take one for the chosen face."""
        if frame.time - self._looked < LOOK_ROUND:
            return
        self._looked = frame.time
        faces = self._still.detect(frame.rgb, view=self._view)
        if len(faces) < 2:
            return  # those who were there may only be hidden: keep their last places
        own = min(faces, key=lambda face: _distance(face, self._last))
        self._others = [face for face in faces if face is not own]


def _parse_choice(face: str) -> str | int:
    face = str(face).strip().lower()
    if face in CHOICES:
        return face
    if face.isdigit():
        return int(face)
    raise UsageError(
        f"unknown choice of face {face!r}.",
        fix=f"use {', '.join(CHOICES)} or a number, counted from 0 at the left",
    )


def _describe(frame: Frame, observation: FaceObservation) -> TrackedFace:
    points = observation.landmarks49
    return TrackedFace(
        index=frame.index,
        time=frame.time,
        size=frame.size,
        found=True,
        observation=_in_full_pixels(observation, frame),
        face=register(frame.rgb, points),
        geometry=geometric_features(points),
        gaze=gaze_angles(observation.arkit),
        lids=lid_openings(observation),
        confidence=confidence(observation),
        name=frame.name,
    )


def _in_full_pixels(observation: FaceObservation, frame: Frame) -> FaceObservation:
    """The observation in pixels of the full picture, where the frame was reduced."""
    x, y = frame.scale
    scale = np.array([x, y, x], np.float32)
    return replace(observation, landmarks=observation.landmarks * scale, size=frame.size)


def gaze_angles(arkit: np.ndarray) -> np.ndarray:
    """(..., 52) coefficients -> (..., 2, 2) yaw and pitch of the left and the right eye, radians.

    Relative to the head; signs as in ROLES. The look coefficients are proportional to the iris's
    offset between the eye's corners (correlation 0.98 over a clip), but agree better between both
    eyes and keep their zero when the head turns; so they are used and scaled to angles by that
    proportion, for an eyeball of 12 mm in an eye of 30 mm.
    """

    def of(name: str) -> np.ndarray:
        return arkit[..., ARKIT_INDEX[name]]

    left_yaw = of("eyeLookOutLeft") - of("eyeLookInLeft")
    right_yaw = of("eyeLookInRight") - of("eyeLookOutRight")
    left_pitch = of("eyeLookDownLeft") - of("eyeLookUpLeft")
    right_pitch = of("eyeLookDownRight") - of("eyeLookUpRight")
    left = np.stack([GAZE_YAW * left_yaw, GAZE_PITCH * left_pitch], axis=-1)
    right = np.stack([GAZE_YAW * right_yaw, GAZE_PITCH * right_pitch], axis=-1)
    return np.stack([left, right], axis=-2).astype(np.float32)


def lid_openings(observation: FaceObservation) -> np.ndarray:
    """(2,) float32, left and right: distance of the lids over that of the eye's corners, 0 closed
    and about 0.3 wide awake; measured in the head's own frame, so that looking up or down with the
    whole head does not count."""
    points = _in_head(observation)
    openings = []
    for upper, lower, outer, inner in _LIDS.values():
        height = points[list(upper), 1].mean() - points[list(lower), 1].mean()
        openings.append(height / np.hypot(*(points[outer] - points[inner])[:2]))
    return np.array(openings, np.float32)


def confidence(observation: FaceObservation) -> float:
    """0..1: how well the camera sees this face.

    The product of: its width in pixels (1 from 64 on), its turn away from the camera (1 up to 30
    degrees, 0 from 90), and the share of its landmarks that lie inside the picture. The landmarker
    itself tells no score; something held before the face does not show here.
    """
    width, height = observation.size
    points = observation.landmarks[:, :2]
    inside = ((points >= 0) & (points < [width, height])).all(1).mean()
    pose = observation.head_pose
    facing = pose[2, 2] / max(float(np.linalg.norm(pose[:3, 2])), 1e-6)
    turn = math.degrees(math.acos(max(-1.0, min(1.0, facing))))
    seen = min(1.0, max(0.0, (90.0 - turn) / 60.0))
    return float(min(1.0, _width(observation) / 64.0) * seen * inside)


def _in_head(observation: FaceObservation) -> np.ndarray:
    """The landmarks (478, 3) turned into the head's axes: x to the subject's left, y up."""
    rotation = observation.head_pose[:3, :3]
    return (observation.landmarks * np.array([1, -1, -1], np.float32)) @ rotation


def _width(face: FaceObservation) -> float:
    return max(1.0, float(np.sqrt(face.area)))


def _distance(a: FaceObservation, b: FaceObservation) -> float:
    return math.dist(a.landmarks[:, :2].mean(0), b.landmarks[:, :2].mean(0))


def _difference(a: FaceObservation, b: FaceObservation) -> float:
    """How unlike two faces are: place and size first, shape to decide where these don't."""
    width = math.sqrt(_width(a) * _width(b))
    size = abs(math.log(_width(a) / _width(b)))
    shape = float(np.sqrt(((_shape(a) - _shape(b)) ** 2).sum(1).mean()))
    return _distance(a, b) / width + size + SHAPE_WEIGHT * shape


def _shape(face: FaceObservation) -> np.ndarray:
    """Where the rigid points of a face are, seen from the front, in eye distances. It differs by
    about 0.03 for one person and 0.08 between people: a hint, not proof."""
    points = _in_head(face)[_RIGID, :2]
    points = points - points[:4].mean(0)
    return points / max(float(np.hypot(*(points[0] - points[3]))), 1e-6)


def _cover_all_but(rgb: np.ndarray, face: FaceObservation) -> np.ndarray:
    """The picture in mid grey but for the surroundings of one face."""
    left, top, right, bottom = face.box
    margin = 0.4 * max(right - left, bottom - top)
    height, width = rgb.shape[:2]
    x0, x1 = max(0, int(left - margin)), min(width, int(right + margin))
    y0, y1 = max(0, int(top - margin)), min(height, int(bottom + margin))
    covered = np.full_like(rgb, BORDER_GREY)
    covered[y0:y1, x0:x1] = rgb[y0:y1, x0:x1]
    return covered
