"""The model drawn small and grey, in the place of a registered face, so that its shape can be
bettered by what the picture shows (EMOCA, section 3: the rendering R). Needs torch.

Which triangle a pixel shows is found by numpy; how much of each corner, and the light on it, are
differentiable. Colours are the actor's own, read off frames at which the skin is well seen.
"""

from __future__ import annotations

from dataclasses import dataclass

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
AROUND_MOUTH, NOSE, BESIDE, DEEP = 35.0, 14.0, 4.0, 9.0
"""Millimetres: where the mouth's inside is looked for, and how far up; how near in the picture, and
how far behind, a point is that another hides."""
TEETH = 1.3
"""How bright teeth are, as a share of the skin."""


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

        self.model, self.camera = model, camera
        rest, moves = model.person(identity)
        self.rest = torch.from_numpy(rest.astype(np.float32))
        self.moves = torch.from_numpy(moves.reshape(len(moves), -1).astype(np.float32))
        quads = model.faces
        halves = np.concatenate([quads[:, :3], quads[:, (0, 2, 3)]])
        halves = halves[halves[:, 1] != halves[:, 2]]
        self.triangles = halves[(halves[:, 0] != halves[:, 2])]
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
        inside = (low > -REACH).all(1) & (low < SIDE).all(1)
        (ux, uy), (vx, vy) = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
        area = ux * vy - uy * vx
        rows = np.flatnonzero(inside & (np.abs(area) > 1e-6))
        step = np.arange(REACH)
        x, y = np.meshgrid(step, step)
        px = low[rows, 0, None] + x.ravel() + 0.5
        py = low[rows, 1, None] + y.ravel() + 0.5
        qx, qy = px - corners[rows, 0, 0, None], py - corners[rows, 0, 1, None]
        second = (qx * vy[rows, None] - qy * vx[rows, None]) / area[rows, None]
        third = (qy * ux[rows, None] - qx * uy[rows, None]) / area[rows, None]
        hit = (second >= 0) & (third >= 0) & (second + third <= 1)
        hit &= (px > 0) & (py > 0) & (px < SIDE) & (py < SIDE)
        which, place = np.nonzero(hit)
        number = (py[which, place].astype(int)) * SIDE + px[which, place].astype(int)
        triangle = rows[which]
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


def read_skin(face: DrawnFace, shots: list[tuple[np.ndarray, np.ndarray, Heads]]) -> Skin:
    """Colours read off pictures: (grey (H, W), expression (E,), heads) of each. What none shows
    well is as the skin is elsewhere, the mouth's inside dark."""
    import torch

    model = face.model
    total, weight = np.zeros(len(model.mean)), np.zeros(len(model.mean))
    eyes = np.concatenate([model.groups["eye_left"], model.groups["eye_right"]])
    for number, (grey, expression, heads) in enumerate(shots):
        points = face.points(torch.from_numpy(np.asarray(expression, np.float32)))
        pixels = face.pixels(points, heads)[0].numpy()
        normals = vertex_normals(points.numpy().astype(float), model.faces) @ heads.rotation[0].T
        facing = np.clip(normals[:, 2] - 0.2, 0.0, 1.0)
        columns, rows = np.round(pixels - 0.5).astype(int).T
        inside = (columns >= 0) & (rows >= 0) & (columns < grey.shape[1]) & (rows < grey.shape[0])
        facing = facing * inside
        facing[eyes] *= number == 0  # eyes look about: the first picture's stay
        value = grey[np.clip(rows, 0, grey.shape[0] - 1), np.clip(columns, 0, grey.shape[1] - 1)]
        total += facing * value / face.shades(points).numpy()
        weight += facing
    skin = np.unique(model.faces[: model.skin])
    seen = weight > 0.15
    usual = float(np.median((total / np.maximum(weight, 1e-6))[skin][seen[skin]]))
    out = np.where(seen, total / np.maximum(weight, 1e-6), usual)
    for name in ("teeth_upper", "teeth_lower"):
        out[model.groups[name]] = TEETH * usual
    out[inside_mouth(model)] = HOLLOW * usual
    return Skin(out)


def inside_mouth(model: FaceModel) -> np.ndarray:
    """Points of the skin around the mouth that others hide from the front."""
    lips = np.concatenate([v for n, v in model.groups.items() if n.startswith("lip_")])
    middle = model.mean[lips].mean(0)
    skin = np.unique(model.faces[: model.skin])
    off = model.mean[skin] - middle
    near = skin[(np.abs(off[:, :2]) < AROUND_MOUTH).all(1) & (off[:, 1] < NOSE)]
    places = model.mean[near]
    close = ((places[:, None, :2] - places[None, :, :2]) ** 2).sum(2) < BESIDE**2
    before = places[None, :, 2] > places[:, None, 2] + DEEP
    return near[(close & before).any(1)]
