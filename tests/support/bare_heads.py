"""Heads without any rig, made by script: of no template's topology, and hardly people.

Each is the face model's mean head, warped, its mesh then built anew (subdivided and collapsed),
with eyeballs, teeth, a tongue and brows as objects of their own.
`python tests/support/bare_heads.py NAME OUT.blend` writes one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import bpy
import numpy as np

from exprgen.networks.face_model.model import face_model
from exprgen.networks.head_rig.mesh_graph import connected
from exprgen.networks.vocabulary import LANDMARKS

MILLIMETRE = 1e-3
Warp = Callable[[np.ndarray], np.ndarray]
WHOLE, SHELL, SLIT, GROOVE = MOUTHS = ("whole", "shell", "slit", "groove")
"""A mouth with its bag; lips that end a little way in; lips that end where they meet, with nothing
behind them; lips that are grown together."""


@dataclass(frozen=True)
class Look:
    """How a head is: warps, one after the other, of points in the face model's frame; colours of
    skin, brows and iris; points it keeps when collapsed; iris: half its angle, radians; pose: what
    it does at rest, action -> value; mouth: of MOUTHS."""

    warps: tuple[Warp, ...]
    skin: tuple[float, float, float] = (0.62, 0.42, 0.34)
    brows: tuple[float, float, float] = (0.08, 0.05, 0.03)
    iris: tuple[float, float, float] = (0.10, 0.20, 0.30)
    kept: float = 0.5
    angle: float = 0.5
    brow: float = 1.0
    pose: dict[str, float] = field(default_factory=dict)
    mouth: str = WHOLE


def _near(points: np.ndarray, centre, reach, flat: float = 0.0) -> np.ndarray:
    """(N, 1) 1 near a centre, 0 from `reach` (3,) on; 1 up to the share `flat` of it."""
    away = np.linalg.norm((points - np.asarray(centre)) / np.asarray(reach), axis=1)
    t = np.clip((1.0 - away) / (1.0 - flat), 0.0, 1.0)[:, None]
    return t * t * t * (t * (6.0 * t - 15.0) + 10.0)


def grown(centre, reach, factor, shift=(0.0, 0.0, 0.0), flat: float = 0.0, both=False) -> Warp:
    """What lies near a centre grows by a factor (or three) about it, and moves."""

    def warp(points: np.ndarray) -> np.ndarray:
        out = points.copy()
        for side in (1.0, -1.0) if both else (1.0,):
            middle = np.asarray(centre, float) * (side, 1.0, 1.0)
            moved = np.asarray(shift, float) * (side, 1.0, 1.0)
            weight = _near(points, middle, np.broadcast_to(reach, 3), flat)
            out += weight * ((np.asarray(factor, float) - 1.0) * (points - middle) + moved)
        return out

    return warp


def scaled(where: Callable[[np.ndarray], np.ndarray], factor, about=(0.0, 0.0, -60.0)) -> Warp:
    """All of the head grows about a point, as much as `where` says (N,) in 0..1."""

    def warp(points: np.ndarray) -> np.ndarray:
        share = np.clip(where(points), 0.0, 1.0)[:, None]
        return points + share * (np.asarray(factor) - 1.0) * (points - np.asarray(about))

    return warp


def boxed(points: np.ndarray) -> np.ndarray:
    """The skull as a box with round edges."""
    middle = np.array([0.0, -10.0, -70.0])
    away = points - middle
    size = np.array([78.0, 120.0, 100.0])
    unit = away / size
    round_ = np.linalg.norm(unit, axis=1, keepdims=True)
    square = (np.abs(unit) ** 5).sum(1, keepdims=True) ** 0.2
    ahead = np.clip((points[:, 2:] + 35.0) / 30.0, 0.0, 1.0)  # the features stay as they are
    return middle + away * (1.0 + (1.0 - ahead) * 0.85 * (round_ / np.maximum(square, 1e-6) - 1.0))


EYE = (31.0, 0.0, 0.0)
_IN_MOUTH = (0.0, -66.0, -24.0)
LOOKS = {
    "child": Look(
        (
            scaled(lambda p: (p[:, 1] + 10.0) / 60.0, (1.12, 1.10, 1.10)),
            scaled(lambda p: (-p[:, 1] - 20.0) / 70.0, (0.90, 0.86, 0.92), (0.0, -20.0, -40.0)),
            grown(EYE, 40.0, 1.22, (1.0, -3.0, 0.0), 0.45, both=True),
            grown((0.0, -42.0, 35.0), 30.0, (0.85, 0.75, 0.7), (0.0, 2.0, -4.0)),
            grown((38.0, -52.0, 10.0), 34.0, 1.06, (1.0, 0.0, 3.0), both=True),
        ),
        skin=(0.72, 0.50, 0.42),
        brows=(0.25, 0.14, 0.07),
    ),
    "old": Look(
        (
            grown((0.0, -42.0, 38.0), 34.0, (1.25, 1.15, 1.2), (0.0, -3.0, 2.0)),
            grown((34.0, -92.0, 0.0), 32.0, 1.0, (3.0, -7.0, 2.0), both=True),
            grown((30.0, 14.0, 22.0), (24.0, 11.0, 20.0), 1.0, (0.0, -2.5, 2.0), both=True),
            grown((30.0, -17.0, 16.0), (17.0, 8.0, 14.0), 1.0, (0.0, -2.0, 3.0), both=True),
            grown((42.0, -40.0, 8.0), 24.0, 1.0, (-3.0, -2.0, -6.0), both=True),
            grown((0.0, -70.0, 28.0), (34.0, 12.0, 20.0), (0.96, 0.8, 0.95), (0.0, 0.0, -2.0)),
            lambda p: p + _near(p, (0.0, 48.0, 30.0), (48.0, 26.0, 40.0))
            * np.c_[0 * p[:, 0], 0 * p[:, 0], 0.9 * np.sin(p[:, 1] / 1.9)],
        ),
        skin=(0.60, 0.42, 0.35),
        brows=(0.55, 0.53, 0.5),
        kept=0.8,
        brow=1.4,
    ),
    "cartoon": Look(
        (
            grown(EYE, 66.0, 1.6, (5.0, -1.0, 1.0), 0.32, both=True),
            grown((0.0, -42.0, 35.0), 32.0, (0.7, 0.6, 0.55), (0.0, -4.0, -4.0)),
            scaled(lambda p: (p[:, 1] + 30.0) / 60.0, (1.2, 1.12, 1.1)),
            scaled(lambda p: (-p[:, 1] - 60.0) / 50.0, (0.78, 0.92, 0.92), (0.0, -60.0, -20.0)),
        ),
        skin=(0.80, 0.52, 0.40),
        brows=(0.45, 0.16, 0.05),
        iris=(0.05, 0.30, 0.12),
        angle=0.62,
        brow=1.5,
    ),
    "animal": Look(
        (
            grown((0.0, -58.0, 22.0), (52.0, 48.0, 60.0), (1.0, 0.9, 1.0), (0.0, 6.0, 34.0), 0.25),
            grown((0.0, -34.0, 62.0), (30.0, 22.0, 40.0), (1.35, 0.8, 0.6), (0.0, -5.0, -6.0)),
            grown(EYE, 44.0, 1.35, (6.0, 3.0, -2.0), 0.45, both=True),
            grown((82.0, -25.0, -75.0), (30.0, 55.0, 50.0), (1.2, 2.2, 1.0), (-14.0, 70.0, 0.0),
                  0.3, both=True),
            scaled(lambda p: (-p[:, 1] - 85.0) / 40.0, (0.8, 0.9, 0.95), (0.0, -80.0, 0.0)),
        ),
        skin=(0.45, 0.27, 0.12),
        brows=(0.12, 0.06, 0.03),
        iris=(0.35, 0.25, 0.03),
        angle=0.6,
        brow=1.3,
    ),
    "robot": Look(
        (
            boxed,
            grown((0.0, -36.0, 38.0), (24.0, 24.0, 30.0), (0.8, 0.9, 0.4), (0.0, 0.0, -5.0)),
            grown(EYE, 42.0, 1.25, (3.0, 0.0, 2.0), 0.5, both=True),
            scaled(lambda p: (-p[:, 1] - 60.0) / 40.0, (1.15, 0.95, 1.0), (0.0, -60.0, -20.0)),
        ),
        skin=(0.42, 0.46, 0.52),
        brows=(0.05, 0.05, 0.06),
        iris=(0.02, 0.30, 0.45),
        kept=0.6,
        brow=1.6,
    ),
    "wolf": Look(
        (
            grown((0.0, -58.0, 24.0), (36.0, 46.0, 64.0), (1.0, 0.85, 1.0), (0.0, 6.0, 82.0), 0.1),
            grown((0.0, -30.0, 105.0), (26.0, 20.0, 40.0), (1.3, 0.8, 0.7), (0.0, -4.0, -8.0)),
            grown(EYE, 44.0, 1.2, (5.0, 4.0, -2.0), 0.45, both=True),
            grown((82.0, -25.0, -75.0), (30.0, 55.0, 50.0), (1.2, 2.2, 1.0), (-14.0, 70.0, 0.0),
                  0.3, both=True),
        ),
        skin=(0.42, 0.38, 0.34),
        iris=(0.45, 0.30, 0.05),
    ),
    "bird": Look(
        (
            grown((0.0, -36.0, 36.0), (26.0, 26.0, 30.0), (0.8, 0.8, 0.3), (0.0, 0.0, -8.0)),
            grown((0.0, -69.5, 26.0), (30.0, 30.0, 60.0), (0.8, 0.9, 1.0), (0.0, 0.0, 95.0), 0.0),
            grown(EYE, 44.0, 1.35, (4.0, 3.0, 0.0), 0.45, both=True),
        ),
        skin=(0.55, 0.45, 0.15),
        iris=(0.3, 0.15, 0.03),
    ),
    "parted": Look((), pose={"jawOpen": 0.24}),
    "shell": Look((grown((0.0, -70.0, 25.0), 40.0, (1.1, 1.25, 1.0), both=False),), mouth=SHELL),
    "slit": Look((grown((0.0, -42.0, 35.0), 32.0, (0.8, 0.9, 0.7)),), mouth=SLIT),
    "groove": Look((), mouth=GROOVE),
}  # fmt: skip


def build(name: str, kept: float | None = None) -> bpy.types.Object:
    """A head in the open file, with what belongs to it; the head is returned.

    kept: share of the points that stay, where not the look's own.
    """
    look, model = LOOKS[name], face_model()
    moved = _moved(look)
    quads = with_mouth(model.faces[: model.skin], look.mouth)
    skin = _object("Head", moved, quads, {"Skin": look.skin, "Lips": _lips(look.skin)})
    _paint_lips(skin, model, quads)
    _rebuilt(skin, kept or look.kept)
    for side in ("left", "right"):
        points = moved[model.groups[f"eye_{side}"]]
        _eye(f"Eye_{side[0].upper()}", points, look)
    teeth = model.faces[model.skin + model.eyes :]
    for half in ("upper", "lower"):
        own = teeth[np.isin(teeth, model.groups[f"teeth_{half}"]).all(1)]
        _object(f"Teeth_{half}", moved, own, {"Teeth": (0.85, 0.82, 0.74)})
    _tongue(moved, model)
    _brows(moved, model, look)
    return skin


def landmarks_of(name: str) -> np.ndarray:
    """(49, 3) where a head's landmarks are, in the world."""
    model = face_model()
    rows = list(LANDMARKS.values())
    corners = _moved(LOOKS[name])[model.landmark_corners[rows]]
    return _in_blender(np.einsum("lkc,lk->lc", corners, model.landmark_shares[rows]))


def _moved(look: Look) -> np.ndarray:
    """All of the face model's points as the head has them."""
    model = face_model()
    moves = model.person(np.zeros(model.identities))[1]
    moved = model.mean.copy()
    for action, value in look.pose.items():
        moved += value * moves[model.expressions.index(action)]
    for warp in look.warps:
        moved = warp(moved)
    return moved


def with_mouth(quads: np.ndarray, mouth: str) -> np.ndarray:
    """The skin's faces with a mouth of another kind."""
    if mouth == WHOLE:
        return quads
    model = face_model()
    upper, lower = (model.groups[f"lip_contact_{half}"] for half in ("upper", "lower"))
    rims = np.unique(np.r_[upper, lower])
    free = quads[~np.isin(quads, rims).any(1)]
    label = connected(len(model.mean), np.concatenate([free[:, (0, 1, 2)], free[:, (0, 2, 3)]]))
    outer = np.bincount(label[free[:, 0]]).argmax()
    inner = np.unique(free[label[free[:, 0]] != outer])
    bag = label == label[inner[np.abs(model.mean[inner] - _IN_MOUTH).max(1).argmin()]]
    if mouth == SHELL:
        ring = np.unique(quads[np.isin(quads, rims).any(1)])
        bag[ring] = False
    kept = quads[~bag[quads].any(1)]
    return kept if mouth != GROOVE else np.concatenate([kept, _bridge(model.mean, upper, lower)])


def _bridge(points: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Faces from one rim to the other, from corner to corner."""
    rims = [np.array(sorted(rim, key=lambda v: points[v, 0])) for rim in (upper, lower)]
    a, b, made = 0, 0, []
    while a + 1 < len(rims[0]) or b + 1 < len(rims[1]):
        along = b + 1 >= len(rims[1]) or (
            a + 1 < len(rims[0]) and points[rims[0][a + 1], 0] <= points[rims[1][b + 1], 0]
        )
        one, other = rims[0][a], rims[1][b]
        if along:
            a += 1
            made.append((one, rims[0][a], other, other))
        else:
            b += 1
            made.append((one, rims[1][b], other, other))
    return np.array([f for f in made if len(set(f)) == 3])


def _lips(skin) -> tuple[float, float, float]:
    return (0.75 * skin[0] + 0.08, 0.45 * skin[1], 0.5 * skin[2])


def _in_blender(points: np.ndarray) -> np.ndarray:
    return MILLIMETRE * points[..., (0, 2, 1)] * (1.0, -1.0, 1.0)


def _object(name: str, points: np.ndarray, faces, colours: dict) -> bpy.types.Object:
    used = np.unique(np.concatenate([np.asarray(f) for f in faces]))
    place = {int(v): i for i, v in enumerate(used)}
    mesh = bpy.data.meshes.new(name)
    lists = [list(dict.fromkeys(place[int(v)] for v in f)) for f in faces]
    mesh.from_pydata(_in_blender(points[used]).tolist(), [], lists)
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
    for title, colour in colours.items():
        mesh.materials.append(_material(title, colour))
    obj = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(obj)
    return obj


def _material(name: str, colour) -> bpy.types.Material:
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    made.diffuse_color = (*colour, 1.0)
    made.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (*colour, 1.0)
    return made


def _paint_lips(skin: bpy.types.Object, model, quads: np.ndarray) -> None:
    """What lies between the two borders of the lips' red, told at rest."""
    rings = [model.mean[model.groups[f"lip_border_{half}"]] for half in ("upper", "lower")]
    top, bottom = (ring[np.argsort(ring[:, 0])] for ring in rings)
    middles = model.mean[quads].mean(1)
    x, y, z = middles.T
    high, low = (np.interp(x, e[:, 0], e[:, 1]) for e in (top, bottom))
    ahead = np.interp(x, top[:, 0], top[:, 2])
    inside = (np.abs(x) < top[:, 0].max()) & (y < high) & (y > low) & (z > ahead - 8.0)
    skin.data.polygons.foreach_set("material_index", inside.astype(np.int32))


def _rebuilt(skin: bpy.types.Object, kept: float) -> None:
    """Subdivided, then collapsed to a share of what it had, the same on both sides."""
    fine = skin.modifiers.new("fine", "SUBSURF")
    fine.levels = 1
    fewer = skin.modifiers.new("fewer", "DECIMATE")
    fewer.ratio, fewer.use_symmetry, fewer.symmetry_axis = 0.25 * kept, True, "X"
    graph = bpy.context.evaluated_depsgraph_get()
    made = bpy.data.meshes.new_from_object(skin.evaluated_get(graph), depsgraph=graph)
    skin.modifiers.clear()
    made.name = skin.data.name
    skin.data = made


def _ball() -> tuple[np.ndarray, list[list[int]]]:
    """Points of a unit ball, its poles ahead and behind, and its faces."""
    rings, around = 12, 20
    polar = np.linspace(0.0, np.pi, rings + 1)[1:-1]
    turn = np.linspace(0.0, 2.0 * np.pi, around, endpoint=False)
    rows = [np.stack([np.sin(a) * np.cos(turn), np.sin(a) * np.sin(turn),
                      np.full(around, np.cos(a))], 1) for a in polar]  # fmt: skip
    ball = np.concatenate([[[0.0, 0.0, 1.0]], *rows, [[0.0, 0.0, -1.0]]])
    step = [(k, (k + 1) % around) for k in range(around)]
    faces = [[0, 1 + a, 1 + b] for a, b in step]
    for r in range(len(polar) - 1):
        low, high = 1 + r * around, 1 + (r + 1) * around
        faces += [[low + a, high + a, high + b, low + b] for a, b in step]
    last = len(ball) - 1
    return ball, faces + [[last, last - around + b, last - around + a] for a, b in step]


def _eye(name: str, points: np.ndarray, look: Look) -> None:
    centre = points.mean(0)
    radius = float(np.percentile(np.linalg.norm(points - centre, axis=1), 50)) * 0.98
    ball, faces = _ball()
    colours = {"Sclera": (0.85, 0.85, 0.83), "Iris": look.iris, "Pupil": (0.01, 0.01, 0.01)}
    eye = _object(name, centre + radius * ball, faces, colours)
    for polygon, face in zip(eye.data.polygons, faces, strict=True):
        angle = np.arccos(np.clip(ball[face].mean(0)[2], -1.0, 1.0))
        polygon.material_index = 2 if angle < 0.5 * look.angle else int(angle < look.angle)


def _tongue(moved: np.ndarray, model) -> None:
    lower = moved[model.groups["teeth_lower"]]
    front, back = lower[:, 2].max() - 6.0, lower[:, 2].min() - 12.0
    centre = np.array([0.0, lower[:, 1].max() - 3.0, 0.5 * (front + back)])
    size = np.array([0.55 * np.abs(lower[:, 0]).max(), 4.5, 0.5 * (front - back)])
    ball, faces = _ball()
    _object("Tongue", centre + size * ball, faces, {"Tongue": (0.55, 0.18, 0.18)})


def _brows(moved: np.ndarray, model, look: Look) -> None:
    """A bar on the skin along each brow's landmarks, which ends above the eye's outer corner."""
    places, faces = [], []
    corner = model.landmark_corners[LANDMARKS["eye_left_outer"]]
    outer = 1.18 * float(moved[corner, 0] @ model.landmark_shares[LANDMARKS["eye_left_outer"]])
    for side in ("left", "right"):
        rows = [i for n, i in LANDMARKS.items() if n.startswith(f"brow_{side}")]
        line = np.einsum("lkc,lk->lc", moved[model.landmark_corners[rows]],
                         model.landmark_shares[rows])  # fmt: skip
        line = line[np.argsort(np.abs(line[:, 0]))]
        end = np.interp(outer, np.abs(line[:, 0]), np.arange(len(line)))
        share = np.linspace(0.0, end, 13)
        line = np.stack([np.interp(share, np.arange(len(line)), line[:, k]) for k in range(3)], 1)
        thick = look.brow * 2.6 * np.sqrt(np.clip(1.15 - (share / end) ** 2 * 0.95, 0.05, 1.0))
        thick[:3] *= (0.45, 0.8, 0.95)
        skin = moved[np.unique(model.faces[: model.skin])]
        start = len(places)
        for centre, half in zip(line, thick, strict=True):
            for up, out in ((half, 0.2), (0.3 * half, 2.2), (-0.3 * half, 2.2), (-half, 0.2)):
                place = centre + np.array([0.0, up, 0.0])
                flat = np.linalg.norm((skin - place)[:, :2], axis=1) + 0.2 * (place[2] - skin[:, 2])
                ahead = skin[np.argsort(flat)[:4], 2].max()
                places.append([place[0], place[1], ahead + out])
        for k in range(len(line) - 1):
            for j in range(3):
                a = start + 4 * k + j
                faces.append([a, a + 4, a + 5, a + 1])
    _object("Brows", np.array(places), faces, {"Brows": look.brows})


def save(name: str, path: str | Path, kept: float | None = None) -> None:
    """Write one as a .blend of its own."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    build(name, kept)
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)


if __name__ == "__main__":
    save(sys.argv[1], sys.argv[2])
