"""What the trainings read: sets of registered human faces and sets of posed character pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..track import load_arrays
from ..vocabulary import ARKIT_CHANNELS, EXPRESSIONS, GEOMETRIC_FEATURES, NEUTRAL, REGISTERED_SIZE

TRAIN, VALIDATION, REJECTED = "train", "val", "rejected"

CED_KIND = "exprgen.ced"
"""Kind of samples.npz, which the capture of a character writes (see
exprgen_addon/studio/capture.py)."""

SEEN_KIND = "exprgen.ced_seen"
"""Kind of seen.npz, which `ced.py` writes: what the tracker saw on the pictures."""


@dataclass(frozen=True)
class FaceSet:
    """N registered human faces with what people said of them.

    faces: uint8 (N, 256, 256) grey, usually a memory map.
    targets: float32 (N, 7) distribution over EXPRESSIONS (share of votes); rows sum to 1.
    split: (N,) "train" or "val".
    geometry: float32 (N, 9), fractions of the face box; see `registration`.
    arkit: float32 (N, 52), the tracker's coefficients, 0..1.
    name: where it came from, for messages.
    posed: float32 (N, 52), ARKit weights that the faces were posed by, for rendered ones; NaN where
        nobody knows. Empty for sets of people.
    """

    faces: np.ndarray
    targets: np.ndarray
    split: np.ndarray
    geometry: np.ndarray
    arkit: np.ndarray
    name: str = ""
    posed: np.ndarray = field(default_factory=lambda: np.empty((0, len(ARKIT_CHANNELS))))

    def __post_init__(self) -> None:
        n = len(self.faces)
        for column, shape in (
            ("targets", (n, len(EXPRESSIONS))),
            ("split", (n,)),
            ("geometry", (n, len(GEOMETRIC_FEATURES))),
            ("arkit", (n, len(ARKIT_CHANNELS))),
        ):
            if getattr(self, column).shape != shape:
                raise InputError(
                    f"field {column!r} is {getattr(self, column).shape}, not {shape}",
                    file=self.name,
                    fix="prepare the set again",
                )

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def labels(self) -> np.ndarray:
        """(N,) the likeliest class of each face."""
        return self.targets.argmax(1)

    def rows(self, split: str) -> np.ndarray:
        """Indices of one split ("train" or "val")."""
        return np.flatnonzero(self.split == split)


@dataclass(frozen=True)
class CharacterSet:
    """N posed pictures of one character (a part of the CED).

    faces: uint8 (N, 256, 256) grey, registered like the human ones.
    units: float32 (N, M) unit values of the profile's expression controls.
    labels: (N,) index into EXPRESSIONS, or -1 for poses that nobody has labelled.
    geometry: float32 (N, 9) measured on the picture.
    intended: float32 (N, 52) ARKit weights of the pose before it was mapped to this rig.
    arkit: float32 (N, 52) coefficients the tracker saw on the picture.
    found: bool (N,) the tracker found the face; where it did not, the face is the picture itself
        and geometry is that of the neutral pose.
    split: (N,) "train", "val" or, for rows without a picture, "rejected".
    intensity: float32 (N,) share of the key pose, 0..1.
    controls: names of the columns of `units`.
    """

    character: str
    faces: np.ndarray
    units: np.ndarray
    labels: np.ndarray
    geometry: np.ndarray
    intended: np.ndarray
    arkit: np.ndarray
    found: np.ndarray
    split: np.ndarray
    intensity: np.ndarray
    controls: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.faces)

    def rows(self, split: str) -> np.ndarray:
        """Indices of one split ("train" or "val")."""
        return np.flatnonzero(self.split == split)


CERTAIN = 0.6
"""Intensity from which a pose says nothing but its expression; below it, neutral has a share."""

AGREED = 0.6
"""Share of people's votes from which they count as agreeing on a picture."""

CLEAR = 0.5
"""Intensity from which a posed picture counts as clear, as a picture does that people agree on.

The paper keeps the pictures of characters whose label 70% of viewers agree on (section 3). Of our
weaker ones two blind viewers named 62% by their pose, of these 86% (docs/measured.md).
"""


def pose_targets(labels: np.ndarray, intensity: np.ndarray) -> np.ndarray:
    """What viewers would say of poses, float32 (N, 7), rows sum to 1: weak ones look neutral too.

    Args:
        labels: (N,) index in EXPRESSIONS. intensity: (N,) share of the key pose.
    """
    sure = np.where(labels == NEUTRAL, 1.0, np.clip(0.2 + 0.8 * intensity / CERTAIN, 0.0, 1.0))
    said = np.eye(len(EXPRESSIONS), dtype=np.float32)[labels] * sure[:, None]
    said[:, NEUTRAL] += 1.0 - sure
    return said.astype(np.float32)


def load_faces(folder: str | Path) -> FaceSet:
    """The prepared human faces of `folder`; faces the tracker did not find are left out.

    Raises:
        InputError: the folder holds no prepared set.
    """
    try:
        from .hed import load_hed
    except ImportError as error:
        raise InputError("can't be read", file=folder, fix="prepare the set first") from error
    loaded = load_hed(folder)
    return loaded if isinstance(loaded, FaceSet) else as_face_set(loaded, str(folder))


def load_ced(folder: str | Path, character: str) -> CharacterSet:
    """One character's pictures under `folder`, prepared by `ced.py`; every tenth is for validation.

    Raises:
        InputError: the capture or its preparation is missing or incomplete.
    """
    place = Path(folder) / character
    meta, samples = load_arrays(place / "samples.npz", CED_KIND)
    _, seen = load_arrays(place / "seen.npz", SEEN_KIND)
    count = len(seen["found"])
    try:
        faces = np.load(place / "faces.npy", mmap_mode="r")
        labels = samples["label"][:count].astype(int)
        columns = {
            "units": samples["units"][:count].astype(np.float32),
            "intended": samples["arkit"][:count].astype(np.float32),
            "intensity": samples["intensity"][:count].astype(np.float32),
        }
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"is incomplete ({error})", file=place, fix="capture and prepare it again"
        ) from error
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
        controls=tuple(meta["controls"]),
        **columns,
    )


def load_ced_to_train(folder: str | Path, character: str) -> CharacterSet:
    """`load_ced` for those who learn from it: pictures are left both to learn from and to check by.

    Raises:
        InputError: as `load_ced`, or the capture is too small.
    """
    posed = load_ced(folder, character)
    if not len(posed.rows(TRAIN)) or not len(posed.rows(VALIDATION)):
        raise InputError(
            f"holds too few pictures ({len(posed)}) to train with",
            file=Path(folder) / character,
            fix="capture at least 20, then prepare them: exprgen train ced",
        )
    return posed


def as_face_set(loaded, name: str) -> FaceSet:
    """A FaceSet from the attributes of what `hed.load_hed` returns."""
    return FaceSet(
        faces=loaded.faces,
        targets=np.asarray(loaded.targets, np.float32),
        split=np.asarray(loaded.split).astype(str),
        geometry=np.asarray(loaded.geometry, np.float32),
        arkit=np.asarray(loaded.arkit, np.float32),
        name=name,
    )


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
        smile, frown, opening, brow, lid = _LOOKS[k]
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


# smile, frown, mouth opening, brow height, lid height: anger, disgust, fear, joy, neutral, ...
_LOOKS = (
    (0.0, 0.4, 0.1, 0.10, 0.08),
    (0.0, 0.6, 0.2, 0.13, 0.05),
    (0.0, 0.2, 0.5, 0.24, 0.16),
    (1.0, 0.0, 0.3, 0.18, 0.08),
    (0.0, 0.0, 0.0, 0.18, 0.10),
    (0.0, 1.0, 0.0, 0.21, 0.07),
    (0.1, 0.0, 1.0, 0.26, 0.16),
)


def draw_face(label: int, rng: np.random.Generator, size: int = REGISTERED_SIZE) -> np.ndarray:
    """One drawn face of class `label`, uint8 (size, size)."""
    smile, frown, opening, brow, lid = _LOOKS[label]
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    x = x + rng.uniform(-0.02, 0.02)
    y = y + rng.uniform(-0.02, 0.02)
    skin, ink = rng.uniform(150, 200), rng.uniform(20, 70)
    face = np.full((size, size), skin) - 60 * (x**2 / 0.2 + y**2 / 0.24 > 1)
    for side in (-0.18, 0.18):
        eye = (x - side) ** 2 / 0.06**2 + (y + 0.1) ** 2 / max(lid / 2, 0.01) ** 2 < 1
        brow_line = (np.abs(x - side) < 0.09) & (np.abs(y + 0.1 + brow) < 0.015)
        face[eye | brow_line] = ink
    bend = (smile - frown) * 0.6
    middle = 0.25 - bend * (x**2 - 0.01)
    half = 0.012 + opening * 0.07 * np.sqrt(np.clip(1 - (x / 0.16) ** 2, 0, 1))
    face[(np.abs(y - middle) < half) & (np.abs(x) < 0.16 + 0.05 * smile)] = ink
    face += rng.normal(0, 4, face.shape)
    return np.clip(face, 0, 255).astype(np.uint8)
