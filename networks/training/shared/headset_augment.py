"""The 3D augmentation layer of MIA (Jourabloo et al. 2022, section 3.2): the face under a camera of
a headset seen anew, turned, shifted, by another lens, before another background.

A picture's pixels are put where the face is, by their distances; moved; and looked at again. The
new picture is drawn backwards: a pixel of it looks up where it came from, found by a few rounds of
s = t - w(s), w being how far the move carries the picture's pixels. What the move uncovers is drawn
with what lies beside it; moves are small. w is smooth, so it is told of every second pixel only.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache

import cv2
import numpy as np

from .headset_lens import Cameras, turn
from .headset_set import DEPTH_UNIT

ROUNDS = 4
COARSE = 2
"""Pixels of a side of the squares for which the way is told that a move carries them."""
PIVOT = np.array([0.0, -30.0, 0.0])
"""About which a head turns in its headset, mm."""
ANYWHERE = 50.0
"""Millimetres from a camera of what it sees, where it sees no face."""


@dataclass(frozen=True)
class Move:
    """turn (3,) rotation vector, radians, and shift (3,), mm, of the face in the headset; focal
    (V,): factor on each view's."""

    turn: np.ndarray
    shift: np.ndarray
    focal: np.ndarray

    @staticmethod
    def none(views: int = 3) -> Move:
        """Nothing moves."""
        return Move(np.zeros(3), np.zeros(3), np.ones(views))


@dataclass(frozen=True)
class AugmentStrengths:
    """Deviations: turn (radians), shift (mm), focal (its logarithm). background: share of pictures
    that get another."""

    turn: float = 0.05
    shift: float = 2.2
    focal: float = 0.08
    background: float = 0.7


def draw_move(rng: np.random.Generator, s: AugmentStrengths, views: int = 3) -> Move:
    """A move at random; a headset's cameras for eyes are of one kind."""
    eyes, mouth = np.exp(rng.normal(0, s.focal, 2))
    focal = np.array([*[eyes] * (views - 1), mouth])
    return Move(rng.normal(0, s.turn, 3), rng.normal(0, s.shift, 3), focal)


def displaced(depth: np.ndarray, rows: np.ndarray, move: Move) -> np.ndarray:
    """How far a move carries squares of COARSE pixels of views (V, S / COARSE, S / COARSE, 2),
    pixels.

    Args:
        depth: (V, S, S) as in HeadsetPerson; rows: (V, CAMERA) the views' cameras.
    """
    views, side = depth.shape[0], depth.shape[-1]
    cameras, rays, middles = _opened(np.asarray(rows, np.float32).tobytes(), views, side)
    few = side // COARSE
    distance = np.stack([_distances(view, few) for view in depth])
    mean = distance.sum(1) / np.maximum((distance > 0).sum(1), 1)
    # What is behind goes along as if it were as far as the face: a smooth w can be undone.
    beside = np.where(mean > 0, mean, ANYWHERE)[:, None].astype(np.float32)
    distance = np.where(distance > 0, distance, beside)
    spun = turn(move.turn)
    # The move as each camera sees it: seen -> turned seen + shifted.
    turned = cameras.rotation @ spun @ cameras.rotation.transpose(0, 2, 1)
    away = (cameras.position - PIVOT) @ spun.T + PIVOT + move.shift - cameras.position
    shifted = np.einsum("vij,vj->vi", cameras.rotation, away)
    moved = (rays * distance[..., None]) @ turned.transpose(0, 2, 1).astype(np.float32)
    moved += shifted[:, None].astype(np.float32)
    lens = replace(cameras, focal=(cameras.focal * move.focal).astype(np.float32))
    return (lens.pixels(moved) - middles).reshape(views, few, few, 2).astype(np.float32)


def _distances(depth: np.ndarray, side: int) -> np.ndarray:
    """Depth (S, S) -> mean millimetres (side * side,) of the face in squares, 0 where none is."""
    size, face = (side, side), (depth > 0).astype(np.float32)
    share = cv2.resize(face, size, interpolation=cv2.INTER_AREA)
    sums = cv2.resize(depth.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return (sums / np.maximum(share, 1e-6) * np.float32(DEPTH_UNIT)).ravel()


@lru_cache(maxsize=1024)
def _opened(rows: bytes, views: int, side: int) -> tuple[Cameras, np.ndarray, np.ndarray]:
    """A headset's cameras, the rays through the middles of squares, (V, N, 3), and these middles
    (N, 2): of all frames of a capture the same."""
    cameras = Cameras.of(np.frombuffer(rows, np.float32).reshape(views, -1))
    at = np.arange(COARSE / 2 - 0.5, side, COARSE)
    middles = np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)
    rays = cameras.towards(middles).astype(np.float32)
    small = (getattr(cameras, f.name).astype(np.float32) for f in fields(cameras))
    return Cameras(*small), rays, middles.astype(np.float32)


def seen_anew(
    pictures: np.ndarray,
    depth: np.ndarray,
    rows: np.ndarray,
    move: Move,
    background: np.ndarray | None = None,
) -> np.ndarray:
    """Views uint8 (V, S, S) after a move, before a background (V, S, S) or their own; uint8."""
    side = pictures.shape[-1]
    grid, squares = _grid(side), _grid(side // COARSE)
    out = np.empty_like(pictures)
    for view, carried in enumerate(displaced(depth, rows, move)):
        back = carried
        for _ in range(ROUNDS - 1):
            back = _looked_up(carried, squares - back / COARSE)
        source = grid - cv2.resize(back, (side, side), interpolation=cv2.INTER_LINEAR)
        out[view] = _looked_up(pictures[view], source)
        if background is not None:
            face = cv2.blur((depth[view] > 0).astype(np.float32), (2, 2))
            share = _looked_up(face, source)
            out[view] = np.clip(out[view] * share + background[view] * (1 - share), 0, 255)
    return out


@lru_cache(maxsize=4)
def _grid(side: int) -> np.ndarray:
    """(side, side, 2) places of pixels."""
    return np.stack(np.meshgrid(*[np.arange(side, dtype=np.float32)] * 2), -1)


def _looked_up(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    return cv2.remap(values, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def draw_background(rng: np.random.Generator, views: int, side: int) -> np.ndarray:
    """(views, side, side) float32: a room out of focus, dark as a rule."""
    coarse = rng.gamma(1.0, 30.0, (views, 1, 1)) + rng.normal(0, 18, (views, 4, 4))
    wide = [cv2.resize(c, (side, side), interpolation=cv2.INTER_CUBIC) for c in coarse]
    return np.clip(np.stack(wide), 0, 255).astype(np.float32)
