"""The template laid onto a head: by landmarks, then by its own identities, then freely.

Landmarks give a similarity and, with the nearest places, the identity of the face model that comes
nearest; a spline takes the landmarks the rest of the way; then the surface itself is followed by
steps of ever less stiffness (the optimal-step scheme of Amberg, Romdhani & Vetter 2007, with
displacements in place of their affine maps: what bends most is already bent by the spline).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..face_model.projection import rotation_of
from .mesh_graph import Links, normals_of, solve
from .nearest import nearest_places, nearest_points
from .template import Template, template


@dataclass(frozen=True)
class LaySettings:
    """How the template is laid.

    ridge: of a number of identity, in square millimetres a landmark; a character is no person.
    rounds: of identity. spline: how little the spline gives in to one landmark. stiffness: of the
    free steps, in turn. marks: what a landmark counts against a point of the surface. gates:
    millimetres from which a pair is none, at the first and at the last step. facing: least cosine
    between the normals of a pair.
    """

    ridge: float = 0.6
    rounds: int = 6
    spline: float = 1.0
    stiffness: tuple[float, ...] = (50.0, 20.0, 10.0, 6.0, 4.0, 3.0, 2.0, 1.5, 1.2, 1.2)
    marks: tuple[float, float] = (30.0, 1.0)
    gates: tuple[float, float] = (25.0, 8.0)
    facing: float = 0.4

    @property
    def steps(self) -> int:
        """How many there are, of all kinds."""
        return self.rounds + len(self.stiffness)


LAY = LaySettings()


@dataclass(frozen=True, eq=False)
class Head:
    """A head as points (N, 3), triangles (T, 3), normals (N, 3), sides (N,) (see `sides`) and
    landmarks (49, 3), in the template's frame: millimetres of a human head. symmetric: whether left
    and right are to be alike."""

    points: np.ndarray
    triangles: np.ndarray
    normals: np.ndarray
    sides: np.ndarray
    landmarks: np.ndarray
    symmetric: bool


@dataclass(frozen=True)
class Similarity:
    """Maps points p to scale * rotation p + shift."""

    scale: float
    rotation: np.ndarray
    shift: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return self.scale * points @ self.rotation.T + self.shift

    def moves(self, moves: np.ndarray) -> np.ndarray:
        """Displacements (..., 3) of such points."""
        return self.scale * moves @ self.rotation.T

    def back(self) -> Similarity:
        """The inverse."""
        turned = self.rotation.T / self.scale
        return Similarity(1.0 / self.scale, self.rotation.T, -turned @ self.shift)


def similarity(points: np.ndarray, goal: np.ndarray) -> Similarity:
    """What maps points (L, 3) nearest to others (L, 3) (Umeyama 1991)."""
    a, b = points - points.mean(0), goal - goal.mean(0)
    u, s, v = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ v))])
    rotation = (u * sign) @ v
    scale = float((s * sign).sum() / (a**2).sum())
    return Similarity(scale, rotation, goal.mean(0) - scale * rotation @ points.mean(0))


@dataclass(frozen=True, eq=False)
class Laid:
    """The template on a head. points (V, 3) of it there; source (V, 3) the person of the face model
    that is most like it, and moves (E, V, 3) that person's actions, both turned and scaled as the
    head is; off: how far the head's face lies from it, mean in millimetres."""

    points: np.ndarray
    source: np.ndarray
    moves: np.ndarray
    off: float


def lay(
    head: Head, settings: LaySettings = LAY, stepped: Callable[[], None] = lambda: None
) -> Laid:
    """Lay the template onto a head. stepped: called after each of the settings' steps."""
    shape = template()
    identity, placed = _person(shape, head, settings, stepped)
    rest, moves = shape.person(identity)
    source, moves = placed(rest), placed.moves(moves)
    points = source + _spline(
        shape.landmarks(source), head.landmarks - shape.landmarks(source), source, settings.spline
    )
    points = _even(shape, points, head.symmetric)
    points = _follow(shape, head, points, settings, stepped)
    return Laid(points, source, moves, _off(shape, head, points))


def _even(shape: Template, points: np.ndarray, symmetric: bool) -> np.ndarray:
    return 0.5 * (points + points[shape.flip] * (-1.0, 1.0, 1.0)) if symmetric else points


def _person(
    shape: Template, head: Head, s: LaySettings, stepped: Callable[[], None]
) -> tuple[np.ndarray, Similarity]:
    """Identity (I,) and where the head stands, by landmarks and point to plane."""
    identity = np.zeros(shape.model.identities)
    placed = similarity(shape.landmarks(shape.rest), head.landmarks)
    basis = shape.model.basis.reshape(-1, 3, shape.model.basis.shape[1])[: shape.count]
    slopes = basis @ shape.model.core[:, 1:, 0]
    marked = np.einsum("lkci,lk->lci", slopes[shape.corners], shape.shares)
    for number in range(s.rounds):
        rest = shape.person(identity)[0]
        points = placed(rest)
        rows, lack = _mark_rows(shape, head, points, marked, placed)
        if number:
            more, gap = _surface_rows(shape, head, points, slopes, placed, s)
            rows, lack = np.concatenate([rows, more]), np.concatenate([lack, gap])
        ridge = np.r_[np.full(7, 1e-6), np.full(len(identity), s.ridge * 49.0)]
        pull = rows.T @ lack - np.r_[np.zeros(7), ridge[7:] * identity]
        step = np.linalg.solve(rows.T @ rows + np.diag(ridge), pull)
        turn = rotation_of(step[None, :3])[0]
        grow = float(np.exp(np.clip(step[6], -0.2, 0.2)))
        placed = Similarity(
            placed.scale * grow, turn @ placed.rotation, grow * (turn @ placed.shift) + step[3:6]
        )
        identity = identity + step[7:]
        if head.symmetric:
            placed = _upright(placed)
        stepped()
    return identity, placed


def _upright(placed: Similarity) -> Similarity:
    """The same, turned about the x axis alone and not shifted along it."""
    pitch = np.arctan2(placed.rotation[2, 1], placed.rotation[1, 1])
    rotation = rotation_of(np.array([[pitch, 0.0, 0.0]]))[0]
    return Similarity(placed.scale, rotation, placed.shift * (0.0, 1.0, 1.0))


def _columns(points: np.ndarray, slopes: np.ndarray, placed: Similarity) -> np.ndarray:
    """(N, 3, 7 + I) how points move with turns, shifts, growth and identity (N, 3, I)."""
    x, y, z = points.T
    zero = np.zeros_like(x)
    turns = np.stack(
        [np.stack([zero, -z, y], 1), np.stack([z, zero, -x], 1), np.stack([-y, x, zero], 1)], 2
    )
    shifts = np.broadcast_to(np.eye(3), (len(points), 3, 3))
    own = np.einsum("ij,njk->nik", placed.scale * placed.rotation, slopes)
    return np.concatenate([turns, shifts, points[:, :, None], own], 2)


def _mark_rows(shape, head: Head, points, marked, placed) -> tuple[np.ndarray, np.ndarray]:
    marks = shape.landmarks(points)
    rows = _columns(marks, marked, placed).reshape(3 * len(marks), -1)
    return rows, (head.landmarks - marks).ravel()


def _surface_rows(shape, head: Head, points, slopes, placed, s: LaySettings):
    """Point-to-plane rows that count together three times as much as the landmarks do."""
    mine, theirs, _ = _pairs(shape, head, points, s.gates[0], s.facing)
    normals = head.normals[theirs]
    rows = np.einsum("nck,nc->nk", _columns(points[mine], slopes[mine], placed), normals)
    lack = ((head.points[theirs] - points[mine]) * normals).sum(1)
    weight = np.sqrt(3.0 * len(head.landmarks) / max(len(mine), 1))
    return weight * rows, weight * lack


def _pairs(shape: Template, head: Head, points, gate: float, facing: float):
    """Points of the template, the head's points nearest to them, and how far these are."""
    outside = np.flatnonzero(shape.outside & shape.moving)
    normals = normals_of(points, shape.triangles)[outside]
    theirs = nearest_points(
        points[outside], normals, shape.sides[outside], head.points, head.normals, head.sides
    )
    away = np.linalg.norm(points[outside] - head.points[theirs], axis=1)
    good = (away < gate) & ((normals * head.normals[theirs]).sum(1) > facing)
    return outside[good], theirs[good], away[good]


def _spline(marks: np.ndarray, lack: np.ndarray, points: np.ndarray, give: float) -> np.ndarray:
    """(V, 3) displacements of points that bend least and take marks (L, 3) where they lack (L, 3)
    (a thin-plate spline in space, whose kernel is the distance)."""
    flat, count = np.c_[np.ones(len(marks)), marks], len(marks)
    system = np.zeros((count + 4, count + 4))
    apart = np.linalg.norm(marks[:, None] - marks[None], axis=2)
    system[:count, :count] = -apart + give * np.eye(count)
    system[:count, count:], system[count:, :count] = flat, flat.T
    solution = np.linalg.lstsq(system, np.r_[lack, np.zeros((4, 3))], rcond=None)[0]
    away = np.linalg.norm(points[:, None] - marks[None], axis=2)
    return -away @ solution[:count] + np.c_[np.ones(len(points)), points] @ solution[count:]


def _follow(
    shape: Template, head: Head, points: np.ndarray, s: LaySettings, stepped: Callable[[], None]
) -> np.ndarray:
    """The free steps."""
    links = Links(shape.count, shape.edges)
    start, moved = points, np.zeros_like(points)
    share = np.linspace(0.0, 1.0, len(s.stiffness))
    gates = s.gates[0] + (s.gates[1] - s.gates[0]) * share
    marks = s.marks[0] * (s.marks[1] / s.marks[0]) ** share
    for stiffness, gate, mark in zip(s.stiffness, gates, marks, strict=True):
        moved = _step(shape, head, links, start, moved, stiffness, gate, mark, s.facing)
        moved = _even(shape, start + moved, head.symmetric) - start
        stepped()
    return start + moved


def _step(shape, head, links: Links, start, moved, stiffness, gate, mark, facing) -> np.ndarray:
    """Displacements of the start by which points go to the planes of what is nearest to them."""
    now = start + moved
    mine, theirs, away = _pairs(shape, head, now, gate, facing)
    normals = head.normals[theirs]
    off = ((head.points[theirs] - now[mine]) * normals).sum(1, keepdims=True) * normals
    weight = np.zeros(shape.count)
    weight[mine] = (1.0 - (away / gate) ** 2) ** 2
    goal = np.zeros_like(start)
    goal[mine] = weight[mine, None] * (moved[mine] + off)
    corners, shares = shape.corners, shape.shares
    lack = head.landmarks - shape.landmarks(start)

    def apply(x: np.ndarray) -> np.ndarray:
        out = stiffness * links.laplacian(x) + weight[:, None] * x
        held = mark * np.einsum("lkc,lk->lc", x[corners], shares)
        np.add.at(out, corners, held[:, None] * shares[..., None])
        return out

    wanted = goal.copy()
    np.add.at(wanted, corners, mark * lack[:, None] * shares[..., None])
    diagonal = stiffness * links.degree + weight
    np.add.at(diagonal, corners, mark * shares**2)
    return solve(apply, diagonal, wanted, moved, tolerance=1e-4)


def _off(shape: Template, head: Head, points: np.ndarray) -> float:
    """Mean distance of the face's points from the laid template's surface."""
    low = head.landmarks.min(0) - 15.0
    high = head.landmarks.max(0) + 15.0
    face = ((head.points > low) & (head.points < high)).all(1) & (head.normals[:, 2] > 0.2)
    rows = np.flatnonzero(face)
    rows = rows[:: max(1, len(rows) // 3000)]
    if not len(rows):
        return float("inf")
    normals = normals_of(points, shape.triangles)
    found = nearest_places(
        head.points[rows], head.normals[rows], head.sides[rows],
        points, shape.triangles, normals, shape.sides,
    )  # fmt: skip
    return float(np.median(found.away))
