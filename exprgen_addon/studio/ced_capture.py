"""A character's picture database (CED): drawn, rendered, measured, and what is refused counted."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ...networks.characters.profile import RigProfile
from ...networks.errors import InputError, OutputError, UsageError
from ...networks.files import write_text
from ...networks.records import json_text
from ...networks.track import save_arrays
from ...networks.tracking.registration import geometric_features
from ...networks.training.shared.datasets import load_samples
from ...networks.vocabulary import EXPRESSIONS, GEOMETRIC_FEATURES, LANDMARK_NAMES
from ..characters.landmark_anchors import require_landmarks
from .ced_poses import class_balance, draw_samples
from .face_studio import CED, Shown, StudioSettings
from .render_processes import Progress, Shots, Stop, make_folder, render_shots

CED_KIND = "exprgen.ced"
CED_VERSION = 2
"""Of the manifest; 1 had no landmarks."""
SAVE_EVERY = 500
"""Pictures between two writings of what was measured on them."""


def capture_ced(
    profile: RigProfile,
    out_dir: str | Path,
    count: int,
    seed: int = 0,
    processes: int | None = None,
    *,
    settings: StudioSettings = CED,
    pictures: bool = True,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> dict:
    """Render a character's picture database: poses of known expression and control values.

    Writes <out_dir>/<character>/samples.npz (columns of `poses.Samples` and of `Measured`, all
    `count` rows, first before the first picture), images/%06d.png and manifest.json. Pictures that
    are there are kept, so a capture that was stopped goes on, and a larger count adds to a smaller
    one. The same seed gives the same pictures whatever the number of processes.

    Where the profile has landmarks, each row gets them in pixels, and a row whose picture would be
    of no use (see `landmarks.fault`) is not rendered but counted with the reason. Without them the
    training has to look for faces in the pictures.

    Args:
        pictures: rendered; else poses are only taken and measured, which is some twenty times as
            quick and all that a C-MLP learns from. A later capture with pictures adds them.

    Returns:
        the manifest: character, seed, count, done (pictures there, or poses measured), rejected (by
        reason), classes (of the rows that are not rejected), settings, seconds, landmarks (bool),
        pictures (bool), versions.

    Raises:
        OutputError: the folder can't be written, or holds a capture drawn otherwise.
        UsageError: a count below 1 or a negative seed.
    """
    if count < 1 or seed < 0:
        raise UsageError("nothing to capture", fix="give a count above 0 and a seed from 0 up")
    if not pictures:
        require_landmarks(profile)
    began = time.monotonic()
    folder = Path(out_dir) / profile.name
    images = make_folder(make_folder(folder) / "images")
    samples = draw_samples(profile, seed, range(count))
    drawn = vars(samples)
    old = _keep_or_refuse(folder / "samples.npz", drawn)
    meta = {
        "character": profile.name,
        "seed": seed,
        "controls": [c.name for c in profile.expression_controls],
        "all_controls": list(profile.names),
        "size": settings.size,
        "anchors": anchors_digest(profile),
    }
    measured = Measured.of(count, old, meta["anchors"])
    paths = [images / f"{i:06d}.png" for i in range(count)]
    todo = [
        i
        for i in range(count)
        if measured.open(i, not pictures or paths[i].exists(), bool(meta["anchors"]))
    ]

    def save() -> None:
        columns = measured.columns() if meta["anchors"] else {}
        save_arrays(folder / "samples.npz", CED_KIND, meta, {**drawn, **columns})

    def keep(shot: int, shown: Shown) -> None:
        measured.set(todo[shot], shown)
        if len(measured) % SAVE_EVERY == 0:
            save()

    there = sum(path.exists() for path in paths)
    save()
    shots = Shots(
        samples.values[todo],
        samples.looks[todo],
        [paths[i] for i in todo],
        bool(meta["anchors"]),
        pictures,
    )
    try:
        render_shots(
            profile, shots, settings, processes=processes, progress=progress, stop=stop, keep=keep
        )
    finally:
        for i in np.flatnonzero(measured.rejected):  # one of an older landmark's time
            paths[i].unlink(missing_ok=True)
        save()
        done = np.array([path.exists() for path in paths]) if pictures else measured.useful()
        manifest = {
            "format": CED_KIND,
            "version": CED_VERSION,
            "exprgen": version(),
            **meta,
            "count": count,
            "done": int(done.sum()),
            "rejected": measured.reasons(),
            "landmarks": bool(meta["anchors"]),
            "pictures": pictures,
            "classes": class_balance(samples.label[measured.rejected == 0]),
            "settings": asdict(settings),
            "seconds": round(time.monotonic() - began, 1),
            "rendered": int(done.sum()) - there if pictures else 0,
        }
        write_text(folder / "manifest.json", json_text(manifest, indent=1) + "\n")
    return manifest


def is_complete(manifest: dict) -> bool:
    """Every row of a capture has its picture or the reason why it has none."""
    return manifest["done"] + sum(manifest["rejected"].values()) >= manifest["count"]


def anchors_digest(profile: RigProfile) -> str:
    """Tells one placing of a profile's landmarks from another; empty without landmarks."""
    if not profile.landmarks:
        return ""
    text = json_text([asdict(profile.landmarks[name]) for name in LANDMARK_NAMES])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


REASONS = ("", "face hidden", "landmarks outside the frame", "lips inverted", "lids inverted")
"""Why a row has no picture, by the number in the column `rejected`."""


class Measured:
    """Columns that are known only once a pose has been taken.

    landmarks (N, 49, 2) float32 pixels of the picture, NaN where not known yet; geometry (N, 9)
    float32, see `registration.geometric_features`; camera (N, 3, 4) world point -> homogeneous
    pixel; rejected (N,) uint8 index in REASONS.
    """

    def __init__(self, count: int):
        self.landmarks = np.full((count, len(LANDMARK_NAMES), 2), np.nan, np.float32)
        self.geometry = np.full((count, len(GEOMETRIC_FEATURES)), np.nan, np.float32)
        self.camera = np.full((count, 3, 4), np.nan)
        self.rejected = np.zeros(count, np.uint8)

    @staticmethod
    def of(count: int, old: tuple[dict, dict], anchors: str) -> Measured:
        """What an earlier run measured, where its landmarks were the same."""
        measured, (meta, columns) = Measured(count), old
        if anchors and meta.get("anchors") == anchors and "landmarks" in columns:
            for name, column in measured.columns().items():
                n = min(count, len(columns[name]))
                column[:n] = columns[name][:n]
        return measured

    def __len__(self) -> int:
        """Rows that are known."""
        return int(np.isfinite(self.landmarks[:, 0, 0]).sum())

    def useful(self) -> np.ndarray:
        """(N,) rows that are known and not rejected."""
        return np.isfinite(self.landmarks[:, 0, 0]) & (self.rejected == 0)

    def columns(self) -> dict[str, np.ndarray]:
        return vars(self)

    def open(self, row: int, there: bool, wanted: bool) -> bool:
        """This row is still to be done: no picture and not rejected, or not yet measured."""
        known = bool(np.isfinite(self.landmarks[row, 0, 0]))
        return (not there and not self.rejected[row]) or (wanted and not known)

    def set(self, row: int, shown: Shown) -> None:
        self.landmarks[row], self.camera[row] = shown.landmarks, shown.camera
        self.geometry[row] = geometric_features(shown.landmarks)
        self.rejected[row] = REASONS.index(shown.reason)

    def reasons(self) -> dict[str, int]:
        """How many rows are rejected, by reason."""
        return {r: int((self.rejected == i).sum()) for i, r in enumerate(REASONS) if i}


def sheet_cells(folder: Path, seed: int = 0, count: int = 64) -> list[dict]:
    """Random pictures of a capture with their labels, for the worker's `sheet` command.

    Raises:
        InputError: the folder holds no pictures.
    """
    _, samples = load_samples(folder / "samples.npz")
    there = [i for i in range(len(samples["label"])) if _image(folder, i).exists()]
    if not there:
        raise InputError("holds no pictures", file=folder, fix="run the capture first")
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(there, min(count, len(there)), replace=False).tolist())
    cells = []
    for i in chosen:
        label = int(samples["label"][i])
        name = EXPRESSIONS[label] if label >= 0 else "unlabelled"
        cells.append({"file": str(_image(folder, i)), "lines": [f"{i} {name}"]})
    return cells


def _image(folder: Path, row: int) -> Path:
    return folder / "images" / f"{row:06d}.png"


def version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("exprgen")
    except PackageNotFoundError:  # inside Blender, where it is an extension
        return ""


def _keep_or_refuse(path: Path, columns: dict[str, np.ndarray]) -> tuple[dict, dict]:
    """(meta, columns) of the capture that is there, if any; refuses to mix two draws."""
    if not path.exists():
        return {}, {}
    meta, old = load_samples(path)
    for name in ("values", "looks", "label"):
        a, b = old.get(name), columns[name]
        n = 0 if a is None else min(len(a), len(b))
        if not n or a.shape[1:] != b.shape[1:] or not np.array_equal(a[:n], b[:n]):
            raise OutputError(
                "holds a capture with another seed or of an older character",
                file=path.parent,
                fix="choose another folder or remove this one",
            )
    return meta, old
