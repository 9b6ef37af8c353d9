"""Landmarks placed by hand: their file, and the average face bent to go through them. No
Blender."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...networks.errors import InputError, UsageError
from ...networks.files import write_text
from ...networks.reading import read_object
from ...networks.records import FieldError, as_type, json_text
from ...networks.tracking.registration import FRONTAL_FACE
from ...networks.vocabulary import LANDMARK_INDEX, LANDMARK_NAMES

POINTS_FORMAT = "exprgen.landmark_points"
MIN_POINTS = 3


def load_points(path: str | Path) -> dict[str, tuple[float, float]]:
    """Points that a person placed: {"format": "exprgen.landmark_points", "points": {name: [x, y]}},
    x to the right and y down, in shares of the neutral view's side.

    Raises:
        InputError: the file is missing, is no such file, or a point is not two numbers.
    """
    path = Path(path)
    data = read_object(path, "mend it")
    if data.get("format") != POINTS_FORMAT:
        raise InputError(
            "holds no landmark points", file=path, fix=f'let it say "format": "{POINTS_FORMAT}"'
        )
    points = {}
    try:
        for name, place in as_type(dict[str, object], data.get("points", {}), "points").items():
            points[name] = as_type(tuple[float, float], place, f"point {name[:60]!r}")
            if not all(0.0 <= share <= 1.0 for share in points[name]):
                raise FieldError(f"point {name[:60]!r} is outside")
    except FieldError as error:
        raise InputError(
            f"{error}: a point is two numbers in 0..1",
            file=path,
            fix="give shares of the neutral view's side",
        ) from error
    return points


def save_points(path: str | Path, points: dict[str, tuple[float, float]]) -> None:
    """The inverse of `load_points`."""
    data = {"format": POINTS_FORMAT, "points": {k: list(v) for k, v in points.items()}}
    write_text(path, json_text(data, indent=1) + "\n")


def warp_template(points: dict[str, tuple[float, float]]) -> np.ndarray:
    """The average face's 49 landmarks, bent so that the named ones lie where they were placed.

    An affine map and, for what it leaves, a thin-plate spline: the placed points are met exactly,
    and between them the bending is least.

    Args:
        points: landmark name -> (x, y), at least three that are not on one line.

    Returns:
        (49, 2) in the points' own unit.

    Raises:
        UsageError: too few points, points on one line, or unknown names.
    """
    unknown = set(points) - set(LANDMARK_NAMES)
    if unknown:
        raise UsageError(
            f"there is no landmark {min(unknown)!r}",
            fix=f"use names such as {', '.join(LANDMARK_NAMES[:3])}",
        )
    template = np.array([FRONTAL_FACE[name] for name in LANDMARK_NAMES])
    source = template[[LANDMARK_INDEX[name] for name in points]].reshape(-1, 2)
    goal = np.array(list(points.values()), float).reshape(-1, 2)
    flat = np.c_[np.ones(len(source)), source]
    if len(source) < MIN_POINTS or np.linalg.matrix_rank(flat, tol=1e-6) < 3:
        raise UsageError(
            f"{len(source)} points can't place a face",
            fix=f"give at least {MIN_POINTS} that are not on one line, such as both outer eye "
            "corners and both mouth corners",
        )
    system = np.zeros((len(flat) + 3, len(flat) + 3))
    system[:-3, :-3] = _plate(source, source)
    system[:-3, -3:], system[-3:, :-3] = flat, flat.T
    solution = np.linalg.lstsq(system, np.r_[goal, np.zeros((3, 2))], rcond=None)[0]
    all_flat = np.c_[np.ones(len(template)), template]
    return _plate(template, source) @ solution[:-3] + all_flat @ solution[-3:]


def _plate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Thin-plate kernel r^2 log r between points (N, 2) and (M, 2)."""
    squared = ((a[:, None] - b[None]) ** 2).sum(-1)
    return 0.5 * squared * np.log(np.maximum(squared, 1e-12))
