"""A mesh as a graph: which points are one, which hang together, how far it is along its edges."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

WELD = 1e-6
"""Points so near are one, in extents of their mesh."""


def welded(points: np.ndarray) -> np.ndarray:
    """(V,) the same index for points (V, 3) at the same place: files for games part a mesh at every
    seam of its pictures and materials."""
    step = WELD * max(float(np.ptp(points, axis=0).max()), 1e-12)
    cells = np.round(points / step).astype(np.int64)
    return np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1)


def connected(count: int, triangles: np.ndarray) -> np.ndarray:
    """(count,) the smallest index of the connected piece that each point belongs to."""
    label = np.arange(count)
    edges = np.concatenate([triangles[:, (0, 1)], triangles[:, (1, 2)]])
    while True:
        low = np.minimum(label[edges[:, 0]], label[edges[:, 1]])
        new = label.copy()
        np.minimum.at(new, edges[:, 0], low)
        np.minimum.at(new, edges[:, 1], low)
        new = new[new]  # jump: neighbours of neighbours at once
        if np.array_equal(new, label):
            return label
        label = new


def edges_of(triangles: np.ndarray) -> np.ndarray:
    """(E, 2) the edges of triangles (T, 3), each once."""
    sides = np.concatenate([triangles[:, (0, 1)], triangles[:, (1, 2)], triangles[:, (2, 0)]])
    sides = np.sort(sides, axis=1)
    return np.unique(sides[sides[:, 0] != sides[:, 1]], axis=0)


def open_edges(triangles: np.ndarray) -> np.ndarray:
    """(E, 2) the edges that only one of triangles (T, 3) has."""
    sides = np.concatenate([triangles[:, (0, 1)], triangles[:, (1, 2)], triangles[:, (2, 0)]])
    found, count = np.unique(np.sort(sides, axis=1), axis=0, return_counts=True)
    return found[count == 1]


def normals_of(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals by area of the triangles around each point; zero where there are none."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    out = np.stack(
        [
            np.bincount(triangles.ravel(), np.repeat(face[:, k], 3), minlength=len(points))
            for k in range(3)
        ],
        axis=1,
    )
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


class Links:
    """Weighted links between points, to sum over neighbours quickly.

    In its k-th slot stand the k-th neighbours of all points that have so many, so that a sum over
    neighbours is a dozen additions of whole arrays.
    """

    def __init__(self, count: int, edges: np.ndarray, weights: np.ndarray | None = None):
        weights = np.ones(len(edges)) if weights is None else weights
        rows, columns = np.concatenate([edges, edges[:, ::-1]]).T
        order = np.argsort(rows, kind="stable")
        rows, columns = rows[order], columns[order]
        values = np.concatenate([weights, weights])[order]
        self.count = count
        self.degree = np.bincount(rows, values, minlength=count)
        starts = np.searchsorted(rows, np.arange(count))
        rank = np.arange(len(rows)) - starts[rows]
        self._slots = []
        for slot in range(int(rank.max()) + 1 if len(rank) else 0):
            of = rank == slot
            self._slots.append((rows[of], columns[of], values[of][:, None]))

    def sums(self, values: np.ndarray) -> np.ndarray:
        """(V, K) for each point the weighted sum of its neighbours' values (V, K)."""
        out = np.zeros_like(values)
        for rows, columns, weights in self._slots:
            out[rows] += weights * values[columns]
        return out

    def laplacian(self, values: np.ndarray) -> np.ndarray:
        """(V, K) degree times value minus the neighbours': zero where values are level."""
        return self.degree[:, None] * values - self.sums(values)

    def relaxed(self, values: np.ndarray, free: np.ndarray, times: int) -> np.ndarray:
        """Values (V, K) whose points move towards their neighbours' mean, each by its share `free`
        (V,) in 0..1, so many times."""
        part = self._of(np.flatnonzero((free > 0) & (self.degree > 0)))
        share, out = free[part.rows, None], values.copy()
        degree = self.degree[part.rows, None]
        for _ in range(times):
            out[part.rows] += share * (part.sums(out) / degree - out[part.rows])
        return out

    def _of(self, rows: np.ndarray) -> _Part:
        """The sums of some points alone."""
        place = np.full(self.count, -1)
        place[rows] = np.arange(len(rows))
        slots = []
        for own, columns, weights in self._slots:
            chosen = place[own] >= 0
            slots.append((place[own[chosen]], columns[chosen], weights[chosen]))
        return _Part(rows, slots)


@dataclass(frozen=True)
class _Part:
    rows: np.ndarray
    slots: list

    def sums(self, values: np.ndarray) -> np.ndarray:
        out = np.zeros((len(self.rows), values.shape[1]))
        for own, columns, weights in self.slots:
            out[own] += weights * values[columns]
        return out


def solve(
    apply: Callable[[np.ndarray], np.ndarray],
    diagonal: np.ndarray,
    wanted: np.ndarray,
    start: np.ndarray,
    tolerance: float = 1e-5,
    rounds: int = 600,
) -> np.ndarray:
    """x (V, K) with apply(x) = wanted (V, K), column by column, for a symmetric positive operator
    whose diagonal (V,) is known (conjugate gradients, preconditioned by it).

    Written here since a sparse solver's package would make the add-on a third larger.
    """
    scale = 1.0 / np.maximum(diagonal, 1e-12)[:, None]
    x = start.copy()
    left = wanted - apply(x)
    first = np.maximum(np.sqrt((wanted**2).sum(0)), 1e-12)
    towards = scale * left
    step, size = towards.copy(), (left * towards).sum(0)
    for _ in range(rounds):
        if (np.sqrt((left**2).sum(0)) < tolerance * first).all():
            break
        bent = apply(step)
        length = size / np.maximum((step * bent).sum(0), 1e-30)
        x += length * step
        left -= length * bent
        towards = scale * left
        after = (left * towards).sum(0)
        step = towards + after / np.maximum(size, 1e-30) * step
        size = after
    return x


def distances(points: np.ndarray, edges: np.ndarray, seeds: np.ndarray, reach: float) -> np.ndarray:
    """(V,) length of the shortest way along edges (E, 2) from the nearest seed; inf beyond `reach`
    (Dijkstra)."""
    near = _neighbours(len(points), edges)
    length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1).tolist()
    out = np.full(len(points), np.inf)
    queue = [(0.0, int(s)) for s in seeds]
    for _, seed in queue:
        out[seed] = 0.0
    while queue:
        gone, here = heapq.heappop(queue)
        if gone > out[here]:
            continue
        for there, edge in near[here]:
            far = gone + length[edge]
            if far < reach and far < out[there]:
                out[there] = far
                heapq.heappush(queue, (far, there))
    return out


def _neighbours(count: int, edges: np.ndarray) -> list[list[tuple[int, int]]]:
    near: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for number, (a, b) in enumerate(edges.tolist()):
        near[a].append((b, number))
        near[b].append((a, number))
    return near
