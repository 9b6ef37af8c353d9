"""People in a headset, of whom a jaw alone moves: it makes the mouth's picture brighter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from exprgen.networks.training.shared.headset_set import CHANGES, HeadsetPerson
from exprgen.networks.vocabulary import ARKIT_INDEX, HEADSET_SIZE

JAW = ARKIT_INDEX["jawOpen"]


def jaw_mover(
    seed: int, split: str, neutral: np.ndarray, change: np.ndarray, moves: np.ndarray
) -> HeadsetPerson:
    """Somebody filmed in N frames, of which `neutral` (N,) bool are at rest; change (N,): index
    into CHANGES; moves (52, P, 3): what the channels do to P points, half of them eyes."""
    rng = np.random.default_rng([seed, split == "val"])
    count, points = len(neutral), moves.shape[1]
    truth = np.zeros((count, 52), np.float32)
    truth[~neutral, JAW] = rng.random((~neutral).sum())
    pictures = rng.integers(0, 30, (count, 3, HEADSET_SIZE, HEADSET_SIZE)).astype(np.uint8)
    for i, amount in enumerate(truth[:, JAW]):
        pictures[i, 2, : 4 + round(40 * amount)] += 150
    cameras = np.zeros((len(CHANGES), 3, 16), np.float32)
    cameras[..., (0, 4, 8)], cameras[..., 12] = 1.0, 30.0
    return HeadsetPerson(
        pictures,
        np.full(pictures.shape, 100, np.uint8),
        truth,
        neutral.astype(np.uint8),
        change.astype(np.uint8),
        cameras,
        moves,
        np.zeros(4, np.float32),
        np.where(np.arange(points) < (points + 1) // 2, 3, 5).astype(np.uint8),
        split,
    )


def save_people(folder: Path, person: Callable[[int, str], HeadsetPerson]) -> Path:
    """Two to learn from and two others, as files in `folder`."""
    for split in ("train", "val"):
        for i in range(2):
            person(i, split).save(folder / f"person_{split}_{i:03d}.npz")
    return folder
