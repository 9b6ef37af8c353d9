"""Characters to pictures: a studio that poses and renders one face, and what is made with it.

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

**Processes.** Blender renders one picture at a time and much of the time between two of them uses
one core, so pictures are shared out to several Blender processes (`render_shots`). They are started
from this very Blender (or Python with the bpy module), report one JSON line for each picture, and
leave the open file of the caller alone. With `processes=0` the pictures are made in this process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import Empty, Queue

import numpy as np

from ...networks.characters.profile import RigProfile, clamp, from_unit, load_profile
from ...networks.cores import cores
from ...networks.errors import ExprGenError, InputError, OutputError, UsageError
from ...networks.track import RigTrack, load_arrays, save_arrays
from ...networks.tracking.registration import geometric_features
from ...networks.vocabulary import EXPRESSIONS, GEOMETRIC_FEATURES, LANDMARK_NAMES
from ..characters.landmarks import CLEAR, FaceAnchors, fault, project, switch_off_rebuilding
from .ced_poses import Look, class_balance, draw_samples

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]

CED_KIND = "exprgen.ced"
CED_VERSION = 2
"""Of the manifest; 1 had no landmarks."""
SAVE_EVERY = 500
"""Pictures between two writings of what was measured on them."""
PACKAGE_ROOT = Path(__file__).resolve().parents[2]
LENS_DISTANCE = 6.0
"""Camera's distance in sides of the framed square: a portrait lens, 9.5 degrees across."""


@dataclass(frozen=True)
class StudioSettings:
    """How a picture is rendered.

    size: side in pixels, 16 to 4096. samples: paths a pixel. subdivision: levels that a character's
    subdivision surfaces may have. guided: the denoiser also sees colours and normals, which keeps
    fine lines at twice its cost. threads: 0 is all cores.
    """

    size: int = 256
    samples: int = 4
    subdivision: int = 0
    guided: bool = False
    threads: int = 0

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

    def render(self) -> np.ndarray:
        """The picture as (size, size, 3) uint8 RGB, top row first."""
        with tempfile.TemporaryDirectory(prefix="exprgen_") as folder:
            path = Path(folder) / "face.bmp"
            self.scene.render.image_settings.file_format = "BMP"
            self._render_file(path)
            return read_bmp(path)

    def render_to(self, path: Path) -> None:
        """Write the picture as PNG; a temporary name first, so it is never half-written.

        Raises:
            OutputError: the place can't be written.
        """
        part = path.with_name(f".{path.stem}.{os.getpid()}.png")
        self.scene.render.image_settings.file_format = "PNG"
        try:
            self._render_file(part)
            os.replace(part, path)
        except (OSError, RuntimeError) as error:
            part.unlink(missing_ok=True)
            raise OutputError(
                "the picture can't be written", file=path, fix="choose a writable folder"
            ) from error

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


def render_stills(
    profile: RigProfile,
    values: np.ndarray | RigTrack,
    out_dir: str | Path,
    stems: Sequence[str] | None = None,
    size: int = 256,
    *,
    processes: int | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> list[Path]:
    """One PNG for each row of values: <out_dir>/<character>/<stem>.png, framed on the face.

    Args:
        values: native values (N, C) of all controls, or a RigTrack of this character.
        stems: N file names without suffix; a track's own names by default, else frame numbers.
        size: side in pixels. processes, progress, stop: see `render_shots`.

    Raises:
        InputError: the character is damaged, or the track names controls it lacks.
        OutputError: the folder can't be written.
    """
    if isinstance(values, RigTrack):
        stems = stems or values.meta.get("names") or None
        values = full_values(profile, values.controls, values.values)
    values = np.asarray(values, float).reshape(-1, len(profile.controls))
    stems = [f"{i:06d}" for i in range(len(values))] if stems is None else list(stems)
    if len(stems) != len(values):
        raise UsageError(f"{len(values)} pictures but {len(stems)} names", fix="give one for each")
    folder = make_folder(Path(out_dir) / profile.name)
    paths = [folder / f"{stem}.png" for stem in stems]
    looks = np.tile(Look().to_row(), (len(values), 1))
    shots = Shots(values, looks, paths)
    render_shots(
        profile, shots, replace(STILL, size=size), processes=processes, progress=progress, stop=stop
    )
    return paths


def capture_ced(
    profile: RigProfile,
    out_dir: str | Path,
    count: int,
    seed: int = 0,
    processes: int | None = None,
    *,
    settings: StudioSettings = CED,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> dict:
    """Render a character's picture database: poses of known expression and control values.

    Writes <out_dir>/<character>/samples.npz (columns of `poses.Samples` and of `Measured`, all
    `count` rows, first before the first picture), images/%06d.png and manifest.json. Pictures that
    are there are kept, so a capture that was stopped goes on, and a larger count adds to a smaller
    one. The same seed gives the same pictures whatever the number of processes.

    Where the profile has landmarks, each row gets them in pixels, and a row whose picture would be
    of no use (see `landmarks.fault`) is not rendered but counted with the reason. Without them the
    training has to look for faces in the pictures.

    Returns:
        the manifest: character, seed, count, done (pictures there), rejected (by reason), classes
        (of the pictures that are not rejected), settings, seconds, landmarks (bool), versions.

    Raises:
        OutputError: the folder can't be written, or holds a capture drawn otherwise.
        UsageError: a count below 1 or a negative seed.
    """
    if count < 1 or seed < 0:
        raise UsageError("nothing to capture", fix="give a count above 0 and a seed from 0 up")
    began = time.monotonic()
    folder = Path(out_dir) / profile.name
    images = make_folder(folder / "images")
    samples = draw_samples(profile, seed, range(count))
    drawn = vars(samples)
    old = _keep_or_refuse(folder / "samples.npz", drawn)
    meta = {
        "character": profile.name,
        "seed": seed,
        "controls": [c.name for c in profile.expression_controls],
        "all_controls": list(profile.names),
        "size": settings.size,
        "anchors": anchors_digest(profile),
    }
    measured = Measured.of(count, old, meta["anchors"])
    paths = [images / f"{i:06d}.png" for i in range(count)]
    todo = [i for i in range(count) if measured.open(i, paths[i].exists(), bool(meta["anchors"]))]

    def save() -> None:
        columns = measured.columns() if meta["anchors"] else {}
        save_arrays(folder / "samples.npz", CED_KIND, meta, {**drawn, **columns})

    def keep(shot: int, shown: Shown) -> None:
        measured.set(todo[shot], shown)
        if len(measured) % SAVE_EVERY == 0:
            save()

    there = sum(path.exists() for path in paths)
    save()
    shots = Shots(
        samples.values[todo], samples.looks[todo], [paths[i] for i in todo], bool(meta["anchors"])
    )
    try:
        render_shots(
            profile, shots, settings, processes=processes, progress=progress, stop=stop, keep=keep
        )
    finally:
        for i in np.flatnonzero(measured.rejected):  # one of an older landmark's time
            paths[i].unlink(missing_ok=True)
        save()
        done = np.array([path.exists() for path in paths])
        manifest = {
            "format": CED_KIND,
            "version": CED_VERSION,
            "exprgen": _version(),
            **meta,
            "count": count,
            "done": int(done.sum()),
            "rejected": measured.reasons(),
            "landmarks": bool(meta["anchors"]),
            "classes": class_balance(samples.label[measured.rejected == 0]),
            "settings": asdict(settings),
            "seconds": round(time.monotonic() - began, 1),
            "rendered": int(done.sum()) - there,
        }
        _write_text(folder / "manifest.json", json.dumps(manifest, indent=1) + "\n")
    return manifest


def is_complete(manifest: dict) -> bool:
    """Every row of a capture has its picture or the reason why it has none."""
    return manifest["done"] + sum(manifest["rejected"].values()) >= manifest["count"]


def anchors_digest(profile: RigProfile) -> str:
    """Tells one placing of a profile's landmarks from another; empty without landmarks."""
    if not profile.landmarks:
        return ""
    text = json.dumps([asdict(profile.landmarks[name]) for name in LANDMARK_NAMES])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


REASONS = ("", "face hidden", "landmarks outside the frame", "lips inverted", "lids inverted")
"""Why a row has no picture, by the number in the column `rejected`."""


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


class Measured:
    """Columns that are known only once a pose has been taken.

    landmarks (N, 49, 2) float32 pixels of the picture, NaN where not known yet; geometry (N, 9)
    float32, see `registration.geometric_features`; camera (N, 3, 4) world point -> homogeneous
    pixel; rejected (N,) uint8 index in REASONS.
    """

    def __init__(self, count: int):
        self.landmarks = np.full((count, len(LANDMARK_NAMES), 2), np.nan, np.float32)
        self.geometry = np.full((count, len(GEOMETRIC_FEATURES)), np.nan, np.float32)
        self.camera = np.full((count, 3, 4), np.nan)
        self.rejected = np.zeros(count, np.uint8)

    @staticmethod
    def of(count: int, old: tuple[dict, dict], anchors: str) -> Measured:
        """What an earlier run measured, where its landmarks were the same."""
        measured, (meta, columns) = Measured(count), old
        if anchors and meta.get("anchors") == anchors and "landmarks" in columns:
            for name, column in measured.columns().items():
                n = min(count, len(columns[name]))
                column[:n] = columns[name][:n]
        return measured

    def __len__(self) -> int:
        """Rows that are known."""
        return int(np.isfinite(self.landmarks[:, 0, 0]).sum())

    def columns(self) -> dict[str, np.ndarray]:
        return vars(self)

    def open(self, row: int, there: bool, wanted: bool) -> bool:
        """This row is still to be done: no picture and not rejected, or not yet measured."""
        known = bool(np.isfinite(self.landmarks[row, 0, 0]))
        return (not there and not self.rejected[row]) or (wanted and not known)

    def set(self, row: int, shown: Shown) -> None:
        self.landmarks[row], self.camera[row] = shown.landmarks, shown.camera
        self.geometry[row] = geometric_features(shown.landmarks)
        self.rejected[row] = REASONS.index(shown.reason)

    def reasons(self) -> dict[str, int]:
        """How many rows are rejected, by reason."""
        return {r: int((self.rejected == i).sum()) for i, r in enumerate(REASONS) if i}


def sheet_cells(folder: Path, seed: int = 0, count: int = 64) -> list[dict]:
    """Random pictures of a capture with their labels, for the worker's `sheet` command.

    Raises:
        InputError: the folder holds no pictures.
    """
    _, samples = load_arrays(folder / "samples.npz", CED_KIND)
    there = [i for i in range(len(samples["label"])) if _image(folder, i).exists()]
    if not there:
        raise InputError("holds no pictures", file=folder, fix="run the capture first")
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(there, min(count, len(there)), replace=False).tolist())
    cells = []
    for i in chosen:
        label = int(samples["label"][i])
        name = EXPRESSIONS[label] if label >= 0 else "unlabelled"
        cells.append({"file": str(_image(folder, i)), "lines": [f"{i} {name}"]})
    return cells


def _image(folder: Path, row: int) -> Path:
    return folder / "images" / f"{row:06d}.png"


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("exprgen")
    except PackageNotFoundError:  # inside Blender, where it is an extension
        return ""


def _write_text(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


@dataclass(frozen=True)
class Shots:
    """Pictures to be made: native values (K, C) of all controls, looks (K, LOOK_SIZE), files.

    measure: the landmarks are told as well; then a useless picture is not rendered, nor one that is
    there already. The profile needs landmarks for it.
    """

    values: np.ndarray
    looks: np.ndarray
    paths: list[Path]
    measure: bool = False

    def __len__(self) -> int:
        return len(self.paths)


def render_shots(
    profile: RigProfile,
    shots: Shots,
    settings: StudioSettings,
    *,
    processes: int | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    keep: Callable[[int, Shown], None] | None = None,
) -> int:
    """Render pictures, shared out over processes; returns how many were made.

    Args:
        processes: 0 renders in this process (needs bpy); None takes one for each core, but none for
            fewer than 8 pictures each, since each takes about 3 s to start.
        progress: called with (made, all) after each picture, from the calling thread.
        stop: asked about ten times a second; True ends the work, what is made stays.
        keep: called with (number of the shot, what it shows) where `shots.measure`.

    Raises:
        ExprGenError: whatever a process reports, as if it had happened here.
    """
    progress = progress or (lambda made, total: None)
    stop = stop or (lambda: False)
    keep = keep or (lambda shot, shown: None)
    if not len(shots):
        return 0
    if processes is None:
        processes = max(1, min(cores(), len(shots) // 8))
    if processes == 0:
        return _render_here(profile, shots, settings, progress, stop, keep)
    if not settings.threads:
        settings = replace(settings, threads=max(1, cores() // processes))
    with tempfile.TemporaryDirectory(prefix="exprgen_") as folder:
        requests = _write_requests(Path(folder), profile, shots, settings, processes)
        running = [_start(r) for r in requests]
        try:
            return _watch(running, len(shots), progress, stop, keep)
        finally:
            _sweep(running, shots)


def _render_here(profile, shots: Shots, settings, progress: Progress, stop: Stop, keep) -> int:
    with FaceStudio(profile, settings) as studio:
        for made, (values, look, path) in enumerate(
            zip(shots.values, shots.looks, shots.paths, strict=True)
        ):
            if stop():
                return made
            studio.look(Look.from_row(look))
            studio.pose(values)
            shown = studio.shown() if shots.measure else None
            there = shots.measure and Path(path).exists()
            if not there and not (shown and shown.reason):
                studio.render_to(Path(path))
            if shown:
                keep(made, shown)
            progress(made + 1, len(shots))
    return len(shots)


def _write_requests(folder: Path, profile, shots: Shots, settings, processes: int) -> list[Path]:
    """One request a process, every n-th picture each, so that all come to an end together."""
    if profile.path is None:
        raise InputError(f"profile {profile.name!r} was never saved", fix="save it first")
    requests = []
    for share in range(min(processes, len(shots))):
        chosen = slice(share, None, processes)
        request = folder / f"request_{share}.npz"
        meta = {
            "profile": str(profile.path.resolve()),
            "settings": asdict(settings),
            "paths": [str(Path(p).resolve()) for p in shots.paths[chosen]],
            "numbers": list(range(len(shots)))[chosen],
            "measure": shots.measure,
        }
        arrays = {"values": shots.values[chosen], "looks": shots.looks[chosen]}
        save_arrays(request, "exprgen.shots", meta, arrays)
        requests.append(request)
    return requests


def _start(request: Path) -> subprocess.Popen:
    """A Blender that renders a request; its messages come on stdout, its complaints in a file."""
    with open(request.with_suffix(".log"), "wb") as log:
        process = subprocess.Popen(
            [*blender_command("exprgen_addon.studio.capture"), str(request)],
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    process.log = request.with_suffix(".log")
    return process


def package_code(module: str) -> str:
    """Python code that runs `main` of a module of this package in a bare interpreter.

    The package is loaded from its folder under its plain name, so that it need not be installed
    there, nor the extension be enabled. `main` gets the words after the code, and its result ends
    the process.
    """
    root = str(PACKAGE_ROOT)
    return (
        "import importlib, importlib.util as u, sys; "
        f"s = u.spec_from_file_location('exprgen', {os.path.join(root, '__init__.py')!r}, "
        f"submodule_search_locations=[{root!r}]); "
        "m = u.module_from_spec(s); sys.modules['exprgen'] = m; s.loader.exec_module(m); "
        "words = sys.argv[sys.argv.index('--') + 1:] if '--' in sys.argv else sys.argv[1:]; "
        f"sys.exit(importlib.import_module('exprgen.{module}').main(words))"
    )


def blender_command(module: str) -> list[str]:
    """The command that runs `main` of a module of this package, with the words that follow, in a
    Blender without a window."""
    import bpy

    code = package_code(module)
    if bpy.app.binary_path:
        return [
            bpy.app.binary_path, "--background", "--factory-startup", "--python-exit-code", "1",
            "--python-expr", code, "--",
        ]  # fmt: skip
    return [sys.executable, "-c", code]


def _watch(processes: list, total: int, progress: Progress, stop: Stop, keep) -> int:
    """Follow the processes' messages to the end; ends them all on a stop or an error."""
    queue: Queue = Queue()
    for process in processes:
        threading.Thread(target=_read, args=(process, queue), daemon=True).start()
    made, open_ends = 0, len(processes)
    try:
        while open_ends and not stop():
            try:
                process, message = queue.get(timeout=0.1)
            except Empty:
                continue
            if message is None:
                open_ends -= 1
                if process.wait() != 0:
                    raise ExprGenError(f"Blender stopped while rendering ({_last_words(process)})")
            elif message["type"] == "error":
                raise ExprGenError.from_message(message)
            elif message["type"] == "shown":
                keep(message["shot"], Shown.from_json(message))
            else:
                made += 1
                progress(made, total)
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
            process.wait()
    return made


def _sweep(processes: list, shots: Shots) -> None:
    """Remove the pictures that ended processes were in the middle of."""
    for folder in {Path(p).parent for p in shots.paths}:
        for process in processes:
            for part in folder.glob(f".*.{process.pid}.png"):
                part.unlink(missing_ok=True)


def _read(process, queue: Queue) -> None:
    for line in process.stdout:
        with contextlib.suppress(ValueError):  # Blender's own chatter is no message
            message = json.loads(line)
            if isinstance(message, dict) and "type" in message:
                queue.put((process, message))
    queue.put((process, None))


def _last_words(process) -> str:
    with contextlib.suppress(OSError):
        lines = Path(process.log).read_text(errors="replace").strip().splitlines()
        if lines:
            return lines[-1]
    return f"exit code {process.returncode}"


def main(words: list[str]) -> None:
    """A rendering process: makes the pictures of the request whose path is the first word.

    Prints one JSON line for each and ends the process.
    """
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Blender's C code prints every picture it saves
    code = 0
    try:
        meta, arrays = load_arrays(words[0], "exprgen.shots")
        paths = [Path(p) for p in meta["paths"]]
        shots = Shots(arrays["values"], arrays["looks"], paths, meta["measure"])
        profile = load_profile(meta["profile"])
        settings = StudioSettings(**meta["settings"])

        def say(made: int, total: int) -> None:
            print(json.dumps({"type": "progress", "done": made, "total": total}), file=out)

        def keep(shot: int, shown: Shown) -> None:
            message = {"type": "shown", "shot": meta["numbers"][shot], **shown.to_json()}
            print(json.dumps(message), file=out)

        _render_here(profile, shots, settings, say, lambda: False, keep)
    except ExprGenError as error:
        print(json.dumps(error.to_message()), file=out)
        code = error.exit_code
    except BrokenPipeError:  # whoever asked is gone
        code = 1
    except Exception:
        import traceback

        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    with contextlib.suppress(OSError):
        out.flush()
    os._exit(code)  # some Blender add-ons hang the interpreter's own ending


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


def make_folder(folder: Path) -> Path:
    """The folder, made when missing; raises OutputError where it can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"can't be made ({error.strerror})", file=folder, fix="choose a writable folder"
        ) from error
    return folder


def _keep_or_refuse(path: Path, columns: dict[str, np.ndarray]) -> tuple[dict, dict]:
    """(meta, columns) of the capture that is there, if any; refuses to mix two draws."""
    if not path.exists():
        return {}, {}
    meta, old = load_arrays(path, CED_KIND)
    for name in ("values", "looks", "label"):
        a, b = old.get(name), columns[name]
        n = 0 if a is None else min(len(a), len(b))
        if not n or a.shape[1:] != b.shape[1:] or not np.array_equal(a[:n], b[:n]):
            raise OutputError(
                "holds a capture with another seed or of an older character",
                file=path.parent,
                fix="choose another folder or remove this one",
            )
    return meta, old
