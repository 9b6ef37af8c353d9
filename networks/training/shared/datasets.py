"""What the trainings read: sets of registered human faces and sets of posed character pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...arrays import ANY, ROWS, Column, check_columns, read_array
from ...errors import InputError, UsageError
from ...names import NAME_FIX, is_name
from ...perception.drawn_faces import LOOKS, draw_face
from ...records import FieldError, as_type, text
from ...track import load_arrays
from ...vocabulary import (
    ARKIT_CHANNELS,
    EXPRESSIONS,
    GEOMETRIC_FEATURES,
    LANDMARK_NAMES,
    NEUTRAL,
    REGISTERED_SIZE,
)
from .sets import (
    CED_KIND,
    REJECTED,
    SEEN_KIND,
    TRAIN,
    VALIDATION,
    CharacterSet,
    FaceSet,
    as_face_set,
)

CAPTURE = "capture and prepare it again"
PREPARE = "prepare it again: exprgen train ced"

_SAMPLES = {  # see `studio.ced_poses.Samples` and `studio.ced_capture.Measured`
    "label": Column((ROWS,), np.integer, -1, len(EXPRESSIONS) - 1),
    "arkit": Column((ROWS, len(ARKIT_CHANNELS)), np.floating),
    "intensity": Column((ROWS,), np.floating),
    "values": Column((ROWS, ANY), np.floating),
    "head": Column((ROWS, 3), np.floating),
    "gaze": Column((ROWS, 2), np.floating),
    "looks": Column((ROWS, ANY), np.floating),
    "landmarks": Column((ROWS, len(LANDMARK_NAMES), 2), np.floating, gaps=True),
    "geometry": Column((ROWS, len(GEOMETRIC_FEATURES)), np.floating, gaps=True),
    "camera": Column((ROWS, 3, 4), np.floating, gaps=True),
    "rejected": Column((ROWS,), np.integer, 0, 255),
}
_ALWAYS = ("label", "arkit", "intensity")
_SEEN = {
    "found": Column((ROWS,), np.bool_),
    "geometry": Column((ROWS, len(GEOMETRIC_FEATURES)), np.floating),
    "arkit": Column((ROWS, len(ARKIT_CHANNELS)), np.floating),
}
_FACES = Column((ROWS, REGISTERED_SIZE, REGISTERED_SIZE), np.uint8)


def load_faces(folder: str | Path) -> FaceSet:
    """The prepared human faces of `folder`; faces the tracker did not find are left out.

    Raises:
        InputError: the folder holds no prepared set.
    """
    try:
        from .hed_cache import load_hed
    except ImportError as error:
        raise InputError("can't be read", file=folder, fix="prepare the set first") from error
    loaded = load_hed(folder)
    return loaded if isinstance(loaded, FaceSet) else as_face_set(loaded, str(folder))


def load_ced(folder: str | Path, character: str) -> CharacterSet:
    """One character's pictures under `folder`, prepared by `ced.py`; every tenth is for validation.

    Raises:
        InputError: the capture or its preparation is missing or incomplete.
    """
    if not is_name(character):
        raise InputError(f"{character[:60]!r} names no character", file=folder, fix=NAME_FIX)
    place = Path(folder) / character
    meta, samples = load_samples(place / "samples.npz")
    if not (place / "seen.npz").exists():
        raise InputError(
            "its pictures were captured but never prepared",
            file=place,
            fix=f"prepare them first: exprgen train ced --data {folder}",
        )
    _, seen = load_seen(place / "seen.npz")
    faces = read_array(place / "faces.npy", fix=PREPARE)
    check_columns(place / "faces.npy", {"faces": faces}, {"faces": _FACES}, PREPARE)
    count = len(seen["found"])
    if count > min(len(samples["label"]), len(faces)) or not count:
        raise InputError("is incomplete", file=place, fix=CAPTURE)
    return _as_set(character, meta, samples, seen, faces)


def _as_set(character: str, meta: dict, samples: dict, seen: dict, faces) -> CharacterSet:
    """The rows that were `seen`; every tenth block is for validation."""
    count = len(seen["found"])
    labels = samples["label"][:count].astype(int)
    columns = {
        "units": samples["units"][:count].astype(np.float32),
        "intended": samples["arkit"][:count].astype(np.float32),
        "intensity": samples["intensity"][:count].astype(np.float32),
    }
    # Blocks of ten pictures hold one of each class: every tenth block is kept for validation.
    block = np.arange(count) // 10
    check = block % 10 == 9 if count >= 100 else block == block.max()
    split = np.where(check, VALIDATION, TRAIN)
    if "rejected" in samples:  # rows without a picture belong to neither
        rejected = samples["rejected"][:count] > 0
        split, labels = np.where(rejected, REJECTED, split), np.where(rejected, -1, labels)
    found = seen["found"]
    calm = np.median(seen["geometry"][found & (labels == NEUTRAL)], axis=0)
    geometry = np.where(found[:, None], seen["geometry"], calm).astype(np.float32)
    return CharacterSet(
        character=character,
        faces=faces[:count],
        labels=labels,
        geometry=geometry,
        arkit=seen["arkit"],
        found=found,
        split=split,
        controls=meta["controls"],
        **columns,
    )


def load_poses(folder: str | Path, character: str) -> CharacterSet:
    """One character's poses under `folder`, as `load_ced` gives them but without pictures, from a
    capture that tells its landmarks; nobody need have prepared it. `faces` holds none.

    Raises:
        InputError: the capture is missing, incomplete or tells no landmarks.
    """
    if not is_name(character):
        raise InputError(f"{character[:60]!r} names no character", file=folder, fix=NAME_FIX)
    path = Path(folder) / character / "samples.npz"
    meta, samples = load_samples(path)
    if "geometry" not in samples or "rejected" not in samples:
        raise InputError("tells no landmarks", file=path, fix=PREPARE)
    rejected = samples["rejected"] > 0
    found = np.isfinite(samples["geometry"]).all(1) & ~rejected
    if open_rows := int((~found & ~rejected).sum()):
        raise InputError(f"is incomplete: {open_rows} poses are missing", file=path, fix=CAPTURE)
    seen = {"found": found, "geometry": samples["geometry"], "arkit": samples["arkit"]}
    return _as_set(character, meta, samples, seen, np.empty((len(found), 0, 0), np.uint8))


def load_samples(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """(meta, columns) of a capture's samples.npz, checked.

    Raises:
        InputError: it is missing or damaged.
    """
    meta, samples = load_arrays(path, CED_KIND, CAPTURE)
    try:
        controls = as_type(tuple[str, ...], meta.get("controls"), "controls")
        about = {"anchors": text(meta.get("anchors", ""), "anchors")}
    except FieldError as error:
        raise InputError(f"its header is wrong ({error})", file=path, fix=CAPTURE) from error
    units = Column((ROWS, len(controls)), np.floating, -10.0, 10.0)
    there = {n: c for n, c in _SAMPLES.items() if n in samples or n in _ALWAYS}
    check_columns(path, samples, {**there, "units": units}, CAPTURE)
    return {**meta, **about, "controls": controls}, samples


def load_seen(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """(meta, columns) of a prepared capture's seen.npz, checked.

    Raises:
        InputError: it is missing or damaged.
    """
    meta, seen = load_arrays(path, SEEN_KIND, PREPARE)
    check_columns(path, seen, _SEEN, PREPARE)
    return meta, seen


def load_ced_to_train(folder: str | Path, character: str, pictures: bool = True) -> CharacterSet:
    """`load_ced` for those who learn from it: pictures are left both to learn from and to check by.

    Args:
        pictures: they are looked at; else a capture that was not prepared will do (`load_poses`).

    Raises:
        InputError: as `load_ced`, or the capture is too small.
    """
    prepared = (Path(folder) / character / "seen.npz").is_file() if is_name(character) else True
    posed = (load_ced if pictures or prepared else load_poses)(folder, character)
    if not len(posed.rows(TRAIN)) or not len(posed.rows(VALIDATION)):
        raise InputError(
            f"holds too few pictures ({len(posed)}) to train with",
            file=Path(folder) / character,
            fix="capture at least 20, then prepare them: exprgen train ced",
        )
    return posed


MOST_DRAWN = 20_000
"""Drawn faces, which fill the memory."""


def synthetic_faces(count: int, seed: int = 0, size: int = REGISTERED_SIZE) -> FaceSet:
    """Drawn faces, for tests and calibration: mouth, lids and brows follow the expression.

    Not people. The seven classes take turns; a fifth of the faces is for validation.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(EXPRESSIONS)
    arkit = np.zeros((count, len(ARKIT_CHANNELS)), np.float32)
    geometry = np.zeros((count, len(GEOMETRIC_FEATURES)), np.float32)
    faces = np.stack([draw_face(int(k), rng, size) for k in labels])
    for i, k in enumerate(labels):
        smile, frown, opening, brow, lid = LOOKS[k]
        geometry[i] = (brow, brow, lid, lid, 0.2, 0.3 + 0.1 * smile, opening, 0.3, 0.3)
        geometry[i] += rng.normal(0, 0.01, len(GEOMETRIC_FEATURES))
        arkit[i, ARKIT_CHANNELS.index("jawOpen")] = opening
        for side in ("Left", "Right"):
            arkit[i, ARKIT_CHANNELS.index(f"mouthSmile{side}")] = smile
            arkit[i, ARKIT_CHANNELS.index(f"mouthFrown{side}")] = frown
    targets = np.eye(len(EXPRESSIONS), dtype=np.float32)[labels] * 0.9 + 0.1 / len(EXPRESSIONS)
    block = np.arange(count) // len(EXPRESSIONS)
    split = np.where(block % 5 == 4, VALIDATION, TRAIN)
    return FaceSet(faces, targets, split, geometry, arkit, "drawn faces")


def characters(folder: Path) -> list[str]:
    """Names of the captured characters in a folder."""
    return sorted(path.parent.name for path in folder.glob("*/samples.npz"))


def open_faces(s) -> FaceSet:
    """The faces that the settings name.

    Raises:
        InputError: there are none. UsageError: a number of drawn ones that can't be.
    """
    if s.data.startswith("drawn:"):
        count = s.data.removeprefix("drawn:")
        if not (count.isascii() and count.isdigit() and 1 <= int(count) <= MOST_DRAWN):
            fix = f"give --data drawn:N with N from 1 to {MOST_DRAWN}"
            raise UsageError(f"{count[:20]!r} faces can't be drawn", fix=fix)
        return synthetic_faces(int(count), s.seed)
    return load_faces(s.data)
