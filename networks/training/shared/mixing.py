"""What a batch is drawn from: labelled faces of people and, mixed in, of synthetic people and of
photographs carried to held-in expressions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import UsageError
from ...vocabulary import EXPRESSIONS
from .datasets import load_faces
from .performers import holds_performances, load_performers
from .sets import TRAIN, VALIDATION, FaceSet

HUMANS, PEOPLE, CARRIED = "humans", "people", "carried"
"""What a pool is of: photographs, synthetic people, photographs carried to held-in expressions."""


@dataclass(frozen=True)
class Pool:
    """Training faces of one set.

    rows (N,) of the set; chances (N,) of being drawn, sum to 1; share: of a batch, 0..1; of:
    HUMANS, PEOPLE or CARRIED.
    """

    data: FaceSet
    rows: np.ndarray
    chances: np.ndarray
    share: float
    of: str = HUMANS


def pools(
    data: FaceSet,
    balance: float,
    people: str = "",
    share: float = 0.0,
    carried: str = "",
    carried_share: float = 0.0,
) -> tuple[Pool, ...]:
    """The training faces of `data` and, where `people` and `carried` name sets, shares of those.

    Args:
        balance: see `balanced_chances`; carried photographs are drawn alike, since their
            expressions are as frequent as they were made.

    Raises:
        InputError: `people` or `carried` holds no prepared set; there is nothing to learn from, or
            nothing of `data` to check on. UsageError: nothing is left of a
            batch for `data`.
    """
    share = share if people else 0.0
    carried_share = carried_share if carried else 0.0
    if share + carried_share > 1:
        what = f"shares of {share:g} and {carried_share:g} are more than a batch"
        raise UsageError(what, fix="give less")
    found = [_pool(data.having(VALIDATION), balance, 1 - share - carried_share)]
    if share:
        found.append(_pool(load_people(people), balance, share, PEOPLE))
    if carried_share:
        found.append(_pool(load_faces(carried), 0.0, carried_share, CARRIED))
    return tuple(found)


def load_people(folder: str) -> FaceSet:
    """A prepared set of synthetic people, of pictures or of performances.

    Raises:
        InputError: the folder holds neither.
    """
    return load_performers(folder) if holds_performances(folder) else load_faces(folder)


def _pool(data: FaceSet, balance: float, share: float, of: str = HUMANS) -> Pool:
    rows = data.having(TRAIN).rows(TRAIN)
    return Pool(data, rows, balanced_chances(data.labels[rows], balance), share, of)


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
    people = next((part.data for part in parts if part.of == PEOPLE), None)
    if people is None:
        return None
    rows = people.rows(VALIDATION)
    return (people, rows) if len(rows) else None


def balanced_chances(labels: np.ndarray, balance: float) -> np.ndarray:
    """Chance (N,) of drawing each face, sums to 1; 0 as the data are, 1 every class alike."""
    counts = np.bincount(labels, minlength=len(EXPRESSIONS)).clip(1)
    weights = counts[labels].astype(float) ** -balance
    return weights / weights.sum()
