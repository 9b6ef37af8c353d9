"""The model's parameters that put its points where landmarks are seen (Wu, section 3.2, eq. 6-7).

Over a clip there is one identity; head and expression are each frame's own. In turn, the heads are
solved linearly (eq. 6), then the expressions and, over some frames of many sides, the identity, by
least squares with a regulariser that weighs deviations from the mean by the reciprocal variance
(eq. 7): each is linear while the others are held, since the model is bilinear.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .model import FaceModel
from .projection import Camera, Heads, nearest_rotation, place, refine

SEEN_FULLY = 0.35
"""Cosine between a point's normal and the direction to the camera from which it counts fully."""
LEAST = 0.02
"""What a point that looks away from the camera still counts: the landmarker guesses it."""
SPREAD = 2.0
"""Of the identity's regulariser, a frame: landmarks' errors go together, so hundreds of them tell
no more than some dozens would."""

SETTLED = 1e-3
"""Weights that a sweep moves by less are found."""
SAME = 0.015
"""Standard deviations (root mean square) that an identity may still move by when it is found."""


@dataclass(frozen=True)
class FitSettings:
    """How a clip is fitted.

    noise: deviation of landmarks of a face seen from the front, millimetres on the face, beside the
        model's own of each; it makes lambda 1 and 2 of eq. 7. identity, expression: what the
        regularisers count besides. steady: deviation of an expression from one frame to the next
        (1/30 s), in weights. still: seconds over which heads are smoothed. rounds: at most, of
        identity and expression in turn; frames: that many tell the identity. robust: millimetres
        from which a landmark that is off counts less.
    """

    noise: float = 1.0
    identity: float = 1.0
    expression: float = 1.0
    steady: float = 0.08
    still: float = 0.03
    rounds: int = 6
    frames: int = 32
    robust: float = 3.0


FIT = FitSettings()


@dataclass(frozen=True)
class Solved:
    """What a fit found: identity (I,); heads; expression (N, E) 0..1; residual (N,), how far seen
    landmarks lie from the model's, millimetres on the face (weighted root mean square)."""

    identity: np.ndarray
    heads: Heads
    expression: np.ndarray
    residual: np.ndarray


class Fitter:
    """The model at the landmarker's points, made ready once for many fits."""

    def __init__(self, model: FaceModel, camera: Camera, settings: FitSettings = FIT):
        self.model, self.camera, self.settings = model, camera, settings
        self.points = model.landmarks()
        self.slides = model.at_points(model.slides.ravel())
        self.normals = _landmark_normals(model)
        self.trust = 1.0 / (model.landmark_deviation**2 + settings.noise**2)
        self.trust = self.trust * (self.trust > 0) / self.trust.max()
        noise = settings.noise**2
        self.ridge_identity = np.full(model.identities, settings.identity * noise)
        variance = model.expression_deviation**2
        self.ridge_expression = settings.expression * noise / variance

    # --- eq. 6 and 7 over a clip ---

    def clip(self, seen: np.ndarray, times: np.ndarray) -> Solved:
        """Fit pixels (N, 478, 2) seen at times (N,) seconds: one identity for all frames."""
        return self.frames(seen, times, self.identity(seen))

    def frames(
        self,
        seen: np.ndarray,
        times: np.ndarray,
        identity: np.ndarray,
        expected: np.ndarray | None = None,
        trust: float = 1.0,
    ) -> Solved:
        """Heads and expressions of a clip whose identity (I,) is known.

        expected: (N, E) mean of each frame's expression in eq. 7, by default the model's; trust:
        how much more than usual it holds.
        """
        face = _Person.of(self, identity)
        if expected is None:
            expected = np.tile(self.model.expression_mean, (len(seen), 1))
        prior = expected, trust * self.ridge_expression
        state = self._start(seen, face, expected)
        gap = np.diff(times)
        for steady in (False, True):
            for _ in range(2):
                state = self._step(seen, face, state, gap if steady else None, prior=prior)
        if self.settings.still > 0 and len(seen) > 2:
            state = replace(state, heads=_smoothed(state.heads, times, self.settings.still))
            state = self._step(seen, face, state, gap, moved=False, prior=prior)
        return Solved(identity, state.heads, state.expression, self._residual(seen, face, state))

    def settle(
        self, seen: np.ndarray, identities: np.ndarray, expressions: np.ndarray, heads: Heads
    ) -> tuple[Heads, np.ndarray]:
        """Heads from `heads` on that put known faces where pixels (N, 478, 2) are seen, and their
        points there (N, 478, 3), those of the outline slid; identities (N, I), expressions
        (N, E)."""
        points = self.points.shapes(identities, expressions)
        places = self.slides.shapes(identities, expressions)
        for _ in range(2):
            slid = self._slid_to(points, places, seen, heads)
            heads = refine(self.camera, seen, slid, self._weights(heads), heads)
        return heads, self._slid_to(points, places, seen, heads)

    def _telling(self, seen: np.ndarray) -> np.ndarray:
        """Frames that tell most of an identity: spread over what the faces look like."""
        box = np.maximum(np.ptp(seen, axis=1).max(1), 1.0)[:, None, None]
        flat = ((seen - seen.mean(1, keepdims=True)) / box).reshape(len(seen), -1)
        return unlike(flat, self.settings.frames)

    def identity(
        self,
        seen: np.ndarray,
        expected: np.ndarray | None = None,
        expressions: np.ndarray | None = None,
        trust: float = 1.0,
    ) -> np.ndarray:
        """Identity (I,) of the face that is seen in frames (N, 478, 2), from those that tell most
        of it.

        expected, expressions: means (I,) and (N, E) of eq. 7, by default the model's; trust: how
        much more than usual they hold.
        """
        chosen = self._telling(seen)
        seen, middle = seen[chosen], np.zeros(self.model.identities)
        identity = middle if expected is None else expected
        face = _Person.of(self, identity)
        mean = np.tile(self.model.expression_mean, (len(seen), 1))
        if expressions is not None:
            mean = expressions[chosen]
        prior = mean, trust * self.ridge_expression
        state = self._start(seen, face, mean)
        held = identity, trust if expected is not None else 1.0
        for _ in range(self.settings.rounds):
            state = self._step(seen, face, state, prior=prior)
            before, identity = identity, self._solve_identity(seen, face, state, *held)
            if np.sqrt(((identity - before) ** 2).mean()) < SAME:
                break
            face = _Person.of(self, identity)
        return identity

    def _start(self, seen: np.ndarray, face: _Person, expression: np.ndarray) -> _State:
        """Heads by eq. 6 with the expression held at its mean."""
        points = face.shape(expression)
        weights = np.tile(self.trust, (len(seen), 1))
        heads = place(self.camera, seen, points, weights, None)
        for _ in range(3):
            heads = place(self.camera, seen, points, self._weights(heads), heads)
        return _State(heads, expression, self._weights(heads))

    def _step(self, seen, face, state: _State, gap=None, moved=True, prior=None) -> _State:
        """Heads, then expressions, once each; prior: these' mean (N, E) and what holds it (E,)."""
        prior = prior or (self.model.expression_mean, self.ridge_expression)
        heads = state.heads
        points = self._slid(face, seen, heads, state.expression)
        if moved:
            for _ in range(2):
                heads = refine(self.camera, seen, points, state.weights, heads)
        lack = self._lack(seen, points, heads, state.expression, face)
        weights = self._weights(heads) * self._robust(lack, heads, face, state.expression)
        expression = self._solve_expression(
            lack, face, heads, weights, state.expression, gap, prior
        )
        return _State(heads, expression, weights)

    # --- what is seen against what is known ---

    def _weights(self, heads: Heads) -> np.ndarray:
        """(N, 478) how much each landmark counts: trusted, and turned to the camera."""
        turned = np.einsum("nij,lj->nli", heads.rotation, self.normals)
        to_camera = -heads.translation / np.linalg.norm(heads.translation, axis=1, keepdims=True)
        facing = np.einsum("nli,ni->nl", turned, to_camera)
        return np.clip(facing / SEEN_FULLY, LEAST, 1.0) * self.trust

    def _robust(self, lack, heads: Heads, face: _Person, expression) -> np.ndarray:
        """(N, 478) what a landmark counts the less, the farther it is off (Huber)."""
        moved = np.tensordot(expression, face.moves, 1) @ heads.rotation[:, :2].swapaxes(-1, -2)
        off = np.linalg.norm(lack - moved, axis=-1)
        return self.settings.robust / np.maximum(off, self.settings.robust)

    def _slid(self, face: _Person, seen, heads: Heads, expression) -> np.ndarray:
        """(N, 478, 3) the points of a person, those of the outline slid."""
        points, places = face.shape(expression), face.slide_shape(expression)
        return self._slid_to(points, places, seen, heads)

    def _slid_to(self, points, places, seen, heads: Heads) -> np.ndarray:
        """Points (N, 478, 3), those of the outline slid to that of their places (N, C K, 3) on the
        skin which is seen nearest to where the landmarker has them."""
        if not len(self.model.contour):
            return points
        count, across = self.model.slides.shape
        best = self._best(places, seen, heads)
        rows = np.arange(len(seen))[:, None], np.arange(count)[None], best
        slid = points.copy()
        slid[:, self.model.contour] = places.reshape(len(seen), count, across, 3)[rows]
        return slid

    def _best(self, places, seen, heads: Heads) -> np.ndarray:
        """(N, C) which of its places each landmark of the outline has."""
        pixels = self.camera.project(places, heads)
        pixels = pixels.reshape(len(seen), *self.model.slides.shape, 2)
        off = pixels - seen[:, self.model.contour, None]
        return (off**2).sum(-1).argmin(-1)

    def _lack(self, seen, points, heads: Heads, expression, face: _Person) -> np.ndarray:
        """(N, 478, 2) where landmarks are seen less where the person at rest has them, in
        millimetres across the line of sight."""
        turned = points @ heads.rotation.swapaxes(-1, -2)
        flat = self.camera.centred(seen) * self.camera.depths(turned, heads)[..., None]
        flat = flat / heads.scale(self.camera)[:, None, None] - heads.translation[:, None, :2]
        moved = np.einsum("ne,elc->nlc", expression, face.moves)
        rest = (points - moved) @ heads.rotation.swapaxes(-1, -2)
        return flat - rest[..., :2]

    def _residual(self, seen, face: _Person, state: _State) -> np.ndarray:
        points = self._slid(face, seen, state.heads, state.expression)
        off = self.camera.project(points, state.heads) - seen
        off = (off**2).sum(-1) / state.heads.scale(self.camera)[:, None] ** 2
        weights = self._weights(state.heads)
        return np.sqrt((weights * off).sum(1) / weights.sum(1))

    # --- eq. 7, a linear system each ---

    def _solve_expression(self, lack, face: _Person, heads: Heads, weights, before, gap, prior):
        """(N, E) weights within 0..1 that least square what lacks (N, 478, 2)."""
        count = len(lack)
        mean, ridge = prior
        normal = np.empty((count, len(ridge), len(ridge)))
        pull = np.empty((count, len(ridge)))
        root = np.sqrt(weights)
        wanted = lack * root[..., None]
        for n in range(count):
            across, up = (heads.rotation[n, :2] @ face.axes).reshape(2, len(ridge), -1) * root[n]
            normal[n] = across @ across.T + up @ up.T
            pull[n] = across @ wanted[n, :, 0] + up @ wanted[n, :, 1]
        normal += np.diag(ridge)
        return descend(normal, pull + ridge * mean, before, self._steady(gap))

    def _steady(self, gap: np.ndarray | None) -> np.ndarray | None:
        """(N - 1,) what a change between frames costs."""
        if gap is None or not len(gap):
            return None
        s = self.settings
        return (s.noise / s.steady) ** 2 / np.maximum(gap * 30.0, 1e-3)

    def _solve_identity(self, seen, face: _Person, state: _State, expected, trust) -> np.ndarray:
        """(I,) the identity that least squares all frames, held near an expected one (I,).

        Heads and expressions are not held but follow it, to first order (variable projection): what
        a longer nose and a nod have in common would else be found in many small steps alone.
        """
        places = face.slide_shape(state.expression)
        points = self._slid_to(face.shape(state.expression), places, seen, state.heads)
        best = self._best(places, seen, state.heads)
        flat = self.camera.centred(seen) * self._depths(points, state.heads)[..., None]
        flat = flat / state.heads.scale(self.camera)[:, None, None]
        flat = flat - state.heads.translation[:, None, :2]
        ridge = self.ridge_identity * len(seen) * SPREAD * trust
        normal, pull = np.diag(ridge), ridge * expected
        for n in range(len(seen)):
            rest, *system = self._identities(state, n, best[n])
            local, held = self._followers(points[n], face, state, n)
            root = np.tile(np.sqrt(state.weights[n]), 2)
            lack, system, local = (flat[n].T.ravel() - rest) * root, system * root, local * root
            across = system @ local.T
            inner = local @ local.T + np.diag(held[0])
            follow = np.linalg.solve(inner, np.c_[across.T, local @ lack - held[1]])
            normal += system @ system.T - across @ follow[:, :-1]
            pull += system @ lack - across @ follow[:, -1]
        return np.linalg.solve(normal, pull)

    def _identities(self, state: _State, n: int, best: np.ndarray) -> np.ndarray:
        """(1 + I, 956) of frame n, millimetres across the line of sight and then up: where the mean
        person with its expression has the landmarks, and what identities do to them."""
        contour, count = self.model.contour, self.model.slides.shape[1]
        turn, expression = state.heads.rotation[n, :2], state.expression[n]
        seen = self.points.across(turn, expression)
        slid = self.slides.rows(np.arange(len(contour)) * count + best)
        seen[..., contour] = slid.across(turn, expression)
        return seen.reshape(len(seen), -1)

    def _followers(self, points, face: _Person, state: _State, n: int):
        """What head (6) and free actions do to frame n's landmarks (K, 956), and, of each, what its
        regulariser holds (K,) and pulls (K,)."""
        turn = state.heads.rotation[n]
        (x, y, z), zero, one = turn @ points.T, np.zeros(len(points)), np.ones(len(points))
        across, up = x + state.heads.translation[n, 0], y + state.heads.translation[n, 1]
        head = [(zero, -z), (z, zero), (-y, x), (one, zero), (zero, one), (across, up)]
        weight = state.expression[n]
        free = np.flatnonzero((weight > 0.0) & (weight < 1.0))
        acts = (turn[:2] @ face.axes).reshape(2, -1, len(points))[:, free].swapaxes(0, 1)
        local = np.concatenate([np.reshape(head, (6, -1)), acts.reshape(len(free), -1)])
        ridge = self.ridge_expression[free]
        pulls = ridge * (weight - self.model.expression_mean)[free]
        return local, (np.r_[np.full(6, 1e-6), ridge], np.r_[np.zeros(6), pulls])

    def _depths(self, points, heads: Heads) -> np.ndarray:
        return self.camera.depths(points @ heads.rotation.swapaxes(-1, -2), heads)


@dataclass(frozen=True)
class _State:
    heads: Heads
    expression: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class _Person:
    """The model of one identity at landmarks and slides; axes: (3, E 478) its
    moves, an axis a row."""

    rest: np.ndarray
    moves: np.ndarray
    slide_rest: np.ndarray
    slide_moves: np.ndarray
    axes: np.ndarray

    @staticmethod
    def of(fitter: Fitter, identity: np.ndarray) -> _Person:
        rest, moves = fitter.points.of_person(identity)
        slide_rest, slide_moves = fitter.slides.of_person(identity)
        return _Person(
            rest, moves, slide_rest, slide_moves, np.moveaxis(moves, 2, 0).reshape(3, -1)
        )

    def shape(self, expression: np.ndarray) -> np.ndarray:
        """Expressions (N, E) -> points (N, 478, 3)."""
        return self.rest + np.tensordot(expression, self.moves, 1)

    def slide_shape(self, expression: np.ndarray) -> np.ndarray:
        return self.slide_rest + np.tensordot(expression, self.slide_moves, 1)


def descend(
    normal: np.ndarray,
    pull: np.ndarray,
    start: np.ndarray,
    steady: np.ndarray | None = None,
    sweeps: int = 12,
    settled: float = SETTLED,
) -> np.ndarray:
    """The x (N, E) within 0..1 that make each x' normal x / 2 - pull' x least, and, where `steady`
    (N - 1,) says what that costs, also half the squared changes from one row to the next.
    Coordinate descent over every other row at once, then over those between, until a sweep moves
    nothing by as much as `settled`."""
    x = np.clip(start, 0.0, 1.0)
    if len(x) == 1:  # numpy is slow on single numbers
        return _descend_one(normal[0], pull[0], x[0], sweeps, settled)[None]
    cost = np.zeros(max(len(x) - 1, 0)) if steady is None else steady
    after, before = np.r_[cost, 0.0], np.r_[0.0, cost]
    halves = [np.arange(len(x))] if steady is None else [np.arange(k, len(x), 2) for k in (0, 1)]
    parts = [(rows, np.moveaxis(normal[rows], 0, 2).copy()) for rows in halves]  # rows last: faster
    for _ in range(sweeps):
        moved = 0.0
        for rows, matrices in parts:
            near = before[rows, None] * x[rows - 1] + after[rows, None] * x[(rows + 1) % len(x)]
            own = _swept(matrices, (pull[rows] + near).T, (after + before)[rows], x[rows].T.copy())
            moved = max(moved, np.abs(own.T - x[rows]).max())
            x[rows] = own.T
        if moved < settled:
            break
    return x


def _swept(matrices: np.ndarray, goal: np.ndarray, held: np.ndarray, x: np.ndarray) -> np.ndarray:
    """x (E, N) after each coordinate was made best once: matrices (E, E, N), goal (E, N), and what
    the changes in time add to the diagonal (N,)."""
    for e, row in enumerate(matrices):
        slope = goal[e] - np.einsum("fn,fn->n", row, x) + row[e] * x[e]
        np.minimum(np.maximum(slope / (row[e] + held), 0.0, out=slope), 1.0, out=x[e])
    return x


def _descend_one(
    normal: np.ndarray, pull: np.ndarray, x: np.ndarray, sweeps: int, settled: float
) -> np.ndarray:
    """`descend` of one row."""
    diagonal, goal = normal.diagonal().tolist(), pull.tolist()
    for _ in range(sweeps):
        last = x.copy()
        for e, own in enumerate(diagonal):
            slope = goal[e] + own * float(x[e]) - float(normal[e] @ x)
            x[e] = min(max(slope / own, 0.0), 1.0)
        if np.abs(x - last).max() < settled:
            break
    return x


def _smoothed(heads: Heads, times: np.ndarray, seconds: float) -> Heads:
    """Heads whose rotation and distance are averaged over their neighbours in time, Gaussian of
    this deviation; where they are seen in the picture is known well and stays."""
    reach = max(1, int(np.ceil(3.0 * seconds / max(np.median(np.diff(times)), 1e-3))))
    reach = min(reach, len(times) - 1, 50)
    turns, far = np.zeros_like(heads.rotation), np.zeros(len(times))
    total = np.zeros(len(times))
    for shift in range(-reach, reach + 1):
        rows = np.clip(np.arange(len(times)) + shift, 0, len(times) - 1)
        weight = np.exp(-0.5 * ((times[rows] - times) / seconds) ** 2)
        turns += weight[:, None, None] * heads.rotation[rows]
        far += weight * heads.translation[rows, 2]
        total += weight
    grown = far / total / heads.translation[:, 2]
    return Heads(nearest_rotation(turns), heads.translation * grown[:, None])


def unlike(rows: np.ndarray, count: int) -> np.ndarray:
    """Numbers, in order, of `count` rows (N, K) that differ most: the middlemost, then always the
    farthest from all so far."""
    chosen = [int(((rows - rows.mean(0)) ** 2).sum(1).argmin())]
    far = ((rows - rows[chosen[0]]) ** 2).sum(1)
    while len(chosen) < min(count, len(rows)):
        chosen.append(int(far.argmax()))
        far = np.minimum(far, ((rows - rows[chosen[-1]]) ** 2).sum(1))
    return np.sort(chosen)


def _landmark_normals(model: FaceModel) -> np.ndarray:
    """(478, 3) outward normals of the mean face at the landmarker's points."""
    normals = vertex_normals(model.mean, model.faces[: model.skin + model.eyes])
    own = np.einsum("lkc,lk->lc", normals[model.landmark_corners], model.landmark_shares)
    return own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-9)


def vertex_normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals of points (V, 3) by area of the quads (F, 4) around them."""
    a, b, c, d = (points[faces[:, k]] for k in range(4))
    face = np.cross(c - a, d - b)
    out = np.zeros_like(points, dtype=float)
    for k in range(4):
        np.add.at(out, faces[:, k], face)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
