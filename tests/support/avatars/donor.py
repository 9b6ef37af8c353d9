"""The face that all avatars wear: arrays of a sample character, and how it moves by ARKit channel.

Its colours are kept as few plain materials, so that every file format carries them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import bpy
import numpy as np

from exprgen.networks.characters.control_meanings import read_names
from exprgen.networks.characters.key_poses import POSES, arkit_weights, label
from exprgen.networks.characters.naming_schemes import Meaning
from exprgen.networks.characters.profile import SAMPLE_RIGS, load_profile
from exprgen.networks.vocabulary import ARKIT_CHANNELS, LANDMARK_NAMES

NAME = "tobi"
GAZE = 0.5
"""How far an eyeLook channel turns an eye at 1, radians."""
COLOURS = {"head": 7, "eye_L": 4, "eye_R": 4, "hair": 1}
"""Plain materials that stand for each part's painted colours."""


_SIDES = ("Left", "Right")


@dataclass(frozen=True)
class Part:
    """A mesh at rest. vertices (V, 3) in the world, metres; faces; colour (F,) of each face, an
    index of `palette` (K, 3), linear RGB."""

    vertices: np.ndarray
    faces: tuple[tuple[int, ...], ...]
    colour: np.ndarray
    palette: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        return 0.5 * (self.vertices.min(0) + self.vertices.max(0))


@dataclass(frozen=True)
class Donor:
    """parts: head, eye_L, eye_R, hair. moves: channel -> (V, 3) of the head. mouth: height of the
    mouth's line. landmarks (49, 3) at rest."""

    parts: dict[str, Part]
    moves: dict[str, np.ndarray]
    mouth: float
    landmarks: np.ndarray

    def motion(self, meaning: Meaning) -> np.ndarray:
        """(V, 3): what a control does to the head at 1, as its scheme means it."""
        if meaning.pose:
            weights = arkit_weights(next(p for n, p in POSES.items() if label(n) == meaning.pose))
            return self._sum(dict(zip(ARKIT_CHANNELS, weights, strict=True)))
        made = {c: v for c, v in meaning.channels.items() if v > 0.0}
        made = {c: min(v * _both_sides(c, meaning), 1.0) for c, v in made.items()}
        return self._sum(made) * self._patch(meaning, made)[:, None]

    def _sum(self, made: dict[str, float]) -> np.ndarray:
        out = np.zeros_like(self.parts["head"].vertices)
        for channel, value in made.items():
            if channel in self.moves:
                out += value * self.moves[channel]
        return out

    def _patch(self, meaning: Meaning, made: dict[str, float]) -> np.ndarray:
        """(V,) which part of the skin a control of one side or lip moves."""
        x, _, z = self.parts["head"].vertices.T
        share = np.ones(len(x))
        whole = [c for c in made if not c.endswith(_SIDES)]
        if meaning.side and whole:
            sign = 1.0 if meaning.side == "Left" else -1.0
            share *= np.clip(0.5 + sign * x / 0.02, 0.0, 1.0)
        if meaning.half and whole:
            sign = 1.0 if meaning.half == "Upper" else -1.0
            share *= np.clip(0.5 + sign * (z - self.mouth) / 0.008, 0.0, 1.0)
        return share

    def gaze(self, side: str, meaning: Meaning) -> np.ndarray:
        """(V, 3): what a control does to an eyeball, "L" or "R", at 1."""
        eye = self.parts[f"eye_{side}"]
        word = {"L": "Left", "R": "Right"}[side]
        out = np.zeros_like(eye.vertices)
        for channel, value in meaning.channels.items():
            if not (channel.startswith("eyeLook") and channel.endswith(word)) or value <= 0.0:
                continue
            share = min(value * _both_sides(channel, meaning), 1.0)
            out += share * _turned(eye.vertices, eye.middle, channel, word)
        return out


def _both_sides(channel: str, meaning: Meaning) -> float:
    """2 where a control for both sides is told as half of each: moved fully it moves both fully."""
    across = channel[:-4] in ("jaw", "mouth") or channel[:-5] in ("jaw", "mouth")
    return 2.0 if not meaning.side and channel.endswith(_SIDES) and not across else 1.0


def _turned(points: np.ndarray, middle: np.ndarray, channel: str, side: str) -> np.ndarray:
    way = channel.removeprefix("eyeLook").removesuffix(side)
    out = 1.0 if side == "Left" else -1.0
    yaw = GAZE * out * {"Out": 1.0, "In": -1.0}.get(way, 0.0)
    pitch = GAZE * {"Down": 1.0, "Up": -1.0}.get(way, 0.0)
    local = points - middle
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    c, s = np.cos(pitch), np.sin(pitch)
    nod = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return local @ (turn @ nod).T - local


@cache
def donor() -> Donor:
    """The sample character as arrays. Leaves an empty file."""
    profile = load_profile(SAMPLE_RIGS / f"{NAME}.json")
    bpy.ops.wm.open_mainfile(filepath=str(profile.blend), load_ui=False)
    parts = {part: _part(bpy.data.objects[f"{NAME}_{part}"], k) for part, k in COLOURS.items()}
    keys = bpy.data.objects[f"{NAME}_head"].data.shape_keys.key_blocks
    rest = _coordinates(keys[0].data)
    moves = {c: _coordinates(keys[c].data) - rest for c in ARKIT_CHANNELS if c in keys}
    anchors = [profile.landmarks[n] for n in LANDMARK_NAMES]
    landmarks = np.array([np.array(a.weights) @ rest[list(a.vertices)] for a in anchors])
    bpy.ops.wm.read_factory_settings(use_empty=True)
    lips = [i for i, n in enumerate(LANDMARK_NAMES) if "inner" in n and n.startswith("lip")]
    return Donor(parts, moves, float(landmarks[lips, 2].mean()), landmarks)


def meanings_of(names: tuple[str, ...]) -> dict[str, Meaning]:
    """What a rig's names mean together."""
    return read_names(names)


def _coordinates(data) -> np.ndarray:
    flat = np.empty(3 * len(data), np.float32)
    data.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(float)


def _part(source: bpy.types.Object, colours: int) -> Part:
    mesh, matrix = source.data, np.array(source.matrix_world)
    keys = mesh.shape_keys
    local = _coordinates(keys.key_blocks[0].data if keys else mesh.vertices)
    faces = tuple(tuple(p.vertices) for p in mesh.polygons)
    paint = np.empty(4 * len(mesh.vertices), np.float32)
    mesh.attributes["Color"].data.foreach_get("color", paint)
    paint = paint.reshape(-1, 4)[:, :3].astype(float)
    of_face = np.array([paint[list(f)].mean(0) for f in faces])
    index = np.empty(len(faces), np.int32)
    mesh.polygons.foreach_get("material_index", index)
    colour, palette = _clusters(of_face, index, colours)
    return Part(local @ matrix[:3, :3].T + matrix[:3, 3], faces, colour, palette)


def _clusters(colours: np.ndarray, material: np.ndarray, count: int):
    """(index (F,), palette (K, 3)): k-means of the first material's colours, one colour of each
    other material's."""
    out, palette = np.zeros(len(colours), int), []
    for m in np.unique(material):
        rows = np.flatnonzero(material == m)
        own = colours[rows]
        light = np.argsort(own.sum(1))
        size = count if m == 0 else 1
        centres = own[light[np.linspace(0, len(rows) - 1, size).astype(int)]]
        for _ in range(12):
            nearest = np.linalg.norm(own[:, None] - centres[None], axis=2).argmin(1)
            centres = np.array(
                [own[nearest == k].mean(0) if (nearest == k).any() else centres[k]
                 for k in range(size)]
            )  # fmt: skip
        out[rows] = nearest + len(palette)
        palette += list(centres)
    return out, np.array(palette)
