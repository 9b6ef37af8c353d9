"""The keys of an F-curve as columns of numbers: read, written, copied, all at once."""

from __future__ import annotations

import bpy
import numpy as np

PAIRS = ("co", "handle_left", "handle_right")
FLOATS = ("amplitude", "back", "period")
ENUMS = ("handle_left_type", "handle_right_type", "interpolation", "type", "easing")


def read_keys(fcurve) -> dict[str, np.ndarray]:
    """Column by name of N keys: PAIRS (2 N,), FLOATS and ENUMS (N,)."""
    points = fcurve.keyframe_points
    out: dict[str, np.ndarray] = {}
    for name in (*PAIRS, *FLOATS, *ENUMS):
        width = 2 if name in PAIRS else 1
        out[name] = np.empty(len(points) * width, np.int32 if name in ENUMS else np.float32)
        points.foreach_get(name, out[name])
    return out


def write_keys(fcurve, columns: dict[str, np.ndarray]) -> None:
    """Let a curve have these keys and no others."""
    points = fcurve.keyframe_points
    points.clear()
    points.add(len(columns["co"]) // 2)
    for name, column in columns.items():
        points.foreach_set(name, column)
    fcurve.update()


def enum_number(attribute: str, value: str) -> int:
    """The number that `foreach_set` takes for an enum value of a key."""
    return bpy.types.Keyframe.bl_rna.properties[attribute].enum_items[value].value


def rows_of(columns: dict[str, np.ndarray], chosen: np.ndarray) -> dict[str, np.ndarray]:
    """The same of some keys, by a mask (N,) or numbers."""
    return {
        name: np.ascontiguousarray(c.reshape(-1, 2 if name in PAIRS else 1)[chosen]).ravel()
        for name, c in columns.items()
    }


def joined(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Both curves' keys, in the order of time."""
    both = {name: np.concatenate([first[name], second[name]]) for name in first}
    return rows_of(both, np.argsort(both["co"][::2], kind="stable"))
