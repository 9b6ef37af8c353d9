"""The footage over a character's own head: scaled, turned and moved so that the actor's landmarks
lie over the character's, anew at every frame.

The firm parts of the face count for most of it, so that what differs in mouth and brows is seen.
"""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ...networks.characters.profile import RigProfile
from ...networks.errors import InputError
from ...networks.footage.reference_pictures import around_face
from ...networks.tracking.registration import overlaying_affine
from ...networks.vocabulary import LANDMARKS
from ..characters.in_scene import forward_of, root_of
from ..characters.landmark_anchors import FaceAnchors
from . import references
from .free_places import axes_of


def matrix_over(
    scene: bpy.types.Scene,
    profile: RigProfile,
    collection: bpy.types.Collection,
    picture: tuple[float, float],
) -> tuple[Matrix, float] | None:
    """Where the footage lies over a character's head at the present frame.

    Args:
        profile, collection: the character's. picture: (width, height) of the overlay's pictures in
            pixels.

    Returns:
        (the empty's matrix in world space, the longer side of its picture in metres); None where
        the clip shows no face at this frame.

    Raises:
        InputError: the character has no landmarks, or the analysis holds none.
    """
    found = references.seen(scene.exprgen)
    row = references.row_at(scene, found, scene.frame_current) if found is not None else None
    if row is None:
        return None
    right, up, back = axes_of(forward_of(profile, root_of(collection)))
    graph = bpy.context.evaluated_depsgraph_get()
    places = FaceAnchors(profile, collection).world(graph)
    affine = overlaying_affine(
        _actors_points(found.track, row, picture), places @ np.array([right, up]).T
    )
    scale = float(np.hypot(affine[0, 0], affine[1, 0]))
    angle = float(np.arctan2(affine[1, 0], affine[0, 0]))
    depth = float(np.mean(places @ np.array(back)))
    centre = right * float(affine[0, 2]) + up * float(affine[1, 2]) + back * depth
    facing = Matrix((right, up, back)).transposed().to_4x4()
    turned = facing @ Matrix.Rotation(angle, 4, "Z")
    return Matrix.Translation(Vector(centre)) @ turned, scale * max(picture)


def _actors_points(track, row: int, picture: tuple[float, float]) -> np.ndarray:
    """(49, 2) the actor's landmarks in pixels of the overlay's picture, from its middle, y up."""
    points = np.asarray(track.landmarks[row], float)[list(LANDMARKS.values()), :2]
    if not np.ptp(points, axis=0).any():
        raise InputError(
            "the analysis holds no landmarks to lay the footage by", fix="show it beside instead"
        )
    x, y, width, height = around_face(track, row)
    share = (points - (x, y)) / (width, height) - 0.5
    return share * (picture[0], -picture[1])
