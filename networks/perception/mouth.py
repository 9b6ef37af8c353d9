"""What is in the mouth of a tracked face: the crop by its lips, read by the mouth reader."""

from __future__ import annotations

import numpy as np

from ..inference.mouth_reader import MouthReader
from ..inference.opening import opened_if_there
from ..tracking.mouth_crop import mouth_box, mouth_crop
from ..tracking.registration import apply_affine, registering_affine

MOUTHS_A_PASS = 2
"""Mouths that go through the network together: each number of them is another copy of it."""


class MouthLooker:
    """The mouth reader over registered faces."""

    def __init__(self, reader: MouthReader):
        self._reader = reader

    @staticmethod
    def load() -> MouthLooker | None:
        """With the weights that are there; None without, since a track can do without.

        Raises:
            ModelError: the file is damaged.
        """
        reader = opened_if_there(MouthReader, "mouth_reader")
        return None if reader is None else MouthLooker(reader)

    def __call__(self, faces: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Look at faces uint8 (B, 256, 256) with landmarks (B, 49, 2) in the pixels of the pictures
        they were registered from -> (B, 4) float32 in 0..1, in the order of MOUTH."""
        mouths = [
            mouth_crop(face, mouth_box(apply_affine(registering_affine(seen), seen)))
            for face, seen in zip(faces, landmarks, strict=True)
        ]
        passes = range(0, len(mouths), MOUTHS_A_PASS)
        read = [self._reader(np.stack(mouths[i : i + MOUTHS_A_PASS])) for i in passes]
        return np.concatenate(read)
