"""FaceTrack and RigTrack: with RigProfile, all that crosses between stages (house rule 2).

Both are frozen, versioned, saved as .npz and validated on load. A FaceTrack holds what was seen of
the actor and nothing of any character; a RigTrack holds one character's control values.
"""

from __future__ import annotations

import itertools
import math
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from .arrays import ANY, LARGE, ROWS, Column, check_columns, read_archive
from .errors import InputError
from .files import partial_name, written_whole
from .names import as_name, is_name
from .phrases import SAME_MOMENT, Phrase
from .reading import parse_json
from .records import FieldError, as_record, as_type, json_text
from .vocabulary import (
    ARKIT_CHANNELS,
    EXPRESSIONS,
    GEOMETRIC_FEATURES,
    LARGEST,
    MEDIAPIPE_LANDMARKS,
    MOUTH,
    POOLED,
)

VERSION = 1

# What a frame of a FaceTrack is.
TRACKED = 0  # the face was seen
BRIDGED = 1  # a short loss, interpolated between the frames on both sides
HELD = 2  # a long loss: the last seen face, held
RESTING = 3  # a long loss: on the way to rest, or at rest; also before the first sighting

LONGEST_STEP, LONGEST = 600.0, 86_400.0
"""Seconds between two frames of a track, and of all of it: what is made of it may have a picture or
a key for each of the scene's frames."""
FARTHEST = 200_000.0
"""Seconds from zero at which a frame may lie. Clocks of broadcast streams reach 95,444."""
PICTURES_A_SECOND = 24.0
"""Of separate pictures, of which each fills a frame of the scene: so many take a second's place."""
STILL_SECONDS = 1.0
"""Between the times of separate pictures, which fill a frame of the scene each."""
HOLDS_PART = "holds less than its footage: analyse that again for all of it"
"""What is told of a track that is marked partial."""
BLOCK = 1 << 20
"""Bytes that are copied at once."""

UNEVEN = 0.01
"""By which the chances of a phrase may sum to more or less than 1, and each be below 0."""
STRETCHED = 0.1
"""By which a head's turn times its transpose may be off the identity."""
SPARSE, SMALLEST = 16, 1.0
"""Of so many landmarks one tells how large a face is; pixels that one has at least, both ways."""
ANALYSE_AGAIN = "analyse the footage again"
SOLVE = "solve it again"
GIVE = {
    "exprgen.face_track": "give a track of `exprgen analyse`",
    "exprgen.rig_track": "give a character's track, as `exprgen retarget --tracks DIR` keeps it",
}
"""What helps where a file holds something else than is asked for."""

_SHARE = {"low": -0.5, "high": 1.5}  # what lies in 0..1, with room for a filter's overshoot
_FACE_COLUMNS = {
    # seconds, the clip's own timestamps, strictly increasing
    "times": Column((ROWS,), np.float64, -FARTHEST, FARTHEST),
    "state": Column((ROWS,), np.uint8, TRACKED, RESTING),  # TRACKED, BRIDGED, HELD or RESTING
    # pixels of the upright frame; z alike
    "landmarks": Column((ROWS, MEDIAPIPE_LANDMARKS, 3), np.float32, -1e6, 1e6),
    # face -> camera, centimetres, MediaPipe's axes
    "head_pose": Column((ROWS, 4, 4), np.float32, -1e6, 1e6),
    # (left eye, right eye) x (yaw, pitch), radians, see ROLES
    "gaze": Column((ROWS, 2, 2), np.float32, -10.0, 10.0),
    "blink": Column((ROWS, 2), np.float32, **_SHARE),  # (left, right), 0 open .. 1 closed
    "confidence": Column((ROWS,), np.float32, **_SHARE),  # 0..1; 0 where no face was found
    # the tracker's own coefficients, 0..1
    "arkit": Column((ROWS, len(ARKIT_CHANNELS)), np.float32, **_SHARE),
    # fractions of the face box
    "geometry": Column((ROWS, len(GEOMETRIC_FEATURES)), np.float32, -1e3, 1e3),
    # HCNN probabilities, rows sum to 1
    "expression": Column((ROWS, len(EXPRESSIONS)), np.float32, **_SHARE),
    # end of frame i's registered face in face_bytes
    "face_offsets": Column((ROWS,), np.int64, 0, 2.0**60),
}
# What a track may lack: one that was made before it was read, or without the network for it.
_LATER_COLUMNS = {
    # in the order of MOUTH
    "mouth": Column((ROWS, len(MOUTH)), np.float32, **_SHARE),
    # probabilities as `expression`, of the upper part of the face alone
    "no_mouth": Column((ROWS, len(EXPRESSIONS)), np.float32, **_SHARE),
    # what the teacher's convolutions give of the face, pooled
    "pooled": Column((ROWS, POOLED), np.float32),
    # what was read in each frame by itself; `expression` is then what is felt over time
    "readings": Column((ROWS, len(EXPRESSIONS)), np.float32, **_SHARE),
    # how surely the mouth speaks, 0..1
    "speaking": Column((ROWS,), np.float32, **_SHARE),
    # valence and arousal, -1..1: how pleasant, and how stirred, what is felt looks
    "affect": Column((ROWS, 2), np.float32, -1.5, 1.5),
}
EARLIER_POOLED = 128
"""Width of `pooled` in tracks that have it of the two HCNNs, which nobody looks at any more."""
_PHRASES = {
    # start and end of each phrase in seconds, the next beginning where one ends
    "phrase_spans": Column((ANY, 2), np.float64, -FARTHEST, FARTHEST),
    # (7,) chances of each
    "phrase_readings": Column((ANY, len(EXPRESSIONS)), np.float32, **_SHARE),
}
_FACE_BYTES = {"face_bytes": Column((ANY,), np.uint8)}
_RIG_UNITS = Column((ROWS, ANY), np.float32, -10.0, 10.0)


@dataclass(frozen=True)
class FaceMeta:
    """What the `meta` of a FaceTrack may say, see there; of a RigTrack, what it has from it."""

    source: str | None = ""
    size: tuple[int, int] = (0, 0)
    fps: float | None = 0.0
    partial: bool | None = False
    face: str | float | None = LARGEST
    stills: bool | None = False
    names: tuple[str, ...] | None = ()
    prior: tuple[float, ...] | None = ()
    turns: tuple[int, ...] | int | None = 0
    stamp: dict | None = None
    pooled_by: str | None = ""
    coefficients: bool | None = False
    sound: float | None = None
    cuts: tuple[float, ...] | None = ()
    shot_of: str | None = ""


def cuts_of(meta: dict) -> tuple[float, ...]:
    """Seconds of the first frames after cuts, by a track's meta data."""
    return tuple(meta.get("cuts") or ())


def shots_of(times: np.ndarray, cuts: Sequence[float], same: float = SAME_MOMENT) -> list[slice]:
    """The frames at times (N,) between cuts, which lie at the first frames after them; all frames
    where there is none. Both are in one unit, in which two moments may differ by `same` and be
    one."""
    firsts = np.searchsorted(times, np.asarray(cuts, float) - same)
    edges = np.unique([0, *firsts, len(times)]).tolist()
    return [slice(first, end) for first, end in itertools.pairwise(edges)]


def each_shot(
    times: np.ndarray, moments: np.ndarray, cuts: Sequence[float], same: float = SAME_MOMENT
) -> Iterator[tuple[slice, slice]]:
    """Which frames, at times (N,), tell what is there at moments (K,), increasing: of each shot its
    frames, and those moments that are before its end. All are in one unit, in which two moments may
    differ by `same` and be one."""
    firsts, rows = np.unique(np.searchsorted(times, np.asarray(cuts, float) - same), True)
    inner = (firsts > 0) & (firsts < len(times))
    ends = np.searchsorted(moments, np.asarray(cuts, float)[rows[inner]] - same)
    frames = itertools.pairwise([0, *firsts[inner].tolist(), len(times)])
    told = itertools.pairwise([0, *ends.tolist(), len(moments)])
    for (first, last), (start, end) in zip(frames, told, strict=True):
        yield slice(first, last), slice(start, end)


def same_shot(times: np.ndarray, moment: float, cuts: Sequence[float]) -> np.ndarray:
    """(N,) bool: the times (N,) that no cut parts from a moment."""
    cuts = np.sort(np.asarray(cuts, float)) - SAME_MOMENT
    return np.searchsorted(cuts, times, "right") == np.searchsorted(cuts, moment, "right")


def columns_at(
    moments: np.ndarray, times: np.ndarray, columns: np.ndarray, cuts: Sequence[float]
) -> np.ndarray:
    """Columns (N, M) at times (N,) -> (K, M) at moments (K,), increasing: on the line between two
    frames, but for cuts, before which they stay as they are."""
    parts = [
        np.stack([np.interp(moments[to], times[rows], column) for column in columns[rows].T], -1)
        for rows, to in each_shot(times, moments, cuts)
    ]
    return np.concatenate(parts)


def turns_of(meta: dict, row: int) -> int:
    """Quarters counterclockwise by which a row's frame has to be turned as the tracker saw it."""
    turns = meta.get("turns") or 0
    return int(turns[row]) if isinstance(turns, list) else int(turns)


def still_places(times: np.ndarray) -> np.ndarray:
    """Times (N,) of separate pictures -> (N,) whole numbers: how many frames of the scene each lies
    behind its start. A gap in their numbering stays a gap."""
    return np.rint(np.asarray(times, float) / STILL_SECONDS)


@dataclass(frozen=True)
class FaceTrack:
    """What was seen of one face over N frames; columns as in `_FACE_COLUMNS`, and `mouth`,
    `no_mouth`, `pooled`, `readings`, `speaking` and `affect` as in `_LATER_COLUMNS`, None where
    nobody has looked.

    `phrases` are the spans of a clip in which one thing is felt, end to end; `expression` is their
    curve then, and `readings` what it was made of. None for separate pictures, and for a clip that
    was analysed before phrases were found: `expression` is what was read in each frame then.

    `face_bytes` (B,) uint8 holds the registered 256x256 faces as JPEG, one after the other, so that
    another character's network can be run without the footage; frame i ends at `face_offsets[i]`
    and is empty where no face was found.
    `meta` holds: source (file name), size (width, height in pixels), fps (the clip's own rate),
    partial (bool: the reference ended before its header said), face (the choice of face), stills
    (bool: separate pictures, not a clip), names (file stems, for stills), prior ((7,) what the
    expressions still lean to, see `emphasis.leaning`; empty where it is not known), pooled_by (the
    teacher that gave `pooled`, see `perception.pooled.pooled_by`; absent from before that was
    kept), stamp (of the files, see `footage.stamp`), turns (quarters counterclockwise by which the
    frames were turned for the face to stand upright, for stills one number each; absent where they
    were not),
    coefficients (bool: a take of coefficients alone, without pictures or landmarks), sound (seconds
    at which the clip's sound begins, see `footage.sound`; absent where it has none, or from before
    that was kept), cuts (seconds of the first frames after cuts, see `tracking.cuts`; absent where
    there is none, or from before they were found), shot_of (of a shot that was taken out of a clip:
    which clip, see `solving.actor_file`).
    `rig_units` caches 3D-CNN outputs: key "<character>:<weights digest>" -> (N, M) unit values.
    """

    times: np.ndarray
    state: np.ndarray
    landmarks: np.ndarray
    head_pose: np.ndarray
    gaze: np.ndarray
    blink: np.ndarray
    confidence: np.ndarray
    arkit: np.ndarray
    geometry: np.ndarray
    expression: np.ndarray
    face_offsets: np.ndarray
    face_bytes: np.ndarray
    meta: dict = field(default_factory=dict)
    rig_units: dict[str, np.ndarray] = field(default_factory=dict)
    mouth: np.ndarray | None = None
    no_mouth: np.ndarray | None = None
    pooled: np.ndarray | None = None
    readings: np.ndarray | None = None
    speaking: np.ndarray | None = None
    affect: np.ndarray | None = None
    phrases: tuple[Phrase, ...] | None = None

    def __len__(self) -> int:
        return len(self.times)

    @property
    def momentary(self) -> np.ndarray:
        """(N, 7) what was read in each frame by itself."""
        return self.expression if self.readings is None else self.readings

    @property
    def found(self) -> np.ndarray:
        """(N,) bool: the face was seen in this frame."""
        return self.state == TRACKED

    @property
    def cuts(self) -> tuple[float, ...]:
        """Seconds of the first frames after cuts."""
        return cuts_of(self.meta)

    @property
    def shots(self) -> list[slice]:
        """The frames between cuts."""
        return shots_of(self.times, self.cuts)

    def part(self, rows: slice) -> FaceTrack:
        """Some frames on end, of which there is at least one, as a clip of its own."""
        start, end, _ = rows.indices(len(self))
        columns = (*_FACE_COLUMNS, *_LATER_COLUMNS)
        arrays = {n: a[start:end] for n in columns if (a := getattr(self, n)) is not None}
        first = int(self.face_offsets[start - 1]) if start else 0
        arrays["face_offsets"] = arrays["face_offsets"] - first
        arrays["face_bytes"] = self.face_bytes[first : int(self.face_offsets[end - 1])]
        span = float(self.times[start]), float(self.times[end]) if end < len(self) else math.inf
        inside = [c for c in self.cuts if span[0] + SAME_MOMENT < c < span[1] - SAME_MOMENT]
        meta = {name: value for name, value in self.meta.items() if name != "cuts"}
        return replace(
            self,
            **arrays,
            meta=meta | ({"cuts": inside} if inside else {}),
            rig_units={key: units[start:end] for key, units in self.rig_units.items()},
            phrases=None if self.phrases is None else _phrases_within(self.phrases, *span),
        )

    def face_jpeg(self, frame: int) -> bytes:
        """The registered face of one frame as JPEG bytes; empty where none was found."""
        start = int(self.face_offsets[frame - 1]) if frame else 0
        return self.face_bytes[start : int(self.face_offsets[frame])].tobytes()

    def save(self, path: str | Path) -> Path:
        """Write it; where it lies then, see `save_arrays`."""
        arrays = {name: getattr(self, name) for name in (*_FACE_COLUMNS, "face_bytes")}
        later = {name: getattr(self, name) for name in _LATER_COLUMNS}
        arrays |= {name: array for name, array in later.items() if array is not None}
        arrays |= {} if self.phrases is None else _phrase_arrays(self.phrases)
        arrays |= {f"rig_units/{key}": value for key, value in self.rig_units.items()}
        return save_arrays(path, "exprgen.face_track", self.meta, arrays)

    @staticmethod
    def load(path: str | Path) -> FaceTrack:
        """Read and check a FaceTrack.

        Raises:
            InputError: not a FaceTrack, another version, or a field of the wrong shape.
        """
        meta, arrays = load_arrays(path, "exprgen.face_track")
        rig_units = {
            k.removeprefix("rig_units/"): arrays.pop(k)
            for k in list(arrays)
            if k.startswith("rig_units/")
        }
        if "pooled" in arrays and arrays["pooled"].shape[1:] == (EARLIER_POOLED,):
            del arrays["pooled"]
        later = {name: c for name, c in _LATER_COLUMNS.items() if name in arrays}
        phrased = _PHRASES if set(_PHRASES) & set(arrays) else {}
        _check_known(path, arrays, {**_FACE_COLUMNS, **_FACE_BYTES, **later, **phrased})
        rows = len(arrays["times"])
        for key, units in rig_units.items():
            check_columns(path, {key: units}, {key: _RIG_UNITS}, ANALYSE_AGAIN, rows)
        _check_times(path, arrays["times"], meta)
        _check_poses(path, arrays["head_pose"])
        if not meta.get("coefficients"):
            _check_size(path, arrays["landmarks"], arrays["state"])
        phrases = _phrases(path, arrays) if phrased else None
        _check_offsets(path, arrays["face_offsets"], len(arrays["face_bytes"]))
        _check_meta(path, meta, rows)
        return FaceTrack(**arrays, meta=meta, rig_units=rig_units, phrases=phrases)


def _phrases_within(phrases: tuple[Phrase, ...], start: float, end: float) -> tuple[Phrase, ...]:
    """What of phrases lies between two moments."""
    cut = [replace(p, start=max(p.start, start), end=min(p.end, end)) for p in phrases]
    return tuple(p for p in cut if p.end - p.start > SAME_MOMENT)


def _phrase_arrays(phrases: tuple[Phrase, ...]) -> dict[str, np.ndarray]:
    """Phrases as a FaceTrack's file holds them."""
    spans = np.array([(p.start, p.end) for p in phrases], np.float64)
    return {
        "phrase_spans": spans.reshape(-1, 2),
        "phrase_readings": np.array([p.reading for p in phrases], np.float32),
    }


def _phrases(path: str | Path, arrays: dict[str, np.ndarray]) -> tuple[Phrase, ...]:
    """The phrases of a file, taken out of its arrays, whose "times" stay there."""
    spans, readings = arrays.pop("phrase_spans"), arrays.pop("phrase_readings")
    fits = len(spans) == len(readings) > 0 and np.all(spans[:, 1] > spans[:, 0])
    if not fits or np.any(np.abs(spans[1:, 0] - spans[:-1, 1]) > SAME_MOMENT):
        what = "field 'phrase_spans' holds no spans that lie end to end"
        raise InputError(what, file=path, fix=ANALYSE_AGAIN)
    if not _over(arrays["times"], spans[0, 0], spans[-1, 1]):
        what = "field 'phrase_spans' does not lie over the clip's frames"
        raise InputError(what, file=path, fix=ANALYSE_AGAIN)
    if np.any(readings < -UNEVEN) or np.any(np.abs(readings.sum(1) - 1.0) > UNEVEN):
        what = "field 'phrase_readings' holds what are no chances"
        raise InputError(what, file=path, fix=ANALYSE_AGAIN)
    pairs = zip(spans.tolist(), readings.tolist(), strict=True)
    return tuple(Phrase(start, end, tuple(said)) for (start, end), said in pairs)


def _over(times: np.ndarray, start: float, end: float) -> bool:
    """A span begins at the first frame, and ends at or behind the last by no more than the clip's
    longest step (of a single frame a second)."""
    begins = abs(start - times[0]) <= SAME_MOMENT
    step = np.diff(times).max() if len(times) > 1 else 1.0
    return bool(begins and -SAME_MOMENT <= end - times[-1] <= step + SAME_MOMENT)


@dataclass(frozen=True)
class RigTrack:
    """One character's control values over N frames, in the controls' own units.

    times (N,) seconds; controls: M names of the character's profile; values (N, M) float32;
    state (N,) as in FaceTrack; expression (N, 7) the perceived expression of the actor; affect
    (N, 2) its valence and arousal, None where nobody has looked; character: the profile's name;
    meta: settings that made it, and what it has of its FaceTrack's, its cuts too.
    """

    character: str
    times: np.ndarray
    controls: tuple[str, ...]
    values: np.ndarray
    state: np.ndarray
    expression: np.ndarray
    meta: dict = field(default_factory=dict)
    affect: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.times)

    @property
    def cuts(self) -> tuple[float, ...]:
        """Seconds of the first frames after cuts."""
        return cuts_of(self.meta)

    def save(self, path: str | Path) -> Path:
        """Write it; where it lies then, see `save_arrays`."""
        meta = {**self.meta, "character": self.character, "controls": list(self.controls)}
        arrays = {n: getattr(self, n) for n in ("times", "values", "state", "expression")}
        arrays |= {} if self.affect is None else {"affect": self.affect}
        return save_arrays(path, "exprgen.rig_track", meta, arrays)

    @staticmethod
    def load(path: str | Path) -> RigTrack:
        """Read and check a RigTrack; raises InputError like `FaceTrack.load`."""
        meta, arrays = load_arrays(path, "exprgen.rig_track")
        controls, character = meta.pop("controls", ()), meta.pop("character", "")
        try:
            controls = as_type(tuple[str, ...], controls, "controls")
        except FieldError as error:
            raise InputError(f"its header is wrong ({error})", file=path, fix=SOLVE) from error
        if not is_name(character):
            raise InputError(f"{str(character)[:60]!r} names no character", file=path, fix=SOLVE)
        columns = {
            "times": _FACE_COLUMNS["times"],
            "values": Column((ROWS, len(controls)), np.float32),
            "state": _FACE_COLUMNS["state"],
            "expression": _FACE_COLUMNS["expression"],
        }
        columns |= {"affect": _LATER_COLUMNS["affect"]} if "affect" in arrays else {}
        _check_known(path, arrays, columns)
        _check_times(path, arrays["times"], meta)
        _check_meta(path, meta, len(arrays["times"]))
        return RigTrack(character=character, controls=controls, meta=meta, **arrays)

    def with_values(self, values: np.ndarray) -> RigTrack:
        """The same track with other values (N, M)."""
        return replace(self, values=np.asarray(values, np.float32))


@dataclass(frozen=True)
class Spooled:
    """An array that lies in a file as bare bytes, in C order, so that it need not fit in memory."""

    file: Path
    shape: tuple[int, ...]
    dtype: np.dtype
    skipped: int = 0
    """Bytes of the file that come before it."""

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def __getitem__(self, rows: slice) -> Spooled:
        """Some rows on end, where they are."""
        start, end, _ = rows.indices(self.shape[0])
        row = math.prod(self.shape[1:]) * np.dtype(self.dtype).itemsize
        shape = (max(end - start, 0), *self.shape[1:])
        return replace(self, shape=shape, skipped=self.skipped + start * row)


def save_arrays(
    path: str | Path, kind: str, meta: dict, arrays: dict[str, np.ndarray | Spooled]
) -> Path:
    """Write an .npz with a header, whole or not at all; returns where it lies.

    What is marked partial never replaces a whole one of its kind: it goes beside it
    (`files.partial_name`).

    Raises:
        OutputError: the place can't be written.
    """
    header = np.array(json_text({"kind": kind, "version": VERSION, "meta": meta}))
    path = Path(path)
    if meta.get("partial") and _is_whole(path, kind):
        path = partial_name(path)
    with (
        written_whole(path) as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, array in {"header": header, **arrays}.items():
            _write_member(archive, f"{name}.npy", array)
    return path


def _is_whole(path: Path, kind: str) -> bool:
    """Something lies there that `save_arrays` wrote and that is not marked partial."""
    try:
        header = _header_of(path)
    except InputError:
        return False
    meta = header.get("meta")
    return header.get("kind") == kind and isinstance(meta, dict) and not meta.get("partial")


def holds_part(path: str | Path) -> bool:
    """Whether a track's file, of which the header alone is read, is marked partial.

    Raises:
        InputError: it is not there, is damaged, or no file of ExprGen.
    """
    meta = _header_of(path).get("meta")
    return isinstance(meta, dict) and bool(meta.get("partial"))


def _header_of(path: str | Path) -> dict:
    """The header of a file, of which nothing else is read."""
    arrays = read_archive(path, ANALYSE_AGAIN, only=("header",))
    return _parsed_header(path, arrays.get("header"), ANALYSE_AGAIN)


def _write_member(archive: zipfile.ZipFile, name: str, array: np.ndarray | Spooled) -> None:
    """One array of an .npz, in blocks. Large ones (landmarks, JPEGs) hardly get smaller: they are
    stored as they are, which lets `_read_member` leave them on disk."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))  # same data, same file
    info.compress_type = zipfile.ZIP_STORED if array.nbytes > LARGE else zipfile.ZIP_DEFLATED
    with archive.open(info, "w", force_zip64=True) as f:
        if not isinstance(array, Spooled):
            np.lib.format.write_array(f, np.asarray(array, order="C"), allow_pickle=False)
            return
        description = {
            "descr": np.lib.format.dtype_to_descr(np.dtype(array.dtype)),
            "fortran_order": False,
            "shape": array.shape,
        }
        np.lib.format.write_array_header_1_0(f, description)
        with open(array.file, "rb") as source:
            source.seek(array.skipped)
            for left in range(array.nbytes, 0, -BLOCK):
                f.write(source.read(min(left, BLOCK)))


def load_arrays(
    path: str | Path, kind: str, fix: str = ANALYSE_AGAIN
) -> tuple[dict, dict[str, np.ndarray]]:
    """Read what `save_arrays` wrote: (meta, arrays).

    Args:
        kind: what it must hold. fix: what to do where it does not.

    Raises:
        InputError: it is not there, is damaged, holds something else, or is of another version.
    """
    arrays = read_archive(path, fix)
    header = _parsed_header(path, arrays.pop("header", None), fix)
    if header.get("kind") != kind:
        raise InputError(
            f"holds {str(header.get('kind'))[:60]!r}, not {kind!r}",
            file=path,
            fix=GIVE.get(kind, "give the right file"),
        )
    if header.get("version") != VERSION:
        raise InputError(
            f"has track version {str(header.get('version'))[:20]}, this ExprGen reads {VERSION}",
            file=path,
            fix=fix,
        )
    if not isinstance(header.get("meta"), dict):
        raise InputError("its header lacks 'meta'", file=path, fix=fix)
    return header["meta"], arrays


def _parsed_header(path: str | Path, header: np.ndarray | None, fix: str) -> dict:
    try:
        if header is None or header.shape != () or header.dtype.kind != "U":
            raise ValueError("without a header")
        found = parse_json(str(header))
        if not isinstance(found, dict):
            raise ValueError("its header is no object")
    except ValueError as error:
        raise InputError(f"is no file of ExprGen ({error})", file=path, fix=fix) from error
    return found


def _check_known(path: str | Path, arrays: dict, columns: dict[str, Column]) -> None:
    extra = set(arrays) - set(columns)
    if extra:
        raise InputError(f"has unknown field {min(extra)[:60]!r}", file=path, fix=ANALYSE_AGAIN)
    check_columns(path, arrays, columns, ANALYSE_AGAIN)


def check_span(times: np.ndarray, stills: bool = False) -> str:
    """Why the times (N,) of frames, or of separate pictures, are none of a track's; or ""."""
    often, unit = (PICTURES_A_SECOND, "pictures") if stills else (1.0, "s")
    steps = np.diff(times)
    if not len(times):
        return "is empty"
    if np.any(steps <= 0):
        return "does not increase"
    if np.any(steps > often * LONGEST_STEP):
        return f"has a gap of {steps.max():.0f} {unit}, more than {often * LONGEST_STEP:.0f}"
    if times[-1] - times[0] > often * LONGEST:
        return f"spans {times[-1] - times[0]:.0f} {unit}, more than {often * LONGEST:.0f}"
    return ""


def _check_times(path: str | Path, times: np.ndarray, meta: dict) -> None:
    if word := check_span(times, bool(meta.get("stills"))):
        raise InputError(f"field 'times' {word}", file=path, fix="analyse it again")


def _check_poses(path: str | Path, poses: np.ndarray) -> None:
    """Refuse poses (N, 4, 4) of heads that are stretched, mirrored or of no size."""
    turns = poses[:, :3, :3].astype(float)
    turned = np.abs(turns @ turns.transpose(0, 2, 1) - np.eye(3)) <= STRETCHED
    if not np.all(turned) or np.any(np.linalg.det(turns) < 0.0):  # NaN is no turn either
        what = "field 'head_pose' holds what is no turn of a head"
        raise InputError(what, file=path, fix=ANALYSE_AGAIN)


def _check_size(path: str | Path, landmarks: np.ndarray, state: np.ndarray) -> None:
    """Refuse landmarks (N, P, 3) of faces that were seen and have no size, as zeros have none."""
    some = landmarks[:, ::SPARSE, :2]  # enough to tell; they may all be read from the disk
    size = (some.max(1) - some.min(1)).min(1)
    if np.any(size[state == TRACKED] < SMALLEST):
        what = "field 'landmarks' holds no face where one was found"
        raise InputError(what, file=path, fix=ANALYSE_AGAIN)


def _check_offsets(path: str | Path, offsets: np.ndarray, size: int) -> None:
    if np.any(np.diff(offsets) < 0) or offsets[-1] > size:
        raise InputError("field 'face_offsets' points outside", file=path, fix=ANALYSE_AGAIN)


def _check_meta(path: str | Path, meta: dict, rows: int) -> None:
    """Refuse a meta whose known fields are of another kind, and names that are paths."""
    known = {f.name for f in fields(FaceMeta)}
    try:
        about = as_record(FaceMeta, {k: v for k, v in meta.items() if k in known})
    except FieldError as error:
        raise InputError(f"its header is wrong ({error})", file=path, fix=ANALYSE_AGAIN) from error
    names = about.names or ()
    if about.stills and len(names) not in (0, rows):
        raise InputError(
            f"its header has {len(names)} names for {rows} pictures", file=path, fix=ANALYSE_AGAIN
        )
    for name in names:
        if "/" in name or "\\" in name:
            raise InputError(f"{name[:60]!r} is a path, not a name", file=path, fix=ANALYSE_AGAIN)
    if names:  # those of pictures, which their owner may call anything
        meta["names"] = [as_name(name) for name in names]
