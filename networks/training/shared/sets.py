"""Sets of pictures in memory: registered faces, posed characters, and who may learn from which."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np

from ...errors import InputError
from ...vocabulary import ARKIT_CHANNELS, EXPRESSIONS, GEOMETRIC_FEATURES, NEUTRAL

TRAIN, VALIDATION, REJECTED = "train", "val", "rejected"

TREMBLING = 0.02
"""Deviation of the noise on the coefficients of faces to learn from: the tracker's own trembling on
a held face."""

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

    def having(self, *splits: str) -> FaceSet:
        """The set itself.

        Raises:
            InputError: one of these splits has no faces.
        """
        for split in splits:
            if not len(self.rows(split)):
                raise InputError(
                    f"holds no faces of the split {split!r} ({len(self)} in all)",
                    file=self.name or None,
                    fix="give more pictures, or tell in its labels.csv which are train and which "
                    "val, and prepare it again",
                )
        return self

    def fewer(self, counts: dict[str, int], seed: int) -> FaceSet:
        """The set with so many faces of each split at most, of the classes as nearly alike as there
        are faces of them; the others are of no split.

        Args:
            counts: split -> faces; a split that is not named has none.
        """
        rng, split = np.random.default_rng(seed), np.full(len(self), REJECTED, object)
        for name, count in counts.items():
            rows = rng.permutation(self.rows(name))
            labels = self.labels[rows]
            turn = np.zeros(len(rows), int)  # which of its class each one is
            for label in range(len(EXPRESSIONS)):
                of = labels == label
                turn[of] = np.arange(of.sum())
            split[rows[np.argsort(turn, kind="stable")[:count]]] = name
        return replace(self, split=split.astype(str))


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
weaker ones two blind viewers named 62% by their pose, of these 86% (docs/measured/transfer.md).
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


def half_of(source: str) -> int:
    """0 or 1: by the name alone, so that it is the same on every machine.

    The two judges learn from one half each, and each picture is judged by the one that has not
    seen it.
    """
    return hashlib.sha256(f"judge:{source}".encode()).digest()[0] & 1
