"""What is in the mouth of a tracked face: the crop by its lips, read by the mouth reader."""

from __future__ import annotations

import numpy as np
import torch

from ..models.mouth_reader import MouthReader, fused, mouth_opinion
from ..models.weights_io import load_network
from ..models.weights_places import find_weights
from ..tracking.mouth_crop import mouth_box, mouth_crop
from ..tracking.registration import apply_affine, registering_affine


class MouthLooker:
    """The mouth reader over registered faces.

    Args:
        network: as `load_network` gives it. threads: processor threads for torch; None leaves
            torch's own setting.
    """

    def __init__(self, network: MouthReader, threads: int | None = None):
        self._network, self._threads = fused(network), threads

    @staticmethod
    def load(threads: int | None = None) -> MouthLooker | None:
        """With the weights that are there; None without, since a track can do without.

        Raises:
            ModelError: the file is damaged.
        """
        path = find_weights("mouth_reader")
        if not path.is_file():
            return None
        return MouthLooker(load_network(path, "mouth_reader")[0], threads)

    def __call__(self, faces: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Look at faces uint8 (B, 256, 256) with landmarks (B, 49, 2) in the pixels of the pictures
        they were registered from -> (B, 4) float32 in 0..1, in the order of MOUTH."""
        if self._threads:
            torch.set_num_threads(self._threads)  # OpenMP keeps this number for each thread
        mouths = [
            mouth_crop(face, mouth_box(apply_affine(registering_affine(seen), seen)))
            for face, seen in zip(faces, landmarks, strict=True)
        ]
        return mouth_opinion(self._network, np.stack(mouths))
