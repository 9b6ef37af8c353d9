"""What a batch is drawn from: labelled faces of people and, mixed in, of synthetic people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...vocabulary import EXPRESSIONS
from .datasets import load_faces
from .performers import holds_performances, load_performers
from .sets import TRAIN, VALIDATION, FaceSet


@dataclass(frozen=True)
class Pool:
    """Training faces of one set.

    rows (N,) of the set; chances (N,) of being drawn, sum to 1; share: of a batch, 0..1.
    """

    data: FaceSet
    rows: np.ndarray
    chances: np.ndarray
    share: float


def pools(data: FaceSet, balance: float, people: str = "", share: float = 0.0) -> tuple[Pool, ...]:
    """The training faces of `data` and, where `people` names a set, a share of that.

    Args:
        balance: see `balanced_chances`.

    Raises:
        InputError: `people` holds no prepared set.
    """
    if not people or not share:
        return (_pool(data, balance, 1.0),)
    return _pool(data, balance, 1 - share), _pool(load_people(people), balance, share)


def load_people(folder: str) -> FaceSet:
    """A prepared set of synthetic people, of pictures or of performances.

    Raises:
        InputError: the folder holds neither.
    """
    return load_performers(folder) if holds_performances(folder) else load_faces(folder)


def _pool(data: FaceSet, balance: float, share: float) -> Pool:
    rows = data.rows(TRAIN)
    return Pool(data, rows, balanced_chances(data.labels[rows], balance), share)


def draw(parts: tuple[Pool, ...], count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """For each pool the places in its `rows` that are drawn, `count` of them together."""
    shares = [pool.share for pool in parts]
    counts = rng.multinomial(count, shares) if len(parts) > 1 else [count]
    return [rng.choice(len(p.rows), n, p=p.chances) for p, n in zip(parts, counts, strict=True)]


def prior(parts: tuple[Pool, ...]) -> np.ndarray:
    """(7,) share of each class in what is drawn, which an answer therefore leans to."""
    return sum(p.share * (p.chances @ p.data.targets[p.rows]) for p in parts)


def held_out(parts: tuple[Pool, ...]) -> tuple[FaceSet, np.ndarray] | None:
    """The synthetic people and the rows of those kept for validation; None without any."""
    if len(parts) < 2:
        return None
    people = parts[1].data
    rows = people.rows(VALIDATION)
    return (people, rows) if len(rows) else None


def balanced_chances(labels: np.ndarray, balance: float) -> np.ndarray:
    """Chance (N,) of drawing each face, sums to 1; 0 as the data are, 1 every class alike."""
    counts = np.bincount(labels, minlength=len(EXPRESSIONS)).clip(1)
    weights = counts[labels].astype(float) ** -balance
    return weights / weights.sum()
