"""The nearest place on a surface of triangles, among those that may be meant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ONE_TREE = 4
"""FLANN's number for a single k-d tree, whose answers are exact."""
TURNED = 12.0
"""Millimetres that a surface which looks the opposite way counts as farther."""
WRONG = 1e3
"""Square millimetres that a place on the other lip, or lid, counts as farther."""


@dataclass(frozen=True)
class Places:
    """Of N points the nearest places on a surface: corners (N, 3) and shares (N, 3) of a triangle;
    away (N,) how far; facing (N,) cosine between the point's normal and the surface's."""

    corners: np.ndarray
    shares: np.ndarray
    away: np.ndarray
    facing: np.ndarray

    def of(self, values: np.ndarray) -> np.ndarray:
        """Values (..., V, K) of the surface's points at the places: (..., N, K)."""
        found = values[..., self.corners, :]
        return np.einsum("...nkc,nk->...nc", found, self.shares)


def nearest_rows(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N,) of points (N, D) the nearest of others (M, D), M > 0; told apart in single precision."""
    import cv2

    if not len(points):
        return np.zeros(0, np.int64)
    tree = cv2.flann_Index(np.ascontiguousarray(others, np.float32), {"algorithm": ONE_TREE})
    asked = np.ascontiguousarray(points, np.float32)
    return tree.knnSearch(asked, 1, params={"checks": -1})[0][:, 0].astype(np.int64)


def nearest_points(
    points: np.ndarray,
    normals: np.ndarray,
    sides: np.ndarray,
    others: np.ndarray,
    other_normals: np.ndarray,
    other_sides: np.ndarray,
) -> np.ndarray:
    """(N,) of points (N, 3) the nearest of others (M, 3): near, looking the same way, on the same
    side. sides (N,), other_sides (M,): 0 says nothing; otherwise only equal ones go together."""
    own, features = _features(points, normals), _features(others, other_normals)
    out = np.empty(len(points), np.int64)
    for side in np.unique(sides):
        rows = np.flatnonzero(sides == side)
        meant = np.flatnonzero((other_sides == side) | (other_sides == 0) | (side == 0))
        meant = meant if len(meant) else np.arange(len(others))
        out[rows] = meant[nearest_rows(own[rows], features[meant])]
    return out


def _features(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Six numbers whose distance counts both place and direction."""
    return np.concatenate([points, 0.5 * TURNED * normals], 1)


def nearest_places(
    points: np.ndarray,
    normals: np.ndarray,
    sides: np.ndarray,
    surface: np.ndarray,
    triangles: np.ndarray,
    surface_normals: np.ndarray,
    surface_sides: np.ndarray,
) -> Places:
    """The nearest places on triangles (T, 3) of a surface (M, 3); see `nearest_points`. The place
    lies on a triangle round the nearest corner."""
    used = np.unique(triangles)
    which = used[
        nearest_points(
            points, normals, sides, surface[used], surface_normals[used], surface_sides[used]
        )
    ]
    around = _around(len(surface), triangles)[which]
    known = around >= 0
    corners = triangles[np.maximum(around, 0)]
    shares = closest_shares(surface[corners], points[:, None])
    off = np.einsum("nskc,nsk->nsc", surface[corners], shares) - points[:, None]
    mine, theirs = sides[:, None, None], surface_sides[corners]
    wrong = ((mine != theirs) & (mine != 0) & (theirs != 0)).any(2)
    away = np.where(known, (off**2).sum(2) + WRONG * wrong, np.inf)
    best = away.argmin(1)
    rows = np.arange(len(points))
    corners, shares = corners[rows, best], shares[rows, best]
    facing = (np.einsum("nkc,nk->nc", surface_normals[corners], shares) * normals).sum(1)
    return Places(corners, shares, np.linalg.norm(off[rows, best], axis=1), facing)


def _around(count: int, triangles: np.ndarray) -> np.ndarray:
    """(count, S) the triangles at each point, -1 where there are fewer."""
    points = triangles.ravel()
    order = np.argsort(points, kind="stable")
    starts = np.searchsorted(points[order], np.arange(count))
    rank = np.arange(len(points)) - starts[points[order]]
    out = np.full((count, int(rank.max()) + 1), -1)
    out[points[order], rank] = order // 3
    return out


def closest_shares(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(..., 3) shares of the place of each triangle (..., 3, 3) that is nearest to a point
    (..., 3)."""
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    u, v, w = b - a, c - a, points - a
    uu, uv, vv = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    wu, wv = (w * u).sum(-1), (w * v).sum(-1)
    area = np.maximum(uu * vv - uv * uv, 1e-12)
    second, third = (vv * wu - uv * wv) / area, (uu * wv - uv * wu) / area
    inside = np.stack([1 - second - third, second, third], -1)
    choices = [inside, *(_on_edge(corners, points, i) for i in range(3))]
    off = [((np.einsum("...kc,...k->...c", corners, s) - points) ** 2).sum(-1) for s in choices]
    off[0] = np.where((inside < 0).any(-1), np.inf, off[0])
    best = np.argmin(off, axis=0)
    return np.take_along_axis(np.array(choices), best[None, ..., None], 0)[0]


def _on_edge(corners: np.ndarray, points: np.ndarray, first: int) -> np.ndarray:
    """Shares of the place nearest to a point on the edge from corner `first`."""
    start, end = corners[..., first, :], corners[..., (first + 1) % 3, :]
    along = end - start
    t = ((points - start) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-12)
    t = np.clip(t, 0.0, 1.0)
    shares = [np.zeros_like(t)] * 3
    shares[(first + 1) % 3], shares[first] = t, 1.0 - t
    return np.stack(shares, -1)
