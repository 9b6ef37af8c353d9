"""How a face looks to the cameras of a headset: cameras, lamps, what skin, hair and eyes send back.

Light is near infrared: skin is bright and even, hair and lashes are dark, irises pale and pupils
black, since no lamp stands in a camera's axis. Everything is drawn at random within what home-made
and bought headsets show.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...networks.face_model.model import FaceModel
from ...networks.training.shared.headset_lens import Cameras, looking
from ...networks.vocabulary import HEADSET_SIZE

SKIN, EYE, TEETH, FRAME = range(4)
"""Materials."""
PLACES = {
    "left": ((46.0, -24.0, 54.0), (33.0, 3.0, 12.0)),
    "right": ((-46.0, -24.0, 54.0), (-33.0, 3.0, 12.0)),
    "mouth": ((0.0, -58.0, 84.0), (0.0, -75.0, 18.0)),
}
"""Where each camera is and what it looks at, millimetres."""
HALF_VIEW = {"left": 0.66, "right": 0.66, "mouth": 0.56}
"""Radians from the middle of a picture to its edge."""
IRIS, PUPIL = 0.44, (0.14, 0.24)
"""Radians from the gaze: where the iris ends, and within which its pupil does."""
BUMPS = 8
"""Waves of which a skin's unevenness is made."""


@dataclass(frozen=True)
class Headset:
    """cameras of the three views; lamps (3, 3): where each lamp is from its camera, mm (right,
    down, forward); shade: how much darker the corners of a picture are."""

    cameras: Cameras
    lamps: np.ndarray
    shade: float


@dataclass(frozen=True)
class Light:
    """lamp: share of light by the lamps; rest comes from `ambient` (3,), a direction. exposure:
    grey level of the brighter parts; gamma; noise: deviation in grey levels; backdrop: grey level
    of what is behind the face, and its unevenness."""

    lamp: float
    ambient: np.ndarray
    exposure: float
    gamma: float
    noise: float
    backdrop: tuple[float, float]


@dataclass(frozen=True)
class Appearance:
    """How bright each is beside the skin: brows, lashes, lips, beard (and how much of one there
    is), make-up over the eyes; waves (BUMPS, 4) of the skin; pupil, radians; iris: how bright;
    gloss of the skin; glasses: radii (3,) of a frame's rims and their thickness, or None."""

    brows: float
    lashes: float
    lips: float
    beard: float
    lid: float
    waves: np.ndarray
    bumps: float
    pupil: float
    iris: float
    gloss: float
    glasses: np.ndarray | None = None


def draw_headset(rng: np.random.Generator, wide: float = 1.0) -> Headset:
    """A headset; wide: how far its parts stray from the usual."""
    # With less than -0.1 no ray would reach a picture's corners.
    eyes_bend, mouth_bend = np.maximum(rng.normal(0, 0.06, 2) * wide, -0.1)
    both = rng.normal(0, 2.5, 3) * wide
    rows, lamps = [], []
    for name, (place, aim) in PLACES.items():
        side = np.array([-1.0 if name == "right" else 1.0, 1.0, 1.0])
        shift = both * side if name != "mouth" else rng.normal(0, 4.0, 3) * wide
        shift = shift + rng.normal(0, 1.0, 3) * wide
        focal = HEADSET_SIZE / 2 / HALF_VIEW[name] * np.exp(rng.normal(0, 0.07) * wide)
        middle = (HEADSET_SIZE - 1) / 2 + rng.normal(0, 1.0, 2) * wide
        bend = mouth_bend if name == "mouth" else eyes_bend
        aimed = np.array(aim) + rng.normal(0, 2.5, 3) * wide
        roll = rng.normal(0, 0.05) * wide
        rows.append(looking(np.array(place) + shift, aimed, roll, focal, middle, bend).rows)
        lamps.append([*rng.normal(0, 9.0, 2), rng.uniform(-4.0, 2.0)])
    return Headset(Cameras.of(np.stack(rows)), np.array(lamps), float(rng.uniform(0.2, 1.2)))


def draw_light(rng: np.random.Generator, wide: float = 1.0) -> Light:
    """What the lamps, the room and the sensor do."""
    ambient = rng.normal((0.0, 0.6, 0.6), 1.0)
    return Light(
        lamp=float(np.clip(1.0 - abs(rng.normal(0, 0.22)) * wide, 0.35, 1.0)),
        ambient=ambient / np.linalg.norm(ambient),
        exposure=float(rng.uniform(185 - 50 * wide, 185 + 45 * wide)),
        gamma=float(np.exp(rng.normal(0, 0.14) * wide)),
        noise=float(rng.uniform(1.0, 2.5 + 3.0 * wide)),
        backdrop=(float(rng.uniform(0, 25 + 60 * wide)), float(rng.uniform(0, 10 + 30 * wide))),
    )


def draw_appearance(rng: np.random.Generator, marked: bool = False) -> Appearance:
    """A person's looks; marked: changed on purpose by a beard, make-up or glasses."""
    beard = rng.uniform(0.3, 0.7) if (marked and rng.random() < 0.5) or rng.random() < 0.15 else 0.0
    lid = rng.uniform(-0.5, 0.15) if marked and rng.random() < 0.6 else rng.normal(0, 0.05)
    glasses = None
    if (marked and rng.random() < 0.4) or rng.random() < 0.08:
        glasses = np.array([rng.uniform(20, 26), rng.uniform(15, 22), rng.uniform(0.8, 1.8)])
    waves = rng.normal(0, 1, (BUMPS, 4)) * (0.12, 0.12, 0.12, 6.3)
    return Appearance(
        brows=float(rng.uniform(0.3, 0.8)),
        lashes=float(rng.uniform(0.15, 0.6)),
        lips=float(rng.uniform(0.72, 1.05)),
        beard=float(beard),
        lid=float(np.exp(lid)),
        waves=waves,
        bumps=float(rng.uniform(0.02, 0.09)),
        pupil=float(rng.uniform(*PUPIL)),
        iris=float(rng.uniform(0.35, 0.7)),
        gloss=float(rng.uniform(0.02, 0.16)),
        glasses=glasses,
    )


def made_up(appearance: Appearance, rng: np.random.Generator) -> Appearance:
    """The same person on another day: the beard grown or gone, make-up, glasses, a wider pupil."""
    other = draw_appearance(rng, marked=True)
    return replace(other, waves=appearance.waves, brows=appearance.brows)


def painted(model: FaceModel) -> np.ndarray:
    """(V, 5) of the model's points: how much each is brow, lash, lip, bearded, lid. Of the mean
    face, so that a person's keeps its places."""
    points = model.mean

    def near(names: list[str], reach: float) -> np.ndarray:
        marks = points[np.concatenate([model.groups[n] for n in names])]
        away = np.linalg.norm(points[:, None] - marks[None], axis=-1).min(1)
        return np.exp(-((away / reach) ** 2))

    x, y, z = points.T
    sides = ("left", "right")
    lids = [f"lid_{e}_{s}" for e in ("upper", "lower") for s in sides]
    lips = near([f"lip_{p}_{s}" for p in ("border", "contact") for s in ("upper", "lower")], 4.0)
    brows = near([f"brow_{s}" for s in sides], 8.0) * (np.abs(y - 25) < 9)
    bearded = _step(-50.0, -62.0, y) * _step(62.0, 50.0, np.abs(x)) * (z > -25) * (1 - lips)
    around = near([f"lid_upper_{s}" for s in sides], 9.0) * (y > 1.0)
    return np.stack([brows, near(lids, 1.5), lips, bearded, around], 1)


def _step(low: float, high: float, values: np.ndarray) -> np.ndarray:
    share = np.clip((values - low) / (high - low), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def skin_brightness(look: Appearance, place: np.ndarray, paint: np.ndarray) -> np.ndarray:
    """(N,) of points of the skin: place (N, 3) on the mean face, paint (N, 5) of `painted`."""
    waves = np.float32(look.waves)
    bumps = np.cos(place @ waves[:, :3].T + waves[:, 3]).sum(1) / np.sqrt(np.float32(BUMPS))
    brow, lash, lip, bearded, lid = np.clip(paint, 0.0, 1.0).T
    out = 0.7 * (1.0 + look.bumps * bumps)
    for share, bright in ((lid, look.lid), (lip, look.lips), (brow, look.brows)):
        out = out * (1.0 + share * (bright - 1.0))
    if look.beard:
        hairs = np.clip(0.75 + 0.5 * np.cos(place @ (9 * waves[:6, :3]).T).sum(1), 0.2, 1.0)
        out = out * (1.0 - look.beard * bearded * hairs)
    out = out * (1.0 + lash * (look.lashes - 1.0))
    x, y, z = place.T  # what lies behind the lips sees little light
    inside = (np.abs(x) < 25) * (y < -52) * (y > -92) * _step(15.0, 4.0, z)
    return out * (1.0 - 0.8 * inside)


def eye_brightness(look: Appearance, looked: np.ndarray) -> np.ndarray:
    """(N,) of points of an eyeball: looked (N, 3) directions from its centre, z along the gaze."""
    away = np.arctan2(np.hypot(looked[:, 0], looked[:, 1]), looked[:, 2])
    iris = look.iris * (0.9 + 0.1 * np.cos(14 * np.arctan2(looked[:, 1], looked[:, 0])))
    out = np.where(away < IRIS, np.where(away > IRIS - 0.05, 0.6 * iris, iris), 0.75)
    return np.where(away < look.pupil, 0.03, out)


def rims(look: Appearance) -> tuple[np.ndarray, np.ndarray]:
    """Points (V, 3) and triangles (T, 3) of a glasses' frame; nothing without one."""
    if look.glasses is None:
        return np.zeros((0, 3)), np.zeros((0, 3), int)
    around, across = 28, 5
    wide, high, thick = look.glasses
    a, b = np.meshgrid(*(np.linspace(0, 2 * np.pi, n, False) for n in (around, across)))
    ring = np.stack([(wide + thick * np.cos(b)) * np.cos(a),
                     (high + thick * np.cos(b)) * np.sin(a), thick * np.sin(b)], -1)  # fmt: skip
    ring = ring.transpose(1, 0, 2).reshape(-1, 3)
    i = np.arange(around * across)
    right, up = (i + across) % len(i), i - i % across + (i + 1) % across
    corner = (up + across) % len(i)
    faces = np.concatenate([np.stack([i, right, up], 1), np.stack([right, corner, up], 1)])
    both = [ring + np.array([s * 32.0, -1.0, 29.0]) for s in (1, -1)]
    return np.concatenate(both), np.concatenate([faces, faces + len(ring)])
