"""What one live frame says of the actor, by pixels or by a phone; frames as a FaceTrack."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..footage.live_link import CoefficientTake
from ..solving.coefficients import face_track_of
from ..track import RESTING, TRACKED, FaceTrack
from ..vocabulary import EXPRESSIONS, GEOMETRIC_FEATURES, NEUTRAL
from ..vocabulary import MEDIAPIPE_LANDMARKS as POINTS
from .packets import FacePacket

CALM = np.eye(len(EXPRESSIONS), dtype=np.float32)[NEUTRAL]
"""What is perceived while nobody has looked."""

_NONE = np.zeros((POINTS, 3), np.float32)


@dataclass(frozen=True)
class Said:
    """What the networks say of a face: expression (7,), units, character -> (M,), mouth (4,) in the
    order of MOUTH, no_mouth (7,) of its upper part alone, and pooled (POOLED,), what the
    teacher's convolutions give of it; None where no network tells."""

    expression: np.ndarray = field(default_factory=lambda: CALM)
    units: dict[str, np.ndarray] = field(default_factory=dict)
    mouth: np.ndarray | None = None
    no_mouth: np.ndarray | None = None
    pooled: np.ndarray | None = None


@dataclass(frozen=True)
class Seen:
    """One frame of the actor.

    time: seconds from the first frame; found: a face was seen, else the rest means nothing.
    landmarks (478, 3), None by a phone; head_pose (4, 4), gaze (2, 2), arkit (52,) and geometry
    (9,) as in a FaceTrack; lids (2,) lid openings, None where only `blink` (2,) is told; said: the
    newest of the networks, which look at fewer frames.
    """

    time: float
    found: bool = False
    landmarks: np.ndarray | None = None
    head_pose: np.ndarray = field(default_factory=lambda: np.eye(4, dtype=np.float32))
    gaze: np.ndarray = field(default_factory=lambda: np.zeros((2, 2), np.float32))
    arkit: np.ndarray = field(default_factory=lambda: np.zeros(52, np.float32))
    geometry: np.ndarray = field(default_factory=lambda: np.zeros(len(GEOMETRIC_FEATURES)))
    lids: np.ndarray | None = None
    blink: np.ndarray | None = None
    confidence: float = 1.0
    said: Said = field(default_factory=Said)

    @property
    def phone(self) -> bool:
        """Coefficients are all that is known."""
        return self.landmarks is None

    def perceived(self, said: Said) -> Seen:
        """The same with what the networks say."""
        return replace(self, said=said)


def seen_by_camera(time: float, tracked) -> Seen:
    """A frame of the face tracker's (`face_tracker.TrackedFace`)."""
    if not tracked.found:
        return Seen(time)
    observation = tracked.observation
    return Seen(
        time,
        True,
        landmarks=observation.landmarks,
        head_pose=observation.head_pose,
        gaze=tracked.gaze,
        arkit=observation.arkit,
        geometry=tracked.geometry,
        lids=tracked.lids,
        confidence=tracked.confidence,
    )


def seen_by_phone(time: float, packet: FacePacket) -> Seen:
    """A packet of a phone's."""
    if not packet.found:
        return Seen(time)
    take = CoefficientTake(np.zeros(1), packet.coefficients[None], packet.angles[None])
    track = face_track_of(take, CALM[None], {})
    return Seen(
        time,
        True,
        head_pose=track.head_pose[0],
        gaze=track.gaze[0],
        arkit=track.arkit[0],
        blink=track.blink[0],
    )


def as_track(frames: list[Seen], meta: dict | None = None) -> FaceTrack:
    """Frames in order of time as a FaceTrack, without faces to look at again."""
    from ..tracking.track_recorder import blink_amounts

    def column(name: str, kind=np.float32) -> np.ndarray:
        return np.array([getattr(f, name) for f in frames], kind)

    found = column("found", bool)
    arkit = column("arkit")
    if all(f.lids is not None for f in frames):
        blink = blink_amounts(column("lids"), arkit, found)
    else:
        blink = np.array([np.zeros(2) if f.blink is None else f.blink for f in frames], np.float32)
    said = [f.said for f in frames]
    names = {name for s in said for name in s.units}
    return FaceTrack(
        times=column("time", np.float64),
        state=np.where(found, TRACKED, RESTING).astype(np.uint8),
        landmarks=np.array([_NONE if f.phone else f.landmarks for f in frames], np.float32),
        head_pose=column("head_pose"),
        gaze=column("gaze"),
        blink=blink,
        confidence=column("confidence"),
        arkit=arkit,
        geometry=column("geometry"),
        expression=np.array([s.expression for s in said], np.float32),
        face_offsets=np.zeros(len(frames), np.int64),
        face_bytes=np.zeros(0, np.uint8),
        meta=meta or {},
        rig_units={n: np.array([s.units[n] for s in said if n in s.units]) for n in names},
        no_mouth=_where_all_told([s.no_mouth for s in said]),
        pooled=_where_all_told([s.pooled for s in said]),
    )


def _where_all_told(rows: list[np.ndarray | None]) -> np.ndarray | None:
    return None if any(row is None for row in rows) else np.array(rows, np.float32)
