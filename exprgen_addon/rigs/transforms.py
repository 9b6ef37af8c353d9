"""Location, rotation and scale channels of a bone or an object, with their limits. No family."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from ...networks.characters.profile import Target
from .base import Found

ROTATIONS = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}
"""Rotation mode -> the property Blender reads; all other modes read rotation_euler."""

_FREE = (-math.inf, math.inf)
_ALIGNED = 0.5
"""Share of a channel's motion along an axis from which a limit on that axis limits the channel."""
_WIDEST = math.radians(170.0)


def rotation_property(holder) -> str:
    """The rotation property that a pose bone or an object uses."""
    return ROTATIONS.get(holder.rotation_mode, "rotation_euler")


def channels(
    holder, target: Target, label: str, drivers: dict, readers: dict, space=None
) -> Iterator[Found]:
    """Every transform channel of a pose bone or an object.

    Args:
        holder: pose bone or object.
        target: where it is; its data path is the prefix ("" or 'pose.bones["x"].').
        label: the bone's or object's name.
        drivers: `base.drivers_of` the animated datablock.
        readers: (property, axis) -> limits that constraints elsewhere read from this holder.
        space: (location, space name) -> location there; None where only local limits count.
    """
    rows = [*_location(holder, space), *_rotation(holder), *_scale(holder)]
    for path, index, letter, kind, limits, locked in rows:
        full = f"{target.data_path}{path}"
        low, high = limits
        if limits == _FREE:
            low, high = readers.get((kind, _axis(path, index)), _FREE)
        rest = float(getattr(holder, path)[index])
        blocked = ""
        if (full, index) in drivers:
            blocked = f"is driven by {drivers[full, index]}"
        elif locked:
            blocked = "is locked"
        elif low == high:
            blocked = "has limits that leave no room"
        yield Found(
            name=f"{label}/{letter}",
            label=label,
            targets=(replace(target, data_path=full, index=index),),
            rest=min(max(rest, low), high) if low <= high else rest,
            minimum=low,
            maximum=high,
            family="",
            kind=kind,
            blocked=blocked,
            holder=f"{target.id_name}:{label}",
        )


def _axis(path: str, index: int) -> int:
    return index - 1 if path == "rotation_quaternion" else index


def _active(holder, kind: str) -> list:
    return [c for c in holder.constraints if c.type == kind and not c.mute and c.influence > 0.0]


def _location(holder, space) -> Iterator[tuple]:
    limits = [list(_FREE) for _ in range(3)]
    for constraint in _active(holder, "LIMIT_LOCATION"):
        mapping = _mapping(constraint.owner_space, space)
        if mapping is None:
            continue
        origin, directions = mapping
        for axis, letter in enumerate("xyz"):
            for side, sign in (("min", -1), ("max", 1)):
                if not getattr(constraint, f"use_{side}_{letter}"):
                    continue
                bound = getattr(constraint, f"{side}_{letter}")
                for i in range(3):
                    _narrow(limits[i], bound - origin[axis], directions[i], axis, sign)
    connected = getattr(getattr(holder, "bone", None), "use_connect", False)
    for i, letter in enumerate("xyz"):
        locked = holder.lock_location[i] or connected
        yield "location", i, letter, "location", tuple(limits[i]), locked


def _narrow(limits: list, bound: float, direction, axis: int, sign: int) -> None:
    """Narrow a channel's limits by a bound on one axis that it moves along."""
    length = math.sqrt(sum(d * d for d in direction))
    along = direction[axis]
    if length == 0.0 or abs(along) < _ALIGNED * length:
        return
    value = bound / along
    if math.isnan(value):
        limits[:] = [value, value]
    elif (along > 0) == (sign > 0):
        limits[1] = min(limits[1], value)
    else:
        limits[0] = max(limits[0], value)


def _mapping(owner_space: str, space):
    """Origin and the three axes of the local space, seen in a constraint's owner space."""
    if owner_space == "LOCAL":
        return (0.0, 0.0, 0.0), ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    if space is None or owner_space == "CUSTOM":
        return None
    origin = space((0.0, 0.0, 0.0), owner_space)
    ends = [space(tuple(float(i == k) for k in range(3)), owner_space) for i in range(3)]
    return origin, [tuple(e[k] - origin[k] for k in range(3)) for e in ends]


def _rotation(holder) -> Iterator[tuple]:
    path = rotation_property(holder)
    if path == "rotation_axis_angle":
        # The axis is the animator's; the angle about it is the control.
        yield path, 0, "r", "rotation", _FREE, getattr(holder, "lock_rotation_w", False)
        return
    constraints = _active(holder, "LIMIT_ROTATION")
    for i, letter in enumerate("xyz"):
        low, high = _FREE
        for c in constraints:
            if getattr(c, f"use_limit_{letter}"):
                low = _most(low, getattr(c, f"min_{letter}"), max)
                high = _most(high, getattr(c, f"max_{letter}"), min)
        locked = holder.lock_rotation[i]
        if path == "rotation_quaternion":
            # Blender normalises: with w at 1 a component is the tangent of half the angle.
            limits = (_half_tangent(low), _half_tangent(high))
            yield path, i + 1, f"r{letter}", "rotation", limits, locked
        else:
            yield path, i, f"r{letter}", "rotation", (low, high), locked


def _half_tangent(angle: float) -> float:
    if math.isinf(angle) or math.isnan(angle):
        return angle
    return math.tan(max(-_WIDEST, min(_WIDEST, angle)) / 2.0)


def _scale(holder) -> Iterator[tuple]:
    constraints = _active(holder, "LIMIT_SCALE")
    for i, letter in enumerate("xyz"):
        low, high = _FREE
        for c in constraints:
            if getattr(c, f"use_min_{letter}"):
                low = _most(low, getattr(c, f"min_{letter}"), max)
            if getattr(c, f"use_max_{letter}"):
                high = _most(high, getattr(c, f"max_{letter}"), min)
        yield "scale", i, f"s{letter}", "scale", (low, high), holder.lock_scale[i]


def _most(known: float, new: float, choose) -> float:
    """The tighter of two bounds; a bound that is not a number shows."""
    return new if math.isnan(new) else choose(known, new)


def readers_of(objects) -> dict[tuple[str, str], dict[tuple[str, int], tuple[float, float]]]:
    """Ranges that Action and Transformation constraints read from a bone or an object.

    Returns:
        (object name, bone name or "") -> {(kind, axis): (low, high)} in the channel's unit.
    """
    table: dict = {}
    for part in objects:
        bones = part.pose.bones if part.pose else ()
        for holder in (part, *bones):
            for c in holder.constraints:
                for kind, axis, low, high in _reads(c):
                    place = table.setdefault((c.target.name, c.subtarget), {})
                    old = place.get((kind, axis), (0.0, 0.0) if kind != "scale" else (1.0, 1.0))
                    place[kind, axis] = (min(old[0], low, high), max(old[1], low, high))
    return table


def _reads(constraint) -> Iterator[tuple[str, int, float, float]]:
    if constraint.type not in ("ACTION", "TRANSFORM") or constraint.mute:
        return
    if constraint.target is None or constraint.target_space != "LOCAL":
        return
    if constraint.type == "ACTION":
        kind, _, letter = constraint.transform_channel.lower().partition("_")
        unit = math.radians(1.0) if kind == "rotation" else 1.0
        yield kind, "xyz".index(letter), constraint.min * unit, constraint.max * unit
        return
    kind = {"LOCATION": "location", "ROTATION": "rotation", "SCALE": "scale"}[constraint.map_from]
    suffix = {"location": "", "rotation": "_rot", "scale": "_scale"}[kind]
    for axis, letter in enumerate("xyz"):
        low = getattr(constraint, f"from_min_{letter}{suffix}")
        high = getattr(constraint, f"from_max_{letter}{suffix}")
        if low != high:
            yield kind, axis, low, high
