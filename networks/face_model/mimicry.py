"""How near one performance comes to another, head pose and identity taken out (Prima, section III).

A face is what its expression does to the mean person: displacements of the landmarker's points, in
millimetres. Two faces are as alike as these correlate over all points, each of which counts by what
emotive faces do to it: a jaw would else drown the brows. Two clips are first laid over each other
in time. The blend of emotive expressions nearest to a face says what it plays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..characters.key_poses import POSES, arkit_weights, label
from ..vocabulary import EXPRESSIONS, SKIN_LANDMARKS
from .face_fit import FaceFit
from .fitting import descend
from .model import FaceModel, face_model

EMOTIVE = tuple(name for name in EXPRESSIONS if name != "neutral")
STILL = 0.35
"""Millimetres (root mean square over points) that tell nothing: the correlation of two faces that
do less is drawn to 1, of one that does less to 0."""
AT_LEAST = 1.0
"""Millimetres that every point moves: what hardly moves tells little."""
CALM, FEWEST, BUILD = 0.1, 12, 0.25
"""Share of a clip's frames that are its calmest, of at least so many; weight of an action up to
which it may be a person's build."""
WINDOW = 1.0
"""Seconds by which an attempt may lead or lag, beside the difference in length."""
SLOW = 0.15
"""What a step of an alignment costs that lets one performance wait, as a share of how far faces
usually lie apart."""


@dataclass(frozen=True)
class Likeness:
    """How an attempt compares to its target.

    score: correlation of the displacements over points and matched frames, -1..1. blended: the
    same of the blends of emotive expressions that are nearest to them, which is the score of the
    paper: it does not see what no emotive expression has.
    path (P, 2): matched frames (target, attempt), both rising. curve (P,): the score of each pair
    of frames. lag: seconds by which the attempt is late in the mean. blends (2, K): intensities
    0..1 of EMOTIVE of target and attempt, where both do most.
    """

    score: float
    blended: float
    path: np.ndarray
    curve: np.ndarray
    lag: float
    blends: np.ndarray


@cache
def emotive_expressions(model: FaceModel) -> np.ndarray:
    """(6, E) weights of the model's actions in EMOTIVE at full intensity: the mean of the key poses
    of each."""
    names = {name: [n for n in POSES if label(n) == name] for name in EMOTIVE}
    rows = [
        np.mean([arkit_weights(POSES[pose]) for pose in poses], axis=0) for poses in names.values()
    ]
    return np.array(rows)[:, model.channels]


def displacements(fit: FaceFit, model: FaceModel | None = None) -> np.ndarray:
    """(N, L, 3) millimetres: what the expressions of a fit do to the mean person's landmarks,
    beside what the person does at rest."""
    model = model or face_model()
    return moved(fit.expression - resting(fit, model), model)


def resting(fit: FaceFit, model: FaceModel) -> np.ndarray:
    """(E,) what a clip's calmest frames are fitted with: a build that the identity has not taken,
    low brows or thin lips, which would count as an expression in every frame. What is stronger than
    BUILD is an expression that is held; separate pictures and short clips tell no rest."""
    seen = np.asarray(fit.expression, float)[fit.seen]
    if fit.meta.get("stills") or len(seen) < FEWEST:
        return np.zeros(len(model.expressions))
    strength = (moved(seen, model) ** 2).sum((1, 2))
    calm = np.argsort(strength)[: max(3, int(CALM * len(seen)))]
    rest = np.median(seen[calm], axis=0)
    return np.where(rest < BUILD, rest, 0.0)


def moved(expression: np.ndarray, model: FaceModel) -> np.ndarray:
    """Weights (N, E) -> displacements (N, L, 3) of the mean person's landmarks."""
    return np.tensordot(np.asarray(expression, float), _actions(model), 1)


@cache
def _actions(model: FaceModel) -> np.ndarray:
    """(E, L, 3) displacements of the mean person's landmarks, without those of the irises."""
    points = model.landmarks()
    return np.moveaxis(points.core[:SKIN_LANDMARKS, :, 0, 1:], -1, 0)


@cache
def telling(model: FaceModel) -> np.ndarray:
    """(L,) how much of each landmark's millimetres counts: one over what emotive faces move it by
    (root mean square), and AT_LEAST."""
    usual = np.sqrt((moved(emotive_expressions(model), model) ** 2).sum(2).mean(0))
    return 1.0 / (usual + AT_LEAST)


def correlation(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of displacements (..., L, 3): how alike they are over points and axes, -1..1; weights (L,),
    see `telling`. Between calm faces STILL makes it 1, between a calm one and another near 0."""
    scale = weights[:, None]
    one, other = one * scale, other * scale
    calm = STILL**2 * (weights**2).sum()
    both = (one * other).sum((-2, -1)) + calm
    return both / np.sqrt(((one**2).sum((-2, -1)) + calm) * ((other**2).sum((-2, -1)) + calm))


def whole_correlation(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> float:
    """The same over all frames (N, L, 3) of two performances at once."""
    wide = np.tile(weights, len(one))
    return float(correlation(one.reshape(-1, 3), other.reshape(-1, 3), wide))


def blend(expression: np.ndarray, model: FaceModel) -> np.ndarray:
    """Weights (N, E) of faces -> (N, 6) intensities 0..1 of EMOTIVE whose sum is nearest to each,
    over the points."""
    basis = moved(emotive_expressions(model), model).reshape(len(EMOTIVE), -1)
    flat = moved(expression, model).reshape(len(expression), -1)
    normal = basis @ basis.T + 1e-3 * np.trace(basis @ basis.T) / len(basis) * np.eye(len(basis))
    start = np.zeros((len(flat), len(basis)))
    return descend(np.tile(normal, (len(flat), 1, 1)), flat @ basis.T, start, sweeps=60)


def blended(expression: np.ndarray, model: FaceModel) -> np.ndarray:
    """Weights (N, E) of faces -> displacements (N, L, 3) of the blends that are nearest to them."""
    return moved(blend(expression, model) @ emotive_expressions(model), model)


def compare(target: FaceFit, attempt: FaceFit, model: FaceModel | None = None) -> Likeness:
    """The likeness of an attempt to its target, over the frames in which a face was seen."""
    model = model or face_model()
    rows = [np.flatnonzero(fit.seen) for fit in (target, attempt)]
    faces = [displacements(f, model)[r] for f, r in zip((target, attempt), rows, strict=True)]
    times = [f.times[r] - f.times[r[0]] for f, r in zip((target, attempt), rows, strict=True)]
    path = align(*faces, *times)
    one, other = faces[0][path[:, 0]], faces[1][path[:, 1]]
    played = [
        np.clip(f.expression - resting(f, model), 0.0, 1.0)[r][path[:, k]]
        for k, (f, r) in enumerate(zip((target, attempt), rows, strict=True))
    ]
    peak = int(((one**2).sum((1, 2)) + (other**2).sum((1, 2))).argmax())
    at = [rows[0][path[peak, 0]], rows[1][path[peak, 1]]]
    peaks = np.stack([target.expression[at[0]], attempt.expression[at[1]]])
    weights = telling(model)
    return Likeness(
        score=whole_correlation(one, other, weights),
        blended=whole_correlation(*(blended(p, model) for p in played), weights),
        path=np.stack([rows[0][path[:, 0]], rows[1][path[:, 1]]], axis=1),
        curve=correlation(one, other, weights),
        lag=float(np.mean(times[1][path[:, 1]] - times[0][path[:, 0]])),
        blends=blend(peaks, model),
    )


def align(one: np.ndarray, other: np.ndarray, times: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(P, 2) frames of two performances that belong together (dynamic time warping, within WINDOW).

    one (N, L, 3) at times (N,), other (M, L, 3) at others (M,), seconds from their starts.
    """
    apart = np.abs(times[:, None] - others[None])
    late = WINDOW + abs(times[-1] - others[-1])
    flat, flat_other = one.reshape(len(one), -1), other.reshape(len(other), -1)
    squares = (flat**2).sum(1)[:, None] + (flat_other**2).sum(1)[None]
    cost = np.maximum(squares - 2.0 * flat @ flat_other.T, 0.0)
    wait = SLOW * float(np.mean(squares))
    return _cheapest(np.where(apart <= late, cost, np.inf), wait)


def _cheapest(cost: np.ndarray, wait: float) -> np.ndarray:
    """The path (P, 2) from corner to corner of costs (N, M) with the least sum; a step along one
    side alone costs `wait` more."""
    total = np.full((cost.shape[0] + 1, cost.shape[1] + 1), np.inf)
    total[0, 0] = 0.0
    for i in range(1, len(total)):
        across = np.minimum(total[i - 1, :-1], total[i - 1, 1:] + wait) + cost[i - 1]
        for j in range(1, total.shape[1]):  # each depends on the one before
            total[i, j] = min(across[j - 1], total[i, j - 1] + wait + cost[i - 1, j - 1])
    return _traced(total, wait)


def _traced(total: np.ndarray, wait: float) -> np.ndarray:
    i, j = total.shape[0] - 1, total.shape[1] - 1
    path = []
    while i and j:
        path.append((i - 1, j - 1))
        ways = (total[i - 1, j - 1], total[i - 1, j] + wait, total[i, j - 1] + wait)
        best = int(np.argmin(ways))
        i, j = i - (best != 2), j - (best != 1)
    return np.array(path[::-1])
