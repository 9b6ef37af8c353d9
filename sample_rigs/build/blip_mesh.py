"""Blip's surface and topology: quads in loops around one eye and one wide mouth.

The skin is laid out on a plane (u, v), metres of arc around the middle of the face, that is wrapped
onto a smooth solid. Whatever moves on the plane slides on the skin, lids on the eyeball included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WRAP = 0.14
"""Radius in metres that turns (u, v) into angles: an arc of WRAP is one radian."""
CORE = np.array([0.0, 0.015, 0.150])
"""Where the rays that carry the plane onto the solid start."""
EYE = np.array([0.0, -0.070, 0.198])
EYE_RADIUS = 0.063
LID = 0.0058
"""Thickness of the lids outside the eyeball, metres."""
EYE_V = float(WRAP * np.arctan2(EYE[2] - CORE[2], CORE[1] - EYE[1] + EYE_RADIUS))
MOUTH_V = -0.058
MOUTH_W = 0.048
"""Middle of the eye and of the mouth on the plane; half width of the mouth at rest."""
EYE_W = 0.0510
EYE_UP, EYE_DOWN = 0.0415, 0.0420
"""Half width and half heights of the eye's opening at rest, metres on the plane."""

AROUND_EYE, AROUND_MOUTH, SHARED = 80, 88, 24
"""Points of a loop around the eye, around the mouth, and edges that the two blocks share."""
LID_STEPS = np.array([0.0, 0.0008, 0.0035, 0.0075, 0.0115, 0.0155, 0.0195])
"""How far the loops of the lids lie outside the opening, metres."""
LIP_STEPS = np.array([0.0, 0.0022, 0.0052, 0.0085, 0.0115, 0.0150])
EYE_RINGS, MOUTH_RINGS, OUTER_RINGS = 15, 16, 20
BACK = WRAP * np.pi * 0.97


def _union(a: np.ndarray, b: np.ndarray, k: float) -> np.ndarray:
    """Smooth minimum of two distances, blended over about k metres."""
    h = np.clip(0.5 + 0.5 * (b - a) / k, 0.0, 1.0)
    return b + (a - b) * h - k * h * (1.0 - h)


def distance(points: np.ndarray) -> np.ndarray:
    """Signed distance (N,) to the solid, about: two balls for the pear, one for the lids."""
    p = points * (1.0, 1.06, 1.0)
    crown = np.linalg.norm(p - (0.0, 0.004, 0.190), axis=1) - 0.110
    belly = np.linalg.norm((p - (0.0, 0.004, 0.112)) * (1.0, 1.0, 1.10), axis=1) - 0.134
    lids = np.linalg.norm(points - EYE, axis=1) - (EYE_RADIUS + LID)
    return _union(_union(crown, belly, 0.06), lids, 0.012)


def wrap(uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) of the skin and unit normals (N, 3) at (N, 2) places of the plane, metres."""
    length = np.linalg.norm(uv, axis=1)
    angle = length / WRAP
    side = np.divide(uv, length[:, None], out=np.zeros_like(uv), where=length[:, None] > 1e-12)
    s = np.sin(angle)
    ray = np.stack([s * side[:, 0], -np.cos(angle), s * side[:, 1]], axis=1)
    low, high = np.full(len(uv), 0.02), np.full(len(uv), 0.40)
    reach = lambda t: distance(CORE + ray * t[:, None])  # noqa: E731
    for _ in range(6):
        middle = 0.5 * (low + high)
        outside = reach(middle) > 0
        high, low = np.where(outside, middle, high), np.where(outside, low, middle)
    place, before = low, reach(low)
    step = high - low
    for _ in range(5):  # secant steps: the distance is nearly straight so near the surface
        now = reach(place + step)
        slope = now - before
        slope = np.where(np.abs(slope) < 1e-15, 1e-15, slope)
        place, step, before = place + step, np.clip(-now * step / slope, -0.01, 0.01), now
    points = CORE + ray * (place + step)[:, None]
    step = 2e-4 * np.eye(3)
    slope = np.stack([distance(points + e) - distance(points - e) for e in step], axis=1)
    return points, slope / np.linalg.norm(slope, axis=1, keepdims=True)


@dataclass(frozen=True)
class Layout:
    """The skin on the plane.

    uv (V, 2) rest places; faces: lists of vertex indices; eye (EYE_RINGS + 1, AROUND_EYE) and mouth
    (MOUTH_RINGS + 1, AROUND_MOUTH): indices of the loops from the opening outwards, anticlockwise
    for the viewer from +u; outer: the same from the blocks' rim to the back; neighbours (E, 2):
    pairs of vertices joined by an edge, each once.
    """

    uv: np.ndarray
    faces: list[tuple[int, ...]]
    eye: np.ndarray
    mouth: np.ndarray
    outer: np.ndarray
    neighbours: np.ndarray


def ring_faces(rings: np.ndarray) -> list[tuple[int, ...]]:
    """Quads between consecutive closed loops (R, N) that run anticlockwise, the inner one first."""
    following = np.roll(rings, -1, axis=1)
    quads = np.stack([rings[:-1], rings[1:], following[1:], following[:-1]], axis=2)
    return [tuple(int(i) for i in q) for q in quads.reshape(-1, 4)]


def lay_out(lid_loop, lip_loop) -> Layout:
    """The layout at rest.

    lid_loop(step, turns), lip_loop(step, turns) -> (N, 2): the loop `step` metres outside the
    opening, at angles `turns` around it.
    """
    eye_turns = np.linspace(0, 2 * np.pi, AROUND_EYE, endpoint=False)
    mouth_turns = np.linspace(0, 2 * np.pi, AROUND_MOUTH, endpoint=False)
    eye = np.arange((EYE_RINGS + 1) * AROUND_EYE).reshape(EYE_RINGS + 1, -1)
    count = eye.size
    mouth = count + np.arange((MOUTH_RINGS + 1) * AROUND_MOUTH).reshape(MOUTH_RINGS + 1, -1)
    count += mouth.size
    half = np.arange(-SHARED // 2, SHARED // 2 + 1)
    low = eye[-1, (3 * AROUND_EYE // 4 + half) % AROUND_EYE]
    high = mouth[-1, AROUND_MOUTH // 4 - half]
    remap = np.arange(count)
    remap[high] = low  # the eye's block and the mouth's share this arc
    mouth = remap[mouth]
    upper = np.roll(eye[-1], -(3 * AROUND_EYE // 4 + SHARED // 2))[: AROUND_EYE - SHARED + 1]
    lower = np.roll(mouth[-1], -(AROUND_MOUTH // 4 + SHARED // 2))[: AROUND_MOUTH - SHARED + 1]
    rim = np.r_[upper[:-1], lower[:-1]]
    rows = [rim]
    for _ in range(OUTER_RINGS):
        rows.append(count + np.arange(len(rim)))
        count += len(rim)
    outer = np.array(rows)
    faces = ring_faces(eye) + ring_faces(mouth) + ring_faces(outer)
    # The pole at the back closes the solid.
    pole = count
    last = outer[-1]
    faces += [(int(a), pole, int(b)) for a, b in zip(last, np.roll(last, -1), strict=True)]
    known = {}
    for ring, step in enumerate(LID_STEPS):
        known |= dict(zip(eye[ring].tolist(), lid_loop(step, eye_turns), strict=True))
    for ring, step in enumerate(LIP_STEPS):
        known |= dict(zip(mouth[ring].tolist(), lip_loop(step, mouth_turns), strict=True))
    where = np.zeros((count + 1, 2))
    # The rim starts at the right end of the shared arc; this turn makes both sides mirror images.
    turn = np.arange(len(rim)) - (AROUND_EYE - SHARED) / 2
    turn = np.pi / 2 + 2 * np.pi * turn / len(rim)
    circle = BACK * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    known |= dict(zip(outer[-1].tolist(), circle, strict=True))
    known[pole] = np.array([0.0, BACK * 1.02])
    for index, place in known.items():
        where[index] = place
    used = np.unique(np.concatenate([np.array(f) for f in faces]))
    neighbours = _edges(faces)
    free = np.setdiff1d(used, np.array(sorted(known)))
    where[free] = harmonic(len(where), neighbours, free, where, power=1)
    new = np.zeros(len(where), int)
    new[used] = np.arange(len(used))
    return Layout(
        where[used], [tuple(int(new[i]) for i in f) for f in faces], new[eye], new[mouth],
        new[outer], new[neighbours],
    )  # fmt: skip


def _edges(faces) -> np.ndarray:
    pairs = {(min(a, b), max(a, b)) for f in faces for a, b in zip(f, (*f[1:], f[0]), strict=True)}
    return np.array(sorted(pairs))


def harmonic(count: int, neighbours, free: np.ndarray, values: np.ndarray, power: int):
    """Values (len(free), K) that are as smooth as can be between the others, which are given.

    values (count, K) holds the given ones. power 1 solves Laplace's equation on the edges (no
    value leaves the others' range), power 2 the biharmonic one (no kinks where they begin).
    """
    matrix = laplacian(count, neighbours)
    if power == 2:
        matrix = matrix @ matrix
    rest = np.setdiff1d(np.arange(count), free)
    right = -matrix[np.ix_(free, rest)] @ values[rest]
    return np.linalg.solve(matrix[np.ix_(free, free)], right)


def laplacian(count: int, neighbours: np.ndarray) -> np.ndarray:
    """Dense (count, count) graph Laplacian; points without an edge get 1 on the diagonal."""
    matrix = np.zeros((count, count))
    a, b = neighbours.T
    matrix[a, b] = matrix[b, a] = -1.0
    matrix[np.arange(count), np.arange(count)] = np.maximum(-matrix.sum(1), 1.0)
    return matrix
