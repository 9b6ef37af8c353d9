"""Colours of the head: lips, lids, blush, mouth cavity and scalp, painted on the points."""

from __future__ import annotations

import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from . import shading
from .config import CharacterConfig
from .parts import BROW, LASH, SKIN, TEETH, TONGUE, Part
from .stylise import StyledHead, smooth


def cavity_mask(part: Part, head: StyledHead) -> np.ndarray:
    """(N,) 1 inside mouth and nostrils, 0 on the face, by depth behind what is seen in front."""
    v, m = part.vertices, head.after
    box = (np.abs(v[:, 0]) < 0.05) & (v[:, 2] > m.chin[2] - 0.01) & (v[:, 2] < m.nose_tip[2] + 0.02)
    tree = BVHTree.FromPolygons([Vector(p) for p in v], [tuple(map(int, f)) for f in part.faces])
    # What lies behind the jaw of a long face, beside and below the throat, is neck.
    back = v[:, 1] - m.mouth[1]
    beside = (np.abs(v[:, 0]) > 0.024) | (v[:, 2] < m.mouth[2] - 0.026)
    neck = (back > 0.11) | (back > 0.055) & beside
    mask = np.zeros(len(v))
    for i in np.flatnonzero(box & ~neck & (v[:, 1] > m.nose_tip[1])):
        hit = tree.ray_cast(Vector((v[i, 0], -1.0, v[i, 2])), Vector((0.0, 1.0, 0.0)))
        if hit[0] is not None:
            mask[i] = smooth(0.006, 0.012, np.array(v[i, 1] - hit[0].y))
    return mask


def _blend(color: np.ndarray, other: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return color + (other - color) * np.clip(mask, 0, 1)[:, None]


def scalp_mask(anatomy: np.ndarray, head: StyledHead, bald: bool = False) -> np.ndarray:
    """(N,) 1 where hair grows, by height above a hairline that depends on the direction.

    bald: only a wreath from temple to temple round the back.
    """
    m = head.before
    hairline = [0.064, 0.065, 0.060, 0.046, 0.020, 0.006, 0.034, -0.020, -0.070, -0.085]
    if bald:  # sideburns in front of the ears
        hairline[4:6] = [0.000, -0.022]
    centre_y, unit = -0.055, (m.top[2] - m.eye[2]) / 0.115
    azimuth = np.degrees(np.arctan2(np.abs(anatomy[:, 0]), -(anatomy[:, 1] - centre_y)))
    line = np.interp(
        azimuth,
        [0, 25, 42, 55, 68, 82, 98, 115, 140, 180],
        hairline,
    )
    ear = (np.abs(anatomy[:, 0]) > m.ear_x) & (anatomy[:, 2] < m.eye[2] + 0.030)
    grown = smooth(-0.004, 0.004, anatomy[:, 2] - m.eye[2] - line * unit) * ~ear
    if bald:
        limit = np.interp(
            azimuth, [0, 56, 68, 90, 120, 180], [-0.2, 0.0, 0.045, 0.070, 0.078, 0.072]
        )
        grown = grown * smooth(0.006, -0.006, anatomy[:, 2] - m.eye[2] - limit * unit)
    return grown


def skin_colors(part: Part, head: StyledHead, config: CharacterConfig) -> np.ndarray:
    """(N, 3) linear colours of the skin with lips, lids, blush, mouth cavity and scalp."""
    palette, m, v = config.palette, head.after, part.vertices
    tone = {k: shading.linear(getattr(palette, k)) for k in ("skin", "blush", "lips", "lid",
                                                              "cavity", "hair")}  # fmt: skip
    color = np.tile(tone["skin"], (len(v), 1))

    def spot(centre, size):
        return np.exp(-(((np.abs(v[:, (0,)]) - centre[0]) / size) ** 2).sum(1)
                      - (((v[:, 2] - centre[2]) / size) ** 2)
                      - (((v[:, 1] - centre[1]) / (2 * size)) ** 2))  # fmt: skip

    cheek = np.array([m.eye[0] * 1.35, m.eye[1] - 0.005, m.nose_tip[2] + 0.004])
    color = _blend(color, tone["blush"], 0.50 * spot(cheek, 0.022))
    color = _blend(color, tone["blush"], 0.40 * spot(m.nose_tip, 0.012))
    ear = smooth(0.0, 0.008, np.abs(part.extra["anatomy"][:, 0]) - head.before.ear_x) * smooth(
        m.chin[2], m.chin[2] + 0.02, v[:, 2]
    )
    color = _blend(color, tone["blush"], 0.35 * ear)
    blink = np.linalg.norm(part.shapes["eyeBlinkLeft"] + part.shapes["eyeBlinkRight"], axis=1)
    color = _blend(color, tone["lid"], 0.8 * smooth(0.002, 0.009, blink))
    lips = smooth(0.075, 0.25, part.extra["lips"][:, 0])
    color = _blend(color, tone["lips"], 0.9 * lips)
    hollow = np.maximum(cavity_mask(part, head), part.extra["hollow"][:, 0])
    color = _blend(color, tone["cavity"], hollow)
    # A throat lies as far back as a nape: no hair grows in it.
    hair = scalp_mask(part.extra["anatomy"], head, config.bald) * (1.0 - hollow)
    return _blend(color, tone["hair"], hair)


def part_colors(part: Part, head: StyledHead, config: CharacterConfig) -> np.ndarray:
    """(N, 3) linear colours of any part."""
    if part.kind == SKIN:
        return skin_colors(part, head, config)
    name = {TEETH: "teeth", TONGUE: "tongue", LASH: "lash", BROW: "brow"}[part.kind]
    color = np.tile(shading.linear(getattr(config.palette, name)), (len(part.vertices), 1))
    if part.kind == TEETH:  # notches and molars sink into the dark
        color = _blend(color, shading.linear(config.palette.tongue), part.extra["gum"])
        color = _blend(color, shading.linear(config.palette.cavity), part.extra["dark"])
    return color
