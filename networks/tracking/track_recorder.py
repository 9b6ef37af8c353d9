"""Tracked frames -> a FaceTrack file, without holding the clip in memory.

Every frame's numbers and registered face go to a spool beside the output at once. At the end, when
it is known what follows a loss, lost frames are bridged, held or relaxed (see `smoothing`), and the
spool is copied into the .npz.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from ..errors import InputError
from ..files import new_spool, unwritable
from ..footage.clock import own_rate
from ..names import as_name
from ..track import RESTING, TRACKED, FaceTrack, Spooled, check_span, cuts_of, shots_of
from ..vocabulary import (
    ARKIT_CHANNELS,
    ARKIT_INDEX,
    EXPRESSIONS,
    GEOMETRIC_FEATURES,
    LARGEST,
    MOUTH,
    NEUTRAL,
    POOLED,
    REGISTERED_SIZE,
)
from ..vocabulary import MEDIAPIPE_LANDMARKS as POINTS
from .cuts import LOOK, find_cuts, look_of
from .face_finder import SMALLEST
from .face_tracker import TrackedFace
from .lost_frames import BRIDGE_SECONDS, classify_losses, fill_lost, loss_weights

JPEG_QUALITY = 92

# Lid openings over eye width (see tracking.lid_openings).
OPEN_LIDS = 0.27  # awake eyes, where a clip does not tell better
OPEN_LIDS_LIMITS = (0.15, 0.40)
CLOSED_LIDS = 0.06  # lids that touch; lashes and landmark noise keep it from 0
OPEN_MARGIN = 0.9  # lids this much lower than usual are still not blinking

_SPOOLED = {
    "landmarks": ((POINTS, 3), np.float32),
    "head_pose": ((4, 4), np.float32),
    "gaze": ((2, 2), np.float32),
    "lids": ((2,), np.float32),
    "confidence": ((), np.float32),
    "arkit": ((len(ARKIT_CHANNELS),), np.float32),
    "geometry": ((len(GEOMETRIC_FEATURES),), np.float32),
    "expression": ((len(EXPRESSIONS),), np.float32),
    "mouth": ((len(MOUTH),), np.float32),
    "no_mouth": ((len(EXPRESSIONS),), np.float32),
    "pooled": ((POOLED,), np.float32),
    "read": ((), np.bool_),
    "posed": ((), np.bool_),
    "times": ((), np.float64),
    "found": ((), np.bool_),
    "look": ((LOOK, LOOK), np.uint8),
    "face_lengths": ((), np.int64),
}
_NEUTRAL = np.eye(len(EXPRESSIONS))[NEUTRAL]
_CHANCES = ("expression", "no_mouth")
_READ = (*_CHANCES, "pooled")
"""Columns, the first of probabilities, which may be read at fewer frames than there are."""


class TrackRecorder:
    """Collects the frames of one reference; a context manager, whose end removes the spool.

    Args:
        out: the FaceTrack's file (.npz).
        source: the reference, for the track's meta data. given: its path, for messages.
        fps: mean rate, kept where the frames don't tell their own; face: the choice of face;
        stills: separate pictures.
        prior: (7,) what the readings still lean to, or empty.
        pooled_by: the teacher that gives `pooled` (`perception.pooled.pooled_by`), or empty.
        stamp: of the files, see `footage.stamp`; empty where it is not known.
        sound: seconds at which the clip's sound begins, None where it has none.

    Raises:
        OutputError: nothing can be written beside `out`.
    """

    def __init__(
        self,
        out: str | Path,
        *,
        source: str,
        given: str = "",
        fps: float = 0.0,
        face: str = LARGEST,
        stills: bool = False,
        prior: Sequence[float] = (),
        pooled_by: str = "",
        stamp: dict | None = None,
        sound: float | None = None,
    ):
        self.out, self.stills = Path(out), stills
        self._given = given or source
        self._meta = {"source": source, "fps": fps, "face": face, "stills": stills, "names": []}
        self._meta["size"] = [0, 0]
        if prior:
            self._meta["prior"] = list(prior)
        if pooled_by:
            self._meta["pooled_by"] = pooled_by
        if stamp:
            self._meta["stamp"] = stamp
        if sound is not None:
            self._meta["sound"] = round(sound, 4)
        self._turns: list[int] = []
        self._first = self._last = 0.0
        self._frames = self.found = 0
        self._seen = dict.fromkeys(("mouth", "no_mouth", "pooled"), 0)
        self.without_face: list[str] = []
        try:
            self._folder = new_spool(self.out)
        except OSError as error:
            raise unwritable(self.out, error) from error
        self._open = contextlib.ExitStack()
        try:
            self._files = {n: self._spool(n) for n in (*_SPOOLED, "face_bytes")}
        except OSError as error:
            self.close()
            raise unwritable(self.out, error) from error
        self._units: dict[str, int] = {}

    def __enter__(self) -> TrackRecorder:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __len__(self) -> int:
        return self._frames

    @property
    def cuts(self) -> tuple[float, ...]:
        """Seconds of the first frames after cuts, known when it is finished."""
        return cuts_of(self._meta)

    def close(self) -> None:
        """Remove the spool; what is not finished by then is lost."""
        with contextlib.suppress(OSError):  # on a full disk what was not yet written fails here
            self._open.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(
        self,
        tracked: TrackedFace,
        expression: np.ndarray | None = None,
        rig_units: dict[str, np.ndarray] | None = None,
        mouth: np.ndarray | None = None,
        no_mouth: np.ndarray | None = None,
        pooled: np.ndarray | None = None,
    ) -> None:
        """Append a frame; frames come in the order of their times.

        Args:
            expression: (7,) probabilities of the registered face; None where nobody has looked: it
                is between what was seen before and after, and neutral if nobody looked at any.
            rig_units: key as in FaceTrack.rig_units -> (M,) unit values; the same keys every time,
                or None where nobody has looked: filled like the expression.
            mouth: (4,) in the order of MOUTH; None where nobody has looked. A track that has it for
                no frame is written without it. no_mouth: (7,) of the upper part of the face alone,
                wherever an expression is given or nowhere; likewise. pooled: (POOLED,) what the
                teacher's convolutions give of the face; as no_mouth.
        """
        self._check_time(tracked.time)
        jpeg = b""
        row = dict.fromkeys(_SPOOLED, 0.0)
        row |= {"times": tracked.time, "expression": _NEUTRAL, "head_pose": np.eye(4)}
        if tracked.found:
            seen = tracked.observation
            jpeg = encode_face(tracked.face)
            row |= {"landmarks": seen.landmarks, "head_pose": seen.head_pose, "arkit": seen.arkit}
            row |= {n: getattr(tracked, n) for n in ("gaze", "lids", "confidence", "geometry")}
            row |= {"found": True, "face_lengths": len(jpeg), "look": look_of(tracked.face)}
            if expression is not None:
                row |= {"expression": expression, "read": True}
            row["posed"] = bool(rig_units)
            beside = {"mouth": mouth, "no_mouth": no_mouth, "pooled": pooled}
            for name in (n for n, given in beside.items() if given is not None):
                row[name], self._seen[name] = beside[name], self._seen[name] + 1
        else:
            self.without_face.append(tracked.name or f"frame {tracked.index}")
        try:
            for name, (shape, dtype) in _SPOOLED.items():
                self._files[name].write(_bytes(row[name], shape, dtype))
            self._files["face_bytes"].write(jpeg)
            self._add_units(rig_units or {})
        except OSError as error:
            raise unwritable(self.out, error) from error
        if self._frames == 0 or (tracked.found and not self.found):
            self._meta["size"] = list(tracked.size)
        self._turns.append(tracked.turns)
        if self.stills:
            self._meta["names"].append(as_name(tracked.name))
        self._frames += 1
        self.found += tracked.found

    def _check_time(self, time: float) -> None:
        """Refuse at once a frame that no track can hold, and not when all is done."""
        times = [self._first, self._last, time] if self._frames > 1 else [self._first, time]
        if self._frames and (word := check_span(np.unique(times), self.stills)):
            raise InputError(
                f"is too long for one track: it {word}",
                file=self._given,
                fix="analyse it in parts (--range)",
            )
        self._first = self._first if self._frames else time
        self._last = time

    def _add_units(self, rig_units: dict[str, np.ndarray]) -> None:
        for key, values in rig_units.items():
            if key not in self._units:
                self._units[key] = len(values)
                self._files[key] = self._spool(f"units{len(self._units)}")
                self._files[key].write(bytes(4 * len(values) * self._frames))
        for key, width in self._units.items():
            self._files[key].write(_bytes(rig_units.get(key, 0.0), (width,), np.float32))

    def finish(
        self, *, partial: bool = False, over_time: Callable[[FaceTrack], FaceTrack] | None = None
    ) -> Path:
        """Fill what was lost, write the FaceTrack and return its path: `out`, or beside it where
        a partial one would replace a whole one (see `track.save_arrays`).

        Args:
            partial: the reference promised more than could be read (or the work was stopped).
            over_time: what is read in all frames together, given the track without it; its
                landmarks are not in memory then.

        Raises:
            InputError: no face was found at all, or there was no frame.
            OutputError: it can't be written.
        """
        if not self._frames:
            raise InputError("holds no frame.", file=self._given, fix="give another file")
        if not self.found:
            raise self._no_face()
        try:
            for file in self._files.values():
                file.flush()
            return self._write(partial, over_time or (lambda track: track))
        except OSError as error:
            raise unwritable(self.out, error) from error

    def _no_face(self) -> InputError:
        seen = f"in its {self._frames} {'pictures' if self.stills else 'frames'}"
        number = str(self._meta["face"])
        if number.isdecimal() and int(number):
            return InputError(
                f"no face number {number}, from 0 at the left, was found {seen}.",
                file=self._given,
                fix="give a smaller number to --face, or largest, left or right",
            )
        return InputError(
            f"no face was found {seen}.",
            file=self._given,
            fix="use footage that shows a face from the front, lit, "
            f"at least {SMALLEST} pixels wide",
        )

    def _write(self, partial: bool, over_time: Callable[[FaceTrack], FaceTrack]) -> Path:
        small = [n for n in (*_SPOOLED, *self._units) if n != "landmarks"]
        columns = {n: self._column(n) for n in small}
        times, found = columns["times"], columns.pop("found")
        self._meta |= self._told(times)
        looks, cuts = columns.pop("look"), []
        if not self.stills:
            cuts = find_cuts(times, found, looks, columns["head_pose"])
        self._meta |= {"cuts": cuts} if cuts else {}
        state = np.where(found, TRACKED, RESTING).astype(np.uint8)
        if not self.stills:
            state = classify_losses(times, found)
        self._fill_landmarks(times, state)
        lids, shots = columns.pop("lids"), shots_of(times, cuts)
        parts = [(lids[s], columns["arkit"][s], found[s]) for s in shots]
        blinks = [blink_amounts(*part, stills=self.stills) for part in parts]
        columns["blink"] = np.concatenate(blinks)
        if not self.stills:
            seen = times, found, columns["gaze"], columns["blink"]
            bridged = [bridge_closed_eyes(*(column[s] for column in seen)) for s in shots]
            columns["gaze"] = np.concatenate(bridged)
            columns["head_pose"] = _fill_poses(times, state, columns["head_pose"])
        rests = {"geometry": np.median(columns["geometry"][found], axis=0)}
        rests |= dict.fromkeys(_CHANCES, _NEUTRAL)
        read = dict.fromkeys(_READ, columns.pop("read"))
        read |= dict.fromkeys(self._units, columns.pop("posed"))
        for name, where in read.items():
            columns[name] = fill_unread(times, found, where, columns[name], shots)
        for name in ("gaze", "blink", "arkit", "geometry", "mouth", *_READ, *self._units):
            rest = rests.get(name, 0.0)
            columns[name] = fill_lost(times, state, columns[name], rest, stills=self.stills)
        for name in _CHANCES:
            columns[name] /= columns[name].sum(1, keepdims=True).clip(1e-6)
        lengths = columns.pop("face_lengths")
        units = {key: columns.pop(key).astype(np.float32) for key in self._units}
        for name in (n for n, count in self._seen.items() if not count):
            del columns[name]
        floats = {n: c.astype(np.float32) for n, c in columns.items() if n != "times"}
        track = FaceTrack(
            **floats,
            times=times,
            state=state,
            landmarks=self._spooled("landmarks", (self._frames, POINTS, 3), np.float32),
            face_offsets=np.cumsum(lengths),
            face_bytes=self._spooled("face_bytes", (int(lengths.sum()),), np.uint8),
            meta={**self._meta, "partial": partial},
            rig_units=units,
        )
        return over_time(track).save(self.out)

    def _told(self, times: np.ndarray) -> dict:
        """What the frames say of the clip: its own rate, and how they were turned."""
        told = {}
        if not self.stills and len(times) > 1:
            told["fps"] = round(own_rate(times), 6)
        if any(self._turns):
            told["turns"] = self._turns if self.stills else max(self._turns)
        return told

    def _spool(self, name: str) -> BinaryIO:
        return self._open.enter_context(open(self._folder / name, "wb"))

    def _column(self, name: str) -> np.ndarray:
        shape, dtype = _SPOOLED.get(name, ((self._units.get(name),), np.float32))
        return np.fromfile(self._files[name].name, dtype).reshape(self._frames, *shape)

    def _spooled(self, name: str, shape: tuple[int, ...], dtype) -> Spooled:
        return Spooled(Path(self._files[name].name), shape, np.dtype(dtype))

    def _fill_landmarks(self, times: np.ndarray, state: np.ndarray) -> None:
        """Lost frames show the landmarks of the seen ones around them. Row by row, in the spool."""
        last, following, _, weight = loss_weights(times, state)
        share = _share(weight, state)
        size = POINTS * 3 * 4
        with open(self._files["landmarks"].name, "r+b") as f:

            def row(i: int) -> np.ndarray:
                f.seek(int(i) * size)
                return np.frombuffer(f.read(size), np.float32)

            for i in np.flatnonzero(state != TRACKED):
                if self.stills:
                    continue
                mixed = (1 - share[i]) * row(last[i]) + share[i] * row(following[i])
                f.seek(int(i) * size)
                f.write(mixed.astype(np.float32).tobytes())


def fill_unread(
    times: np.ndarray,
    found: np.ndarray,
    read: np.ndarray,
    values: np.ndarray,
    shots: Sequence[slice] = (slice(None),),
) -> np.ndarray:
    """Readings (N, K) of frames in which a face was found and not read, on the straight line
    between the readings around them; `values` where nothing was read at all.

    Args:
        shots: the frames between cuts, end to end: what was read in one tells nothing of the next,
            unless nothing was read there.
    """
    if not read.any() or read[found].all():
        return values
    filled = np.array(values)
    rows = np.arange(len(times))
    for shot in (rows[shot] for shot in shots):
        missing = shot[found[shot] & ~read[shot]]
        told = shot[read[shot]] if read[shot].any() else rows[read]
        for column in range(values.shape[1]):
            filled[missing, column] = np.interp(times[missing], times[told], values[told, column])
    return filled


def encode_face(face: np.ndarray) -> bytes:
    """A registered face (256, 256) uint8 as JPEG."""
    return cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def decode_face(jpeg: bytes) -> np.ndarray:
    """The inverse of `encode_face`: (256, 256) uint8.

    Raises:
        InputError: not a JPEG of that size.
    """
    face = None
    if _jpeg_size(jpeg) == (REGISTERED_SIZE, REGISTERED_SIZE):
        face = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    if face is None:
        raise InputError("a registered face in the track is damaged.", fix="analyse it again")
    return face


def _jpeg_size(jpeg: bytes) -> tuple[int, int] | None:
    """(height, width) that a JPEG declares, read before it is unpacked: a few bytes may claim
    gigabytes."""
    at = 2
    while jpeg[at : at + 1] == b"\xff" and at + 9 <= len(jpeg):
        kind, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):  # a frame's header
            return int.from_bytes(jpeg[at + 5 : at + 7], "big"), int.from_bytes(
                jpeg[at + 7 : at + 9], "big"
            )
        at += 2 + length
    return None


def blink_amounts(
    lids: np.ndarray, arkit: np.ndarray, found: np.ndarray, *, stills: bool = False
) -> np.ndarray:
    """How far the lids are closed: (N, 2) left and right, 0 open .. 1 closed.

    From the lid openings (N, 2), which reach the same value for every closed eye; the tracker's
    eyeBlink coefficients differ by 0.2 and more between a person's own eyes. What counts as open is
    the clip's own: the upper quartile of frames in which the coefficients say that the eye is open.
    """
    usual = np.full(2, OPEN_LIDS) if stills else usual_lids(lids, arkit, found)
    return closed_lids(lids, usual)


def usual_lids(lids: np.ndarray, arkit: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(2,) how wide a clip's open eyes are, left and right."""
    coefficients = arkit[:, [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]]
    usual = np.full(2, OPEN_LIDS)
    for side in range(2):
        awake = lids[found & (coefficients[:, side] < 0.35), side]
        if len(awake) >= 8:
            usual[side] = np.clip(np.percentile(awake, 75), *OPEN_LIDS_LIMITS)
    return usual


def closed_lids(lids: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """(N, 2) how far lids with these openings (N, 2) are closed, where `usual` (2,) is open."""
    opened = OPEN_MARGIN * usual
    closed = (opened - lids) / (opened - CLOSED_LIDS)
    return np.clip(closed, 0.0, 1.0).astype(np.float32)


def bridge_closed_eyes(
    times: np.ndarray, found: np.ndarray, gaze: np.ndarray, blink: np.ndarray
) -> np.ndarray:
    """Gaze (N, 2, 2) with blinks bridged: behind a lid the tracker reports a look downwards.

    Closures up to twice BRIDGE_SECONDS are interpolated from the open eye on both sides; longer
    ones are left, since someone who looks down for long does lower the lids.
    """
    gaze = np.array(gaze, float)
    for eye in range(2):
        seen = found & (blink[:, eye] < 0.5)
        if not seen.any():
            continue
        # A frame more on each side: the lid on its way already spoils what is seen of the iris.
        clear = seen & np.append(seen[1:], True) & np.insert(seen[:-1], 0, True)
        index = np.flatnonzero(clear)
        if not len(index):
            continue
        after = np.clip(np.searchsorted(index, np.arange(len(times))), 0, len(index) - 1)
        before = np.clip(after - 1, 0, None)
        gap = times[index[after]] - times[index[before]]
        short = ~clear & (gap > 0) & (gap <= 2 * BRIDGE_SECONDS)
        for angle in range(2):
            bridged = np.interp(times, times[clear], gaze[clear, eye, angle])
            gaze[short, eye, angle] = bridged[short]
    return gaze


def _share(following: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Of the following seen frame against the last one, for what has no rest to go to: the last is
    held until just before the face is seen again; before the first sighting, that one stands."""
    share = following.copy()
    share[: int(np.argmax(state == TRACKED))] = 1.0
    return share


def _fill_poses(times: np.ndarray, state: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Head poses (N, 4, 4) of lost frames, turned and moved between the seen ones around them."""
    last, following, _, weight = loss_weights(times, state)
    share = _share(weight, state)
    filled = np.array(poses, np.float32)
    for i in np.flatnonzero(state != TRACKED):
        filled[i] = _between(poses[last[i]], poses[following[i]], float(share[i]))
    return filled


def _between(start: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    """A rigid motion (4, 4) on the way from one to another, by the shortest turn."""
    turn, _ = cv2.Rodrigues((end[:3, :3] @ start[:3, :3].T).astype(np.float64))
    part, _ = cv2.Rodrigues(turn * share)
    pose = np.eye(4)
    pose[:3, :3] = part @ start[:3, :3]
    pose[:3, 3] = (1 - share) * start[:3, 3] + share * end[:3, 3]
    return pose


def _bytes(value, shape: tuple[int, ...], dtype) -> bytes:
    row = np.asarray(value, dtype)
    return (row if row.shape == shape else np.broadcast_to(row, shape)).tobytes()
