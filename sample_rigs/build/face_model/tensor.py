"""From heads of many people to a small core tensor (Wu, section 2.1, eq. 2).

Identities are principal components of heads at rest. Actions keep their names: how they differ
between people is a ridge regression of each action's displacements on the identities. Everything
then gets one basis over the points, in which the core tensor is small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

IDENTITIES = 50
RANK_BETWEEN = 48
"""Directions of points that are kept for how actions differ between people."""
SCALE = 100.0
"""Length of these directions, so that their numbers are millimetres."""
RIDGE = 2.0
"""Of the regression on identities, in people: so many of whom nobody differs are as if added."""


@dataclass(frozen=True)
class Tensor:
    """mean (V, 3), basis (3 V, R), core (R, 1 + I, 1 + E) as in `face_model.model`; explained: of
    the rest heads' variance, by the identities kept; between: of what actions differ."""

    mean: np.ndarray
    basis: np.ndarray
    core: np.ndarray
    explained: float
    between: float


def reduce(rests: np.ndarray, owners: np.ndarray, moves: np.ndarray, identities: int = IDENTITIES):
    """Heads at rest (P, V, 3), and displacements (Q, E, V, 3) of actions of the people `owners`
    (Q,) of them -> Tensor."""
    mean, components, amounts, explained = principal(rests, identities)
    flat = moves.reshape(*moves.shape[:2], -1).astype(np.float32)
    middle = flat.mean(0)
    flat -= middle
    directions, places = _directions(flat)
    # (I, Q): how a regression on the identities weighs the people.
    own = amounts[owners] - amounts[owners].mean(0)
    weigh = np.linalg.solve(own.T @ own + RIDGE * np.eye(own.shape[1]), own.T)
    slopes = np.einsum("iq,qer->ier", weigh, places)
    told = np.einsum("qi,ier->qer", own, slopes)
    between = float(1.0 - ((places - told) ** 2).sum() / max((places**2).sum(), 1e-12))
    middle = middle - np.einsum("i,ier->er", amounts[owners].mean(0), slopes) @ directions
    basis, core = _tucker(components, middle, directions, slopes)
    return Tensor(mean, basis, core, explained, between)


def _directions(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What differs (Q, E, 3V) -> directions (R, 3V) of length SCALE that hold most of it, and each
    difference in them (Q, E, R)."""
    rows = flat.reshape(-1, flat.shape[-1])
    values, vectors = np.linalg.eigh((rows @ rows.T).astype(float))
    top = np.argsort(values)[::-1][:RANK_BETWEEN]
    length = np.sqrt(np.maximum(values[top], 1e-9))
    directions = (rows.T @ vectors[:, top] / length).T * SCALE
    return directions, (vectors[:, top] * length / SCALE).reshape(*flat.shape[:2], -1)


def principal(rests: np.ndarray, count: int):
    """Mean (V, 3), components (I, 3 V) in units of a standard deviation, each head's amounts
    (P, I), and the share of variance that they explain."""
    flat = rests.reshape(len(rests), -1).astype(float)
    mean = flat.mean(0)
    u, s, v = np.linalg.svd(flat - mean, full_matrices=False)
    deviation = s[:count] / np.sqrt(len(flat) - 1)
    explained = float((s[:count] ** 2).sum() / (s**2).sum())
    amounts = u[:, :count] * np.sqrt(len(flat) - 1)
    return mean.reshape(rests.shape[1:]), deviation[:, None] * v[:count], amounts, explained


def _tucker(components, middle, directions, slopes):
    """A basis (3V, R) over the points and the core in it: identities, mean actions (which are zero
    over most of a face and stay so), and the directions in which actions differ."""
    count, actions = len(components), len(middle)
    basis = np.concatenate([components, middle, directions])
    core = np.zeros((len(basis), 1 + count, 1 + actions))
    core[np.arange(count), 1 + np.arange(count), 0] = 1.0
    core[count + np.arange(actions), 0, 1 + np.arange(actions)] = 1.0
    core[count + actions :, 1:, 1:] = slopes.transpose(2, 0, 1)
    return basis.T, core
