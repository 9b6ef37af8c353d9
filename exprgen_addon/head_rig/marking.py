"""The 49 landmarks of a head that has no controls yet: found on renders of it, or placed by hand.

A copy of the file is looked at in which the head has no modifiers, so that what is found is
counted in the head's own points.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np

from ...networks.characters.profile import Framing, RigProfile
from ...networks.errors import InputError
from ...networks.files import scratch_folder
from ...networks.vocabulary import LANDMARK_NAMES
from ..keying.takes import save_file
from ..studio.landmark_finding import Locate, Placement, neutral_view, place_landmarks

_BODY = 2.5
"""A mesh that is so many times as high as wide is a body, whose top is the head."""
_HEADS = 7.5
BY_HAND = (
    "turn the head to look ahead (along -Y), upright; or place points by hand: exprgen rig HEAD "
    "--object NAME --view VIEW.png shows it, --points POINTS.json takes them"
)
FRAMED = 1.25
"""Side of the picture in heights of the head."""


def find_landmarks(
    head: bpy.types.Object, objects: list, locate: Locate, points: dict | None = None
) -> tuple[np.ndarray, Placement]:
    """(49, 3) the landmarks in the world, and how they were placed.

    Args:
        objects: all of the character's. points: see `landmark_finding.place_landmarks`.

    Raises:
        InputError: no face is found, or the landmarks lie on another mesh.
        UsageError: too few points, or unknown names.
    """
    with scratch_folder() as folder:
        profile = bare_profile(head, objects, folder)
        with speaking_of(head.name):
            placed = place_landmarks(profile, locate, points)
    marks = placed.profile.landmarks
    strangers = {a.object for a in marks.values()} - {head.name}
    if len(strangers) and sum(a.object != head.name for a in marks.values()) > 16:
        raise InputError(
            f"the face that was found is on {', '.join(sorted(strangers))}, not on {head.name!r}",
            fix="name that mesh with --object, or hide what covers the face",
        )
    return _in_world(placed, {o.name: o for o in objects}), placed


@contextlib.contextmanager
def speaking_of(head: str, file=None) -> Iterator[None]:
    """Errors of placing landmarks speak of the head, not of the copy or profile looked at."""
    try:
        yield
    except InputError as error:
        raise InputError(
            f"no landmarks can be placed on {head!r}: {error.problem}", file=file, fix=BY_HAND
        ) from error


def bare_profile(head: bpy.types.Object, objects: list, folder: Path) -> RigProfile:
    """A profile without controls of a copy of the open file, which is saved into `folder`."""
    file = folder / "head.blend"
    modifiers = [m for m in head.modifiers if m.type != "ARMATURE"]
    shown = [(m, m.show_viewport, m.show_render) for m in modifiers]
    for modifier in modifiers:
        modifier.show_viewport = modifier.show_render = False
    try:
        save_file(file)
    finally:
        for modifier, viewport, render in shown:
            modifier.show_viewport, modifier.show_render = viewport, render
    return RigProfile(
        name="head",
        title=head.name,
        family="",
        collection="",  # parts are found by their names here; a collection's would be others'
        controls=(),
        framing=first_framing(head),
        parts=tuple(sorted(o.name for o in objects)),
        path=file.with_suffix(".json"),
    )


def first_framing(head: bpy.types.Object) -> Framing:
    """Where a head's face is likely to be seen; it is looked for elsewhere too."""
    corners = np.array([head.matrix_world @ _vector(c) for c in head.bound_box])
    low, high = corners.min(0), corners.max(0)
    size = high - low
    if size[2] > _BODY * size[:2].max():
        low[2] = high[2] - size[2] / _HEADS
    height = high[2] - low[2]
    middle = 0.5 * (low + high)
    centre = (middle[0], low[1] + 0.35 * (high[1] - low[1]), middle[2])
    return Framing(tuple(float(c) for c in centre), size=float(FRAMED * height))


def _vector(corner):
    from mathutils import Vector

    return Vector(corner)


def view_of(head: bpy.types.Object, objects: list, out: Path) -> None:
    """Write the picture in whose shares points are placed by hand."""
    with scratch_folder() as folder:
        neutral_view(bare_profile(head, objects, folder), out)


def _in_world(placed: Placement, objects: dict) -> np.ndarray:
    """(49, 3) anchors in the world, at rest."""
    from .reading import rest_points

    worlds = {}
    for name in {a.object for a in placed.profile.landmarks.values()}:
        matrix = np.array(objects[name].matrix_world)
        worlds[name] = rest_points(objects[name]) @ matrix[:3, :3].T + matrix[:3, 3]
    anchors = [placed.profile.landmarks[n] for n in LANDMARK_NAMES]
    return np.array([np.array(a.weights) @ worlds[a.object][list(a.vertices)] for a in anchors])
