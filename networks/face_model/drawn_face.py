"""The model drawn small and grey, in the place of a registered face, so that its shape can be
bettered by what the picture shows (EMOCA, section 3: the rendering R). Needs torch.

Which triangle a pixel shows is found by numpy; how much of each corner, and the light on it, are
differentiable. Colours are the actor's own, read off frames at which the skin is well seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from .fitting import vertex_normals
from .model import FaceModel
from .projection import Camera, Heads

SIDE = 128
"""Pixels of a side of what is drawn; a registered face has REGISTERED_SIZE."""
REACH = 14
"""Pixels that a triangle may be across: the model's are smaller."""
SUN = np.array([0.0, 0.35, 0.94])
"""Where the light comes from, in the head's frame."""
SHADE = 0.45
"""How much of a colour is the sun's."""
HOLLOW = 0.25
"""Brightness of the mouth's inside, as a share of the skin's."""
LIPS = 6.0
"""Millimetres from the lips' lines within which a point is of the lips."""
HIGH = 15.0
"""Millimetres above the lips from which on the mouth's inside is not drawn."""
TEETH = 1.8
"""How bright teeth are, as a share of the skin."""
LIT = 18.0
"""Millimetres behind the incisors at which teeth are as dark as the mouth's inside."""
FACING, ENOUGH = 0.25, 3
"""Cosine to the camera from which a picture tells a point's colour; so many pictures are enough."""


@dataclass(frozen=True)
class Skin:
    """Grey colours (V,) 0..255 of the model's points, without their shading."""

    grey: np.ndarray


class DrawnFace:
    """The model of one person before one camera.

    Args:
        identity: (I,).
    """

    def __init__(self, model: FaceModel, identity: np.ndarray, camera: Camera):
        import torch

        self.model, self.identity, self.camera = model, identity, camera
        rest, moves = model.person(identity)
        self.rest = torch.from_numpy(rest.astype(np.float32))
        self.moves = torch.from_numpy(moves.reshape(len(moves), -1).astype(np.float32))
        quads = model.faces
        halves = np.concatenate([quads[:, :3], quads[:, (0, 2, 3)]])
        halves = halves[halves[:, 1] != halves[:, 2]]
        halves = halves[(halves[:, 0] != halves[:, 2])]
        self.triangles = halves[~np.isin(halves, _behind_nose(model)).all(1)]
        self.at_marks = (torch.from_numpy(model.landmark_corners),
                         torch.from_numpy(model.landmark_shares.astype(np.float32)))  # fmt: skip

    def points(self, expression):
        """Expressions (E,) -> points (V, 3) of the model's frame; tensors."""
        return self.rest + (expression @ self.moves).reshape(-1, 3)

    def marks(self, points):
        """(478, 3) of points (V, 3), the landmarker's."""
        corners, shares = self.at_marks
        return (points[corners] * shares[..., None]).sum(1)

    def pixels(self, points, heads: Heads):
        """Points (V, 3) of a head -> pixels (V, 2) of the camera, and the distance (V,)."""
        import torch

        turn = torch.from_numpy(heads.rotation[0].astype(np.float32))
        shift = torch.from_numpy(heads.translation[0].astype(np.float32))
        placed = points @ turn.T + shift
        far = -placed[:, 2]
        scale = self.camera.focal / (far if self.camera.kind == "perspective" else -shift[2])
        flat = placed[:, :2] * (scale[:, None] if scale.ndim else scale)
        middle = torch.tensor(self.camera.size, dtype=torch.float32) / 2.0
        return flat * torch.tensor([1.0, -1.0]) + middle, far

    def shades(self, points):
        """(V,) how bright points (V, 3) are by their normals."""
        import torch

        quads = torch.from_numpy(self.model.faces)
        a, b, c, d = (points[quads[:, k]] for k in range(4))
        face = torch.linalg.cross(c - a, d - b)
        normals = torch.zeros_like(points)
        for k in range(4):
            normals = normals.index_add(0, quads[:, k], face)
        normals = normals / normals.norm(dim=1, keepdim=True).clamp_min(1e-6)
        sun = torch.from_numpy((SUN / np.linalg.norm(SUN)).astype(np.float32))
        return (1.0 - SHADE) + SHADE * (normals @ sun).clamp_min(0.0)

    def covered(self, flat: np.ndarray, far: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels of the drawing that show something, (P,) their numbers and the triangles."""
        corners, depth = flat[self.triangles], far[self.triangles].mean(1)
        low = np.floor(corners.min(1) - 0.5).astype(int)
        across = np.ceil(corners.max(1)).astype(int) - low
        inside = (low > -REACH).all(1) & (low < SIDE).all(1)
        rows = np.flatnonzero(inside & (np.abs(_area(corners)) > 1e-6))
        found, size = [], 0
        for reach in (2, 4, 7, REACH):  # most triangles are small
            own = rows[(across[rows].max(1) > size) & (across[rows].max(1) <= reach)]
            found.append(_hit(corners, low, own if reach < REACH else rows[
                across[rows].max(1) > size], reach))  # fmt: skip
            size = reach
        number, triangle = (np.concatenate(part) for part in zip(*found, strict=True))
        order = np.lexsort((depth[triangle], number))
        number, triangle = number[order], triangle[order]
        first = np.r_[True, np.diff(number) > 0]
        return number[first], triangle[first]

    def draw(self, flat, shaded, covered, behind):
        """The picture (SIDE, SIDE): pixels (V, 2) of the drawing, colours (V,), what `covered`
        says, and what is behind (SIDE, SIDE); tensors."""
        import torch

        number, triangle = covered
        corners = torch.from_numpy(self.triangles[triangle])
        a, b, c = (flat[corners[:, k]] for k in range(3))
        places = torch.from_numpy(
            np.stack([number % SIDE + 0.5, number // SIDE + 0.5], 1).astype(np.float32)
        )
        u, v, w = b - a, c - a, places - a
        area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
        area = torch.where(area.abs() < 1e-4, torch.full_like(area, 1e-4), area)
        second = ((w[:, 0] * v[:, 1] - w[:, 1] * v[:, 0]) / area).clamp(-0.5, 1.5)
        third = ((w[:, 1] * u[:, 0] - w[:, 0] * u[:, 1]) / area).clamp(-0.5, 1.5)
        seen = shaded[corners]
        colour = seen[:, 0] * (1.0 - second - third) + seen[:, 1] * second + seen[:, 2] * third
        rows = torch.from_numpy(number)
        return behind.reshape(-1).index_put((rows,), colour).reshape(SIDE, SIDE)


def _area(corners: np.ndarray) -> np.ndarray:
    """(T,) twice the area of triangles (T, 3, 2), with its sign."""
    (ux, uy), (vx, vy) = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
    return ux * vy - uy * vx


def _hit(corners, low, rows: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels whose middles lie in some triangles, among those so far from their lowest: numbers of
    pixels and the triangles."""
    own = corners[rows]
    (ux, uy), (vx, vy) = (own[:, 1] - own[:, 0]).T[..., None], (own[:, 2] - own[:, 0]).T[..., None]
    x, y = np.meshgrid(np.arange(reach), np.arange(reach))
    px, py = low[rows, 0, None] + x.ravel() + 0.5, low[rows, 1, None] + y.ravel() + 0.5
    qx, qy = px - own[:, 0, 0, None], py - own[:, 0, 1, None]
    area = ux * vy - uy * vx
    second, third = (qx * vy - qy * vx) / area, (qy * ux - qx * uy) / area
    hit = (second >= 0) & (third >= 0) & (second + third <= 1)
    hit &= (px > 0) & (py > 0) & (px < SIDE) & (py < SIDE)
    which, place = np.nonzero(hit)
    number = py[which, place].astype(int) * SIDE + px[which, place].astype(int)
    return number, rows[which]


def read_skin(face: DrawnFace, shots: list[tuple[np.ndarray, np.ndarray, Heads]]) -> Skin:
    """Colours read off pictures: (grey (H, W), expression (E,), heads) of each.

    A point's is the median over pictures and both sides of the face: what one expression makes of a
    skin, folds and highlights, is no colour of it, and would show that expression ever after. What
    none shows well is as the skin is elsewhere, the mouth's inside dark. Eyes are those of the
    picture in which they are widest open, lips those of mouths that are shut: else they would have
    teeth painted on.
    """
    model = face.model
    seen = np.array([_read(face, *shot) for shot in shots])
    seen[np.ix_(_open_mouths(face, [shot[1] for shot in shots]), lip_points(model))] = np.nan
    eyes = np.concatenate([model.groups["eye_left"], model.groups["eye_right"]])
    looks = _open_eyes(face, [expression for _, expression, _ in shots])
    both = np.concatenate([seen, seen[:, partners(model)]])
    both[:, eyes] = np.concatenate([seen[[looks]]] * len(both))[:, eyes]
    count = np.isfinite(both).sum(0)
    both[:, count == 0] = 0.0  # of which the median says nothing
    grey = np.nanmedian(both, axis=0)
    told = np.where(
        np.isin(np.arange(len(count)), eyes), count > 0, count >= min(ENOUGH, len(shots))
    )
    skin = np.unique(model.faces[: model.skin])
    usual = float(np.median(grey[skin][told[skin]])) if told[skin].any() else 128.0
    out = np.where(told, grey, usual)
    out[inside_mouth(model)] = HOLLOW * usual
    for name in ("teeth_upper", "teeth_lower"):
        out[model.groups[name]] = _teeth(model.mean[model.groups[name], 2]) * usual
    return Skin(out)


def _read(face: DrawnFace, grey: np.ndarray, expression: np.ndarray, heads: Heads) -> np.ndarray:
    """(V,) colours in one picture without their shading, NaN where it does not show them."""
    import torch

    points = face.points(torch.from_numpy(np.asarray(expression, np.float32)))
    pixels = face.pixels(points, heads)[0].numpy()
    normals = vertex_normals(points.numpy().astype(float), face.model.faces)
    facing = (normals @ heads.rotation[0].T)[:, 2]
    columns, rows = np.round(pixels - 0.5).astype(int).T
    height, width = grey.shape
    shown = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height) & (facing > FACING)
    value = grey[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return np.where(shown, value / face.shades(points).numpy(), np.nan)


def _open_eyes(face: DrawnFace, expressions: list[np.ndarray]) -> int:
    """Which of expressions (E,) has the eyes open and ahead."""
    shut = [
        k for k, n in enumerate(face.model.expressions) if n.startswith(("eyeBlink", "eyeLook"))
    ]
    return int(np.argmin([np.asarray(e)[shut].sum() for e in expressions]))


def _open_mouths(face: DrawnFace, expressions: list[np.ndarray]) -> np.ndarray:
    """Which of expressions (E,) are not among those whose lips are nearest to each other."""
    marks = face.model.landmarks()
    rows = marks.rows(np.array([13, 14])).shapes(
        np.tile(face.identity, (len(expressions), 1)), np.array(expressions)
    )
    gap = np.linalg.norm(rows[:, 0] - rows[:, 1], axis=1)
    return np.argsort(gap)[max(ENOUGH, len(gap) // 3) :]


def _behind_nose(model: FaceModel) -> np.ndarray:
    """Points of the mouth's inside that lie so high that a nose which wrinkles would show them."""
    inside, lips = inside_mouth(model), model.groups["lip_contact_upper"]
    return inside[model.mean[inside, 1] > model.mean[lips, 1].mean() + HIGH]


@cache
def lip_points(model: FaceModel) -> np.ndarray:
    """Points of the skin at and near the lips."""
    lips = model.mean[np.concatenate([v for n, v in model.groups.items() if n.startswith("lip_")])]
    skin = np.unique(model.faces[: model.skin])
    off = ((model.mean[skin, None] - lips[None]) ** 2).sum(2).min(1)
    return skin[off < LIPS**2]


@cache
def partners(model: FaceModel) -> np.ndarray:
    """(V,) each point's partner on the other side of the face."""
    apart = np.array([-1.0, 1.0, 1.0])
    out = np.empty(len(model.mean), int)
    for rows in np.array_split(np.arange(len(out)), 16):
        off = ((model.mean[rows, None] * apart - model.mean[None]) ** 2).sum(2)
        out[rows] = off.argmin(1)
    return out


def _teeth(depth: np.ndarray) -> np.ndarray:
    """How bright teeth are that stand at a depth (V,): the incisors' first, none within."""
    lit = np.clip(1.0 - (depth.max() - depth) / LIT, 0.0, 1.0)
    return HOLLOW + (TEETH - HOLLOW) * lit


@cache
def inside_mouth(model: FaceModel) -> np.ndarray:
    """Points of the skin behind the line at which the lips meet."""
    ring = np.concatenate([model.groups[f"lip_contact_{side}"] for side in ("upper", "lower")])
    quads = model.faces[: model.skin]
    label = np.arange(len(model.mean))
    label[ring] = len(label)  # which joins nobody
    free = quads[~np.isin(quads, ring).any(1)]
    before = None
    while before is None or (label != before).any():
        before = label.copy()
        np.minimum.at(label, free.ravel(), np.repeat(label[free].min(1), free.shape[1]))
    skin = np.setdiff1d(np.unique(quads), ring)
    outside = label[model.landmark_corners[1, 0]]  # the nose's
    return skin[label[skin] != outside]
