"""Eyebrows: tapered tubes that ride on the skin's shapes."""

from __future__ import annotations

import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from .config import CharacterConfig
from .parts import BROW, Part
from .stylise import StyledHead, smooth


def _surface_tree(part: Part) -> BVHTree:
    return BVHTree.FromPolygons(
        [Vector(p) for p in part.vertices], [tuple(map(int, f)) for f in part.faces]
    )


def brow_tube(skin: Part, head: StyledHead, config: CharacterConfig, sign: float) -> Part:
    """One brow: a flattened, tapered tube that rides on the skin's shapes."""
    b, m = config.brow, head.after
    tree = _surface_tree(skin)
    rings, around = 16, 10
    t = np.linspace(0.0, 1.0, rings)
    unit = m.brow[1, 0] / 0.034
    x = unit * (b.inner + (b.outer - b.inner) * t)
    z = np.interp(x, m.brow[:, 0], m.brow[:, 2]) + b.lift
    z += b.arch * np.sin(np.pi * np.clip(t / 0.72, 0, 1) * 0.5) - 1.6 * b.arch * smooth(0.7, 1, t)
    z += b.inner_lift * (1.0 - t) ** 2
    path, normal = [], []
    for px, pz in zip(x * sign, z, strict=True):
        hit = tree.ray_cast(Vector((px, -1.0, pz)), Vector((0.0, 1.0, 0.0)))
        path.append(hit[0])
        normal.append(hit[1] if hit[1].y < 0 else -hit[1])
    path, normal = np.array(path), np.array(normal)
    for _ in range(3):
        normal[1:-1] = (normal[:-2] + normal[1:-1] + normal[2:]) / 3.0
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    upward = np.cross(normal, along) * sign
    upward *= np.sign(upward[:, 2:3])
    round_in = np.sqrt(np.clip(smooth(-0.10, 0.16, t), 0, 1))
    taper = np.interp(t, [0, 0.35, 1.0], [b.taper_in, 1.0, b.taper_out]) * round_in
    taper *= 1.0 - 0.75 * smooth(0.86, 1.0, t)
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    ring = (
        path[:, None]
        + 0.5 * b.height * (taper[:, None] * np.cos(angle))[..., None] * upward[:, None]
        + (b.depth * (0.35 + 0.65 * taper[:, None]) * np.sin(angle))[..., None] * normal[:, None]
        + 0.0004 * normal[:, None]
    )
    vertices = ring.reshape(-1, 3)
    i, j = np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij")
    a, c = (i * around + j).ravel(), (i * around + (j + 1) % around).ravel()
    faces = np.stack([a, c, c + around, a + around], axis=1)
    vertices, faces = _close(vertices, faces, rings, around)
    if sign > 0:
        faces = faces[:, ::-1]
    return Part(vertices, faces, _ride(vertices, skin, tree), kind=BROW)


def brow_bush(skin: Part, head: StyledHead, config: CharacterConfig, sign: float) -> Part:
    """Stray hairs of one bushy brow: pointed tufts that leave its line up and outwards."""
    b, m = config.brow, head.after
    rng = np.random.default_rng(config.seed)  # the same for both sides: mirror images
    tree = _surface_tree(skin)
    unit = m.brow[1, 0] / 0.034
    vertices, faces = [], []
    for k in range(config.bush):
        t = np.clip((k + rng.uniform(0.1, 0.9)) / config.bush, 0.02, 0.98)
        x = unit * (b.inner + (b.outer - b.inner) * t)
        z = np.interp(x, m.brow[:, 0], m.brow[:, 2]) + b.lift
        z += b.arch * np.sin(np.pi * np.clip(t / 0.72, 0, 1) * 0.5)
        z += rng.uniform(-0.35, 0.25) * b.height
        hit = tree.ray_cast(Vector((x * sign, -1.0, z)), Vector((0.0, 1.0, 0.0)))
        root, normal = np.array(hit[0]), np.array(hit[1] if hit[1].y < 0 else -hit[1])
        # Inner hairs stand up, outer ones lie along the brow.
        lean = np.interp(t, [0, 0.4, 1.0], [0.3, 0.9, 1.45]) + rng.normal(0, 0.16)
        flow = np.array([sign * np.sin(lean), 0.0, np.cos(lean)])
        flow -= (flow @ normal) * normal
        flow /= np.linalg.norm(flow)
        across = np.cross(normal, flow)
        length = b.height * rng.uniform(0.75, 1.2)
        _spike(vertices, faces, root, flow, normal, across, length, 0.40 * length)
    vertices, faces = np.array(vertices), np.array(faces)
    if sign > 0:
        faces = faces[:, ::-1]
    return Part(vertices, faces, _ride(vertices, skin, tree), kind=BROW)


def _spike(vertices, faces, root, flow, normal, across, length, width) -> None:
    """A curved four-sided tuft: three rings and a tip that bends away from the skin."""
    start = len(vertices)
    for s, size in ((-0.15, 0.6), (0.25, 1.0), (0.65, 0.7)):
        middle = root + s * length * flow + normal * length * (0.10 + 0.42 * max(s, 0.0))
        for turn in range(4):
            a = np.pi * (0.25 + 0.5 * turn)
            vertices.append(middle + 0.5 * width * size * (np.cos(a) * across + np.sin(a) * normal))
    vertices.append(root + length * flow + normal * length * 0.42)
    for ring in range(2):
        for j in range(4):
            a, c = start + 4 * ring + j, start + 4 * ring + (j + 1) % 4
            faces.append([a, c, c + 4, a + 4])
    tip, last = start + 12, start + 8
    faces.extend([last + j, last + (j + 1) % 4, tip, tip] for j in range(4))


def _close(vertices, faces, rings, around):
    """Add a fan at both ends of a tube."""
    ends = [vertices[:around].mean(0), vertices[-around:].mean(0)]
    n = len(vertices)
    first, last = np.arange(around), np.arange(around) + (rings - 1) * around
    fan = [
        np.stack([np.full(around, n), np.roll(first, -1), first, first], axis=1),
        np.stack([np.full(around, n + 1), last, np.roll(last, -1), np.roll(last, -1)], axis=1),
    ]
    return np.r_[vertices, ends], np.r_[faces, *fan]


def _ride(points: np.ndarray, skin: Part, tree: BVHTree) -> dict[str, np.ndarray]:
    """Shapes of points bound to the nearest place on the skin, by inverse-distance weights."""
    index, weight = [], []
    for p in points:
        face = tree.find_nearest(Vector(p))[2]
        corners = skin.faces[face]
        gap = 1.0 / (np.linalg.norm(skin.vertices[corners] - p, axis=1) + 1e-5)
        index.append(corners)
        weight.append(gap / gap.sum())
    index, weight = np.array(index), np.array(weight)[..., None]
    moved = {}
    for name, delta in skin.shapes.items():
        if np.abs(delta[index]).max() > 5e-5:
            moved[name] = (delta[index] * weight).sum(1)
    return moved
