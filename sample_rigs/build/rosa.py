"""Rosa: who she is and what only she wears. The rig that moves her is in `rigify_face`."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np

from . import shading
from .config import READABLE, Brow, CharacterConfig, Palette, Style
from .hair import Locks, Skull, direction, slerp
from .parts import Part, make_mesh
from .stylise import StyledHead, smooth

RIGHT = (
    *(3122, 9160, 9206, 9208, 9210, 9242, 9267, 13151, 13285, 13287, 13288, 13292),
    *(15935, 16766, 17092, 17141, 17697),
)
"""Points of her skin's midline that go with a bone of the right side before its partner, which is
as near: so they came out when she was built first."""

ROSA = CharacterConfig(
    name="rosa",
    title="Rosa",
    phenotypes={
        "gender": 0.12,
        "age": 0.76,
        "muscle": 0.55,
        "weight": 0.72,
        "height": 0.5,
        "proportions": 0.6,
        "african": 0.72,
        "asian": 0.13,
        "caucasian": 0.15,
    },
    local={
        "l-cheek-bones-incr": 0.9,
        "r-cheek-bones-incr": 0.9,
        "l-cheek-volume-incr": 0.35,
        "r-cheek-volume-incr": 0.35,
        "l-eye-corner2-up": 0.55,
        "r-eye-corner2-up": 0.55,
        "l-eye-bag-incr": -0.6,
        "r-eye-bag-incr": -0.6,
        "chin-jaw-drop-incr": 0.3,
        "chin-width-incr": 0.6,
        "chin-prominent-incr": 0.25,
        "forehead-scale-vert-incr": -0.3,
        "mouth-scale-horiz-incr": 0.4,
        "mouth-upperlip-volume-incr": -0.35,
        "mouth-upperlip-height-incr": -0.35,
        "mouth-lowerlip-height-incr": -0.2,
        "mouth-lowerlip-volume-incr": -0.3,
        "nose-hump-incr": -0.4,
    },
    style=Style(
        eye_scale=1.42,
        eye_apart=0.0040,
        eye_down=0.0015,
        jaw_width=1.10,
        chin_width=1.10,
        cranium_width=1.0,
        face_height=0.95,
        cranium_height=0.95,
        nose_scale=0.98,
        nose_up=0.001,
        mouth_scale=1.14,
        neck_width=0.86,
        shoulder_scale=0.84,
        eye_open=0.90,
        smile=0.16,
        brow_scale=1.3,
    ),
    brow=Brow(
        lift=0.003,
        height=0.0078,
        depth=0.0036,
        arch=0.0035,
        inner_lift=0.0028,
        taper_in=0.8,
        taper_out=0.2,
    ),
    palette=Palette(
        skin="#9a5f40",
        blush="#a2503c",
        lips="#8a2d38",
        lid="#6d3a2c",
        crease="#2c100a",
        hair="#17100f",
        hair_light="#4a3029",
        brow="#150c0a",
        lash="#0c0807",
        iris="#7d5226",
        iris_rim="#20110a",
        sclera="#f6f1ea",
        shirt="#c8622f",
        teeth="#f8f2e8",
        tongue="#b9565c",
        cavity="#3d1214",
    ),
    # Her lips are full: they swell and press less, relative to their height, and lie on each other,
    # for sums of what bones do to them part them a little. Arched ones would shorten the way of the
    # bones beside their middle by a third.
    mouth=replace(READABLE, press=0.6, pout=0.0035, overlap=0.0011, arched=0.0, teeth_bared=0.0022),
    hair="braids",
    controls="rigify",
    iris_angle=31.0,
    pupil_angle=12.5,
    creases=1.25,
    seed=23,
    # Her brows travel far and her lips are full: less brow in disgust, or it turns into anger, and
    # no nose in anger that bares teeth, which would turn it into disgust.
    pose_edits={
        "anger_teeth": {"mouthUpperUp": 0.3, "noseSneer": 0.0},
        "anger_snarl": {"mouthUpperUp": 0.5, "noseSneer": 0.0},
        "disgust_sneer": {"browDown": 0.18, "mouthUpperUp": 0.9},
        "disgust_open": {"browDown": 0.12, "mouthLowerDown": 0.3},
        "disgust_tongue": {"browDown": 0.15},
        "disgust_gag": {"browDown": 0.12},
        "disgust_ew": {"browDown": 0.10},
        "disgust_chin": {"browDown": 0.18, "mouthUpperUp": 0.45},
        "disgust_lips_closed": {"browDown": 0.15, "mouthUpperUp": 0.4},
        "disgust_subtle": {"browDown": 0.08, "noseSneer": 0.7, "mouthUpperUp": 0.5},
        "disgust_one_sided": {"browDown": 0.18},
        "disgust_one_sided_right": {"browDown": 0.15},
        # Half-closed lids leave slivers of her small opening: either open or shut.
        "sadness_downcast": {"eyeBlink": 0.32},
        "sadness_cry": {"eyeBlink": 0.12},
        "joy_chuckle": {"eyeBlink": 0.95},
    },
)

GOLD = "#d9a441"
BUN = (180.0, 26.0)
"""Azimuth and polar angle of the bun that all rows run to, degrees."""
ROWS = (7.0, 21.0, 36.0, 51.0, 66.0, 82.0, 100.0, 120.0, 142.0, 166.0)
"""Azimuths at which a row starts at the hairline, on either side, degrees."""


def _hairline(skull: Skull, azimuth: float) -> np.ndarray:
    """Direction of the last place, down from the bun's height, where hair still grows."""
    last = direction(azimuth, 40.0)
    for polar in np.arange(40.0, 150.0, 2.0):
        d = direction(azimuth, polar)
        if skull.grows(skull.at(d, 0.0), 0.008):
            last = d
    return last


def _plait(t: np.ndarray, knots: float) -> np.ndarray:
    """Swelling of a plait along its length: 1 at a knot's belly, less between two."""
    return 0.74 + 0.26 * np.abs(np.sin(np.pi * knots * t))


def braids(skull: Skull, locks: Locks) -> None:
    """Rows plaited close to the head from the hairline to a coiled bun."""
    u, end = skull.unit, direction(*BUN)
    for row, azimuth in enumerate(ROWS):
        for sign in (1.0, -1.0):
            start = _hairline(skull, sign * azimuth)
            t = np.linspace(0, 1, 38)
            # The rows bow outwards, so that they lie evenly over the skull.
            over = np.array([skull.at(slerp(start, end, x), 0.0022) for x in t])
            width = u * np.interp(t, [0, 0.5, 1], [0.0135, 0.0215, 0.0105])
            size = _plait(t, 11 + row % 2) * smooth(-0.06, 0.05, t)
            locks.add(over, over - skull.centre, width * size, 0.62 * width * size)
    _bun(skull, locks, end)


def _bun(skull: Skull, locks: Locks, axis: np.ndarray) -> None:
    """A plait coiled into a dome on the skull."""
    u = skull.unit
    base = skull.at(axis, 0.0)
    right = np.cross(axis, (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right)
    ahead = np.cross(right, axis)
    t = np.linspace(0, 1, 92)
    polar = np.radians(100.0) * (1 - t) ** 0.8
    turn = 2 * np.pi * 3.6 * t
    ring = np.cos(turn)[:, None] * right + np.sin(turn)[:, None] * ahead
    radius = 0.036 * u
    path = base + radius * (np.sin(polar)[:, None] * ring + (0.25 + np.cos(polar))[:, None] * axis)
    width = 0.024 * u * _plait(t, 26) * smooth(1.06, 0.9, t)
    locks.add(path, path - base, width, 0.9 * width)


def make_hair(skin: Part, head: StyledHead):
    """Her hair in the styled head's space."""
    locks = Locks(ROSA)
    braids(Skull(skin, head), locks)
    return locks.build(f"{ROSA.name}_hair")


def make_earrings(skin: Part, head: StyledHead):
    """Two hoops below the ear lobes, in the styled head's space."""
    v, flat = skin.vertices, skin.extra["anatomy"]
    ear = (flat[:, 0] > head.before.ear_x + 0.004) & (flat[:, 2] > head.before.chin[2] + 0.02)
    lobe = v[ear][v[ear][:, 2].argmin()]
    radius, thick, around, rings = 0.017, 0.0019, 8, 40
    a = np.linspace(0, 2 * np.pi, rings, endpoint=False)
    b = np.linspace(0, 2 * np.pi, around, endpoint=False)
    out = np.stack([0.25 * np.cos(a), -np.cos(a), np.sin(a)], 1)
    side = np.array([1.0, 0.25, 0.0]) / np.hypot(1.0, 0.25)
    centre = lobe + np.array([0.002, 0.0, 0.003 - radius])
    tube = out[:, None] * (radius + thick * np.cos(b))[None, :, None]
    tube = (centre + tube + thick * np.sin(b)[None, :, None] * side).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(rings), np.arange(around), indexing="ij")
    at = lambda p, q: ((p % rings) * around + q % around).ravel()  # noqa: E731
    faces = np.stack([at(i, j), at(i, j + 1), at(i + 1, j + 1), at(i + 1, j)], 1)
    vertices = np.r_[tube, tube * (-1, 1, 1)]
    faces = np.r_[faces, faces[:, ::-1] + len(tube)]
    mesh = make_mesh(f"{ROSA.name}_earrings", np.round(vertices * 2**14) / 2**14, faces)
    shading.paint(mesh, np.tile(shading.linear(GOLD), (len(vertices), 1)))
    return bpy.data.objects.new(mesh.name, mesh)
