"""MediaPipe's Face Landmarker: a picture -> numbers of the faces in it.

MediaPipe's own Python makes an object of each of 478 points and sends every call through a thread
of its own. Both hold Python's lock, or wait for it, while other threads read faces. So the library
is asked by its C interface (mediapipe/tasks/c/vision, `face_landmarker.h` and `image.h`), and what
it finds is copied from where it lies. Names and layouts of the C structs are those that MediaPipe's
Python declares; as another version may have others, that is done with `KNOWN` alone, and any other
is asked by MediaPipe's own Python.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import ModelError
from ..vocabulary import ARKIT_CHANNELS, ARKIT_INDEX
from . import landmark_model
from .mediapipe_tasks import mediapipe

KNOWN = "1.2.2"
"""MediaPipe's version whose C interface is used: that of pyproject.toml."""
_TASKS = "mediapipe.tasks.python"
_SRGB = 1
"""MpImageFormat of three bytes a pixel."""

Found = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Of one face: points (478, 3) float32 as fractions of the picture's width, height and width; arkit
(52,) float32 in the order of ARKIT_CHANNELS; head pose (4, 4) float32, see FaceObservation."""
Landmarker = Callable[[np.ndarray, int], list[Found]]
"""A picture (H, W, 3) uint8, contiguous, and its time in ms, which grows (clips only) -> its faces;
`close` lets go of the library's memory."""


def open_landmarker(
    clip: bool, faces: int, threshold: float, plain: bool = False
) -> DirectLandmarker | PlainLandmarker:
    """A landmarker with everything switched on that a FaceObservation needs.

    Args:
        clip: pictures follow each other; faces: at most; threshold: of detection, presence and
            tracking; plain: by MediaPipe's Python in any case, to compare with.

    Raises:
        ModelError: the landmark model is missing, damaged or can't be loaded.
    """
    library, model = mediapipe(), landmark_model.landmark_model()
    tasks = library.tasks
    mode = tasks.vision.RunningMode.VIDEO if clip else tasks.vision.RunningMode.IMAGE
    known = getattr(library, "__version__", "") == KNOWN and not plain
    made = DirectLandmarker if known else PlainLandmarker
    try:
        return made(
            tasks.vision.FaceLandmarkerOptions(
                # Its bytes, not its name: the library can't open every name on Windows.
                base_options=tasks.BaseOptions(model_asset_buffer=model.read_bytes()),
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


class PlainLandmarker:
    """A `Landmarker` by MediaPipe's Python.

    Args:
        options: a FaceLandmarkerOptions.
    """

    def __init__(self, options):
        self._image, self._srgb = mediapipe().Image, mediapipe().ImageFormat.SRGB
        self._landmarker = mediapipe().tasks.vision.FaceLandmarker.create_from_options(options)
        self._clip = options.running_mode.name == "VIDEO"

    def close(self) -> None:
        self._landmarker.close()

    def result(self, picture: np.ndarray, ms: int = 0):
        """The FaceLandmarkerResult of a picture."""
        image = self._image(image_format=self._srgb, data=picture)
        if self._clip:
            return self._landmarker.detect_for_video(image, ms)
        return self._landmarker.detect(image)

    def __call__(self, picture: np.ndarray, ms: int = 0) -> list[Found]:
        result = self.result(picture, ms)
        return [
            (_points(points), _arkit(scores), np.asarray(pose, np.float32))
            for points, scores, pose in zip(
                result.face_landmarks,
                result.face_blendshapes,
                result.facial_transformation_matrixes,
                strict=True,
            )
        ]


def _points(landmarks: list) -> np.ndarray:
    return np.array([(p.x, p.y, p.z) for p in landmarks], np.float32)


def _arkit(scores: list) -> np.ndarray:
    """52 categories (with _neutral, without tongueOut) -> (52,) by ARKIT_CHANNELS."""
    arkit = np.zeros(len(ARKIT_CHANNELS), np.float32)
    for category in scores:
        column = ARKIT_INDEX.get(category.category_name)
        if column is not None:
            arkit[column] = category.score
    return arkit


class DirectLandmarker:
    """The same `Landmarker` by the library's C interface, bit by bit; in one thread at a time.

    Raises:
        RuntimeError, ValueError, OSError: as MediaPipe's Python, of the same causes, and of a
            landmarker that is closed.
    """

    _handle = None

    def __init__(self, options):
        self._c, self._columns = _c_interface(), {}
        self._handle = ctypes.c_void_p()
        self._clip = options.running_mode.name == "VIDEO"
        given = self._c.options()
        given.base_options = options.base_options.to_ctypes()
        given.running_mode = options.running_mode.ctype
        for name in _TAKEN_OVER:
            setattr(given, name, getattr(options, name))
        self._c.ask("MpFaceLandmarkerCreate", ctypes.byref(given), ctypes.byref(self._handle))

    def __del__(self):
        self.close()

    def close(self) -> None:
        if self._handle:
            handle, self._handle = self._handle, None
            self._c.ask("MpFaceLandmarkerClose", handle)

    def __call__(self, picture: np.ndarray, ms: int = 0) -> list[Found]:
        if not self._handle:  # asked without one the library ends the process
            raise ValueError("the landmarker is closed")
        ask, image, found = self._c.ask, ctypes.c_void_p(), self._c.result()
        height, width = picture.shape[:2]
        pixels = (picture.ctypes.data, picture.size)
        ask("MpImageCreateFromUint8Data", _SRGB, width, height, *pixels, ctypes.byref(image))
        try:
            if self._clip:
                given = (self._handle, image, None, ms, ctypes.byref(found))
                ask("MpFaceLandmarkerDetectForVideo", *given)
            else:
                ask("MpFaceLandmarkerDetectImage", self._handle, image, None, ctypes.byref(found))
            try:
                return [self._face(found, i) for i in range(found.face_landmarks_count)]
            finally:
                self._c.functions["MpFaceLandmarkerCloseResult"](ctypes.byref(found))
        finally:
            self._c.functions["MpImageFree"](image)

    def _face(self, found, number: int) -> Found:
        points, scores = found.face_landmarks[number], found.face_blendshapes[number]
        pose = found.facial_transformation_matrixes[number].to_numpy()
        # x, y and z lie side by side.
        places = _field(points.landmarks, points.landmarks_count, "x", np.float32, 3).copy()
        return places, self._coefficients(scores.categories, scores.categories_count), pose

    def _coefficients(self, categories, count: int) -> np.ndarray:
        numbers = _field(categories, count, "index", np.int32).tobytes()
        if numbers not in self._columns:  # names are read once: they are 52 objects
            names = [categories[i].category_name.decode() for i in range(count)]
            known = [i for i, name in enumerate(names) if name in ARKIT_INDEX]
            self._columns[numbers] = known, [ARKIT_INDEX[names[i]] for i in known]
        known, columns = self._columns[numbers]
        arkit = np.zeros(len(ARKIT_CHANNELS), np.float32)
        arkit[columns] = _field(categories, count, "score", np.float32)[known, 0]
        return arkit


_TAKEN_OVER = (
    "num_faces",
    "min_face_detection_confidence",
    "min_face_presence_confidence",
    "min_tracking_confidence",
    "output_face_blendshapes",
    "output_facial_transformation_matrixes",
)
"""Options that are called alike in Python and in C."""


@dataclass(frozen=True)
class _CInterface:
    """functions: of C, by name; options, result: the structs' types; handle: raises what a status
    other than 0 means."""

    functions: dict[str, Callable]
    options: type
    result: type
    handle: Callable

    def ask(self, function: str, *arguments) -> None:
        """Call a C function that answers with a status.

        Raises:
            RuntimeError, ValueError, OSError: it failed.
        """
        told = ctypes.c_char_p()
        status = self.functions[function](*arguments, ctypes.byref(told))
        try:
            self.handle(status, told)
        finally:
            if told.value is not None:
                self.functions["MpErrorFree"](told)


@functools.cache
def _c_interface() -> _CInterface:
    core, vision = f"{_TASKS}.core.mediapipe_c_", f"{_TASKS}.vision.face_landmarker"
    bindings, utilities, structs = map(
        importlib.import_module, (f"{core}bindings", f"{core}utils", vision)
    )
    # Opened once more: argument types are set on its functions, and MediaPipe sets its own.
    place = bindings.load_raw_library()._name
    working, freeing = ctypes.CDLL(place), ctypes.PyDLL(place)
    options, result = structs.MpFaceLandmarkerOptionsC, structs.MpFaceLandmarkerResultC
    functions = {}
    for name, types in _signatures(options, result).items():
        functions[name] = getattr(working, name)
        functions[name].argtypes, functions[name].restype = types, ctypes.c_int
    for name in _FREEING:
        functions[name] = getattr(freeing, name)
        functions[name].argtypes, functions[name].restype = [ctypes.c_void_p], None
    return _CInterface(functions, options, result, utilities.handle_status)


_FREEING = ("MpFaceLandmarkerCloseResult", "MpImageFree", "MpErrorFree")
"""C functions that keep Python's lock, as the others do not: who lets go of it for so short a time
may wait longer until it is back."""


def _signatures(options: type, result: type) -> dict[str, list]:
    """Argument types of the C functions that answer with a status."""
    any_, int_ = ctypes.c_void_p, ctypes.c_int
    given, found = ctypes.POINTER(options), ctypes.POINTER(result)
    error, new = ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(any_)
    return {
        "MpImageCreateFromUint8Data": [int_, int_, int_, any_, int_, new, error],
        "MpFaceLandmarkerCreate": [given, new, error],
        "MpFaceLandmarkerDetectImage": [any_, any_, any_, found, error],
        "MpFaceLandmarkerDetectForVideo": [any_, any_, any_, ctypes.c_int64, found, error],
        "MpFaceLandmarkerClose": [any_, error],
    }


def _field(first, count: int, name: str, dtype, width: int = 1) -> np.ndarray:
    """(count, width) one field of C structs that lie in a row from where the pointer `first`
    points, and the next of its kind beside it; a view that ends with the structs."""
    struct, shape = first._type_, (count, width)
    if not count:
        return np.zeros(shape, dtype)
    size, offset = ctypes.sizeof(struct), getattr(struct, name).offset
    row = (ctypes.c_char * (count * size)).from_address(ctypes.addressof(first.contents))
    return np.ndarray(shape, dtype, row, offset, (size, np.dtype(dtype).itemsize))
