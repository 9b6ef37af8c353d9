"""All of a bare head's shapes, from its meshes and 49 landmarks: what the add-on asks for.

A mesh comes in as it lies in the world, whatever its size; displacements go out the same way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..vocabulary import LANDMARK_INDEX, LANDMARK_NAMES, mirror_landmark
from . import lips, mirror, muzzle, slit
from .acting import Acting, Corrective
from .brows import with_brows
from .mesh_graph import Links, edges_of, normals_of
from .methods import METHODS, check_method
from .pieces import Mesh, Welded
from .registration import LAY, Head, Laid, lay, similarity
from .rigid_parts import BOTH_JAWS, EYE, TONGUE
from .sides import MOUTH, OPENINGS, sides_of
from .template import template
from .transfer import transfer

FEWEST = 100
"""Points that a face must have."""
FARTHEST = 5.0
"""Millimetres of a human head: a face that lies farther from the template is none."""
HALF, LEAST_HALF = 3.0, 0.2
"""Millimetres beside the middle from which a point is of one side; share of the points of one side
that the other must have."""
PIVOT = np.array([0.0, -75.0, -85.0])
"""Where a human head turns on its neck, below and between the ears, in the template's frame."""
EXCHANGED = 0.95
"""Landmarks whose misfit to a person is so much of it the other way round have left and right
exchanged; of the heads made by script the other way round is 1.2 to 30 times as bad."""
APART = 0.005
"""Share of the way to its neighbours by which a point is told from another one at its place."""
FINEST, MARGIN = 25_000, 70.0
"""Points of the face to which the template is laid at most, and millimetres round its landmarks
that are of it."""


@dataclass(frozen=True, eq=False)
class HeadShapes:
    """What a head can do.

    shapes: of each mesh, in their order, name -> displacements (V, 3) in the world; the head has
    all ARKit channels and the correctives, other meshes have what moves them. correctives: what
    drives these. kinds: of each mesh what it was taken for, piece by piece. symmetric: left and
    right are exact mirror images. off: median distance of the face from what was laid on it,
    millimetres of a human head. sealed: openings that the mesh lacks. scale: such millimetres a
    unit of the world. pivot (3,): where the head turns on its neck. parted: how far the lips are
    apart at rest, millimetres, 0 where they meet. hollow: nothing lies behind the lips.
    """

    shapes: tuple[dict[str, np.ndarray], ...]
    correctives: tuple[Corrective, ...]
    kinds: tuple[tuple[str, ...], ...]
    symmetric: bool
    off: float
    sealed: tuple[str, ...]
    scale: float
    pivot: np.ndarray
    parted: float = 0.0
    hollow: bool = False

    @property
    def told(self) -> tuple[str, ...]:
        """What a person should know, in words."""
        out = [f"the {name} has no opening in the mesh, so it stays shut" for name in self.sealed]
        if self.parted:
            out.append(
                f"the lips are {self.parted:.0f} mm apart at rest, were it a person's: mouthClose "
                "and mouthPress bring them together"
            )
        if self.hollow:
            out.append("nothing lies behind the lips: an open mouth shows the head's inside")
        kinds = {kind for of_mesh in self.kinds for kind in of_mesh}
        if EYE not in kinds:
            out.append("no eyeballs were found: lids close over where they would be")
        if TONGUE not in kinds:
            out.append("no tongue was found: tongueOut moves nothing")
        if not self.symmetric:
            out.append("left and right of the mesh differ, so their shapes do too")
        return tuple(out)


def shapes_for(
    meshes: list[Mesh],
    landmarks: np.ndarray,
    method: str = METHODS[0],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> HeadShapes:
    """The shapes of a head.

    Args:
        meshes: the head first, then what belongs to it: eyes, teeth, tongue, brows, hair.
        landmarks: (49, 3) on the head, in the world. method: of METHODS.
        progress: told how many of all steps are done.

    Raises:
        InputError: too few points, or no face that the template can be laid on.
        UsageError: another method.
    """
    check_method(method)
    _check_sides(meshes[0], landmarks)
    cut = [_welded(meshes[0], landmarks), *map(Welded, meshes[1:])]
    skin = cut[0].skin(landmarks)
    _check_count(meshes[0], cut[0].points[skin], landmarks)
    head, placed, flip = _head(meshes[0], cut, skin, landmarks)
    sides, sealed = sides_of(head.points, edges_of(head.triangles), head.landmarks)
    _check_halves(meshes[0], head)
    _check_openings(meshes[0], sealed)
    head = replace(head, sides=sides)
    stepped = _counted(progress, LAY.steps + 3)
    stepped()
    laid = lay(_thinned(head), stepped=stepped)
    if not laid.off < FARTHEST:
        raise InputError(
            f"{meshes[0].name!r} is no face where its landmarks are: it lies {laid.off:.0f} mm "
            "off, were it a person's",
            fix="look at the landmarks on the sheet and place them by hand",
        )
    moved = _on_template(laid, method)
    stepped()
    if muzzle.is_long(head.landmarks):
        moved = muzzle.on_template(laid, moved)
    if MOUTH.name in sealed:
        moved = lips.grown_together(template(), laid.points, moved)
    moves = dict(zip(template().model.expressions, moved, strict=True))
    acting = Acting(head, laid, moves, flip, sealed)
    own, kinds = acting.of_meshes(cut, skin, placed)
    stepped()
    back = placed.back()
    shapes = tuple(
        {name: back.moves(field)[part.joined] for name, field in fields.items()}
        for part, fields in zip(cut, own, strict=True)
    )
    return HeadShapes(
        shapes, acting.correctives, kinds, flip is not None, laid.off, sealed, placed.scale,
        back(PIVOT), acting.parted, acting.hollow and not any(BOTH_JAWS in k for k in kinds),
    )  # fmt: skip


def _counted(progress: Callable[[int, int], None], total: int) -> Callable[[], None]:
    """What counts the steps by being called after each."""
    numbers = itertools.count(1)
    return lambda: progress(next(numbers), total)


def _welded(mesh: Mesh, landmarks: np.ndarray) -> Welded:
    """The head's mesh, welded but where lips lie on each other."""
    cut = Welded(mesh)
    if not _is_grown(cut, landmarks):
        return cut
    opened = slit.cut_open(mesh, cut, landmarks)
    return cut if opened is None or _is_grown(opened, landmarks) else opened


def _is_grown(cut: Welded, landmarks: np.ndarray) -> bool:
    """Whether the mouth has no opening."""
    rows = cut.skin(landmarks)
    edges = edges_of(cut.of_piece(rows))
    return MOUTH.name in sides_of(cut.points[rows], edges, landmarks)[1]


def _check_count(mesh: Mesh, points: np.ndarray, landmarks: np.ndarray) -> None:
    low, high = landmarks.min(0), landmarks.max(0)
    margin = 0.2 * (high - low).max()
    inside = ((points > low - margin) & (points < high + margin)).all(1).sum()
    if inside < FEWEST:
        raise InputError(
            f"mesh {mesh.name!r} has {inside} points where its face is, too few to move lips and "
            f"lids (at least {FEWEST})",
            fix="subdivide it and apply that, or take a finer mesh",
        )


def _check_sides(mesh: Mesh, landmarks: np.ndarray) -> None:
    goal = template().landmarks(template().rest)
    here, there = (
        np.linalg.norm(similarity(marks, goal)(marks) - goal)
        for marks in (landmarks, landmarks[_PARTNERS])
    )
    if there < EXCHANGED * here:
        raise InputError(
            f"left and right are exchanged in the landmarks on {mesh.name!r}",
            fix="left is the character's own, which is on the right seen from the front",
        )


def _check_halves(mesh: Mesh, head: Head) -> None:
    low, high = head.landmarks.min(0), head.landmarks.max(0)
    across = head.points[((head.points > low) & (head.points < high)).all(1), 0]
    sides = [(across > HALF).sum(), (across < -HALF).sum()]
    if min(sides) < LEAST_HALF * max(sides):
        raise InputError(
            f"mesh {mesh.name!r} is half a head",
            fix="give it a Mirror modifier, which is applied, or the other half",
        )


def _check_openings(mesh: Mesh, sealed: tuple[str, ...]) -> None:
    """A landmarker sees faces in stones; what has neither mouth nor eyes can't act."""
    if len(sealed) == len(OPENINGS):
        raise InputError(
            f"mesh {mesh.name!r} has neither a mouth nor eyes that could open",
            fix="cut the lips apart, and the lids; if it is another mesh, name it with --object",
        )


def _head(mesh: Mesh, cut: list[Welded], skin: np.ndarray, landmarks: np.ndarray):
    """The head in the template's frame without its sides; where it lies in it; its mirror's
    partners (N,), or None."""
    points, triangles = cut[0].points[skin], cut[0].of_piece(skin)
    placed = similarity(landmarks, template().landmarks(template().rest))
    told_apart = _towards_neighbours(points, triangles)
    found = mirror.find_plane(told_apart, placed.rotation[0], mesh.origin, mesh.axes)
    flip = None
    if mirror.is_askew(told_apart, placed.rotation[0], mesh.origin, mesh.axes):
        raise InputError(
            f"what was taken for the face of {mesh.name!r} does not lie between its two sides",
            fix="turn the head to look ahead (along -Y), upright; or place its points by hand",
        )
    if found is not None:
        placed, flip = mirror.upright(placed, found[0]), found[1]
    own, marks = placed(points), with_brows(placed(landmarks), cut, placed)
    if flip is not None:
        marks = 0.5 * (marks + marks[_PARTNERS] * (-1.0, 1.0, 1.0))
    triangles = _outward(own, triangles, marks)
    sides = np.zeros(len(own), np.int8)
    head = Head(own, triangles, normals_of(own, triangles), sides, marks, flip is not None)
    return head, placed, flip


def _towards_neighbours(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Points a very little nearer to those that they hang on: lips that lie on each other have
    their own partners on the other side then."""
    links = Links(len(points), edges_of(triangles))
    lack = links.laplacian(points) / np.maximum(links.degree, 1.0)[:, None]
    return points - APART * np.where(links.degree[:, None] > 0, lack, 0.0)


def _outward(points: np.ndarray, triangles: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """The triangles, turned over where the skin at the landmarks looks into the head: of a mesh
    with holes nobody else can tell."""
    normals = normals_of(points, triangles)
    nearest = [int(((points - mark) ** 2).sum(1).argmin()) for mark in marks]
    ahead = np.median(normals[nearest], axis=0)[2]
    return triangles if ahead > 0.0 else triangles[:, ::-1]


_PARTNERS = np.array([LANDMARK_INDEX[mirror_landmark(name)] for name in LANDMARK_NAMES])


def _thinned(head: Head) -> Head:
    """The head's face alone, with no more points than the template can follow in time; triangles
    stay as they are, for they are not asked while it is laid."""
    low, high = head.landmarks.min(0) - MARGIN, head.landmarks.max(0) + MARGIN
    face = np.flatnonzero(((head.points > low) & (head.points < high)).all(1))
    kept = np.unique(face[np.linspace(0, len(face) - 1, min(FINEST, len(face))).astype(int)])
    return replace(
        head, points=head.points[kept], normals=head.normals[kept], sides=head.sides[kept]
    )


def _by_network(points: np.ndarray) -> np.ndarray:
    """(E, V, 3) what the shape network says of the laid template; it knows the points that act."""
    from ..inference.head_shapes import shape_network

    network, rows = shape_network(), np.flatnonzero(template().moving)
    out = np.zeros((network.actions, *points.shape))
    out[:, rows] = network.of_head(points[rows])
    return out


def _on_template(laid: Laid, method: str) -> np.ndarray:
    """(E, V, 3) the actions of the template as it is laid."""
    if method == "network":
        return _by_network(laid.points)
    return transfer(laid.source, laid.points, template().triangles, laid.moves)
