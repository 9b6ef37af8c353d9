"""Outputs of frozen layers, computed once: what makes the later trainings cheap.

SCNN, f-CNN and 3D-CNN start from HCNN and keep its first layers. What those layers say of a face
never changes, so it is kept in a file, for the face as it is, mirrored, and changed a few times.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...arrays import read_array
from ...errors import InputError, UsageError
from ...files import start_array, write_text, written_whole
from ...models.perceptual import TABLE_1, PerceptualNetwork, standardise
from ...reading import read_json
from ...records import json_text
from ...vocabulary import REGISTERED_SIZE
from .augment import AugmentSettings, augment, plain
from .folding import FoldedNetwork
from .loop import say

BATCH = 8


@dataclass(frozen=True)
class Features:
    """Outputs of the frozen layers for V variants of N faces.

    maps: float16 memory map (V, N, 64, h, w). flipped: bool (V, N), the variant is mirrored.
    Variant 0 is the face as it is, variant 1 its mirror image, the others are changed at random; or
    all but the first are.
    """

    maps: np.ndarray
    flipped: np.ndarray

    def take(self, variants: np.ndarray, rows: np.ndarray) -> Tensor:
        """float32 (B, 64, h, w) of the given variants and rows."""
        picked = np.stack([self.maps[v, r] for v, r in zip(variants, rows, strict=True)])
        return torch.from_numpy(picked.astype(np.float32))


def check_frozen(layers: int) -> None:
    """Raises UsageError where layers can't be parted after this one."""
    if layers not in (4, 6, 8, 10, 11):
        raise UsageError(f"{layers} frozen layers", fix="freeze 4, 6, 8, 10 or 11 layers")


def freeze(network: PerceptualNetwork, layers: int) -> None:
    """Keep the first `layers` layers as they are: no gradients, statistics unchanged."""
    for layer in network.layers[:layers]:
        layer.requires_grad_(False)


def train_mode(network: PerceptualNetwork, frozen: int) -> None:
    """Training mode for all but the first `frozen` layers."""
    network.train()
    for layer in network.layers[:frozen]:
        layer.eval()


def start_from(network: PerceptualNetwork, parent: PerceptualNetwork) -> None:
    """Take the parent's convolutions and batch norms; the FC layers stay as they are."""
    network.layers.load_state_dict(parent.layers.state_dict())


@torch.inference_mode()
def compute_features(
    path: str | Path,
    network: PerceptualNetwork,
    faces: np.ndarray,
    rows: np.ndarray,
    frozen: int,
    variants: int = 4,
    size: int = REGISTERED_SIZE,
    seed: int = 0,
    changes: AugmentSettings | None = None,
    mirrored: bool = True,
) -> Features:
    """The frozen layers' outputs on `faces[rows]`, read from `path` if they are there already.

    Args:
        path: .npy file; a .json beside it says what it was made from.
        mirrored: variant 1 is the mirror image; else it is changed at random too.

    Raises:
        OutputError: the file can't be written.
    """
    check_frozen(frozen)
    folded = FoldedNetwork(network)
    key = _key(folded, faces, rows, frozen, variants, size, seed)
    if not mirrored:
        key["mirrored"] = False
    path = Path(path)
    flipped = _flips(variants, len(rows), seed, mirrored)
    if not _is_there(path, key):
        _compute(path, folded, faces, rows, frozen, flipped, size, seed, changes, 1 + mirrored)
        write_text(path.with_suffix(".json"), json_text(key))
    maps = read_array(path, fix="delete it")
    if maps.ndim != 5 or maps.shape[:2] != flipped.shape or maps.dtype != np.float16:
        raise InputError("holds other features", file=path, fix="delete it")
    return Features(maps, flipped)


def _compute(path, folded, faces, rows, frozen, flipped, size, seed, changes, unchanged) -> None:
    variants = len(flipped)
    h = size
    for spec in TABLE_1[:frozen]:
        h = -(-h // spec.stride)
    shape = (variants, len(rows), folded.layers[0].weight.shape[0], h, h)
    changes = changes or AugmentSettings(flip=0)
    with written_whole(path) as part:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)
        # As a stream and not through a map, into which a full disk would be no error but the end.
        with open(part, "wb") as file:
            start_array(file, np.float16, shape)
            for maps in _blocks(
                folded, faces, rows, frozen, flipped, size, seed, changes, unchanged
            ):
                file.write(maps.astype(np.float16).tobytes())


def _blocks(
    folded, faces, rows, frozen, flipped, size, seed, changes, unchanged
) -> Iterator[np.ndarray]:
    """What the layers give of BATCH faces at a time, (B, 64, h, w), variant by variant."""
    variants = len(flipped)
    started, done, spoken = time.perf_counter(), 0, 0.0
    for v in range(variants):
        for i in range(0, len(rows), BATCH):
            part = slice(i, min(i + BATCH, len(rows)))
            pictures = np.stack([faces[r] for r in rows[part]])
            given = None if v < unchanged else changes
            x = _variant(v, pictures, flipped[v, part], size, seed + i, given)
            yield folded.maps(standardise(x), 0, frozen).numpy()
            done += len(pictures)
            spent = time.perf_counter() - started
            if spent - spoken > 15:
                spoken = spent
                left = spent / done * (variants * len(rows) - done)
                say(f"frozen layers: {done} of {variants * len(rows)}, {left / 60:.1f} min left")


def _variant(v, pictures, flipped, size, seed, changes) -> Tensor:
    if changes is None:
        return plain(pictures, size, flipped)
    rng = np.random.default_rng((seed, v))
    mirrored = np.where(flipped[:, None, None], pictures[:, :, ::-1], pictures)
    return augment(mirrored, size, changes, rng)[0]


def _flips(variants: int, count: int, seed: int, mirrored: bool) -> np.ndarray:
    flipped = np.random.default_rng((seed, 9)).random((variants, count)) < 0.5
    flipped[0] = False
    if mirrored:
        flipped[1:2] = True
    return flipped


def faces_digest(faces: np.ndarray, rows: np.ndarray) -> str:
    """Tells which rows of a set are looked at, whatever kind of whole numbers they are, and, by
    some fifty pictures, of which set."""
    sha = hashlib.sha256(np.ascontiguousarray(rows, np.int64).tobytes())
    for r in rows[:: max(1, len(rows) // 50)]:
        sha.update(np.ascontiguousarray(faces[r]).tobytes())
    return sha.hexdigest()


def _key(folded, faces, rows, frozen, variants, size, seed) -> dict:
    sha = hashlib.sha256()
    for layer in folded.layers[:frozen]:
        sha.update(layer.weight.numpy().tobytes() + layer.bias.numpy().tobytes())
    return {
        "layers": sha.hexdigest(),
        "faces": faces_digest(faces, rows),
        "frozen": frozen,
        "variants": variants,
        "size": size,
        "seed": seed,
    }


def _is_there(path: Path, key: dict) -> bool:
    try:
        return read_json(path.with_suffix(".json")) == key and path.exists()
    except InputError:
        return False
