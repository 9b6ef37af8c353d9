"""Hair as layered, tapered locks that follow the skull and then fall: no particles, no textures.

The scalp itself is painted in the hair's colour (`head.scalp_mask`), so gaps never show skin.
"""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from . import shading
from .config import CharacterConfig
from .paint import scalp_mask
from .parts import Part, make_mesh
from .stylise import StyledHead, smooth

AROUND = 6
BROW_ROOM = 0.017
"""What a fringe leaves free over the brow bone, metres: raised brows are seen too."""


class Skull:
    """The styled skin as a surface seen from a centre inside the cranium."""

    def __init__(self, skin: Part, head: StyledHead, bald: bool = False):
        self.tree = BVHTree.FromPolygons(
            [Vector(p) for p in skin.vertices], [tuple(map(int, f)) for f in skin.faces]
        )
        eye = head.after.eye
        self.centre = np.array([0.0, -0.060, eye[2] + 0.034])
        self.eye_z, self.chin_z = eye[2], head.after.chin[2]
        self.fringe_z = head.after.brow[:, 2].max() + BROW_ROOM
        self.unit = (head.after.top[2] - eye[2]) / 0.120
        grown = scalp_mask(skin.extra["anatomy"], head, bald) > 0.5
        self.roots = skin.vertices[grown]

    def at(self, direction: np.ndarray, offset: float) -> np.ndarray:
        """Point `offset` metres outside the skin in a direction from the centre."""
        d = direction / np.linalg.norm(direction)
        hit = self.tree.ray_cast(Vector(self.centre + 0.4 * d), Vector(-d))[0]
        reach = 0.10 if hit is None else np.linalg.norm(np.array(hit) - self.centre)
        return self.centre + (reach + offset) * d

    def grows(self, point: np.ndarray, reach: float = 0.006) -> bool:
        """Whether hair grows at a point of the skin."""
        return bool((np.linalg.norm(self.roots - point, axis=1) < reach).any())


def direction(azimuth: float, polar: float) -> np.ndarray:
    """Unit vector; azimuth in degrees from the front (-Y) to the subject's left, polar from up."""
    a, p = np.radians(azimuth), np.radians(polar)
    return np.array([np.sin(a) * np.sin(p), -np.cos(a) * np.sin(p), np.cos(p)])


def slerp(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Great-circle interpolation of unit vectors."""
    angle = np.arccos(np.clip(a @ b, -1, 1))
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / max(np.sin(angle), 1e-6)


class Locks:
    """Collects locks into one mesh."""

    def __init__(self, config: CharacterConfig):
        self.rng = np.random.default_rng(config.seed)
        self.dark = shading.linear(config.palette.hair)
        self.light = shading.linear(config.palette.hair_light)
        self.vertices, self.faces, self.colors, self.count = [], [], [], 0

    def add(self, path: np.ndarray, out: np.ndarray, width: np.ndarray, thick: np.ndarray) -> None:
        """One lock along `path` (N, 3); `out` (N, 3) points away from the head; sizes in metres."""
        n = len(path)
        along = np.gradient(path, axis=0)
        along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
        across = np.cross(along, out)
        across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
        lift = np.cross(across, along)
        s = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
        # A soft ridge along the middle catches light like a strand of hair.
        flat, high = np.cos(s), np.sign(np.sin(s)) * np.abs(np.sin(s)) ** 1.3
        ring = (
            path[:, None]
            + 0.5 * (width[:, None] * flat)[..., None] * across[:, None]
            + 0.5 * (thick[:, None] * high)[..., None] * lift[:, None]
        )
        i, j = np.meshgrid(np.arange(n - 1), np.arange(AROUND), indexing="ij")
        a, b = (i * AROUND + j).ravel(), (i * AROUND + (j + 1) % AROUND).ravel()
        self.faces.append(np.stack([a, b, b + AROUND, a + AROUND], 1) + self.count)
        self.vertices.append(ring.reshape(-1, 3))
        shade = self.rng.uniform(0.0, 0.55)
        t = np.linspace(0, 1, n)
        mix = np.clip(shade + 0.35 * np.sin(np.pi * t) - 0.25 * (1 - t), 0, 1)
        color = self.dark + (self.light - self.dark) * mix[:, None]
        self.colors.append(np.repeat(color, AROUND, axis=0))
        self.count += n * AROUND

    def build(self, name: str):
        """The hair object with its colours."""
        vertices = np.round(np.concatenate(self.vertices) * 2.0**13) / 2.0**13  # compresses well
        mesh = make_mesh(name, vertices, np.concatenate(self.faces))
        shading.paint(mesh, np.clip(np.concatenate(self.colors), 0, 1))
        return bpy.data.objects.new(name, mesh)


def _relax(path: np.ndarray, times: int = 4) -> np.ndarray:
    for _ in range(times):
        path[1:-1] = 0.25 * path[:-2] + 0.5 * path[1:-1] + 0.25 * path[2:]
    return path


def _swept(skull: Skull, locks: Locks, start, end, offset: float, hang: float, width: float,
           curl: float) -> None:  # fmt: skip
    """A lock from a root on the part, over the skull to `end`, then falling by `hang` metres."""
    u = skull.unit
    ts = np.linspace(0, 1, 8)
    rise = offset * (0.10 + 0.90 * smooth(0.0, 0.40, ts)) - 0.001
    over = np.array([skull.at(slerp(start, end, t), r) for t, r in zip(ts, rise, strict=True)])
    path = over
    if hang > 0:
        last, axis = over[-1], np.array([0.0, skull.centre[1] + 0.012, 0.0])
        radial = (last - axis) * (1, 1, 0)
        radial /= np.linalg.norm(radial)
        fall = np.linspace(0, 1, 6)[1:]
        swing = 0.004 * np.sin(np.pi * fall * 0.9) - curl * smooth(0.35, 1.0, fall)
        drop = last + radial * (swing * u)[:, None] - np.array([0, 0, 1.0]) * (hang * fall)[:, None]
        path = np.r_[over, drop]
    path = _relax(path)
    t = np.linspace(0, 1, len(path))
    out = path - (skull.centre - np.array([0, 0, 0.02]))
    out[:, 2] *= np.linspace(1.0, 0.15, len(path))
    taper = np.clip(smooth(-0.05, 0.20, t) * (1.0 - 0.65 * smooth(0.82, 1.02, t)), 0.05, 1)
    locks.add(path, out, width * u * (0.25 + 0.75 * taper), 0.0095 * u * (0.08 + 0.92 * taper))


def bob(skull: Skull, locks: Locks) -> None:
    """Chin-long bob, parted on the subject's left, swept aside so that the forehead stays free."""
    rng, u = locks.rng, skull.unit
    length = skull.eye_z - skull.chin_z
    part = [direction(13, 71), direction(15, 52), direction(22, 32), direction(60, 14),
            direction(160, 20)]  # fmt: skip
    for side, first in ((-1.0, 58.0), (1.0, 66.0)):
        for layer, (count, offset, width) in enumerate(((17, 0.0065, 0.028), (21, 0.0120, 0.0125))):
            for k in range(count):
                f = (k + 0.5 * (layer % 2)) / (count - 0.5)
                f = np.clip(f + rng.normal(0, 0.010), 0, 1)
                azimuth = first + (181.0 - first) * f
                s = f * (len(part) - 1.001)
                start = slerp(part[int(s)], part[int(s) + 1], s - int(s))
                start = slerp(start, direction(-side * 90, 60), 0.08)  # overlap across the part
                polar = np.interp(f, [0, 0.18, 1.0], [86, 98, 108]) + rng.normal(0, 1.5)
                end = direction(side * azimuth, polar)
                loose = 1.0 + 0.8 * layer  # the outer locks stray, or it would be a helmet
                hang = length * np.interp(f, [0, 0.2, 1.0], [0.98, 1.0, 0.86])
                hang -= rng.uniform(0, 0.010 * loose)
                out = (offset + rng.uniform(0, 0.0035 * loose)) * u
                curl = rng.uniform(0.012 / loose**2, 0.019)
                wide = width * rng.uniform(0.85, 1.2)
                _swept(skull, locks, start, end, out, hang, wide, curl)
    for k in range(7):  # bangs, swept from the part over the far side of the forehead
        end = direction(-44 - 4.0 * k, 77 + 2.2 * k + rng.normal(0, 1.2))
        start = slerp(direction(18, 70), direction(18, 45), k / 6)
        _swept(skull, locks, start, end, (0.009 + 0.0011 * k) * u, 0.012 + 0.008 * k,
               rng.uniform(0.014, 0.019), 0.004)  # fmt: skip


def _tuft(skull: Skull, locks: Locks, root, flow, length, lift, width, clear=0.0) -> None:
    """A short pointed lock that leaves the skin along `flow` and rises by `lift` metres.

    clear: how far above the skin it starts, metres (where the skin below is bright).
    """
    t = np.linspace(0, 1, 7)
    normal = root - skull.centre
    normal /= np.linalg.norm(normal)
    flow = flow - (flow @ normal) * normal
    flow /= np.linalg.norm(flow) + 1e-9
    path = []
    for x in t:
        d = root + flow * length * x - skull.centre
        rise = lift * np.sin(np.pi * min(0.62 * x + 0.06, 1.0))
        path.append(skull.at(d, clear - 0.002 + 0.004 * x + rise))
    path = _relax(np.array(path), 2)
    out = path - skull.centre
    taper = smooth(-0.25, 0.22, t) * (1 - smooth(0.45, 1.04, t)) + 0.03
    locks.add(path, out, width * taper, 0.55 * width * taper)


def _tufts(skull: Skull, locks: Locks, count, length, lift, width, fringe, wild) -> None:
    """Tufts over the whole scalp, flowing from the crown forwards, sidewards and down."""
    rng, u = locks.rng, skull.unit
    crown = direction(165, 24)
    golden = np.pi * (3 - np.sqrt(5))
    for k in range(count):
        z = 1 - 1.75 * (k + 0.5) / count
        r, a = np.sqrt(max(1 - z * z, 0)), golden * k
        d = np.array([r * np.cos(a), r * np.sin(a), z])
        root = skull.at(d, 0.0)
        beside = abs(root[0]) > 0.05 and root[2] < skull.eye_z + 0.004 and root[1] < 0.0
        if beside or not skull.grows(root):
            continue
        flow = d - crown * (d @ crown)
        flow = flow / (np.linalg.norm(flow) + 1e-6) + wild * rng.normal(0, 1, 3)
        ahead = smooth(0.1, 0.75, -d[1])
        flow = flow + ahead * np.array([0.55, -0.25, 0.0])
        size = rng.uniform(0.85, 1.2) * u
        top = smooth(0.0, 0.7, z)
        reach = (length * (0.65 + 0.35 * top) + fringe * ahead * top) * size
        reach = _above_brows(skull, root, flow, reach)
        _tuft(skull, locks, root, flow, reach, lift * (0.35 + 0.65 * top) * size,
              width * (0.8 + 0.2 * top) * size)  # fmt: skip


def _above_brows(skull: Skull, root, flow, reach: float) -> float:
    """The length of a tuft that would hang into the brows, cut so that it ends above them."""
    normal = (root - skull.centre) / np.linalg.norm(root - skull.centre)
    along = flow - (flow @ normal) * normal
    along /= np.linalg.norm(along) + 1e-9
    tip = root + along * reach
    facing = tip[1] < skull.centre[1] and abs(tip[0]) < 0.075 * skull.unit
    if not facing or tip[2] >= skull.fringe_z:
        return reach
    fit = (root[2] - skull.fringe_z) / max(root[2] - tip[2], 1e-6)
    return reach * float(np.clip(fit, 0.30, 1.0))


def tousled(skull: Skull, locks: Locks) -> None:
    """A boy's short, unruly hair."""
    _tufts(skull, locks, 300, 0.047, 0.014, 0.017, 0.012, 0.30)


def short(skull: Skull, locks: Locks) -> None:
    """An adult's short, tidy hair."""
    _tufts(skull, locks, 320, 0.030, 0.006, 0.017, 0.0, 0.10)


def wreath(skull: Skull, locks: Locks) -> None:
    """An old man's white wreath: fluffy over the ears, bare above; sideburns in front of them."""
    rng, u = locks.rng, skull.unit
    # A flat layer first: gaps under fluffy tufts would be black holes beside a bright head.
    for lift, count, width in ((0.001, 420, 0.024), (0.007, 260, 0.018)):
        for _ in range(count):
            azimuth = rng.uniform(54, 180) * rng.choice((-1.0, 1.0))
            root = skull.at(direction(azimuth, rng.uniform(52, 125)), 0.0)
            if not skull.grows(root, 0.003):
                continue
            beside, front = smooth(135, 85, abs(azimuth)), smooth(88, 66, abs(azimuth))
            flow = np.array([0.1 * np.sign(azimuth), 0.75 - 0.35 * front, -0.55 - 0.6 * front])
            size = rng.uniform(0.8, 1.25) * (1.0 - 0.3 * front) * u
            _tuft(skull, locks, root, flow + 0.25 * rng.normal(0, 1, 3), 0.030 * size,
                  lift * (0.5 + 0.5 * beside) * size, width * size, 0.003 * u)  # fmt: skip


STYLES = {"bob": bob, "tousled": tousled, "short": short, "wreath": wreath}


def make_hair(skin: Part, head: StyledHead, config: CharacterConfig):
    """The character's hair object, in the styled head's space (no offset applied)."""
    locks = Locks(config)
    STYLES[config.hair](Skull(skin, head, config.bald), locks)
    return locks.build(f"{config.name}_hair")
