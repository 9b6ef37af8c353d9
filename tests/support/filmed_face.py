"""Faces of the model that ships, seen by a camera without errors: what a fit should find again."""

from dataclasses import dataclass

import numpy as np

from exprgen.networks.face_model.face_fit import FaceFit
from exprgen.networks.face_model.model import FaceModel
from exprgen.networks.face_model.projection import Camera, Heads, rotation_of
from exprgen.networks.track import FaceTrack
from exprgen.networks.vocabulary import ARKIT_CHANNELS, GEOMETRIC_FEATURES

SIZE = (640, 480)


@dataclass(frozen=True)
class Filmed:
    """A clip of a person of the model: what is true, and where the landmarks are seen."""

    identity: np.ndarray
    expression: np.ndarray
    heads: Heads
    camera: Camera
    times: np.ndarray
    seen: np.ndarray


def film(model: FaceModel, seed: int = 0, frames: int = 16, turn: float = 0.35) -> Filmed:
    """A person who nods and smiles, 30 frames a second."""
    rng = np.random.default_rng(seed)
    identity = rng.normal(0, 0.8, model.identities)
    expression = np.zeros((frames, len(model.expressions)))
    wave = 0.5 - 0.5 * np.cos(np.linspace(0, 2 * np.pi, frames))
    for name, most in (("mouthSmileLeft", 0.8), ("mouthSmileRight", 0.7), ("jawOpen", 0.3)):
        expression[:, model.expressions.index(name)] = most * wave
    expression[:, model.expressions.index("browInnerUp")] = 0.7 * wave[::-1] ** 2
    angles = turn * np.stack([np.sin(wave), np.cos(2 * wave), 0.3 * wave], 1)
    translation = np.array([10.0, -20.0, -520.0]) + wave[:, None] * (15.0, 4.0, 20.0)
    heads, camera = Heads(rotation_of(angles), translation), Camera.of(SIZE)
    rest, moves = model.landmarks().of_person(identity)
    points = rest + np.tensordot(expression, moves, 1)
    seen = camera.project(points, heads)
    return Filmed(identity, expression, heads, camera, np.arange(frames) / 30.0, seen)


def as_fit(model: FaceModel, expression: np.ndarray, seed: int = 0, rate: float = 30.0) -> FaceFit:
    """A fit of a person who does this, (N, E), turning the head at will."""
    rng, count = np.random.default_rng(seed), len(expression)
    return FaceFit(
        times=np.arange(count) / rate,
        state=np.zeros(count, np.uint8),
        rotation=rotation_of(rng.normal(0, 0.2, (count, 3))),
        translation=np.tile([0.0, 0.0, -500.0], (count, 1)),
        expression=np.asarray(expression, float),
        gaze=np.zeros((count, 2, 2)),
        residual=np.ones(count),
        identity=rng.normal(0, 1, model.identities),
        camera=Camera.of(SIZE),
        names=model.expressions,
        meta={"source": "clip.mp4"},
    )


def track_of(filmed: Filmed, **meta) -> FaceTrack:
    """A FaceTrack of a filmed face."""
    count = len(filmed.times)
    marks = np.concatenate([filmed.seen, np.zeros((count, 478, 1))], 2)
    return FaceTrack(
        times=filmed.times, state=np.zeros(count, np.uint8), landmarks=marks.astype(np.float32),
        head_pose=np.tile(np.eye(4, dtype=np.float32), (count, 1, 1)),
        gaze=np.zeros((count, 2, 2), np.float32), blink=np.zeros((count, 2), np.float32),
        confidence=np.ones(count, np.float32),
        arkit=np.zeros((count, len(ARKIT_CHANNELS)), np.float32),
        geometry=np.zeros((count, len(GEOMETRIC_FEATURES)), np.float32),
        expression=np.full((count, 7), 1 / 7, np.float32),
        face_offsets=np.zeros(count, np.int64), face_bytes=np.zeros(0, np.uint8),
        meta={"source": "clip.mp4", "size": [640, 480], "fps": 30.0, **meta},
    )  # fmt: skip
