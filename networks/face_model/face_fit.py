"""A FaceFit: one person's face in three dimensions over a clip, and where its head stands.

It is made of a FaceTrack, knows no character, and is versioned and checked on load like one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..arrays import ANY, ROWS, Column, check_columns
from ..errors import InputError
from ..track import (
    FARTHEST,
    TRACKED,
    FaceTrack,
    check_span,
    load_arrays,
    save_arrays,
    turns_of,
)
from .fitting import FIT, FitSettings, Fitter, Solved
from .model import FaceModel, face_model
from .projection import FIELD, PROJECTIONS, Camera, Heads

KIND = "exprgen.face_fit"
AGAIN = "fit the footage again"
FEWEST = 1
"""Seen frames that a fit needs."""
_COLUMNS = {
    "times": Column((ROWS,), np.float64, -FARTHEST, FARTHEST),
    "state": Column((ROWS,), np.uint8, 0, 3),
    "rotation": Column((ROWS, 3, 3), np.float32, -1.01, 1.01),
    "translation": Column((ROWS, 3), np.float32, -1e9, 1e9),
    "expression": Column((ROWS, ANY), np.float32, 0, 1),
    "gaze": Column((ROWS, 2, 2), np.float32, -10, 10),
    "residual": Column((ROWS,), np.float32, 0, 1e6),
}


@dataclass(frozen=True)
class FaceFit:
    """A face over N frames.

    times (N,) seconds; state (N,) as in FaceTrack; rotation (N, 3, 3) and translation (N, 3)
    millimetres put the face (see `model`) before the camera (see `projection`); expression (N, E)
    weights 0..1 of the model's actions `names`; gaze (N, 2, 2) as in FaceTrack; residual (N,)
    millimetres on the face; identity (I,) in standard deviations; own (V, 3) millimetres by which
    the points lie elsewhere than identity has them, see `own_shape.py`, or (1, 3) of zeros; camera:
    what filmed.
    meta: source (file name), stills, names of pictures, as in FaceTrack.
    """

    times: np.ndarray
    state: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    expression: np.ndarray
    gaze: np.ndarray
    residual: np.ndarray
    identity: np.ndarray
    camera: Camera
    names: tuple[str, ...]
    meta: dict = field(default_factory=dict)
    own: np.ndarray = field(default_factory=lambda: np.zeros((1, 3)))

    def __len__(self) -> int:
        return len(self.times)

    @property
    def heads(self) -> Heads:
        """Where the head stands."""
        return Heads(self.rotation.astype(float), self.translation.astype(float))

    @property
    def seen(self) -> np.ndarray:
        """(N,) bool: the face was seen in this frame."""
        return self.state == TRACKED

    def rest(self, model: FaceModel) -> np.ndarray:
        """(V, 3) the face at rest."""
        return model.person(self.identity)[0] + self.own

    def _arrays(self) -> dict[str, np.ndarray]:
        return {n: np.asarray(getattr(self, n), c.dtype) for n, c in _columns().items()}

    def check(self, path: str | Path, fix: str) -> None:
        """Whether its numbers are a face's, as `load` asks for; path: what it was fitted to.

        Raises:
            InputError: they are not.
        """
        with np.errstate(over="ignore"):  # what no number holds is not finite, which is told
            arrays = self._arrays()
        check_columns(path, arrays, _columns(), fix)

    def save(self, path: str | Path) -> Path:
        """Write it whole; raises OutputError."""
        arrays = self._arrays()
        camera = {"size": list(self.camera.size), "focal": self.camera.focal}
        camera["projection"] = self.camera.kind
        meta = {**self.meta, "camera": camera, "actions": list(self.names)}
        return save_arrays(path, KIND, meta, arrays)

    @staticmethod
    def load(path: str | Path) -> FaceFit:
        """Read and check a fit of the model that ships with ExprGen.

        Raises:
            InputError: it is none, of another model, or a field is of the wrong kind.
        """
        meta, arrays = load_arrays(path, KIND, AGAIN)
        model, camera = face_model(), _camera(path, meta.pop("camera", None))
        columns = _columns()
        arrays.setdefault("own", np.zeros((1, 3), np.float16))  # not in older files
        check_columns(path, arrays, columns, AGAIN)
        if len(arrays["own"]) not in (1, len(model.mean)):
            raise InputError("is of another face model", file=path, fix=AGAIN)
        names = meta.pop("actions", None)
        if names != list(model.expressions) or arrays["expression"].shape[1] != len(names):
            raise InputError("is of another face model", file=path, fix=AGAIN)
        if word := check_span(arrays["times"], bool(meta.get("stills"))):
            raise InputError(f"field 'times' {word}", file=path, fix=AGAIN)
        known = {n: arrays[n] for n in columns}
        return FaceFit(camera=camera, names=model.expressions, meta=meta, **known)


def _columns() -> dict[str, Column]:
    """All columns of a fit of the model that ships with ExprGen."""
    own = {"identity": Column((face_model().identities,), np.float32, -100, 100)}
    return {**_COLUMNS, **own, "own": Column((ANY, 3), np.float16, -100, 100)}


def _camera(path: str | Path, told: object) -> Camera:
    told = told if isinstance(told, dict) else {}
    size, focal, kind = (told.get(n) for n in ("size", "focal", "projection"))
    right = isinstance(size, list) and len(size) == 2 and all(type(n) is int for n in size)
    if not (right and isinstance(focal, int | float) and focal > 0 and kind in PROJECTIONS):
        raise InputError("its header tells no camera", file=path, fix=AGAIN)
    if min(size) < 1:
        raise InputError("its header tells no camera", file=path, fix=AGAIN)
    return Camera(tuple(size), float(focal), kind)


def fit_track(
    track: FaceTrack,
    angle: float = FIELD,
    projection: str = PROJECTIONS[0],
    settings: FitSettings = FIT,
    model: FaceModel | None = None,
) -> FaceFit:
    """The face of a track: fitted where it was seen, in between as the track has bridged it.

    Args:
        angle: vertical angle of view of the camera that filmed, radians. projection: of
            PROJECTIONS. model: by default the one that ships.

    Raises:
        InputError: the track has no landmarks, or the face is in no frame.
    """
    model = model or face_model()
    _check(track)
    camera = Camera.of(_size(track), angle, projection)
    solved = _solve(track, Fitter(model, camera, settings))
    kept = ("source", "stills", "names", "fps")
    return FaceFit(
        times=track.times, state=track.state, rotation=solved.heads.rotation,
        translation=solved.heads.translation, expression=solved.expression, gaze=track.gaze,
        residual=solved.residual, identity=solved.identity, camera=camera,
        names=model.expressions, meta={n: track.meta[n] for n in kept if n in track.meta},
    )  # fmt: skip


def _solve(track: FaceTrack, fitter: Fitter) -> Solved:
    """One identity from the frames in which the face was seen; separate pictures know no before."""
    seen = seen_landmarks(track)
    times = np.asarray(track.times, float)
    identity = fitter.identity(seen[track.found])
    if not track.meta.get("stills"):
        return fitter.frames(seen, times, identity)
    alone = [fitter.frames(seen[n : n + 1], times[n : n + 1], identity) for n in range(len(seen))]
    return Solved(
        identity,
        Heads.joined([s.heads for s in alone]),
        *(np.concatenate([getattr(s, n) for s in alone]) for n in ("expression", "residual")),
    )


def seen_landmarks(track: FaceTrack) -> np.ndarray:
    """(N, 478, 2) pixels; of frames without the face those of the nearest frame that has one: what
    a track holds there says nothing, and would pull at the frames around."""
    rows, every = np.flatnonzero(track.found), np.arange(len(track))
    after = rows[np.searchsorted(rows, every).clip(max=len(rows) - 1)]
    before = rows[(np.searchsorted(rows, every, side="right") - 1).clip(min=0)]
    nearest = np.where(np.abs(after - every) < np.abs(every - before), after, before)
    return np.asarray(track.landmarks[nearest, :, :2], float)


def footage_of(meta: dict) -> str | None:
    """The footage of a track, for messages: its path, as far as it is known."""
    stamped = meta.get("stamp")
    paths = stamped.get("paths") if isinstance(stamped, dict) else None
    if isinstance(paths, list | tuple) and len(paths) == 1:
        return str(paths[0])
    return str(meta.get("source") or "") or None


def _check(track: FaceTrack) -> None:
    source = footage_of(track.meta)
    if track.meta.get("coefficients"):
        raise InputError(
            "holds coefficients alone, no landmarks", file=source, fix="give footage of a face"
        )
    if track.found.sum() < FEWEST:
        raise InputError("no face was found", file=source, fix="give footage that shows a face")


def _size(track: FaceTrack) -> tuple[int, int]:
    """(width, height) of the pictures; of those whose size nobody wrote down, what is seen."""
    width, height = track.meta.get("size") or (0, 0)
    if width > 0 and height > 0:
        turned = turns_of(track.meta, 0) % 2
        return (int(height), int(width)) if turned else (int(width), int(height))
    far = np.maximum(track.landmarks[track.found][..., :2].max((0, 1)), 1)
    return int(np.ceil(far[0])), int(np.ceil(far[1]))
