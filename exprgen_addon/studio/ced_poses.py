"""What each picture of a character database shows: pose, label, light, drawn from a seed.

Numpy only: no picture is made here (see capture.py), so a draw can be repeated, counted and tested
without Blender. Picture `index` of seed `seed` is always drawn by `default_rng([seed, index])`, so
that any share of a database can be made alone, in any order, and a larger one contains the smaller.

Labelled pictures lie on and between the key poses of one expression (Aneja et al. 2018, 4.2.2, who
interpolated between animators' poses). The others cover what the labels leave out, with random
combinations of ARKit channels: they teach the regression from picture to controls and carry no
label, since nobody has said what they express.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from ...networks.characters.profile import (
    Control,
    RigProfile,
    arkit_to_unit,
    channel_matrix,
    from_unit,
    to_unit,
)
from ...networks.solving.coefficients import nearest
from ...networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, EXPRESSIONS, NEUTRAL, ROLES
from .look import Look

UNLABELLED = -1
CYCLE = 10
"""Every ten pictures: one of each expression, then three without a label."""

WEAK = 0.2
"""Poses weaker than this share of a key pose are labelled neutral."""

GAZE_FULL = 0.6
"""Radians of gaze that the ARKit eyeLook channels call 1; about the eye's comfortable range."""

SMALL_ANSWERS = 1e-3
"""Weight of an ARKit channel's square beside that of what it leaves of the controls' values."""

_HEAD_SPREAD = np.array([0.10, 0.14, 0.08])  # pitch, yaw, roll; radians
_HEAD_LIMIT = np.array([0.28, 0.40, 0.22])

# Groups of channels that move together; a name without a side means left and right.
_BROW = (
    ("browInnerUp",),
    ("browDown",),
    ("browOuterUp",),
    ("browInnerUp", "browOuterUp"),
    ("browInnerUp", "browDown"),
)
_EYE = (("eyeWide",), ("eyeSquint",), ("eyeBlink",), ("eyeSquint", "cheekSquint"))
_NOSE = (("noseSneer",), ("noseSneer", "mouthUpperUp"))
_CHEEK = (("cheekPuff",), ("cheekSquint",))
_MOUTH = (
    ("mouthSmile",),
    ("mouthSmile", "mouthDimple"),
    ("mouthFrown",),
    ("mouthFrown", "mouthShrugLower"),
    ("mouthStretch",),
    ("mouthStretch", "mouthLowerDown"),
    ("mouthPress",),
    ("mouthPucker",),
    ("mouthFunnel",),
    ("mouthUpperUp",),
    ("mouthLowerDown",),
    ("mouthUpperUp", "mouthLowerDown"),
    ("mouthRollLower",),
    ("mouthRollUpper", "mouthRollLower"),
    ("mouthShrugLower", "mouthShrugUpper"),
    ("mouthLeft",),
    ("mouthRight",),
    ("mouthDimple",),
)
_JAW = (("jawOpen",), ("jawOpen",), ("jawOpen",), ("jawOpen", "mouthClose"), ("jawForward",),
        ("jawLeft",), ("jawRight",), ("jawOpen", "tongueOut"))  # fmt: skip
_GROUPS = ((_BROW, 0.75), (_EYE, 0.6), (_NOSE, 0.25), (_CHEEK, 0.2), (_MOUTH, 0.85), (_MOUTH, 0.35),
           (_JAW, 0.5))  # fmt: skip

# Mouth shapes of speech (jawOpen, then what goes with it), each at full strength.
_SPEECH = (
    {"jawOpen": 0.55, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2},
    {"jawOpen": 0.30, "mouthFunnel": 0.8},
    {"jawOpen": 0.12, "mouthPucker": 0.9},
    {"jawOpen": 0.18, "mouthStretchLeft": 0.4, "mouthStretchRight": 0.4},
    {"mouthPressLeft": 0.6, "mouthPressRight": 0.6, "mouthRollLower": 0.3, "mouthRollUpper": 0.3},
    {"jawOpen": 0.10, "mouthRollLower": 0.7, "mouthUpperUpLeft": 0.2, "mouthUpperUpRight": 0.2},
    {"jawOpen": 0.25, "mouthUpperUpLeft": 0.25, "mouthUpperUpRight": 0.25},
)


@dataclass(frozen=True)
class Samples:
    """N drawn pictures of one character.

    units (N, M) unit values of the expression controls; values (N, C) native values of every
    control of the profile; label (N,) index in EXPRESSIONS or UNLABELLED; arkit (N, 52) the
    intended ARKit vector; intensity (N,) share of the key pose; head (N, 3) pitch, yaw, roll and
    gaze (N, 2) yaw, pitch, radians (see vocabulary.ROLES); looks (N, LOOK_SIZE).
    """

    units: np.ndarray
    values: np.ndarray
    label: np.ndarray
    arkit: np.ndarray
    intensity: np.ndarray
    head: np.ndarray
    gaze: np.ndarray
    looks: np.ndarray

    def __len__(self) -> int:
        return len(self.label)


def draw_samples(profile: RigProfile, seed: int, indices) -> Samples:
    """Draw the pictures `indices` of seed `seed` (both non-negative)."""
    drawer = _Drawer(profile)
    drawn = [drawer.draw(np.random.default_rng([seed, int(i)]), int(i)) for i in indices]
    columns = {name: np.array([d[name] for d in drawn]) for name in drawn[0]} if drawn else {}
    if not drawn:
        raise ValueError("no pictures asked for")
    intended = columns.pop("intended")
    units = columns["units"]
    # A pose made of channels is its own intention; a key pose's is what comes nearest to it.
    known = np.isfinite(intended).all(axis=1)
    arkit = np.where(known[:, None], intended, arkit_from_unit(drawer.expression, units))
    looking = [i for i, name in enumerate(ARKIT_CHANNELS) if name.startswith("eyeLook")]
    arkit[:, looking] = gaze_channels(columns["gaze"])[:, looking]
    return Samples(**columns, arkit=arkit.astype(np.float32))


def arkit_from_unit(controls: tuple[Control, ...], units: np.ndarray) -> np.ndarray:
    """Unit values (N, M) -> the ARKit weights (N, 52) in [0, 1] that come nearest to them through
    the controls' `channels`, small ones where several would do. Channels that no control follows
    stay 0."""
    matrix = channel_matrix(controls)
    smallness = np.sqrt(SMALL_ANSWERS) * np.eye(len(matrix))
    nothing = np.zeros((len(units), len(matrix)))
    return nearest(np.hstack([matrix, smallness]), np.hstack([units, nothing]))


def class_balance(label: np.ndarray) -> dict[str, int]:
    """How many pictures each expression has, "unlabelled" last."""
    counts = {name: int((label == i).sum()) for i, name in enumerate(EXPRESSIONS)}
    return {**counts, "unlabelled": int((label == UNLABELLED).sum())}


class _Drawer:
    """Draws pictures of one character; holds what does not change between them."""

    def __init__(self, profile: RigProfile):
        self.controls = profile.controls
        self.expression = profile.expression_controls
        self.columns = np.array([profile.names.index(c.name) for c in self.expression], int)
        self.by_role = {c.role: i for i, c in enumerate(self.controls) if c.role}
        self.turns_head = any(r in self.by_role for r in ROLES[:3])
        self.free = np.array([not c.channels for c in self.expression])
        names = [c.name for c in self.controls]
        mirrors = [names.index(c.mirror) if c.mirror else -1 for c in self.controls]
        self.pairs = [
            (i, j)
            for i, j in enumerate(mirrors)
            if j > i and self.controls[i].output == "expression"
        ]
        rest = np.array([c.rest for c in self.controls])
        self.poses: dict[int, list[np.ndarray]] = {}
        for pose in profile.key_poses:
            values = rest.copy()
            for name, value in pose.values.items():
                values[names.index(name)] = value
            units = to_unit(self.controls, values)
            self.poses.setdefault(EXPRESSIONS.index(pose.expression), []).append(units)
        self.poses.setdefault(NEUTRAL, [np.zeros(len(names))])

    def draw(self, rng: np.random.Generator, index: int) -> dict:
        """One picture's columns; `intended` is NaN where it has to be solved for."""
        slot = index % CYCLE
        if slot in self.poses:
            units, label, intensity = self._key_pose(rng, slot)
            intended = np.full(len(ARKIT_CHANNELS), np.nan)
        else:
            units, intended, intensity = self._channels(rng)
            label = UNLABELLED
        if label != UNLABELLED and rng.random() < 0.25:
            self._speak(rng, units, label)
        self._blink(rng, units, intended, label)
        head, gaze, look = self._head(rng), self._gaze(rng), random_look(rng)
        values = from_unit(self.controls, np.clip(units, -1.0, 1.0))
        self._aim(values, head, gaze)
        if not self.turns_head:
            look = Look(**{**asdict(look), "orbit": tuple(head)})
        return {
            # Through the limits and back, so that a label never says what the rig can't show.
            "units": to_unit(self.controls, values)[self.columns].astype(np.float32),
            "values": values.astype(np.float32),
            "label": np.int64(label),
            "intended": intended,
            "intensity": np.float32(intensity),
            "head": head.astype(np.float32),
            "gaze": gaze.astype(np.float32),
            "looks": look.to_row(),
        }

    def _key_pose(self, rng, label: int) -> tuple[np.ndarray, int, float]:
        """A point on or between two key poses of one expression, at some intensity."""
        poses = self.poses[label]
        pose = poses[rng.integers(len(poses))]
        if rng.random() < 0.5:
            pose = pose + rng.random() * (poses[rng.integers(len(poses))] - pose)
        intensity = rng.uniform(0.35, 1.1)
        if label == NEUTRAL:
            intensity = 1.0
        elif rng.random() < 0.12:  # so weak that it no longer reads
            intensity, label = rng.uniform(0.02, WEAK - 0.02), NEUTRAL
        units = pose * intensity
        units = units * (1.0 + 0.12 * rng.standard_normal(len(units)))
        self._lean(rng, units)
        return units, label, min(intensity, 1.0)

    def _lean(self, rng, units: np.ndarray) -> None:
        """Weaken one side of the face, in some pictures."""
        if rng.random() > 0.3:
            return
        weaker, keep = rng.integers(2), rng.uniform(0.4, 0.95)
        for pair in self.pairs:
            units[pair[weaker]] *= keep

    def _channels(self, rng) -> tuple[np.ndarray, np.ndarray, float]:
        """A random but anatomical combination of ARKit channels, and free controls."""
        arkit = np.zeros(len(ARKIT_CHANNELS))
        for groups, chance in _GROUPS:
            if rng.random() < chance:
                _raise(rng, arkit, groups[rng.integers(len(groups))], rng.uniform(0.1, 1.0))
        jaw = arkit[ARKIT_INDEX["jawOpen"]]
        for name in ("mouthClose", "tongueOut"):  # neither is possible without an open jaw
            arkit[ARKIT_INDEX[name]] = min(arkit[ARKIT_INDEX[name]], jaw)
        units = np.zeros(len(self.controls))
        units[self.columns] = arkit_to_unit(self.expression, arkit)
        if self.free.any() and rng.random() < 0.4:
            chosen = self.columns[self.free & (rng.random(len(self.free)) < 0.3)]
            units[chosen] = rng.uniform(-0.8, 0.8, len(chosen))
        return units, arkit, float(arkit.max())

    def _speak(self, rng, units: np.ndarray, label: int) -> None:
        arkit = np.zeros(len(ARKIT_CHANNELS))
        # On a neutral face a wide open mouth would read as surprise.
        strength = rng.uniform(0.2, 0.6) * (0.6 if label == NEUTRAL else 1.0)
        for name, weight in _SPEECH[rng.integers(len(_SPEECH))].items():
            arkit[ARKIT_INDEX[name]] = weight * strength
        units[self.columns] += arkit_to_unit(self.expression, arkit)

    def _blink(self, rng, units: np.ndarray, intended: np.ndarray, label: int) -> None:
        """Half or fully closed lids, rarely where wide eyes make the expression."""
        wide = label >= 0 and EXPRESSIONS[label] in ("fear", "surprise")
        if rng.random() > (0.04 if wide else 0.12):
            return
        amount = min(rng.uniform(0.3, 1.2), 1.0)
        for side in ("left", "right"):
            column = self.by_role.get(f"blink_{side}")
            if column is not None:
                units[column] = max(units[column], amount)
                channel = ARKIT_INDEX[f"eyeBlink{side.capitalize()}"]
                intended[channel] = np.maximum(intended[channel], amount)  # NaN stays NaN

    def _head(self, rng) -> np.ndarray:
        if rng.random() < 0.25:
            return np.zeros(3)
        return np.clip(rng.standard_normal(3) * _HEAD_SPREAD, -_HEAD_LIMIT, _HEAD_LIMIT)

    def _gaze(self, rng) -> np.ndarray:
        if rng.random() < 0.4:
            return np.zeros(2)
        return np.clip(rng.standard_normal(2) * (0.18, 0.11), (-0.45, -0.3), (0.45, 0.3))

    def _aim(self, values: np.ndarray, head: np.ndarray, gaze: np.ndarray) -> None:
        """Add head and gaze to the controls that turn them; limits hold."""
        angles = dict(zip(ROLES[:3], head, strict=True))
        for eye in ("left", "right"):
            angles[f"gaze_{eye}_yaw"], angles[f"gaze_{eye}_pitch"] = gaze
        for role, angle in angles.items():
            column = self.by_role.get(role)
            if column is not None:
                control = self.controls[column]
                values[column] = np.clip(values[column] + angle, control.minimum, control.maximum)


def _raise(rng, arkit: np.ndarray, group: tuple[str, ...], amount: float) -> None:
    """Raise a group's channels, sometimes more on one side."""
    keep = np.ones(2)
    if rng.random() < 0.3:
        keep[rng.integers(2)] = rng.random()
    for name in group:
        share = amount * rng.uniform(0.6, 1.0)
        if name in ARKIT_INDEX:
            arkit[ARKIT_INDEX[name]] = max(arkit[ARKIT_INDEX[name]], share)
            continue
        for side, factor in zip(("Left", "Right"), keep, strict=True):
            channel = ARKIT_INDEX[name + side]
            arkit[channel] = max(arkit[channel], share * factor)


def gaze_channels(gaze: np.ndarray) -> np.ndarray:
    """Gaze (N, 2) yaw, pitch of both eyes, radians -> (N, 52), only the eyeLook channels set."""
    out = np.zeros((len(gaze), len(ARKIT_CHANNELS)))
    yaw, pitch = np.clip(gaze / GAZE_FULL, -1.0, 1.0).T
    channels = {
        "eyeLookOutLeft": yaw, "eyeLookInRight": yaw,
        "eyeLookInLeft": -yaw, "eyeLookOutRight": -yaw,
        "eyeLookDownLeft": pitch, "eyeLookDownRight": pitch,
        "eyeLookUpLeft": -pitch, "eyeLookUpRight": -pitch,
    }  # fmt: skip
    for name, values in channels.items():
        out[:, ARKIT_INDEX[name]] = np.maximum(values, 0.0)
    return out


def random_look(rng) -> Look:
    """A random portrait light and background."""

    def tint(spread: float) -> tuple[float, float, float]:
        warmth = rng.uniform(-spread, spread)
        return (1.0 + min(warmth, 0.0), 1.0 - abs(warmth) * 0.5, 1.0 - max(warmth, 0.0))

    grey = rng.uniform(0.01, 0.7)
    return Look(
        key_azimuth=rng.uniform(-1.1, 1.1),
        key_elevation=rng.uniform(0.1, 1.0),
        key=float(np.exp(rng.uniform(np.log(0.4), np.log(1.3)))),
        ambient=rng.uniform(0.5, 1.4),
        key_tint=tint(0.2),
        tint=tint(0.15),
        background=tuple(float(v) for v in grey * rng.uniform(0.7, 1.0, 3)),
        zoom=rng.uniform(0.85, 1.1),
        shift=tuple(float(v) for v in rng.normal(0.0, 0.02, 2)),
    )
