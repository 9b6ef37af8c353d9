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
"""Called with (candidates tried, all)."""

STEP = 0.03
"""How far what has no limits is tried: locations, in face heights."""
RIGID = 0.04
"""Share of a motion that a rigid fit may leave over."""
SKULL = 0.6
"""Share of the face's points that must move as one for a motion of the head."""
_GROUP = 8


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


def find_movers(
    probe: Probe, free: list[Found], face: Face, rest, progress: Progress
) -> list[Mover]:
    """Those of `free` that move the face, measured one by one.

    Bones in groups first: where none of a group moves the face, none is tried alone. That leaves
    out arms and legs quickly.
    """
    still = STILL * face.height
    free = [f for f in free if f.kind != "scale" or half_limited(f)]
    holders: dict[str, list[Found]] = {}
    for f in free:
        holders.setdefault(f.holder or f.name, []).append(f)
    # Opposite keys (mouthLeft, mouthRight) would cancel each other in a group.
    single = [[unit] for unit in holders.values() if unit[0].kind == "value"]
    units = [unit for unit in holders.values() if unit[0].kind != "value"]
    queue = [units[i : i + _GROUP] for i in range(0, len(units), _GROUP)][::-1] + single[::-1]
    out: list[Mover] = []
    done = 0
    while queue:
        group = queue.pop()
        together = [f for unit in group for f in unit]
        if len(together) > 1 and not _any_moves(probe, together, face, rest, still):
            done += len(together)
            progress(done, len(free))
        elif len(group) > 1:
            half = len(group) // 2
            queue += [group[half:], group[:half]]
        else:
            for f in together:
                mover = _measure(probe, f, face, rest, still)
                out += [mover] if mover else []
                done += 1
                progress(done, len(free))
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
