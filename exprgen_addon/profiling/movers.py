"""Which controls move the face: every candidate set to its limits, the vertices measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..rigs import Found
from .face import STILL, TURN, Face
from .meanings import Meanings
from .probe import Probe
from .rigid import rigid_motion

Progress = Callable[[int, int], None]
"""Called with (evaluations of the rig, all)."""

STEP = 0.03
"""How far what has no limits is tried: locations, in face heights."""
RIGID = 0.04
"""Share of a motion that a rigid fit may leave over."""
SKULL = 0.6
"""Share of the face's points that must move as one for a motion of the head."""
_GROUP = 8
MANY = 60
"""Bones and objects that may move the face, from which on several are measured at once."""
NOTHING = 0.02
"""A point that moves less than this share of what counts does not belong to a region."""


@dataclass(frozen=True)
class Mover:
    """A candidate that moves the face: displacements (F, 3) of the face at its highest and lowest
    value, those values, and the share of all other vertices that it moves too."""

    found: Found
    high: np.ndarray
    low: np.ndarray
    at_high: float
    at_low: float
    elsewhere: float

    @property
    def shown(self) -> tuple[np.ndarray, float]:
        """The larger of both displacements and the change of the value that made it."""
        if np.abs(self.high).max() >= np.abs(self.low).max():
            return self.high, self.at_high - self.found.rest
        return self.low, self.at_low - self.found.rest

    @property
    def field(self) -> np.ndarray:
        """That displacement, signed as if for a rise of the value."""
        displacement, value = self.shown
        return displacement if value > 0 else -displacement

    @property
    def size(self) -> np.ndarray:
        return np.linalg.norm(self.field, axis=1)


class Tally:
    """Evaluations of the rig that were made and those still to be made.

    Each costs the same, whatever moves, so they tell the time that is left.
    """

    def __init__(self, progress: Progress, probe: Probe):
        self._progress, self._probe, self._begun = progress, probe, probe.evaluations

    def tell(self, left: float) -> None:
        done = self._probe.evaluations - self._begun
        self._progress(done, done + round(left))


class Group:
    """Bones, objects or keys that are tried together. search: evaluations until each that moves the
    face is found; own: those that measure all of it one by one; both at most."""

    def __init__(self, units: list[list[Found]]):
        self.units = units
        self.together = [f for unit in units for f in unit]
        self.own = sum(map(_sides, self.together))
        self.search = _searching(len(units))

    def halves(self) -> list[Group]:
        half = len(self.units) // 2
        return [Group(self.units[half:]), Group(self.units[:half])]


def _searching(count: int) -> int:
    return 2 if count == 1 else 2 + _searching(count // 2) + _searching(count - count // 2)


def _sides(f: Found) -> int:
    """How often a candidate is set: what has no limits is tried one way."""
    return 2 if half_limited(f) else 1


def find_movers(
    probe: Probe, free: list[Found], face: Face, rest, progress: Progress
) -> list[Mover]:
    """Those of `free` that move the face, measured, in the order of `free` where they are many.

    Bones in groups first: where none of a group moves the face, none is tried alone. That leaves
    out arms and legs quickly. Of many bones those are measured at once that move different places.
    """
    still = STILL * face.height
    free = [f for f in free if f.kind != "scale" or half_limited(f)]
    holders: dict[str, list[Found]] = {}
    for f in free:
        holders.setdefault(f.holder or f.name, []).append(f)
    # Opposite keys (mouthLeft, mouthRight) would cancel each other in a group.
    single = [Group([unit]) for unit in holders.values() if unit[0].kind == "value"]
    units = [unit for unit in holders.values() if unit[0].kind != "value"]
    queue = [Group(units[i : i + _GROUP]) for i in range(0, len(units), _GROUP)][::-1]
    queue += single[::-1]
    tally, out = Tally(progress, probe), []
    sets = Sets() if len(units) > MANY else None
    while queue:
        tally.tell(_left(queue, sets))
        group = queue.pop()
        together = group.together
        if sets is not None and len(group.units) == 1 and together[0].kind != "value":
            sets.add(together, _region(probe, together, face, rest, still))
        elif len(together) > 1 and not _any_moves(probe, together, face, rest, still):
            continue
        elif len(group.units) > 1:
            queue += group.halves()
        else:
            out += [m for f in together if (m := _measure(probe, f, face, rest, still))]
    if sets is None:
        tally.tell(0)
        return out
    order = {f.name: i for i, f in enumerate(free)}
    out += measured_together(probe, sets, face, rest, tally)
    return sorted(out, key=lambda m: order[m.found.name])


def _left(queue: list[Group], sets: Sets | None) -> float:
    """Evaluations that are left: what is still searched will share them as what was found does."""
    search, own = sum(g.search for g in queue), sum(g.own for g in queue)
    return search + own if sets is None else search + sets.cost + sets.share * own


def _region(probe: Probe, unit: list[Found], face: Face, rest, still: float) -> np.ndarray | None:
    """The points (V,) that move if all of a unit is set at once, to one side or to the other; None
    if the face keeps still."""
    ranges = [_tried_range(probe, f, face.height) for f in unit]
    moved = np.zeros(len(rest))
    for side in (1, 0) if any(half_limited(f) for f in unit) else (1,):
        for f, r in zip(unit, ranges, strict=True):
            probe.set(f, r[side])
        moved = np.maximum(moved, np.linalg.norm(probe.points() - rest, axis=1))
    for f in unit:
        probe.rest(f)
    return moved > NOTHING * still if moved[face.mask].max() > still else None


class Sets:
    """Candidates of bones that move the face, in sets of which no two bones move a common point.
    cost: evaluations that measuring them takes."""

    def __init__(self) -> None:
        self._taken: list[np.ndarray] = []
        self._rounds: list[list[list[tuple[Found, np.ndarray]]]] = []
        self._tried = 0
        self.cost = 0

    @property
    def share(self) -> float:
        """Evaluations for each that measuring one by one would take, of what was tried."""
        return (1.0 + self.cost) / (1.0 + self._tried)

    def add(self, unit: list[Found], region: np.ndarray | None) -> None:
        """A bone and the points (V,) that any of it moves; None: it moves no face."""
        self._tried += sum(map(_sides, unit))
        if region is None:
            return
        free = (i for i, taken in enumerate(self._taken) if not (taken & region).any())
        place = next(free, len(self._taken))
        if place == len(self._taken):
            self._taken.append(np.zeros_like(region))
            self._rounds.append([])
        self._taken[place] |= region
        rounds = self._rounds[place]
        self.cost -= sum(map(cost_of, rounds))
        rounds += [[] for _ in range(len(unit) - len(rounds))]
        for one, f in zip(rounds, unit, strict=False):
            one.append((f, region))
        self.cost += sum(map(cost_of, rounds))

    def rounds(self) -> list[list[tuple[Found, np.ndarray]]]:
        """What is set at once, time after time: candidates and the points that each may move."""
        return [one for rounds in self._rounds for one in rounds]


def cost_of(tried: list[tuple[Found, np.ndarray]]) -> int:
    """Evaluations that candidates take at once."""
    return max((_sides(f) for f, _ in tried), default=0)


def measured_together(probe: Probe, sets: Sets, face: Face, rest, tally: Tally) -> list[Mover]:
    """The candidates of many bones, several at once. Where that moves a point that none of them
    moves alone they act together, and are measured singly."""
    still, left = STILL * face.height, sets.cost
    out: list[Mover] = []
    for tried in sets.rounds():
        tally.tell(left)
        found = _set_at_once(probe, tried, face, rest, still)
        if found is None:
            found = [_measure(probe, f, face, rest, still) for f, _ in tried]
        out += [m for m in found if m]
        left -= cost_of(tried)
    tally.tell(0)
    return out


def _set_at_once(probe: Probe, tried, face: Face, rest, still: float) -> list[Mover | None] | None:
    """Candidates, each with the points that it may move, at their limits at once; None if what
    belongs to none of them moves."""
    ranges = [_tried_range(probe, f, face.height) for f, _ in tried]
    two = [half_limited(f) for f, _ in tried]
    fields = []
    for side in (1, 0) if any(two) else (1,):
        for (f, _), r, both in zip(tried, ranges, two, strict=True):
            probe.set(f, r[side] if both or side else f.rest)
        fields.append(probe.points() - rest)
    for f, _ in tried:
        probe.rest(f)
    strange = ~np.any([mask for _, mask in tried], axis=0)
    if any(np.linalg.norm(field[strange], axis=1).max(initial=0.0) > still for field in fields):
        return None
    out = []
    for (f, mask), (low, high), both in zip(tried, ranges, two, strict=True):
        up = fields[0] * mask[:, None]
        down = fields[1] * mask[:, None] if both else np.zeros_like(up)
        out.append(_mover(f, up, down, high, low if both else f.rest, face, still))
    return out


def behind_the_lips(
    probe: Probe, free: list[Found], face: Face, movers, meanings: Meanings
) -> list[Mover]:
    """What moves the face only while the jaw is open: a tongue, lips that close over it."""
    jaws = [m for m in movers if meanings.channels(m.found) == {"jawOpen": 1.0}]
    moving = {m.found.name for m in movers}
    left = [f for f in free if f.name not in moving and f.limited and f.kind != "scale"]
    if not jaws or not left:
        return []
    jaw = jaws[0]
    probe.set(jaw.found, jaw.at_high)
    open_face = probe.points()
    out = [_measure(probe, f, face, open_face, STILL * face.height) for f in left]
    probe.rest(jaw.found)
    return [m for m in out if m]


def half_limited(f: Found) -> bool:
    """Whether the rig limits it on some side; who sets limits means it to be moved."""
    return math.isfinite(f.minimum) or math.isfinite(f.maximum)


def _any_moves(probe: Probe, group: list[Found], face: Face, rest, still: float) -> bool:
    """Whether the face moves when all of a group are set at once."""
    ranges = [_tried_range(probe, f, face.height) for f in group]
    moving = False
    # What has no limits is tried one way: the other would show the same.
    sides = (1, 0) if any(half_limited(f) for f in group) else (1,)
    for side in sides:
        for f, r in zip(group, ranges, strict=True):
            probe.set(f, r[side])
        moved = np.linalg.norm(probe.points()[face.mask] - rest[face.mask], axis=1)
        if moved.max() > still:
            moving = True
            break
    for f in group:
        probe.rest(f)
    return moving


def _measure(probe: Probe, f: Found, face: Face, rest, still: float) -> Mover | None:
    """One candidate at both its limits; None if the face keeps still."""
    low, high = _tried_range(probe, f, face.height)
    probe.set(f, high)
    up = probe.points() - rest
    if half_limited(f):
        probe.set(f, low)
        down = probe.points() - rest
    else:
        down, low = np.zeros_like(up), f.rest
    probe.rest(f)
    return _mover(f, up, down, high, low, face, still)


def _mover(f: Found, up, down, high: float, low: float, face: Face, still: float) -> Mover | None:
    """A candidate whose limits move all points by `up` and `down` (V, 3)."""
    size = np.maximum(np.linalg.norm(up, axis=1), np.linalg.norm(down, axis=1))
    if size[face.mask].max() <= still:
        return None
    apart = size[~face.mask]
    elsewhere = float((apart > still).mean()) if len(apart) else 0.0
    return Mover(f, up[face.mask], down[face.mask], high, low, elsewhere)


def _tried_range(probe: Probe, f: Found, height: float) -> tuple[float, float]:
    """The values at which a candidate is tried: its limits, or a step where it has none."""
    step = TURN
    if f.kind == "location" and f.holder in probe.read_by_drivers:
        step = 1.0  # a slider without limits: its unit is the driver's affair
    elif f.kind == "location":
        step = STEP * height / _scale_of(probe, f)
    elif f.kind == "rotation" and "quaternion" in f.targets[0].data_path:
        step = math.tan(TURN / 2.0)
    elif f.kind == "value":
        step = 1.0
    low = f.minimum if math.isfinite(f.minimum) else f.rest - step
    high = f.maximum if math.isfinite(f.maximum) else f.rest + step
    return low, high


def _scale_of(probe: Probe, f: Found) -> float:
    """Metres in the world for one unit of a location channel."""
    part = next(o for o in probe.objects if o.name == f.targets[0].id_name)
    holder = part if part.pose else part.parent
    if holder is None:
        return 1.0
    scale = float(np.linalg.norm(np.array(holder.matrix_world)[:3, 0]))
    return scale if scale > 1e-9 else 1.0


def is_rigid(m: Mover, face: Face) -> bool:
    """Whether a candidate moves the face as a whole."""
    size = m.size
    if (size > STILL * face.height * 0.5).mean() < 0.8:
        return False
    return rigid_motion(face.points, face.points + m.shown[0], SKULL)[1] < RIGID
