"""What a talker does beside the sounds: feelings with onset and fade, head, gaze, blinks, unrest.

Feelings are the key poses of `key_poses` (FACS). While the mouth is busy with speech they live in
brows, lids, nose, cheeks and the corners of the mouth, and what speech itself needs is left to it;
in the pauses the whole pose comes back. Everything is drawn from a seed, numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....exprgen_addon.studio.ced_poses import gaze_channels
from ....networks.characters.key_poses import POSES, arkit_weights, label
from ....networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, EXPRESSIONS, NEUTRAL
from ..reference import blink_curve
from ..stylise import smooth
from .coarticulation import Articulation

STRENGTHS = (0.4, 0.7, 1.0)
"""How strong a feeling is shown: a little, clearly, fully; shares of a key pose."""
SHOWN = 0.2
"""A feeling weaker than this share of its pose counts as neutral (as `ced_poses.WEAK`)."""
BUSY = {"mouthSmile": 0.75, "mouthFrown": 0.7, "mouthDimple": 0.7, "mouthStretch": 0.5,
        "mouthUpperUp": 0.55, "mouthLowerDown": 0.4, "mouthShrugLower": 0.3, "mouthPress": 0.25,
        "mouthShrugUpper": 0.3, "jawForward": 0.5}  # fmt: skip
"""Share that a feeling keeps of a channel while the mouth speaks; other mouth and jaw channels are
the speech's own, those of brows, eyes, nose and cheeks stay whole."""
AWAY = 0.6
"""Share that a feeling at its full pose takes away of what a face does for what is said."""
_SPEECH_ONLY = ("mouth", "jaw", "tongue")


@dataclass(frozen=True)
class Feeling:
    """A feeling that comes at `start`, is whole after `onset`, and fades in the last `fade` seconds
    before `end`. pose: of POSES. strength: share of the pose."""

    pose: str
    strength: float
    start: float
    end: float
    onset: float = 0.5
    fade: float = 0.7

    @property
    def expression(self) -> int:
        return EXPRESSIONS.index(label(self.pose))


@dataclass(frozen=True)
class Acting:
    """What is done over N frames.

    arkit (N, 52): all but contacts. head (N, 3) pitch, yaw, roll and gaze (N, 2) yaw, pitch,
    radians (vocabulary.ROLES). blink (N,): 0..1. expression (N,): index in EXPRESSIONS of what is
    felt, strength (N,): share of its pose, 0 where neutral.
    """

    arkit: np.ndarray
    head: np.ndarray
    gaze: np.ndarray
    blink: np.ndarray
    expression: np.ndarray
    strength: np.ndarray


def act(
    rng: np.random.Generator, spoken: Articulation, feelings: Sequence[Feeling], times: np.ndarray,
    accents: np.ndarray, beside: np.ndarray | None = None, nods: np.ndarray | float = 0.0,
) -> Acting:  # fmt: skip
    """Everything a talker does, drawn from `rng`.

    Args:
        accents: (A,) seconds of stressed syllables, at which the head nods. beside: (N, 52) what
            the face does beside speech while nothing is felt. nods: (N,) radians beside those.
    """
    felt, expression, strength = feel(rng, feelings, spoken.active, times)
    if beside is not None:
        less = 1.0 - AWAY * strength[:, None]  # who feels much has less to spare
        felt = np.maximum(felt, less * beside * kept_beside_speech(spoken.active))
    arkit = blend(spoken.arkit, felt) + unrest(rng, times)
    head = head_motion(rng, times, accents, nods)
    gaze = glances(rng, times, head)
    blink = blink_curve(times, blink_moments(rng, times[-1]))
    arkit = np.clip(_uneven(rng, arkit), 0.0, 1.0)
    for side in ("Left", "Right"):
        column = ARKIT_INDEX[f"eyeBlink{side}"]
        arkit[:, column] = np.maximum(arkit[:, column], blink)
    arkit = np.clip(arkit + gaze_channels(gaze), 0.0, 1.0)
    return Acting(arkit, head, gaze, blink, expression, strength)


def feel(rng, feelings: Sequence[Feeling], active: np.ndarray, times: np.ndarray):
    """Weights (N, 52) of the feelings, the index (N,) of the one shown, its strength (N,)."""
    arkit = np.zeros((len(times), len(ARKIT_CHANNELS)))
    expression = np.full(len(times), NEUTRAL)
    strength = np.zeros(len(times))
    kept = kept_beside_speech(active)
    for feeling in feelings:
        amount = feeling.strength * envelope(feeling, times)
        pose = np.array(arkit_weights(POSES[feeling.pose]))
        pose = pose * (1.0 + 0.12 * rng.standard_normal(len(pose)))
        arkit += amount[:, None] * pose * kept
        more = (amount > strength) & (amount >= SHOWN)
        expression[more], strength[more] = feeling.expression, amount[more]
    return np.clip(arkit, 0, 1), expression, strength


def kept_beside_speech(active: np.ndarray) -> np.ndarray:
    """(N, 52) share that a feeling keeps of each channel while the mouth is busy, (N,) 0..1."""
    busy = np.array([_share(name) for name in ARKIT_CHANNELS])
    return 1.0 - np.asarray(active)[:, None] * (1.0 - busy)


def envelope(feeling: Feeling, times: np.ndarray) -> np.ndarray:
    """(N,) 0..1: how far a feeling has come."""
    rise = smooth(feeling.start, feeling.start + feeling.onset, times)
    return rise * smooth(feeling.end, feeling.end - feeling.fade, times)


def blend(spoken: np.ndarray, felt: np.ndarray) -> np.ndarray:
    """Speech (N, 52) with a feeling (N, 52): sums, but what excludes each other makes room, rounded
    lips for a smile's or a frown's width and the other way round."""
    total = np.maximum(spoken, felt) + 0.5 * np.minimum(spoken, felt)
    rounded = spoken[:, [ARKIT_INDEX["mouthPucker"], ARKIT_INDEX["mouthFunnel"]]].max(1)
    for name in ("mouthSmile", "mouthStretch", "mouthDimple", "mouthFrown"):
        for side in ("Left", "Right"):
            total[:, ARKIT_INDEX[name + side]] *= 1.0 - 0.8 * rounded
    wide = felt[:, ARKIT_INDEX["mouthSmileLeft"]]
    for name in ("mouthPucker", "mouthFunnel"):
        total[:, ARKIT_INDEX[name]] *= 1.0 - 0.25 * wide
    return np.clip(total, 0.0, 1.0)


def unrest(rng, times: np.ndarray, size: float = 0.02) -> np.ndarray:
    """(N, 52) slow small motion that no face is without, both sides almost alike."""
    names = ("browInnerUp", "browDown", "browOuterUp", "eyeSquint", "cheekSquint", "mouthSmile",
             "mouthFrown", "mouthPress", "noseSneer")  # fmt: skip
    out = np.zeros((len(times), len(ARKIT_CHANNELS)))
    for name in names:
        both = wander(rng, times, 0.7)
        for channel in [c for c in ARKIT_CHANNELS if c.startswith(name)]:
            own = both + 0.3 * wander(rng, times, 1.2)
            out[:, ARKIT_INDEX[channel]] = size * (1.0 + own)
    return out


def nod(times: np.ndarray, moment: float) -> np.ndarray:
    """(N,) 0..1: the course of one nod."""
    return np.exp(-(((times - moment) / 0.12) ** 2))


def wander(rng, times: np.ndarray, rate: float) -> np.ndarray:
    """(N,) smooth noise of deviation 1: five sines of random phase up to `rate` a second."""
    rates = rate * rng.uniform(0.15, 1.0, 5)
    phases = rng.uniform(0, 2 * np.pi, 5)
    return np.sin(2 * np.pi * np.asarray(times)[:, None] * rates + phases).sum(1) / np.sqrt(2.5)


def head_motion(
    rng, times: np.ndarray, accents: np.ndarray, nods: np.ndarray | float = 0.0
) -> np.ndarray:
    """(N, 3) radians: wandering about an own posture, with small nods on stressed syllables, and
    others (N,) beside them."""
    posture = np.radians(rng.normal(0, (2.5, 6.0, 2.0)))
    sizes = np.radians(rng.uniform(0.5, 1.3) * np.array([2.0, 3.5, 1.6]))
    head = posture + sizes * np.stack([wander(rng, times, 0.5) for _ in range(3)], axis=1)
    for moment in accents:
        head[:, 0] += np.radians(rng.uniform(0.0, 2.2)) * nod(times, moment)
    head[:, 0] += nods
    return np.clip(head, -np.radians((12, 20, 9)), np.radians((12, 20, 9)))


def glances(rng, times: np.ndarray, head: np.ndarray) -> np.ndarray:
    """(N, 2) gaze in the head, radians: at the camera for the most part, with quick changes; the
    eyes hold what they look at while the head moves."""
    aim = np.zeros((len(times), 2))
    moment, target = 0.0, np.zeros(2)
    while moment < times[-1]:
        away = rng.random() < 0.35
        new = rng.normal(0, (0.16, 0.08)) if away else rng.normal(0, (0.02, 0.015))
        way = smooth(moment - 0.02, moment + 0.03, times)[:, None]
        aim += way * (new - target)
        target = new
        moment += rng.uniform(0.3, 0.9) if away else rng.uniform(0.6, 2.2)
    gaze = aim - 0.8 * head[:, [1, 0]]
    return np.clip(gaze, (-0.5, -0.35), (0.5, 0.35))


def blink_moments(rng, seconds: float) -> np.ndarray:
    """(B,) seconds of blinks: about every three seconds, now and then two."""
    moments, moment = [], rng.uniform(0.3, 2.0)
    while moment < seconds:
        moments.append(moment)
        if rng.random() < 0.12:
            moments.append(moment + 0.35)
        moment += rng.uniform(1.5, 5.0)
    return np.array(moments)


def _share(channel: str) -> float:
    if not channel.startswith(_SPEECH_ONLY):
        return 1.0
    return BUSY.get(channel.removesuffix("Left").removesuffix("Right"), 0.0)


def _uneven(rng, arkit: np.ndarray) -> np.ndarray:
    """One side a little weaker, differently in each person and part of the face."""
    out = arkit.copy()
    for part in ("brow", "cheek", "mouth", "nose"):
        weaker, keep = rng.choice(("Left", "Right")), rng.uniform(0.8, 1.0)
        for channel in ARKIT_CHANNELS:
            if channel.startswith(part) and channel.endswith(weaker):
                out[:, ARKIT_INDEX[channel]] *= keep
    return out
