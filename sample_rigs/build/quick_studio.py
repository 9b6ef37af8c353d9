"""The drawn studio in compiled loops: a fifth of its time, for thousands of small pictures.

The same light, shadows and materials as drawn_studio.py, worked out by warp (which comes with
anny) on one core. Only for characters of `assemble`: colours are painted on points.
"""

import numpy as np
import warp as wp

from ...exprgen_addon.studio.drawn_studio import DrawnStudio
from ...exprgen_addon.studio.face_studio import StudioSettings
from ...exprgen_addon.studio.plain_light import (
    AROUND,
    AWAY,
    BOUNCE,
    SOFT,
    dot,
    length,
    sky_directions,
)
from ...exprgen_addon.studio.plain_surfaces import NotPlain
from ...exprgen_addon.studio.rasteriser import SAMPLES, to_screen, turned_away
from ...networks.characters.profile import RigProfile
from .shading import COLOR

SUNS = wp.constant(2)
"""The studio's key and fill light come first among the directions that are looked in."""
MAP = wp.constant(176)
"""Cells of a light's map along a side."""
_AROUND = wp.constant(len(AROUND))
_AWAY, _SOFT, _BOUNCE = wp.constant(AWAY), wp.constant(SOFT), wp.constant(BOUNCE)
_DEEP = wp.constant(1.0e9)

NEAR = 0.8
"""Of the framed side: what is farther from its middle casts no shadow."""

wp.config.quiet = True
wp.set_module_options({"enable_backward": False, "fast_math": True})


@wp.func
def _place(frame: wp.mat33, low: wp.vec2, cell: float, point: wp.vec3):
    """Cell of a map in which a light sees a point, and how near to the light it is."""
    seen = frame @ point
    x = wp.clamp(int((seen[0] - low[0]) / cell), 1, MAP - 2)
    y = wp.clamp(int((seen[1] - low[1]) / cell), 1, MAP - 2)
    return wp.vec3(float(x), float(y), seen[2])


@wp.kernel
def _lay(
    points: wp.array(dtype=wp.vec3),
    near: wp.array(dtype=wp.int32),
    frames: wp.array(dtype=wp.mat33),
    lows: wp.array(dtype=wp.vec2),
    cell: float,
    maps: wp.array3d(dtype=float),
):
    """Maps of the nearest points as each light sees them (plain_light.visible)."""
    light, i = wp.tid()
    at = _place(frames[light], lows[light], cell, points[near[i]])
    wp.atomic_max(maps, light, int(at[1]), int(at[0]), at[2])


@wp.func
def _gloss(normal: wp.vec3, viewer: wp.vec3, sun: wp.vec3, roughness: float):
    """plain_light.gloss of one point."""
    half = wp.normalize(viewer + sun)
    cosine = wp.clamp(wp.dot(normal, half), 0.0, 1.0)
    level = wp.clamp(wp.dot(viewer, half), 0.05, 1.0)
    alpha = wp.max(roughness, 0.12) * wp.max(roughness, 0.12)
    around = cosine * cosine * (alpha * alpha - 1.0) + 1.0
    spread = alpha * alpha / (3.14159265 * around * around)
    fresnel = 0.04 + 0.96 * wp.pow(1.0 - level, 5.0)
    facing = wp.clamp(wp.dot(normal, sun), 0.0, 1.0)
    return spread * fresnel / (4.0 * level * level) * facing


@wp.kernel
def _light(
    points: wp.array(dtype=wp.vec3),
    normals: wp.array(dtype=wp.vec3),
    asked: wp.array(dtype=wp.int32),
    roughness: wp.array(dtype=float),
    frames: wp.array(dtype=wp.mat33),
    lows: wp.array(dtype=wp.vec2),
    cell: float,
    maps: wp.array3d(dtype=float),
    around: wp.array(dtype=wp.vec2i),
    suns: wp.array(dtype=wp.vec3),
    eye: wp.vec3,
    direct: wp.array(dtype=wp.vec3),
    shine: wp.array(dtype=wp.vec3),
    sky: wp.array(dtype=float),
):
    """plain_light.irradiance and gloss of the points that are asked for."""
    i = asked[wp.tid()]
    point = points[i]
    viewer = wp.normalize(eye - point)
    normal = normals[i] * wp.where(wp.dot(normals[i], viewer) < -0.25, -1.0, 1.0)
    lifted = point + normal * (_AWAY * cell)
    sun_light = wp.vec3(0.0, 0.0, 0.0)
    gloss_light = wp.vec3(0.0, 0.0, 0.0)
    seen, whole = float(0.0), float(0.0)  # noqa: UP018 (variables to warp, constants without)
    for light in range(frames.shape[0]):
        frame = frames[light]
        direction = wp.vec3(frame[2, 0], frame[2, 1], frame[2, 2])
        facing = wp.max(wp.dot(normal, direction), 0.0)
        if facing > 0.0:
            at = _place(frame, lows[light], cell, lifted)
            x, y = int(at[0]), int(at[1])
            if light < SUNS:
                open_share = float(0.0)  # noqa: UP018
                for k in range(_AROUND):
                    step = around[k]
                    hidden = (maps[light, y + step[1], x + step[0]] - at[2]) / (_SOFT * cell)
                    open_share += 1.0 - wp.clamp(hidden, 0.0, 1.0)
                open_share = open_share / float(_AROUND)
                sun_light += suns[light] * (facing * open_share / 3.14159265)
                gloss_light += suns[light] * (
                    open_share * _gloss(normal, viewer, direction, roughness[i])
                )
            else:
                hidden = (maps[light, y, x] - at[2]) / (_SOFT * cell)
                seen += facing * (1.0 - wp.clamp(hidden, 0.0, 1.0))
                whole += facing
    direct[i] = sun_light
    shine[i] = gloss_light
    if frames.shape[0] > SUNS:
        sky[i] = seen / wp.max(whole, 1.0e-3)


@wp.func
def _area(a: wp.vec3, b: wp.vec3, x: float, y: float):
    return (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])


@wp.kernel
def _cover(
    flat: wp.array(dtype=wp.vec3),
    triangles: wp.array2d(dtype=wp.int32),
    kept: wp.array(dtype=wp.int32),
    side: int,
    depth: wp.array2d(dtype=float),
    seen: wp.array2d(dtype=wp.int32),
):
    """The nearest triangle at each sample. On one core triangles come one after the other."""
    t = kept[wp.tid()]
    a, b, c = flat[triangles[t, 0]], flat[triangles[t, 1]], flat[triangles[t, 2]]
    whole = _area(a, b, c[0], c[1])
    if wp.abs(whole) > 1.0e-9:
        left = wp.max(int(wp.ceil(wp.min(a[0], wp.min(b[0], c[0])) - 0.5)), 0)
        right = wp.min(int(wp.floor(wp.max(a[0], wp.max(b[0], c[0])) - 0.5)), side - 1)
        top = wp.max(int(wp.ceil(wp.min(a[1], wp.min(b[1], c[1])) - 0.5)), 0)
        low = wp.min(int(wp.floor(wp.max(a[1], wp.max(b[1], c[1])) - 0.5)), side - 1)
        for row in range(top, low + 1):
            for column in range(left, right + 1):
                x, y = float(column) + 0.5, float(row) + 0.5
                u = _area(b, c, x, y) / whole
                v = _area(c, a, x, y) / whole
                w = 1.0 - u - v
                if u >= -1.0e-4 and v >= -1.0e-4 and w >= -1.0e-4:
                    far = u * a[2] + v * b[2] + w * c[2]
                    if far < depth[row, column]:
                        depth[row, column] = far
                        seen[row, column] = t


@wp.func
def _corner(
    colour: wp.vec3, glow: wp.vec3, direct: wp.vec3, shine: wp.vec3, sky: float, sky_light: wp.vec3
):
    bounced = wp.vec3(sky, sky, sky) + colour * ((1.0 - sky) * _BOUNCE)
    dull = wp.cw_mul(colour, direct + wp.cw_mul(sky_light, bounced))
    return dull + sky_light * (0.04 * sky) + shine + glow


@wp.kernel
def _shade(
    flat: wp.array(dtype=wp.vec3),
    triangles: wp.array2d(dtype=wp.int32),
    colours: wp.array2d(dtype=wp.vec3),
    glow: wp.array2d(dtype=wp.vec3),
    direct: wp.array(dtype=wp.vec3),
    shine: wp.array(dtype=wp.vec3),
    sky: wp.array(dtype=float),
    sky_light: wp.vec3,
    backdrop: wp.vec3,
    seen: wp.array2d(dtype=wp.int32),
    out: wp.array2d(dtype=wp.vec3),
):
    """Linear colours of the samples."""
    row, column = wp.tid()
    t = seen[row, column]
    if t < 0:
        out[row, column] = backdrop
        return
    i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
    a, b, c = flat[i], flat[j], flat[k]
    x, y = float(column) + 0.5, float(row) + 0.5
    whole = _area(a, b, c[0], c[1])
    u = _area(b, c, x, y) / whole
    v = _area(c, a, x, y) / whole
    first = _corner(colours[t, 0], glow[t, 0], direct[i], shine[i], sky[i], sky_light)
    second = _corner(colours[t, 1], glow[t, 1], direct[j], shine[j], sky[j], sky_light)
    third = _corner(colours[t, 2], glow[t, 2], direct[k], shine[k], sky[k], sky_light)
    out[row, column] = first * u + second * v + third * (1.0 - u - v)


class QuickStudio(DrawnStudio):
    """A studio that draws a character of `assemble` quickly.

    Args:
        sky_every: pictures after which it is looked at anew how much of the sky hollows see; in a
            clip that hardly changes between frames.

    Raises:
        NotPlain: a material has a picture or is metal.
        InputError: as FaceStudio.
    """

    def __init__(self, profile: RigProfile, settings: StudioSettings, sky_every: int = 1):
        super().__init__(profile, settings)
        self._every, self._drawn_so_far, self._open_sky = sky_every, 0, None
        if any(skin.pictures for skin in self._skins) or self._metallic.any():
            self.close()
            raise NotPlain(f"{profile.name}: more than colours on its points")
        self._fixed = (
            _array(self._triangles, wp.int32),
            _array(self._emission, wp.vec3),
            _array(self._roughness, float),
            _array(np.array(AROUND), wp.vec2i),
        )

    def render(self) -> np.ndarray:
        """The picture as (size, size, 3) uint8 RGB, top row first."""
        read = [skin.read() for skin in self._skins]
        self._darken()
        points, normals = (np.concatenate(part) for part in zip(*read, strict=True))
        eye = np.array(self.camera.matrix_basis, np.float32)[:3, 3]
        to_viewer = eye - points
        facing = dot(normals, to_viewer) / length(to_viewer)
        kept = np.flatnonzero(~turned_away(facing, self._triangles, self._closed))
        asked = np.zeros(len(points), bool)
        asked[self._triangles[kept]] = True
        light = self._lit(points, normals, np.flatnonzero(asked), eye)
        return self._drawn(self._flat(points), kept, light)

    def picture(self, values: np.ndarray) -> np.ndarray:
        """`render` of a pose (C,), native values."""
        self.pose(values)
        return self.render()

    def _darken(self) -> None:
        """The head's colours at the present pose: its wrinkles darken as they deepen."""
        first = 0
        for skin in self._skins:
            last = first + len(skin.triangles)
            if any(m.type == "NODES" for m in skin._part.modifiers):
                mesh = self._evaluated(skin._part).data
                rows = slice(first, last)
                everything = np.arange(len(skin.triangles))
                self._colours[rows] = skin._attribute(mesh, COLOR, skin.triangles, everything)
            first = last

    def _flat(self, points: np.ndarray) -> np.ndarray:
        """(V, 3) places in samples and distance from the camera."""
        camera = self.camera_matrix().astype(np.float32)
        seen = points @ camera[:, :3].T + camera[:, 3]
        return np.concatenate([seen[:, :2] / seen[:, 2:] * SAMPLES, seen[:, 2:]], axis=1)

    def _lit(self, points, normals, asked, eye) -> tuple[wp.array, wp.array, wp.array]:
        """Direct light, gloss and share of the sky; of all points, where they are asked for."""
        framing = self.profile.framing
        near = np.flatnonzero(_far(points, framing.center) < NEAR * framing.size)
        cell, suns = self._cell(points, near), self._suns()
        whole = self._drawn_so_far % self._every == 0
        self._drawn_so_far += 1
        directions = [s.direction for s in suns]
        if whole:
            axes = self._axes()
            directions += [*sky_directions(axes[2], axes[1])]
            self._open_sky = wp.full(len(points), 1.0, dtype=float, device="cpu")
            asked = near if self._every > 1 else asked
        frames, lows = _maps(np.array(directions), framing.center, cell)
        maps = wp.full((len(frames), MAP, MAP), -_DEEP, dtype=float, device="cpu")
        places = _array(points, wp.vec3)
        shared = [_array(frames, wp.mat33), _array(lows, wp.vec2), cell]
        laid = [places, _array(near, wp.int32), *shared, maps]
        wp.launch(_lay, (len(frames), len(near)), laid, device="cpu")
        direct, shine = (wp.zeros(len(points), dtype=wp.vec3, device="cpu") for _ in range(2))
        colours = _array(np.array([s.colour for s in suns]), wp.vec3)
        given = [places, _array(normals, wp.vec3), _array(asked, wp.int32), self._fixed[2]]
        given += [*shared, maps, self._fixed[3], colours, wp.vec3(*eye), direct, shine]
        wp.launch(_light, len(asked), [*given, self._open_sky], device="cpu")
        return direct, shine, self._open_sky

    def _drawn(self, flat: np.ndarray, kept: np.ndarray, light) -> np.ndarray:
        side = self.settings.size * SAMPLES
        triangles, glow = self._fixed[:2]
        colours = _array(self._colours, wp.vec3)
        places = _array(flat, wp.vec3)
        depth = wp.full((side, side), _DEEP, dtype=float, device="cpu")
        seen = wp.full((side, side), -1, dtype=wp.int32, device="cpu")
        drawn = [places, triangles, _array(kept, wp.int32), side, depth, seen]
        wp.launch(_cover, len(kept), drawn, device="cpu")
        look = self._seen_look
        sky = wp.vec3(*(0.45 * look.ambient * np.array(look.tint)))
        out = wp.empty((side, side), dtype=wp.vec3, device="cpu")
        given = [places, triangles, colours, glow, *light, sky, wp.vec3(*look.background), seen]
        wp.launch(_shade, (side, side), [*given, out], device="cpu")
        shown = to_screen(out.numpy())
        total = sum(shown[i::SAMPLES, k::SAMPLES] for i in range(SAMPLES) for k in range(SAMPLES))
        return (total * np.float32(255 / SAMPLES**2) + np.float32(0.5)).astype(np.uint8)


def _array(values: np.ndarray, kind) -> wp.array:
    plain = np.int32 if kind in (wp.int32, wp.vec2i) else np.float32
    return wp.array(np.ascontiguousarray(values, plain), dtype=kind, device="cpu", copy=False)


def _far(points: np.ndarray, centre) -> np.ndarray:
    """(V,) how far points are from a place along the axis on which they are farthest."""
    away = np.abs(points - np.array(centre, np.float32))
    return np.maximum(np.maximum(away[:, 0], away[:, 1]), away[:, 2])


def _maps(directions: np.ndarray, centre, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Frames (L, 3, 3) in which lights look from their directions (L, 3), which come last, and
    where their maps begin (L, 2): the face is in their middle."""
    across = np.cross(directions, np.eye(3)[np.abs(directions).argmin(1)])
    across /= length(across)[:, None]
    frames = np.stack([across, np.cross(directions, across), directions], 1)
    return frames, frames[:, :2] @ np.array(centre) - cell * int(MAP) / 2
