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
from .own_shape import nearest_landmarks
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
LIP = 30.0
"""Which percentile of its readings is a lip's colour: teeth and a hand before them are brighter."""
HIGH = 15.0
"""Millimetres above the lips from which on the mouth's inside is not drawn."""
TEETH = 1.5
"""How bright teeth are, as a share of the skin; no shading of their own would leave them white."""
LOWER_TEETH = 0.5
"""How bright the lower teeth are, as a share of the upper ones, which lie before them."""
LIT = 18.0
"""Millimetres behind the incisors at which teeth are as dark as the mouth's inside."""
FACING, ENOUGH = 0.25, 3
"""Cosine to the camera from which a picture tells a point's colour; so many pictures are enough."""
FINE = 4
"""Parts of a quad's side at whose ends a colour is known: the model's points alone lie too far
apart for the edges of brows and lips."""
MOST = 30000
"""Places that OpenCV reads at once."""


@dataclass(frozen=True)
class Skin:
    """Grey colours 0..255 of the model without their shading, (F, (FINE + 1)^2) at places of its
    quads, see `_places`."""

    grey: np.ndarray


@dataclass(frozen=True)
class SkinShot:
    """A picture (H, W) that shows the skin, with its fit: expression (E,), heads of one frame, and
    where the landmarks are seen (478, 2) pixels."""

    grey: np.ndarray
    expression: np.ndarray
    heads: Heads
    marks: np.ndarray


class DrawnFace:
    """The model of one person before one camera.

    Args:
        identity: (I,). own: (V, 3) millimetres by which this person's points lie elsewhere, see
            `FaceFit`.
    """

    def __init__(self, model: FaceModel, identity: np.ndarray, camera: Camera, own=0.0):
        import torch

        self.model, self.identity, self.camera = model, identity, camera
        rest, moves = model.person(identity)
        self.rest = torch.from_numpy((rest + own).astype(np.float32))
        self.moves = torch.from_numpy(moves.reshape(len(moves), -1).astype(np.float32))
        quads = model.faces
        halves = np.concatenate([quads[:, :3], quads[:, (0, 2, 3)]])
        kept = (halves[:, 1] != halves[:, 2]) & (halves[:, 0] != halves[:, 2])
        kept &= ~np.isin(halves, _behind_nose(model)).all(1)
        self.triangles = halves[kept]
        number = np.flatnonzero(kept)
        self._quad = torch.from_numpy(number % len(quads))
        self._second = torch.from_numpy(number >= len(quads))  # which half of its quad
        self._teeth = torch.zeros(len(rest), dtype=torch.bool)
        self._teeth[np.concatenate(_teeth_of(model))] = True
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
        light = (1.0 - SHADE) + SHADE * (normals @ sun).clamp_min(0.0)
        return torch.where(self._teeth, 1.0, light)

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

    def colours(self, skin, triangle, second, third):
        """(P,) the skin's colours in triangles (P,), so much of their second and third corners."""
        both = second + third
        other = self._second[triangle]
        x = (both.where(~other, second) * FINE).clamp(0.0, FINE)
        y = (third.where(~other, both) * FINE).clamp(0.0, FINE)
        left, low = (v.detach().floor().clamp(max=FINE - 1).long() for v in (x, y))
        place, quad = low * (FINE + 1) + left, self._quad[triangle]
        x, y = x - left, y - low
        near = skin[quad, place] * (1.0 - x) + skin[quad, place + 1] * x
        up = place + FINE + 1
        far = skin[quad, up] * (1.0 - x) + skin[quad, up + 1] * x
        return near * (1.0 - y) + far * y

    def draw(self, flat, skin, shades, covered, behind):
        """The picture (SIDE, SIDE): pixels (V, 2) of the drawing, the skin's colours, how bright
        points (V,) are, what `covered` says, and what is behind (SIDE, SIDE); tensors."""
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
        seen = shades[corners]
        light = seen[:, 0] * (1.0 - second - third) + seen[:, 1] * second + seen[:, 2] * third
        colour = light * self.colours(skin, torch.from_numpy(triangle), second, third)
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


def read_skin(face: DrawnFace, shots: list[SkinShot]) -> Skin:
    """Colours read off pictures.

    A place's is the median over pictures: what one expression makes of a skin, folds and
    highlights, is no colour of it, and would show that expression ever after. It is read where the
    landmarks around it are seen, not where the fit has them: else brows and lips, which move most,
    would be smeared. What none shows well is as the other side, or as the skin is elsewhere, the
    mouth's inside dark. Eyes are those of the picture in which they are widest open, lips as dark
    as they are where neither teeth nor a hand lie over them.
    """
    model, quads, places = face.model, face.model.faces, _places()
    read = [_read(face, shot) for shot in shots]
    seen = np.array([fine for _, fine in read])
    balls = slice(model.skin, model.skin + model.eyes)
    looks = _open_eyes(face, [shot.expression for shot in shots])
    seen[:, balls] = seen[[looks], balls]
    points = _at_points(face, shots, np.array([coarse for coarse, _ in read]))
    told = np.isfinite(seen).sum(0) >= min(ENOUGH, len(shots))
    painted = np.concatenate([inside_mouth(model), *_teeth_of(model)])
    told &= (np.isin(quads, painted) @ places.T) == 0
    seen[:, ~told] = 0.0  # of which the median says nothing
    grey = np.nanmedian(seen, axis=0)
    lips = (np.isin(quads, lip_points(model)) @ places.T) > 0
    grey[lips] = np.nanpercentile(seen[:, lips], LIP, axis=0)
    return Skin(np.where(told, grey, points[quads] @ places.T))


def _at_points(face: DrawnFace, shots: list[SkinShot], seen: np.ndarray) -> np.ndarray:
    """(V,) colours of all the model's points from readings (N, V), both sides as one."""
    model = face.model
    seen[np.ix_(_open_mouths(face, [s.expression for s in shots]), lip_points(model))] = np.nan
    eyes = np.concatenate([model.groups["eye_left"], model.groups["eye_right"]])
    looks = _open_eyes(face, [shot.expression for shot in shots])
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
    for teeth, share in zip(_teeth_of(model), (1.0, LOWER_TEETH), strict=True):
        out[teeth] = share * _teeth(model.mean[teeth, 2]) * usual
    return out


def _read(face: DrawnFace, shot: SkinShot) -> tuple[np.ndarray, np.ndarray]:
    """Colours in one picture without their shading, NaN where it does not show them: (V,) at the
    points and (F, (FINE + 1)^2) at the quads' places."""
    import torch

    points = face.points(torch.from_numpy(np.asarray(shot.expression, np.float32)))
    pixels = face.pixels(points, shot.heads)[0].numpy()
    own = face.pixels(face.marks(points), shot.heads)[0].numpy()
    rows, shares = nearest_landmarks(face.model)
    pixels = pixels + np.einsum("vk,vkc->vc", shares, (shot.marks - own)[rows])
    normals = vertex_normals(points.numpy().astype(float), face.model.faces)
    facing = (normals @ shot.heads.rotation[0].T)[:, 2]
    at_points = np.c_[pixels, facing, face.shades(points).numpy()]
    at_places = _places() @ at_points[face.model.faces]
    return _colours(shot.grey, at_points[:, None])[:, 0], _colours(shot.grey, at_places)


def _colours(grey: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(A, B) of places (A, B, 4): pixels, cosine to the camera, and how bright they are."""
    import cv2

    x, y, facing, bright = np.moveaxis(places, -1, 0)
    height, width = grey.shape
    shown = (x >= 0) & (y >= 0) & (x <= width) & (y <= height) & (facing > FACING)
    flat = [np.ascontiguousarray(v.ravel() - 0.5, np.float32) for v in (x, y)]
    found = [
        cv2.remap(grey, *part, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).ravel()
        for part in zip(*(np.array_split(v, 1 + len(v) // MOST) for v in flat), strict=True)
    ]
    return np.where(shown, np.concatenate(found).reshape(x.shape) / bright, np.nan)


@cache
def _places() -> np.ndarray:
    """((FINE + 1)^2, 4) how much of each corner of a quad its places have: those of two triangles,
    not of a bent surface, as a quad is drawn."""
    t, s = (v.ravel() for v in np.mgrid[0 : FINE + 1, 0 : FINE + 1] / FINE)
    zero = np.zeros_like(s)
    first = np.stack([1 - s, s - t, t, zero], 1)
    return np.where((s >= t)[:, None], first, np.stack([1 - t, zero, s, t - s], 1))


def _teeth_of(model: FaceModel) -> list[np.ndarray]:
    """The points of upper and lower teeth."""
    return [model.groups[f"teeth_{which}"] for which in ("upper", "lower")]


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
