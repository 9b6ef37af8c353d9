"""The studio for films: pictures drawn from triangles, where a character's materials are plain.

Light, camera, poses and backdrop are the studio's own; only the rays are left out: suns, sky,
shadows and hollows are worked out at the mesh's points (plain_light.py) and blended between them
(rasteriser.py). In motion and at 256 pixels that is hard to tell from four rays a pixel; stills,
sheets and what networks learn from stay with the rays.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...networks.characters.profile import RigProfile
from ...networks.files import written_whole
from . import rasteriser
from .face_studio import CED, FaceStudio, StudioSettings
from .look import Look
from .plain_light import BOUNCE, CELLS, Sun, dot, gloss, irradiance, length, sky_directions
from .plain_surfaces import NotPlain, Skin

MESHES_AND_HELPERS = ("MESH", "ARMATURE", "EMPTY", "LATTICE", "LIGHT", "CAMERA", "SPEAKER")
"""Types of objects of which all that is seen can be drawn."""
COARSE = 50
"""So many of a hundred edges are shorter than a cell of the lights' maps."""
BEYOND = 1.6
"""Of the framed side: what is farther from its middle casts no shadow that anybody sees."""


class DrawnStudio(FaceStudio):
    """A studio that draws its pictures.

    Raises:
        NotPlain: a material can't be drawn without rays.
        InputError: as FaceStudio.
    """

    def __init__(self, profile: RigProfile, settings: StudioSettings = CED):
        super().__init__(profile, settings)
        try:
            self.scene.render.simplify_subdivision = settings.subdivision
            self.scene.view_layers[0].update()
            self._skins = [Skin(part, self._evaluated) for part in self._parts()]
        except BaseException:
            self.close()
            raise
        counts = np.cumsum([0, *[s.points_count for s in self._skins]])
        self._width: float | None = None
        self._triangles = np.concatenate(
            [s.triangles + first for s, first in zip(self._skins, counts, strict=False)]
        )
        self._closed = np.concatenate([s.closed for s in self._skins])
        self._repaint()
        self._metallic = np.concatenate([s.metallic for s in self._skins])
        self._roughness = np.concatenate([s.roughness for s in self._skins])

    def look(self, look: Look) -> None:
        super().look(look)
        self._seen_look = look

    def render(self) -> np.ndarray:
        """The picture as (size, size, 3) uint8 RGB, top row first."""
        read = [skin.read() for skin in self._skins]
        points, normals = (np.concatenate(part) for part in zip(*read, strict=True))
        self._repaint([skin for skin in self._skins if skin.painted])
        eye = np.array(self.camera.matrix_basis, np.float32)[:3, 3]
        to_viewer = eye - points
        to_viewer /= length(to_viewer)[:, None]
        # Both sides of a surface are seen: hair is often one layer.
        facing = dot(normals, to_viewer)
        turned = np.where(facing[:, None] < rasteriser.AWAY, -normals, normals)
        direct, open_sky, shares = self._light(points, turned)
        camera = self.camera_matrix().astype(np.float32)
        seen = points @ camera[:, :3].T + camera[:, 3]
        side = self.settings.size * rasteriser.SAMPLES
        flat = np.concatenate([seen[:, :2] / seen[:, 2:] * rasteriser.SAMPLES, seen[:, 2:]], axis=1)
        hidden = rasteriser.turned_away(facing, self._triangles, self._closed)
        kept = np.flatnonzero(~hidden)
        covered = rasteriser.cover(flat, self._triangles[kept], side).of(kept)
        shine = sum(
            gloss(turned, to_viewer, sun, self._roughness)[:, None] * share[:, None] * sun.colour
            for sun, share in zip(self._suns(), shares, strict=True)
        )
        shown = np.zeros(len(self._triangles), bool)
        shown[covered.triangle] = True
        rows = np.flatnonzero(shown)
        number = np.empty(len(shown), np.int32)
        number[rows] = np.arange(len(rows))
        corners = self._shaded(rows, direct, open_sky, shine)
        colours = covered.of(number).blend(corners)
        self._lay_pictures(covered, colours, direct, open_sky, shine)
        return rasteriser.picture(covered, colours, self._seen_look.background, self.settings.size)

    def render_to(self, path: Path) -> None:
        """Write the picture as PNG, whole or not at all.

        Raises:
            OutputError: the place can't be written.
        """
        try:
            data = png(self.render())
        except NotPlain:  # a mesh that has other points at this pose
            super().render_to(path)
            return
        with written_whole(path) as part:
            Path(part).write_bytes(data)

    def _repaint(self, changed: Sequence[Skin] = ()) -> None:
        """Take the surfaces' colours, those of `changed` read anew."""
        for skin in changed:
            skin.repaint()
        self._colours = np.concatenate([s.colours for s in self._skins])
        self._emission = np.concatenate([s.emission for s in self._skins])

    def _parts(self) -> list:
        """The meshes that are seen."""
        shown = [p for p in self.character.collection.all_objects if not p.hide_render]
        for part in shown:
            hairy = any(m.type == "PARTICLE_SYSTEM" for m in part.modifiers)
            if hairy or part.type not in MESHES_AND_HELPERS:
                raise NotPlain(f"{part.name}: {'hair' if hairy else part.type.lower()}")
        meshes = (part for part in shown if part.type == "MESH")
        return [part for part in meshes if len(self._evaluated(part).data.polygons)]

    def _evaluated(self, part):
        return part.evaluated_get(self.depsgraph)

    def _suns(self) -> list[Sun]:
        suns = []
        for light in self._lights:
            matrix = np.array(light.matrix_basis, float)
            data = light.data
            suns.append(Sun(matrix[:3, 2], np.array(data.color) * data.energy))
        return suns

    def _light(self, points: np.ndarray, normals: np.ndarray):
        """`irradiance` of the points near the face; the others see all of the light."""
        framing = self.profile.framing
        far = np.abs(points - np.array(framing.center, np.float32)).max(1)
        near = np.flatnonzero(far < BEYOND * framing.size)
        axes = self._axes()
        sky = self._seen_look.ambient * 0.45 * np.array(self._seen_look.tint)
        direct = np.zeros((len(points), 3), np.float32)
        open_sky = np.ones((len(points), 1), np.float32)
        shares = [np.ones(len(points), np.float32) for _ in self._lights]
        found, opened, seen = irradiance(
            points[near],
            normals[near],
            self._suns(),
            sky_directions(axes[2], axes[1]),
            self._cell(points, near),
        )
        direct[near], open_sky[near] = found, opened
        for share, told in zip(shares, seen, strict=True):
            share[near] = told
        self._sky = sky.astype(np.float32)
        return direct, open_sky, shares

    def _cell(self, points: np.ndarray, near: np.ndarray) -> float:
        """Width of the cells of the lights' maps: no finer than the mesh, whose gaps would let
        light through."""
        if self._width is None:
            mine = np.zeros(len(points), bool)
            mine[near] = True
            t = self._triangles[mine[self._triangles].all(1)]
            edges = np.linalg.norm(points[t[:, 0]] - points[t[:, 1]], axis=1)
            coarse = float(np.percentile(edges, COARSE)) if len(edges) else 0.0
            self._width = max(self.profile.framing.size / CELLS, coarse)
        return self._width

    def _shaded(self, rows, direct, open_sky, shine) -> np.ndarray:
        """Linear colours of the corners of some triangles (R, 3, 3)."""
        t, colours, metallic = self._triangles[rows], self._colours[rows], self._metallic[rows]
        seen = open_sky[t]
        bounced = seen + (1 - seen) * BOUNCE * colours
        dull = colours * (direct[t] + self._sky * bounced) * (1 - metallic)
        sheen = (0.04 + metallic * (colours - 0.04)) * self._sky * seen
        return dull + sheen + shine[t] + self._emission[rows]

    def _lay_pictures(self, covered, colours, direct, open_sky, shine) -> None:
        """Where a surface's colour is a picture: its own colour in place of the one blended."""
        first = 0
        for skin in self._skins:
            for rows, uvs, image in skin.pictures:
                numbers = np.full(len(self._triangles), -1)
                numbers[first + rows] = np.arange(len(rows))
                mine = np.flatnonzero(numbers[covered.triangle] >= 0)
                part = rasteriser.Covered(
                    covered.sample[mine], covered.triangle[mine], covered.shares[mine]
                )
                own = rasteriser.Covered(part.sample, numbers[part.triangle], part.shares)
                flat = _looked_up(image, own.blend(uvs))
                t = self._triangles[part.triangle]
                sun, seen, bright = (
                    np.einsum("nck,nc->nk", values[t], part.shares)
                    for values in (direct, open_sky, shine)
                )
                light = sun + self._sky * (seen + (1 - seen) * BOUNCE * flat)
                colours[mine] = flat * light + 0.04 * self._sky * seen + bright
            first += len(skin.triangles)


def _looked_up(image: np.ndarray, uvs: np.ndarray) -> np.ndarray:
    """Colours of a picture (H, W, 3) at UVs (N, 2), repeated beyond its edges."""
    height, width = image.shape[:2]
    x = (uvs[:, 0] % 1.0 * width).astype(int) % width
    y = (uvs[:, 1] % 1.0 * height).astype(int) % height
    return image[y, x]


def png(rgb: np.ndarray) -> bytes:
    """A picture (H, W, 3) uint8 as PNG (ISO/IEC 15948), quickly rather than small."""
    height, width = rgb.shape[:2]
    rows = np.zeros((height, 1 + width * 3), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = rgb.reshape(height, -1)
    head = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def studio(profile: RigProfile, settings: StudioSettings) -> FaceStudio:
    """A studio that draws where the settings want that and the character's materials allow it."""
    if settings.drawn:
        try:
            return DrawnStudio(profile, settings)
        except NotPlain:
            pass
    return FaceStudio(profile, settings)
