"""A head's own mouth: how far its lips and teeth are apart at given weights, and closing them.

The same sum of shapes that Blender makes, for the points of the lips and of the front teeth alone
and for all frames at once: that is quick enough to search the weights at which lips just touch. It
needs a head of `assemble` with ARKit shape keys, and bpy only to read it.

Lips are measured as they are seen: the lower edge of the upper lip against the upper edge of the
lower one, in columns across the mouth. At rest the base mesh's lips touch, so a gap counts from
there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....networks.errors import InputError
from ....networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX
from ..correctives import corrective_values
from ..landmark_error import material_vertices, parting_pairs
from .coarticulation import sides

RIM = 0.007
"""Points this near the lips' seam are lip, metres."""
COLUMNS = np.linspace(-0.6, 0.6, 9)
"""Where gaps are measured, in shares of half the mouth's present width; positive is the own left. A
round mouth is half as wide as at rest: there, places of the rest width lie in its corners."""
THIRDS = (slice(0, 3), slice(3, 6), slice(6, 9))
"""Columns of the right, middle and left third."""
MIDDLE = slice(2, 7)
"""Columns where lips that press into each other do so most."""
SHARP = 1 / 0.006
"""Curvature, 1/metres, with which a column looks at the points beside it."""
TOUCH = 0.0003
"""Lips less than this apart touch, metres; the points of the mesh are 1 mm apart."""
OVERLAP = 0.0012
"""Lips may press into each other by this much, metres."""
BITE = 0.0004
"""A lower lip this near below the edge of the teeth is at them, metres."""
INCISORS = 0.009
"""Upper teeth within this of the midline are met by the lower lip, metres."""

# What a closing mouth gives up, and what it does where that is not enough.
_OPENERS = ("mouthUpperUp", "mouthLowerDown", "mouthFunnel", "tongueOut")
_PRESSERS = {"mouthShrugLower": 0.45, "mouthPress": 0.4, "mouthRollUpper": 0.3}
_LIP_TO_TEETH = {"mouthRollLower": 0.75, "mouthUpperUp": 0.35, "mouthLowerDown": 0.0,
                 "mouthFunnel": 0.0, "mouthPucker": 0.0, "mouthShrugLower": 0.0,
                 "mouthClose": 0.0}  # fmt: skip
_BITING_JAW = (0.05, 0.12)


@dataclass(frozen=True)
class Mouth:
    """Lips and front teeth of one head.

    upper, lower, teeth: vertex indices in the head's mesh. rest (K, 3) of all of them, in this
    order, and shapes: key -> (K, 3), metres, X the own left, Z up. corners: those of these points
    that are the right and the left corner of the mouth. closed: (C,) what the gaps measure at rest.
    """

    upper: np.ndarray
    lower: np.ndarray
    teeth: np.ndarray
    rest: np.ndarray
    shapes: dict[str, np.ndarray]
    corners: tuple[int, int]
    closed: np.ndarray

    @staticmethod
    def read(head) -> Mouth:
        """The mouth of a head object with ARKit shape keys and materials `*_skin`, `*_teeth`.

        Raises:
            InputError: its lips can't be found.
        """
        blocks = head.data.shape_keys.key_blocks
        base = coordinates(blocks["Basis"])
        moves = {b.name: coordinates(b) - base for b in blocks if b.name != "Basis"}
        skin, teeth = material_vertices(head, "_skin"), material_vertices(head, "_teeth")
        jaw = moves["jawOpen"]
        front = base[skin, 1] < base[teeth, 1].min() + 0.012
        level = np.abs(base[skin, 2] - base[teeth, 2].mean()) < 0.02
        lips = skin[front & level & (np.abs(base[skin, 0]) < 0.035)]
        above, below = parting_pairs(base[lips], base[lips] + jaw[lips])
        if not len(above):
            raise InputError(f"{head.name!r} has no lips that part with the jaw")
        seam = (base[lips][above] + base[lips][below]) / 2
        near = lips[_nearest(base[lips], seam) < RIM]
        share = jaw[near, 2] / jaw[lips, 2].min()
        upper, lower = near[share < 0.35], near[share > 0.65]
        top = teeth[jaw[teeth, 2] > 0.3 * jaw[teeth, 2].min()]  # the upper row stays
        cutters = top[np.abs(base[top, 0]) < INCISORS]
        cutters = cutters[base[cutters, 1] < base[cutters, 1].min() + 0.004]
        chosen = np.concatenate([upper, lower, cutters])
        shapes = {name: move[chosen] for name, move in moves.items() if np.any(move[chosen])}
        ends = seam[[seam[:, 0].argmin(), seam[:, 0].argmax()]]
        lip = base[chosen[: len(upper) + len(lower)]]
        corners = tuple(int(np.linalg.norm(lip - end, axis=1).argmin()) for end in ends)
        plain = Mouth(upper, lower, cutters, base[chosen], shapes, corners, np.zeros(len(COLUMNS)))
        return Mouth(**{**vars(plain), "closed": plain._columns(base[chosen])})

    def gaps(self, arkit: np.ndarray) -> np.ndarray:
        """(N, C) metres between the lips at weights (N, 52); below 0 they overlap."""
        return self._columns(self._points(arkit)) - self.closed

    def seen_gaps(self, vertices: np.ndarray) -> np.ndarray:
        """(..., C) the same of the head's own vertices (..., V, 3), as Blender has posed them."""
        points = vertices[..., np.concatenate([self.upper, self.lower]), :]
        return self._columns(points) - self.closed

    def bites(self, arkit: np.ndarray) -> np.ndarray:
        """(N,) metres from the upper front teeth's edge down to the lower lip's, seen from the
        front, at weights (N, 52); 0 and less: the lip is at the teeth."""
        return self._bite(self._points(arkit))

    def seen_bite(self, vertices: np.ndarray) -> np.ndarray:
        """(...,) the same of the head's own vertices (..., V, 3), as Blender has posed them."""
        chosen = np.concatenate([self.upper, self.lower, self.teeth])
        return self._bite(vertices[..., chosen, :])

    def _bite(self, points: np.ndarray) -> np.ndarray:
        count, more = len(self.upper), len(self.upper) + len(self.lower)
        lip, edge = points[..., count:more, :], points[..., more:, 2].min(axis=-1)
        near = np.abs(lip[..., 0]) < INCISORS
        return edge - np.where(near, lip[..., 2], -np.inf).max(axis=-1)

    def rim(self, vertices: np.ndarray, x: float) -> tuple[int, int]:
        """Vertices of the upper and lower lip that meet at a place across the mouth, as far in
        front as they do, of the head's own vertices (V, 3) at rest."""
        above, below = (r[np.abs(vertices[r, 0] - x) < 0.003] for r in (self.upper, self.lower))
        first, second = vertices[above][:, None], vertices[below][None]
        cost = np.linalg.norm(first - second, axis=-1)
        cost = cost + 0.5 * (np.abs(first[..., 0] - x) + np.abs(second[..., 0] - x))
        cost = cost + 0.3 * (first[..., 1] + second[..., 1])
        i, k = np.unravel_index(cost.argmin(), cost.shape)
        return int(above[i]), int(below[k])

    def chin(self, vertices: np.ndarray) -> int:
        """The vertex in the middle of the chin's front, of vertices (V, 3) at rest."""
        under = vertices[self.lower, 2].min() - vertices[:, 2]
        middle = (np.abs(vertices[:, 0]) < 0.002) & (under > 0.010) & (under < 0.026)
        rows = np.flatnonzero(middle)
        return int(rows[vertices[rows, 1].argmin()])

    def _points(self, arkit: np.ndarray) -> np.ndarray:
        values = dict(zip(ARKIT_CHANNELS, np.asarray(arkit, float).T, strict=True))
        values |= corrective_values(values)
        names = [n for n in self.shapes if n in values]
        weights = np.stack([values[n] for n in names], axis=1)
        moves = np.stack([self.shapes[n] for n in names]).reshape(len(names), -1)
        return self.rest + (weights @ moves).reshape(len(weights), -1, 3)

    def _columns(self, points: np.ndarray) -> np.ndarray:
        """(..., C) from the upper lip's lower edge down to the lower lip's upper edge."""
        count, more = len(self.upper), len(self.upper) + len(self.lower)
        right, left = (points[..., corner, 0, None] for corner in self.corners)
        places = ((left + right) + COLUMNS * (left - right)) / 2
        top, low = points[..., :count, :], points[..., count:more, :]
        off = lambda p: SHARP * (p[..., :, None, 0] - places[..., None, :]) ** 2  # noqa: E731
        edge = (top[..., :, None, 2] + off(top)).min(axis=-2)
        return edge - (low[..., :, None, 2] - off(low)).max(axis=-2)


def bring_to_teeth(mouth: Mouth, arkit: np.ndarray, demand: np.ndarray) -> np.ndarray:
    """Weights (N, 52) whose lower lip is rolled in and raised to the upper teeth as far as the
    demand (N,) says; the jaw stays nearly closed."""
    out = arkit.copy()
    rows = np.flatnonzero(demand > 1e-3)
    if not len(rows):
        return out
    ready = arkit[rows].copy()
    for name, goal in _LIP_TO_TEETH.items():
        for channel in sides(name):
            ready[:, ARKIT_INDEX[channel]] = goal
    jaw = ARKIT_INDEX["jawOpen"]
    ready[:, jaw] = np.clip(ready[:, jaw], *_BITING_JAW)
    step = _search(lambda w: mouth.bites(w), ready, _biting, np.full(len(rows), BITE))
    there = _biting(ready, step)
    out[rows] += demand[rows, None] * (there - arkit[rows])
    return out


def _biting(arkit: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Weights on the way to the teeth: 0 as they are, 1 the jaw closed, 2 the lower lip raised."""
    out = arkit.copy()
    out[:, ARKIT_INDEX["jawOpen"]] *= 1.0 - np.clip(step, 0, 1)
    out[:, ARKIT_INDEX["mouthShrugLower"]] += 0.5 * np.clip(step - 1, 0, 1)
    return np.clip(out, 0.0, 1.0)


def close_lips(mouth: Mouth, arkit: np.ndarray, demand: np.ndarray) -> np.ndarray:
    """Weights (N, 52) whose lips are closed as far as the demand (N,) says: at 1 they touch in
    every column, at 0 nothing changes.

    First what parts the lips is given up and the lips follow the jaw, then they are pressed; how
    far is found by halving, on the head's own geometry. Afterwards lips that overlap are let apart.
    """
    rows = np.flatnonzero(demand > 1e-3)
    out = arkit.copy()
    if len(rows):
        widest = lambda w: mouth.gaps(w).max(1)  # noqa: E731
        goal = (1.0 - demand[rows]) * np.maximum(widest(arkit[rows]), 0.0) + TOUCH / 3
        out[rows] = _closing(arkit[rows], _search(widest, arkit[rows], _closing, goal))
    return _let_apart(mouth, out)


def _search(measure, arkit: np.ndarray, move, goal: np.ndarray) -> np.ndarray:
    """(N,) the least steps 0..2 of `move` at which a measure falls to its goal (N,); 2 where it
    does not."""
    low, high = np.zeros(len(arkit)), np.full(len(arkit), 2.0)
    met = measure(arkit) <= goal
    for _ in range(12):
        middle = (low + high) / 2
        wide = measure(move(arkit, middle)) > goal
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return np.where(met, 0.0, high)


def _closing(arkit: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Weights on the way to closed lips: 0 as they are, 1 sealed, 2 pressed together."""
    out = arkit.copy()
    seal, press = np.clip(step, 0, 1), np.clip(step - 1, 0, 1)
    for name in _OPENERS:
        for channel in sides(name):
            out[:, ARKIT_INDEX[channel]] *= 1.0 - seal
    jaw, close = ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthClose"]
    out[:, close] += seal * (np.maximum(out[:, jaw], out[:, close]) - out[:, close])
    for name, most in _PRESSERS.items():
        for channel in sides(name):
            column = out[:, ARKIT_INDEX[channel]]
            out[:, ARKIT_INDEX[channel]] = np.minimum(column + press * most, 1.0)
    return out


def _let_apart(mouth: Mouth, arkit: np.ndarray) -> np.ndarray:
    """Open the jaw just so far that lips don't overlap by more than OVERLAP."""
    out = arkit.copy()
    jaw = ARKIT_INDEX["jawOpen"]
    low, high = np.zeros(len(out)), np.full(len(out), 0.25)
    for _ in range(8):
        middle = (low + high) / 2
        tried = out.copy()
        tried[:, jaw] = np.minimum(tried[:, jaw] + middle, 1.0)
        deep = mouth.gaps(tried)[:, MIDDLE].mean(1) < -OVERLAP
        low, high = np.where(deep, middle, low), np.where(deep, high, middle)
    fine = mouth.gaps(out)[:, MIDDLE].mean(1) >= -OVERLAP
    out[:, jaw] = np.minimum(out[:, jaw] + np.where(fine, 0.0, high), 1.0)
    return out


def coordinates(block) -> np.ndarray:
    flat = np.empty(3 * len(block.data), np.float32)
    block.data.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(float)


def _nearest(points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(N,) distance from each point (N, 3) to the nearest of the places (M, 3)."""
    squared = (points**2).sum(1)[:, None] + (places**2).sum(1) - 2 * points @ places.T
    return np.sqrt(np.maximum(squared.min(1), 0.0))
