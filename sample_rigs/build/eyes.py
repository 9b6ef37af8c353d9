"""Eyeballs: rings of a sphere coloured by angle, so that iris and pupil need no texture and can
be scaled by a shape key; and the glint that keeps the eyes alive in any light."""

from __future__ import annotations

import bpy
import numpy as np

from . import shading
from .config import CharacterConfig
from .parts import make_mesh

SEGMENTS = 36
IRIS_SMALL = 0.70
"""Angle of iris and pupil at the key `irisSmall`, relative to rest."""


def ring_angles(iris: float, pupil: float) -> np.ndarray:
    """Polar angles in degrees from the optical axis, dense where the colour changes."""
    return np.array([
        pupil * 0.5, pupil - 0.7, pupil + 0.7,
        *np.linspace(pupil + 2.5, iris - 4.5, 4),
        iris - 2.0, iris - 0.4, iris + 1.6,
        *np.linspace(iris + 8.0, 92.0, 6), 108.0, 125.0, 142.0, 160.0,
    ])  # fmt: skip


def _sphere(angles: np.ndarray, radius: float) -> np.ndarray:
    """Rings around -Y, then the two poles."""
    a = np.radians(angles)[:, None]
    s = np.linspace(0, 2 * np.pi, SEGMENTS, endpoint=False)[None]
    ring = np.stack([np.sin(a) * np.cos(s), -np.cos(a) * np.ones_like(s), np.sin(a) * np.sin(s)], 2)
    return radius * np.r_[ring.reshape(-1, 3), [[0, -1, 0], [0, 1, 0]]]


def _faces(rings: int) -> list[tuple[int, ...]]:
    n = SEGMENTS
    faces = [
        (r * n + j, r * n + (j + 1) % n, (r + 1) * n + (j + 1) % n, (r + 1) * n + j)
        for r in range(rings - 1)
        for j in range(n)
    ]
    front, back, last = rings * n, rings * n + 1, (rings - 1) * n
    faces += [(front, (j + 1) % n, j) for j in range(n)]
    faces += [(back, last + j, last + (j + 1) % n) for j in range(n)]
    return faces


def _colors(angles: np.ndarray, config: CharacterConfig) -> np.ndarray:
    """Iris lighter below than above, with soft rays; a dark rim; warm sclera towards its back."""
    p = config.palette
    iris, rim, white = (shading.linear(c) for c in (p.iris, p.iris_rim, p.sclera))
    rng = np.random.default_rng(config.seed)
    rays = 1.0 + 0.16 * rng.standard_normal(SEGMENTS)
    turn = np.linspace(0, 2 * np.pi, SEGMENTS, endpoint=False)
    out = []
    for a in angles:
        if a < config.pupil_angle:
            row = np.tile([0.006, 0.005, 0.005], (SEGMENTS, 1))
        elif a < config.iris_angle - 3.0:
            t = (a - config.pupil_angle) / (config.iris_angle - config.pupil_angle)
            light = (0.75 - 0.55 * np.sin(turn)) * rays * (1.25 - 0.35 * t)
            row = iris * light[:, None]
        elif a < config.iris_angle:
            row = np.tile(rim, (SEGMENTS, 1))
        else:
            row = np.tile(white * (1.0 - 0.25 * np.clip((a - 60) / 50, 0, 1)), (SEGMENTS, 1))
        out.append(row)
    return np.clip(np.r_[np.concatenate(out), [[0.006, 0.005, 0.005]], [white]], 0, 1)


def make_eye(config: CharacterConfig, side: str, radius: float):
    """Eyeball about its own origin, looking at -Y, with the key `irisSmall` (-0.6..1)."""
    angles = ring_angles(config.iris_angle, config.pupil_angle)
    mesh = make_mesh(f"{config.name}_eye_{side}", _sphere(angles, radius), _faces(len(angles)))
    shading.paint(mesh, _colors(angles, config))
    obj = bpy.data.objects.new(mesh.name, mesh)
    obj.shape_key_add(name="Basis", from_mix=False)
    edge = config.iris_angle + 2.0
    knots = np.array([0.0, edge, 100.0, 180.0])
    small = np.interp(angles, knots, [0.0, edge * IRIS_SMALL, 100.0, 180.0])
    key = obj.shape_key_add(name="irisSmall", from_mix=False)
    key.data.foreach_set("co", _sphere(small, radius).astype(np.float32).ravel())
    key.slider_min = -0.6
    mesh.shape_keys.name = mesh.name + "_keys"
    return obj


def make_glint(config: CharacterConfig, centres: np.ndarray, radius: float):
    """Two small highlights an eye, just above the ball, under the lids; fixed to the head."""
    spots = ((-13.0, 15.0, 6.2), (11.0, -14.0, 2.8))  # yaw, pitch, half angle in degrees
    vertices, faces = [], []
    for centre in centres:
        for yaw, pitch, size in spots:
            start = len(vertices)
            y, p = np.radians(yaw), np.radians(pitch)
            axis = np.array([np.sin(y) * np.cos(p), -np.cos(y) * np.cos(p), np.sin(p)])
            right = np.cross(axis, (0, 0, 1.0))
            right /= np.linalg.norm(right)
            up = np.cross(right, axis)
            vertices.append(centre + radius * 1.012 * axis)
            for s in np.linspace(0, 2 * np.pi, 16, endpoint=False):
                d = np.tan(np.radians(size)) * (np.cos(s) * right + np.sin(s) * up)
                point = axis + d
                vertices.append(centre + radius * 1.012 * point / np.linalg.norm(point))
            faces += [(start, start + 1 + j, start + 1 + (j + 1) % 16) for j in range(16)]
    mesh = make_mesh(f"{config.name}_glint", np.array(vertices), faces)
    shading.paint(mesh, np.ones((len(vertices), 3)))
    return bpy.data.objects.new(mesh.name, mesh)
