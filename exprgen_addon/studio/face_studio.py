"""The studio: one character before a camera, posed, lit, rendered and measured.

**Renderer.** Cycles on the processor: four samples, the fast denoiser, one bounce, scene and BVH
kept between pictures (persistent data), no subdivision, no light under the skin. Processor seconds
for a picture of Mira at 256x256, and how far it is in grey levels from 64 samples
(capture_benchmark.py): 1, 2, 4, 8 samples denoised 0.29, 0.40, 0.65, 1.01 s and 4.7, 3.4, 2.4, 2.0;
4 and 16 samples raw 0.48 and 1.54 s and 6.2, 2.7. Four denoised are thus as true as sixteen raw at
less than half the cost; beyond them little is gained. 192 pixels take 0.35 s, but eyes are then 45
pixels apart and the registered face 88. Subdivision costs a tenth more and is not seen at this
size. Workbench in software OpenGL takes 0.59 s: no faster, without light and shadow that the
networks should learn to see past, and it needs OpenGL, which many farm machines lack. Of all this,
pose, landmarks and hidden points are 0.04 s.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...networks.characters.profile import RigProfile, clamp, from_unit
from ...networks.errors import ExprGenError, UsageError
from ...networks.files import scratch_folder, unwritable, written_whole
from ..characters.landmark_anchors import FaceAnchors, project, switch_off_rebuilding
from .look import Look
from .picture_check import fault
from .skin_rays import CLEAR

LENS_DISTANCE = 6.0
"""Camera's distance in sides of the framed square: a portrait lens, 9.5 degrees across."""


@dataclass(frozen=True)
class StudioSettings:
    """How a picture is rendered.

    size: side in pixels, 16 to 4096. samples: paths a pixel. subdivision: levels that a character's
    subdivision surfaces may have. guided: the denoiser also sees colours and normals, which keeps
    fine lines at twice its cost. threads: 0 is all cores. drawn: from triangles instead of rays,
    where that can be done (drawn_studio.py).
    """

    size: int = 256
    samples: int = 4
    subdivision: int = 0
    guided: bool = False
    threads: int = 0
    drawn: bool = False

    def __post_init__(self) -> None:
        if not 16 <= self.size <= 4096:
            raise UsageError(
                f"a picture of {self.size} pixels can't be made", fix="use 16 to 4096 pixels"
            )


CED = StudioSettings()
STILL = StudioSettings(samples=12, subdivision=1, guided=True)


class FaceStudio:
    """One character before a camera, in a scene of its own; the open scene is not touched.

    Needs bpy, in object mode. Close it (or use `with`) to take everything out of the file again.

    Raises:
        InputError: the character's .blend is missing or lacks what its profile names.
    """

    def __init__(self, profile: RigProfile, settings: StudioSettings = CED):
        import bpy

        from ..characters.in_scene import append_characters

        self.profile, self.settings = profile, settings
        self.scene = bpy.data.scenes.new("ExprGen studio")
        self._made: list = []
        try:
            (self.character,) = append_characters([profile], self.scene, side_by_side=False)
        except ExprGenError:
            bpy.data.scenes.remove(self.scene)
            raise
        self._bindings = [self.character.bindings[name] for name in profile.names]
        self._set_up_render()
        self._set_up_lights()
        _prepare(self.character.collection)
        switch_off_rebuilding(self.character.collection)
        self._anchors: FaceAnchors | None = None
        self._shown = np.full(len(profile.controls), np.nan)
        self.look(Look())
        self.pose(np.array([c.rest for c in profile.controls]))

    def __enter__(self) -> FaceStudio:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Remove the scene, the character and the lights from the open file."""
        import bpy

        collection = self.character.collection
        parts = [*collection.all_objects, *collection.children_recursive, collection]
        bpy.data.batch_remove([*parts, *self._made, self.scene])

    def pose(self, values: np.ndarray) -> None:
        """Set every control of the profile, native values (C,); clamped to the limits."""
        values = clamp(self.profile.controls, values)
        for i in np.flatnonzero(values != self._shown):
            for target in self._bindings[i]:
                target.write(float(values[i]))
                target.owner.update_tag()  # custom properties don't tell the dependency graph
        self._shown = values
        self.scene.view_layers[0].update()

    def pose_units(self, units: np.ndarray) -> None:
        """Set the expression controls from unit values (M,); head and eyes go to rest."""
        controls = self.profile.expression_controls
        self.pose(full_values(self.profile, [c.name for c in controls], from_unit(controls, units)))

    def look(self, look: Look) -> None:
        """Set light, background and camera."""
        key, fill = self._lights
        key.data.energy, key.data.color = 2.6 * look.key, look.key_tint
        fill.data.energy, fill.data.color = 0.5 * look.key, look.tint
        self._shine(key, look.key_elevation, look.key_azimuth)
        self._shine(fill, 0.2, -0.8 * math.copysign(1.0, look.key_azimuth))
        nodes = self.scene.world.node_tree.nodes
        nodes["Ambient"].inputs["Color"].default_value = (*look.tint, 1.0)
        nodes["Ambient"].inputs["Strength"].default_value = 0.45 * look.ambient
        nodes["Backdrop"].inputs["Color"].default_value = (*look.background, 1.0)
        self._place_camera(look)

    @property
    def depsgraph(self):
        """The evaluated scene, at the present pose."""
        return self.scene.view_layers[0].depsgraph

    def world_landmarks(self) -> np.ndarray:
        """(49, 3) the landmarks in world space, metres, at the present pose.

        Raises:
            InputError: the profile has no landmarks, or its meshes have changed.
        """
        if self._anchors is None:
            self._anchors = FaceAnchors(self.profile, self.character.collection)
        return self._anchors.world(self.depsgraph)

    def landmarks(self) -> np.ndarray:
        """(49, 2) the landmarks in pixels of the picture, without rendering it."""
        return project(self.camera_matrix(), self.world_landmarks())

    def hidden(self) -> np.ndarray:
        """(49,) bool: something stands before the landmark: hair, the nose, the face's own side."""
        places = self.world_landmarks()
        camera = np.array(self.camera.matrix_basis)[:3, 3]
        rays = places - camera
        far = np.linalg.norm(rays, axis=1)
        near = far - CLEAR * np.ptp(places @ self._axes()[0])
        return np.array(
            [
                self.scene.ray_cast(self.depsgraph, camera, ray / length, distance=limit)[0]
                for ray, length, limit in zip(rays, far, near, strict=True)
            ]
        )

    def shown(self) -> Shown:
        """What the present pose and look show, without rendering."""
        pixels = self.landmarks()
        reason = fault(pixels, self.hidden(), self.settings.size)
        return Shown(pixels, self.camera_matrix(), reason)

    def camera_matrix(self) -> np.ndarray:
        """(3, 4) world point -> homogeneous pixel of the picture (x right, y down, zero at the
        upper left corner of the upper left pixel)."""
        size, data = self.settings.size, self.camera.data
        focus = size / 2.0 / math.tan(data.angle / 2.0)
        # Blender's camera looks along its -Z with Y up; shifts are in shares of the side.
        inner = np.array(
            [
                [focus, 0.0, -size * (0.5 - data.shift_x)],
                [0.0, -focus, -size * (0.5 + data.shift_y)],
                [0.0, 0.0, -1.0],
            ]
        )
        # What `look` has set, not what the graph last evaluated.
        view = np.linalg.inv(np.array(self.camera.matrix_basis))
        return inner @ view[:3]

    def axes(self) -> np.ndarray:
        """(3, 3) rows: the viewer's right, up, and from the face to the viewer; world space."""
        return self._axes()

    def backward(self) -> np.ndarray:
        """(3,) unit, world space: from the face to the camera as the present look has it."""
        return np.array(self.camera.matrix_basis)[:3, 2]

    def render(self) -> np.ndarray:
        """The picture as (size, size, 3) uint8 RGB, top row first."""
        with scratch_folder() as folder:
            path = folder / "face.bmp"
            self.scene.render.image_settings.file_format = "BMP"
            self._render_file(path)
            return read_bmp(path)

    def render_to(self, path: Path) -> None:
        """Write the picture as PNG, whole or not at all.

        Raises:
            OutputError: the place can't be written.
        """
        self.scene.render.image_settings.file_format = "PNG"
        try:
            with written_whole(path) as part:
                self._render_file(part)
        except RuntimeError as error:
            raise unwritable(path, error) from error

    def _render_file(self, path: Path) -> None:
        import bpy

        self.scene.render.filepath = str(path)
        with _silence():
            bpy.ops.render.render(write_still=True, scene=self.scene.name)

    def _set_up_render(self) -> None:
        render, cycles, settings = self.scene.render, self.scene.cycles, self.settings
        render.engine = "CYCLES"
        render.resolution_x = render.resolution_y = settings.size
        render.resolution_percentage = 100
        render.use_file_extension = False
        render.use_compositing = render.use_sequencer = False
        render.use_persistent_data = True
        render.use_simplify = True
        render.simplify_subdivision_render = settings.subdivision
        render.image_settings.color_mode = "RGB"
        render.image_settings.compression = 15
        if settings.threads:
            render.threads_mode, render.threads = "FIXED", settings.threads
        self.scene.view_settings.view_transform = "Standard"
        cycles.device = "CPU"
        cycles.samples = settings.samples
        cycles.use_adaptive_sampling = False
        self._set_up_denoiser(cycles)
        cycles.use_auto_tile = False
        cycles.use_light_tree = False  # two lights: choosing between them costs more than it saves
        cycles.max_bounces = 1
        cycles.diffuse_bounces = cycles.glossy_bounces = 1
        cycles.transmission_bounces = 2
        cycles.transparent_max_bounces = 4
        cycles.caustics_reflective = cycles.caustics_refractive = False
        cycles.sampling_pattern = "BLUE_NOISE"  # the same grain in every picture, evenly spread

    def _set_up_denoiser(self, cycles) -> None:
        try:
            cycles.denoiser = "OPENIMAGEDENOISE"
        except TypeError:  # some distributions build Blender without it: pay with samples instead
            cycles.use_denoising = False
            cycles.samples = 4 * self.settings.samples
            return
        cycles.use_denoising = True
        cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL" if self.settings.guided else "RGB"
        cycles.denoising_quality = "BALANCED" if self.settings.guided else "FAST"

    def _set_up_lights(self) -> None:
        import bpy

        self._lights = []
        for name, softness in (("key", 0.35), ("fill", 0.9)):
            data = bpy.data.lights.new(f"ExprGen {name}", "SUN")
            data.angle = softness
            self._lights.append(bpy.data.objects.new(data.name, data))
        camera = bpy.data.cameras.new("ExprGen studio")
        self.camera = bpy.data.objects.new(camera.name, camera)
        for made in (*self._lights, self.camera):
            self.scene.collection.objects.link(made)
        self.scene.camera = self.camera
        self.scene.world = _world()
        self._made = [*self._lights, self.camera, self.scene.world]

    def _axes(self) -> np.ndarray:
        """Rows: the viewer's right, up, and from the face to the viewer; world space."""
        back = np.array(self.profile.framing.forward, float)
        back /= np.linalg.norm(back)
        # A face that looks straight up or down has no upright; take the world's Y for it.
        up = np.array((0.0, 1.0, 0.0) if abs(back[2]) > 0.99 else (0.0, 0.0, 1.0))
        right = np.cross(up, back)
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(back, right), back])

    def _shine(self, light, elevation: float, azimuth: float) -> None:
        """Turn a sun so that it stands there; positive azimuth is the viewer's right."""
        light.matrix_world = _matrix(_orbit(self._axes(), -elevation, -azimuth, 0.0))

    def _place_camera(self, look: Look) -> None:
        framing, data = self.profile.framing, self.camera.data
        pitch, yaw, roll = look.orbit
        axes = _orbit(self._axes(), -pitch, yaw, roll)
        distance = LENS_DISTANCE * framing.size
        self.camera.matrix_world = _matrix(axes, np.array(framing.center) + axes[2] * distance)
        data.angle = 2.0 * math.atan(framing.size / look.zoom / 2.0 / distance)
        data.shift_x, data.shift_y = look.shift
        data.clip_start, data.clip_end = distance * 0.05, distance * 20.0


def full_values(profile: RigProfile, names: Sequence[str], values: np.ndarray) -> np.ndarray:
    """Values (..., len(names)) of some controls -> (..., C) of all, the others at rest."""
    values = np.asarray(values, float)
    full = np.tile([c.rest for c in profile.controls], (*values.shape[:-1], 1))
    full[..., [profile.names.index(profile.control(n).name) for n in names]] = values
    return full


@dataclass(frozen=True)
class Shown:
    """What a pose looks like to the camera: landmarks (49, 2) in pixels, camera (3, 4), and the
    reason, of REASONS, why its picture is of no use, or ""."""

    landmarks: np.ndarray
    camera: np.ndarray
    reason: str

    def to_json(self) -> dict:
        return {
            "landmarks": self.landmarks.round(4).tolist(),
            "camera": self.camera.tolist(),
            "reason": self.reason,
        }

    @staticmethod
    def from_json(data: dict) -> Shown:
        return Shown(np.array(data["landmarks"]), np.array(data["camera"]), data["reason"])


def read_bmp(path: Path) -> np.ndarray:
    """An uncompressed 24-bit BMP as (height, width, 3) uint8 RGB, top row first."""
    data = path.read_bytes()
    (start,) = struct.unpack_from("<I", data, 10)
    width, height = struct.unpack_from("<ii", data, 18)
    stride = (width * 3 + 3) // 4 * 4  # rows are padded to four bytes
    rows = np.frombuffer(data, np.uint8, stride * abs(height), start).reshape(-1, stride)
    picture = rows[:, : width * 3].reshape(abs(height), width, 3)[:, :, ::-1]
    return np.ascontiguousarray(picture[::-1] if height > 0 else picture)


def _orbit(axes: np.ndarray, pitch: float, yaw: float, roll: float) -> np.ndarray:
    """Turn a viewer's axes (right, up, back) about the face; pitch lowers, yaw goes to the left."""
    right, up, back = axes
    back, right = (
        back * math.cos(yaw) - right * math.sin(yaw),
        right * math.cos(yaw) + back * math.sin(yaw),
    )
    back, up = (
        back * math.cos(pitch) - up * math.sin(pitch),
        up * math.cos(pitch) + back * math.sin(pitch),
    )
    right, up = (
        right * math.cos(roll) + up * math.sin(roll),
        up * math.cos(roll) - right * math.sin(roll),
    )
    return np.stack([right, up, back])


def _matrix(axes: np.ndarray, location=(0.0, 0.0, 0.0)):
    """Blender's world matrix of an object with these axes (X, Y, Z as rows)."""
    from mathutils import Matrix

    matrix = np.eye(4)
    matrix[:3, :3] = axes.T
    matrix[:3, 3] = location
    return Matrix(matrix.tolist())


def _world():
    """A world whose visible backdrop and ambient light are set apart."""
    import bpy

    world = bpy.data.worlds.new("ExprGen studio")
    world.use_nodes = True
    tree = world.node_tree
    tree.nodes.clear()
    ambient, backdrop = (tree.nodes.new("ShaderNodeBackground") for _ in range(2))
    ambient.name, backdrop.name = "Ambient", "Backdrop"
    path = tree.nodes.new("ShaderNodeLightPath")
    mix = tree.nodes.new("ShaderNodeMixShader")
    out = tree.nodes.new("ShaderNodeOutputWorld")
    tree.links.new(path.outputs["Is Camera Ray"], mix.inputs[0])
    tree.links.new(ambient.outputs[0], mix.inputs[1])
    tree.links.new(backdrop.outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], out.inputs["Surface"])
    return world


def _prepare(collection) -> None:
    """Take out of a character what would cost time or disturb: its lights, actions, scattering."""
    # A list: hiding an object frees the cache that Blender's own iteration walks.
    for part in list(collection.all_objects):
        if part.type in ("LIGHT", "CAMERA"):
            part.hide_render = True
        if part.type == "MESH" and part.hide_render:  # so that rays don't meet it either
            part.hide_viewport = True
        keys = getattr(part.data, "shape_keys", None)
        for datablock in (part, part.data, keys):
            if getattr(datablock, "animation_data", None):
                datablock.animation_data.action = None
        for slot in part.material_slots:
            if slot.material and slot.material.node_tree:
                _drop_scattering(slot.material.node_tree)


def _drop_scattering(tree) -> None:
    """Light under the skin needs many more samples than these pictures have."""
    for node in tree.nodes:
        if node.type == "BSDF_PRINCIPLED":
            weight = node.inputs["Subsurface Weight"]
            for link in list(weight.links):
                tree.links.remove(link)
            weight.default_value = 0.0


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep what Blender's C code prints for each picture off the user's standard output."""
    sys.stdout.flush()
    saved, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(nowhere)
