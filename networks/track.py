"""FaceTrack and RigTrack: with RigProfile, all that crosses between stages (house rule 2).

Both are frozen, versioned, saved as .npz and validated on load. A FaceTrack holds what was seen of
the actor and nothing of any character; a RigTrack holds one character's control values.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from .errors import InputError, OutputError
from .vocabulary import ARKIT_CHANNELS, EXPRESSIONS, GEOMETRIC_FEATURES, MEDIAPIPE_LANDMARKS

VERSION = 1

# What a frame of a FaceTrack is.
TRACKED = 0  # the face was seen
BRIDGED = 1  # a short loss, interpolated between the frames on both sides
HELD = 2  # a long loss: the last seen face, held
RESTING = 3  # a long loss: on the way to rest, or at rest; also before the first sighting

LARGE = 1 << 20  # bytes
STILL_SECONDS = 1.0
"""Between the times of separate pictures, which fill a frame of the scene each."""

_N = -1
_FACE_COLUMNS = {
    "times": ((_N,), np.float64),  # seconds, the clip's own timestamps, strictly increasing
    "state": ((_N,), np.uint8),  # TRACKED, BRIDGED, HELD or RESTING
    "landmarks": ((_N, MEDIAPIPE_LANDMARKS, 3), np.float32),  # pixels of the upright frame; z alike
    "head_pose": ((_N, 4, 4), np.float32),  # face -> camera, centimetres, MediaPipe's axes
    "gaze": ((_N, 2, 2), np.float32),  # (left eye, right eye) x (yaw, pitch), radians, see ROLES
    "blink": ((_N, 2), np.float32),  # (left, right), 0 open .. 1 closed
    "confidence": ((_N,), np.float32),  # 0..1; 0 where the face was not found
    "arkit": ((_N, len(ARKIT_CHANNELS)), np.float32),  # the tracker's own coefficients, 0..1
    "geometry": ((_N, len(GEOMETRIC_FEATURES)), np.float32),  # fractions of the face box
    "expression": ((_N, len(EXPRESSIONS)), np.float32),  # HCNN probabilities, rows sum to 1
    "face_offsets": ((_N,), np.int64),  # end of frame i's registered face in face_bytes
}


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
    """What was seen of one face over N frames; columns as in `_FACE_COLUMNS`.

    `face_bytes` (B,) uint8 holds the registered 256x256 faces as JPEG, one after the other, so that
    another character's network can be run without the footage; frame i ends at `face_offsets[i]`
    and is empty where no face was found.
    `meta` holds: source (file name), size (width, height in pixels), fps (the clip's own rate),
    partial (bool: the reference ended before its header said), face (the choice of face), stills
    (bool: separate pictures, not a clip), names (file stems, for stills), prior ((7,) what the
    expressions still lean to, see `emphasis.leaning`; empty where it is not known), stamp (of the
    files, see `footage.stamp`), turns (quarters counterclockwise by which the frames were turned
    for the face to stand upright, for stills one number each; absent where they were not).
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

    def __len__(self) -> int:
        return len(self.times)

    @property
    def found(self) -> np.ndarray:
        """(N,) bool: the face was seen in this frame."""
        return self.state == TRACKED

    def face_jpeg(self, frame: int) -> bytes:
        """The registered face of one frame as JPEG bytes; empty where none was found."""
        start = int(self.face_offsets[frame - 1]) if frame else 0
        return self.face_bytes[start : int(self.face_offsets[frame])].tobytes()

    def save(self, path: str | Path) -> None:
        arrays = {name: getattr(self, name) for name in (*_FACE_COLUMNS, "face_bytes")}
        arrays |= {f"rig_units/{key}": value for key, value in self.rig_units.items()}
        save_arrays(path, "exprgen.face_track", self.meta, arrays)

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
        _check_columns(path, arrays, {**_FACE_COLUMNS, "face_bytes": ((_N,), np.uint8)})
        if np.any(np.diff(arrays["times"]) <= 0):
            raise InputError("field 'times' does not increase", file=path, fix="analyse it again")
        return FaceTrack(**arrays, meta=meta, rig_units=rig_units)


@dataclass(frozen=True)
class RigTrack:
    """One character's control values over N frames, in the controls' own units.

    times (N,) seconds; controls: M names of the character's profile; values (N, M) float32;
    state (N,) as in FaceTrack; expression (N, 7) the perceived expression of the actor;
    character: the profile's name; meta: settings that made it.
    """

    character: str
    times: np.ndarray
    controls: tuple[str, ...]
    values: np.ndarray
    state: np.ndarray
    expression: np.ndarray
    meta: dict = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)

    def save(self, path: str | Path) -> None:
        meta = {**self.meta, "character": self.character, "controls": list(self.controls)}
        arrays = {n: getattr(self, n) for n in ("times", "values", "state", "expression")}
        save_arrays(path, "exprgen.rig_track", meta, arrays)

    @staticmethod
    def load(path: str | Path) -> RigTrack:
        """Read and check a RigTrack; raises InputError like `FaceTrack.load`."""
        meta, arrays = load_arrays(path, "exprgen.rig_track")
        controls = tuple(meta.pop("controls", ()))
        character = meta.pop("character", "")
        _check_columns(
            path,
            arrays,
            {
                "times": ((_N,), np.float64),
                "values": ((_N, len(controls)), np.float32),
                "state": ((_N,), np.uint8),
                "expression": ((_N, len(EXPRESSIONS)), np.float32),
            },
        )
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

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def save_arrays(
    path: str | Path, kind: str, meta: dict, arrays: dict[str, np.ndarray | Spooled]
) -> None:
    """Write an .npz with a header; temporary name first, then renamed, so nothing is half-written.

    Raises:
        OutputError: the place can't be written.
    """
    header = np.array(json.dumps({"kind": kind, "version": VERSION, "meta": meta}))
    temporary = Path(f"{path}.part")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in {"header": header, **arrays}.items():
                _write_member(archive, f"{name}.npy", array)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(
            f"can't be written ({error.strerror})", file=path, fix="choose a writable folder"
        ) from error


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
            shutil.copyfileobj(source, f, 1 << 20)


def _read_member(path: str | Path, archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    """One array of an .npz; a large one that was stored uncompressed is mapped, not read. (Not on
    Windows, where a mapped file could not be replaced by a newer one.)"""
    info = archive.zip.getinfo(f"{name}.npy")
    if os.name == "nt" or info.compress_type != zipfile.ZIP_STORED or info.file_size <= LARGE:
        return archive[name]
    with open(path, "rb") as f:
        f.seek(info.header_offset + 26)
        name_length, extra_length = np.frombuffer(f.read(4), "<u2")
        f.seek(int(name_length) + int(extra_length), os.SEEK_CUR)
        np.lib.format.read_magic(f)
        shape, _, dtype = np.lib.format.read_array_header_1_0(f)
        return np.memmap(path, dtype, "r", offset=f.tell(), shape=shape)


def load_arrays(path: str | Path, kind: str) -> tuple[dict, dict[str, np.ndarray]]:
    """Read what `save_arrays` wrote: (meta, arrays)."""
    try:
        with np.load(path, allow_pickle=False) as f:
            arrays = {name: _read_member(path, f, name) for name in f.files}
        header = json.loads(str(arrays.pop("header")))
    except FileNotFoundError as error:
        raise InputError("does not exist", file=path, fix="check the path") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"is not a readable ExprGen track ({error})", file=path, fix="analyse the footage again"
        ) from error
    if header.get("kind") != kind:
        raise InputError(
            f"holds {header.get('kind')!r}, not {kind!r}", file=path, fix="give the right file"
        )
    if header.get("version") != VERSION:
        raise InputError(
            f"has track version {header.get('version')}, this ExprGen reads {VERSION}",
            file=path,
            fix="analyse the footage again",
        )
    return header["meta"], arrays


def _check_columns(path: str | Path, arrays: dict, columns: dict) -> None:
    missing = set(columns) - set(arrays)
    extra = set(arrays) - set(columns)
    if missing or extra:
        word = f"lacks field {min(missing)!r}" if missing else f"has unknown field {min(extra)!r}"
        raise InputError(word, file=path, fix="analyse the footage again")
    n = len(arrays["times"])
    for name, (shape, dtype) in columns.items():
        want = tuple(n if s == _N else s for s in shape)
        if name == "face_bytes":
            want = arrays[name].shape
        if arrays[name].shape != want or arrays[name].dtype != dtype:
            raise InputError(
                f"field {name!r} is {arrays[name].dtype} {arrays[name].shape}, "
                f"not {np.dtype(dtype)} {want}",
                file=path,
                fix="analyse the footage again",
            )
        if np.issubdtype(dtype, np.floating) and not np.isfinite(arrays[name]).all():
            raise InputError(f"field {name!r} is not finite", file=path, fix="analyse it again")
