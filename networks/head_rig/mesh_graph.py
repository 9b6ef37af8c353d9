"""A mesh as a graph: which points are one, which hang together, how far it is along its edges."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np

from .nearest import nearest_rows

WELD = 1e-6
"""Points so near are one, in extents of their mesh."""
SHORTEST = 0.125
"""Millimetres that an edge has at least where its length weighs."""


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

    The links of a point stand in a row (compressed sparse rows), and one column of values is summed
    at a time: a column of a hundred thousand points fits where a processor reaches it soon.
    """

    def __init__(self, count: int, edges: np.ndarray, weights: np.ndarray | None = None):
        weights = np.ones(len(edges)) if weights is None else weights
        rows, columns = np.concatenate([edges, edges[:, ::-1]]).T
        order = np.argsort(rows, kind="stable")
        self._fill(count, rows[order], columns[order], np.concatenate([weights, weights])[order])

    def _fill(self, count: int, rows, columns, weights) -> None:
        self.count = count
        self.degree = np.bincount(rows, weights, minlength=count)
        self._rows, self._columns, self._weights = rows, columns, weights
        linked = np.bincount(rows, minlength=count)
        self._linked = np.flatnonzero(linked)
        self._starts = (np.cumsum(linked) - linked)[self._linked]

    def among(self, points: np.ndarray) -> Links:
        """The links between some of the points (P,), in rising order, which are then all."""
        place = np.full(self.count, -1)
        place[points] = np.arange(len(points))
        rows, columns = place[self._rows], place[self._columns]
        kept = (rows >= 0) & (columns >= 0)
        out = Links.__new__(Links)
        out._fill(len(points), rows[kept], columns[kept], self._weights[kept])
        return out

    def sums(self, values: np.ndarray) -> np.ndarray:
        """(V, K) for each point the weighted sum of its neighbours' values (V, K)."""
        out = np.zeros_like(values)
        if len(self._linked):
            for number, column in enumerate(np.ascontiguousarray(values.T)):
                weighed = self._weights * column[self._columns]
                out[self._linked, number] = np.add.reduceat(weighed, self._starts)
        return out

    def laplacian(self, values: np.ndarray) -> np.ndarray:
        """(V, K) degree times value minus the neighbours': zero where values are level."""
        return self.degree[:, None] * values - self.sums(values)

    def relaxed(self, values: np.ndarray, free: np.ndarray, times: int) -> np.ndarray:
        """Values (V, K) whose points move towards their neighbours' mean, each by its share `free`
        (V,) in 0..1, so many times."""
        moving = (free > 0) & (self.degree > 0)
        near = np.flatnonzero(moving | (self.sums(moving[:, None].astype(float)) > 0)[:, 0])
        own, part = self.among(near), values[near]
        degree = np.maximum(own.degree, 1e-12)[:, None]
        share = np.where(moving[near], free[near], 0.0)[:, None]
        for _ in range(times):
            part += share * (own.sums(part) / degree - part)
        out = values.copy()
        out[near] = part
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
    first = np.maximum(np.sqrt(_products(wanted, wanted)), 1e-12)
    towards = scale * left
    step, size = towards.copy(), _products(left, towards)
    for _ in range(rounds):
        if (np.sqrt(_products(left, left)) < tolerance * first).all():
            break
        bent = apply(step)
        length = size / np.maximum(_products(step, bent), 1e-30)
        x += length * step
        left -= length * bent
        towards = scale * left
        after = _products(left, towards)
        step = towards + after / np.maximum(size, 1e-30) * step
        size = after
    return x


def springs(points: np.ndarray, edges: np.ndarray, reach: np.ndarray | float) -> Links:
    """Links whose Laplacian is one implicit step of diffusion over `reach`, of each edge or of all,
    however fine the mesh (points (V, 3), edges (E, 2)); edges shorter than SHORTEST count so long.
    """
    length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    return Links(len(points), edges, reach**2 / 3.0 / np.maximum(length, SHORTEST) ** 2)


def smoothed(values: np.ndarray, pulls: Links) -> np.ndarray:
    """Values (V, K) smoothed by `springs` (Desbrun et al. 1999)."""
    return solve(lambda x: x + pulls.laplacian(x), 1.0 + pulls.degree, values, values, 3e-3, 60)


def _products(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(K,) the inner products of columns (V, K)."""
    return np.einsum("vk,vk->k", one, other)


def distances(points: np.ndarray, edges: np.ndarray, seeds: np.ndarray, reach: float) -> np.ndarray:
    """(V,) length of the shortest way along edges (E, 2) from the nearest seed; inf beyond `reach`
    (Dijkstra)."""
    out = np.full(len(points), np.inf)
    if not len(seeds):
        return out
    away = np.linalg.norm(points - points[seeds[nearest_rows(points, points[seeds])]], axis=1)
    # No way there is shorter than a straight one; which seed is nearest is told a little roughly.
    edges = edges[(away < 1.001 * reach)[edges].all(1)]
    near = _neighbours(len(points), edges)
    length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1).tolist()
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
