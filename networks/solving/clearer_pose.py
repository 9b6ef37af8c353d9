"""Make a pose clearer: the smallest change after which it reads as an expression.

A pose is moved towards the character's own key poses of that expression, nearest first, as far as a
reader (SCNN on a picture of the pose) needs to be sure of it; then every part of the face that the
reader does not miss is put back. The reader is a function, so this file knows neither torch nor
Blender.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..characters.profile import Control, KeyPose
from ..errors import UsageError
from ..vocabulary import EXPRESSIONS
from .emphasis import KERNEL, key_pose_units

Reader = Callable[[np.ndarray], np.ndarray]
"""Unit values (M,) of the expression controls -> probabilities (7,)."""

ENOUGH = 0.6
"""Chance at which a pose is clear (as in the clarity check)."""
LEAD = 0.25
"""Lead over the second expression at which it is clear."""
STEPS = (0.25, 0.5, 0.75, 1.0)
"""Shares of the way to a goal that are tried, in this order."""
GOALS = 3
"""Goals that are tried: the mean of the poses it resembles, and the nearest single poses."""
SETTLE = 0.05
"""Loss of chance that putting a part of the face back may cost."""


@dataclass(frozen=True)
class Nudge:
    """What was found. units (M,); before, after: probabilities (7,); reads: pictures looked at;
    parts: regions of the face that were changed; reached: the goal was met."""

    units: np.ndarray
    expression: str
    before: np.ndarray
    after: np.ndarray
    reads: int
    parts: tuple[str, ...]
    reached: bool

    @property
    def changed(self) -> bool:
        return bool(self.parts)

    def summary(self) -> str:
        """One line for a person."""
        i = EXPRESSIONS.index(self.expression)
        chances = f"{self.expression} {self.before[i]:.0%} -> {self.after[i]:.0%}"
        if not self.changed:
            clear = "is clear already" if self.reached else "no small change made it clearer"
            return f"{self.expression} {self.before[i]:.0%}: {clear}"
        return f"{chances}, by {', '.join(self.parts)}"


def make_clearer(
    read: Reader,
    units: np.ndarray,
    controls: tuple[Control, ...],
    poses: tuple[KeyPose, ...],
    expression: str,
    *,
    limit: float = 1.0,
    budget: int = 24,
) -> Nudge:
    """Search the smallest change of a pose after which `expression` is clear.

    Args:
        read: looks at a pose. units: (M,) unit values of `controls`, the pose as it is.
        poses: the character's key poses. limit: share of the way to a key pose that may be gone,
            0..1. budget: most pictures to look at, at least 4.

    Returns:
        The nudge; unchanged where the pose is clear, or nothing that was tried was clearer.

    Raises:
        UsageError: the character has no key pose of this expression.
    """
    units = np.asarray(units, float)
    index = EXPRESSIONS.index(expression)
    search = _Search(read, index, budget)
    before = search.look(units)
    if _clear(before, index):
        return Nudge(units, expression, before, before, search.reads, (), True)
    goals = _goals(units, controls, poses, expression)
    best, after = units, before
    for goal in goals:
        pose, chances = _towards(search, units, goal, limit, before)
        # The first goal that does it is the one that changes least; else the clearest counts.
        if chances[index] > after[index]:
            best, after = pose, chances
        if _clear(after, index) or search.spent(reserve=6):
            break
    best, after = _put_back(search, units, best, after, controls)
    parts = changed_regions(units, best, controls)
    return Nudge(best, expression, before, after, search.reads, parts, _clear(after, index))


def changed_regions(a: np.ndarray, b: np.ndarray, controls: tuple[Control, ...]) -> tuple[str, ...]:
    """Regions in which two poses differ, in the order of the controls."""
    differ = np.abs(np.asarray(a) - np.asarray(b)) > 1e-4
    return tuple(dict.fromkeys(c.region for c, d in zip(controls, differ, strict=True) if d))


class _Search:
    """Counts the pictures looked at."""

    def __init__(self, read: Reader, index: int, budget: int):
        self._read, self.index, self._budget = read, index, max(budget, 4)
        self.reads = 0

    def look(self, units: np.ndarray) -> np.ndarray:
        self.reads += 1
        chances = np.asarray(self._read(units), float)
        return chances / max(chances.sum(), 1e-9)

    def spent(self, reserve: int = 0) -> bool:
        return self.reads + reserve >= self._budget


def _clear(chances: np.ndarray, index: int) -> bool:
    others = np.delete(chances, index)
    return bool(chances[index] >= ENOUGH and chances[index] - others.max() >= LEAD)


def _goals(units, controls, poses, expression: str) -> list[np.ndarray]:
    targets, clarity = key_pose_units(controls, [p for p in poses if p.expression == expression])
    if len(targets):  # what viewers don't recognise makes nothing clearer
        targets = targets[clarity >= min(ENOUGH, clarity.max())]
    if expression == "neutral":
        targets = np.zeros((1, len(controls)))
    if not len(targets):
        raise UsageError(
            f"the character has no key pose of {expression}", fix="label one, or choose another"
        )
    away = ((targets - units) ** 2).sum(1)
    nearest = targets[np.argsort(away)]
    width = max(KERNEL * float(np.median(away)), 1e-9)
    near = np.exp(-(away - away.min()) / (2 * width))
    return [near @ targets / near.sum(), *nearest[: GOALS - 1]]


def _towards(search: _Search, units, goal, limit: float, before) -> tuple[np.ndarray, np.ndarray]:
    """The first step towards a goal that is clear, refined once; else the clearest step."""
    best, best_chances, last = units, before, 0.0
    for step in STEPS:
        if search.spent(reserve=6):
            break
        pose = units + step * limit * (goal - units)
        chances = search.look(pose)
        if chances[search.index] > best_chances[search.index]:
            best, best_chances = pose, chances
        if _clear(chances, search.index):
            half = units + (last + step) / 2 * limit * (goal - units)
            nearer = search.look(half)
            return (half, nearer) if _clear(nearer, search.index) else (pose, chances)
        last = step
    return best, best_chances


def _put_back(search: _Search, units, best, after, controls) -> tuple[np.ndarray, np.ndarray]:
    """Undo the change of every region that the reading does not need, the largest change last."""
    regions = changed_regions(units, best, controls)
    if len(regions) < 2:
        return best, after
    of = np.array([c.region for c in controls])
    size = {r: np.abs(best - units)[of == r].sum() for r in regions}
    for region in sorted(regions, key=size.__getitem__)[:-1]:
        if search.spent():
            break
        pose = np.where(of == region, units, best)
        chances = search.look(pose)
        lost = after[search.index] - chances[search.index]
        if lost <= SETTLE and (_clear(chances, search.index) or not _clear(after, search.index)):
            best, after = pose, chances
    return best, after
